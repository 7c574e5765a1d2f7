//! Reads a stack file from disk without ever holding more of it than a stack file may have.

use std::{fs::File, io::Read, path::Path};

use plimsoll_control::signal::NAMES;
use plimsoll_scale::spec::MetricSpec;
use plimsoll_stack::Stack;

/// Why there is no stack.
#[derive(Debug)]
pub(crate) enum StackFileError {
    /// The file cannot be read.
    Unreadable(String),
    /// The file was read and holds mistakes.
    Mistakes(plimsoll_stack::Diagnostics),
}

/// Reads and validates `path`.
pub(crate) fn read(path: &Path) -> Result<Stack, StackFileError> {
    let source = read_bounded(path)?;
    plimsoll_stack::parse(&path.display().to_string(), &source).map_err(StackFileError::Mistakes)
}

/// The content of `path`, at most one byte more than a stack file may have: enough for the parser to refuse it.
pub(crate) fn read_bounded(path: &Path) -> Result<Vec<u8>, StackFileError> {
    let unreadable = |error: std::io::Error| {
        let name = path.display();
        StackFileError::Unreadable(format!("{name}: {error}. hint: give the path of a readable file"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut source = Vec::new();
    let limit = plimsoll_stack::MAX_FILE_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut source).map_err(unreadable)?;
    Ok(source)
}

/// What is valid and still will not do what its author expects.
pub(crate) fn warnings(stack: &Stack) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, service) in &stack.services {
        for metric in service.scaling.iter().flat_map(|scaling| &scaling.hpa.metrics) {
            let place = format!("service `{name}`, metric `{}`", metric.name());
            match metric {
                MetricSpec::External { metric, .. }
                    if !NAMES.iter().any(|(known, _)| *known == metric.name) =>
                {
                    let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                    warnings.push(format!(
                        "{place}: nobody emits it here, so it has no say. hint: known are {}",
                        known.join(", ")
                    ));
                }
                MetricSpec::Pods { .. } | MetricSpec::Object { .. } => {
                    warnings.push(format!(
                        "{place}: this version reads Resource and External metrics only, so it has no say"
                    ));
                }
                _ => {}
            }
        }
    }
    warnings
}

impl std::fmt::Display for StackFileError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(message) => formatter.write_str(message),
            Self::Mistakes(mistakes) => mistakes.fmt(formatter),
        }
    }
}
