//! The real program, started as a stack would start it.

use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A process that ends with the value.
pub(crate) struct Process(Child);

/// The program with these arguments and variables, and no others of ours.
pub(crate) fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    // No orphan, even if the test itself is killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_plimsoll-kafka")]);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("KAFKA_") || n.starts_with("PLIMSOLL_")) {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

pub(crate) fn output(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    program(arguments, variables).output().unwrap()
}

// === impl Process ===

impl Process {
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let quiet = std::env::var_os("RUST_LOG").is_none();
        let told = || if quiet { Stdio::null() } else { Stdio::inherit() };
        Self(program(arguments, variables).stdout(told()).stderr(told()).spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Whether it has ended, and well.
    pub(crate) fn ended(&mut self) -> Option<bool> {
        self.0.try_wait().unwrap().map(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
