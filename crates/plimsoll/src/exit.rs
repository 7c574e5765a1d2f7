//! How a command ends, as promised to scripts.

use std::process::ExitCode;

/// The exit status of every subcommand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: done.
    Success,
    /// 1: the asked-for thing did not hold, or nothing runs that could do it.
    Failure,
    /// 2: wrong use or bad input.
    Misuse,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Misuse => 2,
        })
    }
}
