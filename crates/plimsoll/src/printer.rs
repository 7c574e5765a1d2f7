//! The only place that writes to the terminal: data to stdout, everything else to stderr.
//!
//! Colour is dropped by `anstream` when the stream is not a terminal or `NO_COLOR` is set, and never carries meaning alone.
//! A reader that closed its end (`plimsoll events | head`) ends the output, not the program: write errors are ignored.

use std::io::Write;

use anstyle::{AnsiColor, Style};

/// Handle through which subcommands speak.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Printer;

const BOLD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

impl Printer {
    /// A line of data.
    pub(crate) fn data(self, line: impl AsRef<str>) {
        let _ = writeln!(anstream::stdout().lock(), "{}", line.as_ref());
    }

    /// A JSON value as data.
    pub(crate) fn json(self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.data(text),
            Err(error) => self.error(format!("cannot write JSON: {error}"), None),
        }
    }

    /// Something the user should know that is not data.
    pub(crate) fn note(self, line: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", line.as_ref());
    }

    /// A heading among notes.
    pub(crate) fn heading(self, line: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{BOLD}{}{BOLD:#}", line.as_ref());
    }

    /// Asks something on a terminal that can be answered with yes; anything else is no.
    pub(crate) fn is_agreed(self, question: impl AsRef<str>) -> bool {
        let mut stderr = anstream::stderr().lock();
        let _ = write!(stderr, "{} [y/N] ", question.as_ref());
        let _ = stderr.flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// A failure, with what to do about it.
    pub(crate) fn error(self, message: impl AsRef<str>, hint: Option<&str>) {
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "{ERROR}error{ERROR:#}: {}", message.as_ref());
        if let Some(hint) = hint {
            let _ = writeln!(stderr, "{HINT}hint{HINT:#}: {hint}");
        }
    }
}
