//! `plimsoll validate`: every mistake in a stack file, as `file:line:column: what. hint: how`.

use std::path::Path;

use crate::{exit::ExitStatus, printer::Printer, stack_file};

pub(crate) fn run(file: &Path, printer: Printer) -> ExitStatus {
    match stack_file::read(file) {
        Ok(stack) => {
            for warning in stack_file::warnings(&stack) {
                printer.note(format!("{}: warning: {warning}", file.display()));
            }
            let services = stack.services.len();
            let plural = if services == 1 { "" } else { "s" };
            printer.data(format!(
                "{}: valid: stack `{}` with {services} service{plural}",
                file.display(),
                stack.name
            ));
            ExitStatus::Success
        }
        Err(mistakes) => {
            printer.note(mistakes.to_string());
            ExitStatus::Misuse
        }
    }
}
