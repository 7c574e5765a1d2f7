//! The exec step: the last thing that runs before an instance's own program, in the instance's process.
//!
//! It exists because limits must be in place and the process must be known to the guard before the first
//! instruction of the program, and because safe Rust cannot run code between fork and exec. Standard input
//! is one end of a socket pair: the step waits for a line with its limit (by then plimsoll has registered
//! the process), sets the limit, and becomes the program. The socket closes by itself when that succeeds;
//! otherwise the error travels back through it. Standard input of the program is empty.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Stands for "no limit" in the line that plimsoll sends.
pub(crate) const UNLIMITED: &str = "-";
/// End of that line: the program may start.
pub(crate) const GO: char = '\n';
/// Longest line that makes sense: a number.
const LINE_BYTES: u64 = 32;

/// Body of the hidden subcommand that `FleetConfig::exec_command` names. `arguments` are those after the
/// subcommand: path of the program, then its arguments beginning with the name it was called by. Call it
/// before anything else is set up; on success it does not return.
pub fn run_exec(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // The copy is closed by a successful exec, which standard input itself would not be.
    let Ok(own) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(126) };
    let mut plimsoll = UnixStream::from(own);
    let mut line = String::new();
    let read = BufReader::new(&plimsoll).take(LINE_BYTES).read_line(&mut line);
    let Some(limit) = line.strip_suffix(GO).filter(|_| read.is_ok()) else {
        // Plimsoll died before it said so.
        return ExitCode::from(125);
    };
    let error = become_program(limit, arguments.into_iter());
    let _ = plimsoll.write_all(error.as_bytes());
    ExitCode::from(127)
}

/// Replaces this process; returns why that failed.
fn become_program(limit: &str, mut arguments: impl Iterator<Item = OsString>) -> String {
    let (Some(program), Some(name)) = (arguments.next(), arguments.next()) else {
        return "exec step called without program and name".to_owned();
    };
    if limit != UNLIMITED {
        let Ok(bytes) = limit.parse() else { return "the memory limit is not a number".to_owned() };
        if let Err(error) = limit_data(bytes) {
            return format!("cannot set the memory limit: {error}");
        }
    }
    Command::new(program).arg0(name).args(arguments).stdin(Stdio::null()).exec().to_string()
}

/// Sets `RLIMIT_DATA`, soft and hard, so that the program cannot raise it again; an even lower limit that
/// is in force already stays.
fn limit_data(bytes: u64) -> rustix::io::Result<()> {
    let bytes = getrlimit(Resource::Data).maximum.map_or(bytes, |now| now.min(bytes));
    setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })
}
