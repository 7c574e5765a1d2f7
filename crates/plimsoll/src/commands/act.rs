//! The subcommands whose whole result is what the running stack answered.

use crate::{exit::ExitStatus, printer::Printer};

/// Prints the one sentence of an action.
pub(crate) fn say(message: String, printer: Printer) -> anyhow::Result<ExitStatus> {
    list(vec![message], printer)
}

/// Prints lines as they are.
pub(crate) fn list(lines: Vec<String>, printer: Printer) -> anyhow::Result<ExitStatus> {
    for line in lines {
        printer.data(line);
    }
    Ok(ExitStatus::Success)
}
