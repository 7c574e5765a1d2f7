//! A process that is told what to do and answers, line by line.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Ends with the value.
pub(crate) struct Talk {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

// === impl Talk ===

impl Talk {
    pub(crate) fn start(role: &str, url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CRASH_URL", url)
            .env("CRASH_ROLE", role)
            .env("CRASH_SEED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, answers }
    }

    pub(crate) fn tell(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// The next answer that begins so; the rest of it.
    pub(crate) fn hear(&mut self, begins: &str) -> String {
        loop {
            let line = self.answers.next().unwrap_or_else(|| panic!("ended without {begins:?}")).unwrap();
            // The test harness of the process writes to the same pipe.
            if let Some((_, rest)) = line.split_once(begins) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
