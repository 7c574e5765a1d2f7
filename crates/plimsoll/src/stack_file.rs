//! Reads a stack file from disk without ever holding more of it than a stack file may have.

use std::{fs::File, io::Read, path::Path};

use plimsoll_control::signal::NAMES;
use plimsoll_scale::spec::{MetricId, MetricSpec};
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

/// The content of `path`, at most one byte more than a stack file may have: enough for the parser to refuse it. What is
/// no file is refused unopened: a pipe without a writer would be waited for without end.
pub(crate) fn read_bounded(path: &Path) -> Result<Vec<u8>, StackFileError> {
    let name = path.display();
    let unreadable = |error: std::io::Error| {
        StackFileError::Unreadable(format!("{name}: {error}. hint: give the path of a readable file"))
    };
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if kind.is_dir() {
        let hint = "give the path of the file in it";
        return Err(StackFileError::Unreadable(format!("{name}: this is a directory. hint: {hint}")));
    }
    if !kind.is_file() {
        let hint = "write what comes out of it into a file first";
        return Err(StackFileError::Unreadable(format!("{name}: this is a pipe or device. hint: {hint}")));
    }
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
        for (section, policy) in [("", &service.scaling), (" under `shadow`", &service.shadow)] {
            let Some(policy) = policy else { continue };
            for metric in &policy.hpa.metrics {
                let place = format!("service `{name}`, metric `{}`{section}", metric.name());
                match metric {
                    MetricSpec::External { metric, .. } => warnings.extend(emitted(&place, metric)),
                    MetricSpec::Pods { .. } | MetricSpec::Object { .. } => {
                        let kind = metric.kind();
                        warnings.push(format!(
                            "{place}: nobody reads metrics of type {kind} on one machine, so it has no say. hint: an \
                             External metric of the queue or the edge says the same"
                        ));
                    }
                    _ => {}
                }
            }
            for (signal, metric) in policy.formula.iter().flat_map(|formula| &formula.signals) {
                let place = format!("service `{name}`, signal `{signal}` of the formula{section}");
                warnings.extend(emitted(&place, metric));
            }
        }
    }
    warnings
}

/// A warning when nobody emits the metric.
fn emitted(place: &str, metric: &MetricId) -> Option<String> {
    let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
    let unknown = !known.contains(&metric.name.as_str());
    unknown.then(|| {
        let (name, known) = (&metric.name, known.join(", "));
        format!("{place}: nobody emits `{name}` here, so it has no say. hint: known are {known}")
    })
}

impl std::fmt::Display for StackFileError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(message) => formatter.write_str(message),
            Self::Mistakes(mistakes) => mistakes.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests;
