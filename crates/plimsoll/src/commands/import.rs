//! `plimsoll import`: the stack file to stdout, what has no equivalent to stderr.

use std::path::Path;

use crate::{exit::ExitStatus, printer::Printer, stack_file};

pub(crate) fn run(file: &Path, printer: Printer) -> ExitStatus {
    let source = match stack_file::read_bounded(file) {
        Ok(source) => source,
        Err(error) => {
            printer.note(error.to_string());
            return ExitStatus::Misuse;
        }
    };
    match plimsoll_stack::import(&file.display().to_string(), &source) {
        Ok(imported) => {
            printer.data(imported.stack_yaml_fragment.trim_end());
            if !imported.notes.is_empty() {
                printer.note(imported.report());
            }
            ExitStatus::Success
        }
        Err(mistakes) => {
            printer.note(mistakes.to_string());
            ExitStatus::Misuse
        }
    }
}
