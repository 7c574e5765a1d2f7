//! The processes of one history, as the test sees them.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rustix::process::{Pid, Signal, kill_process};

/// Starts processes, and hears what they accept.
pub(crate) struct Crew {
    pub(crate) url: String,
    /// Workers write results without a look at the lease: the checker must notice.
    pub(crate) unfenced: bool,
    started: usize,
    accepted: Arc<Mutex<HashSet<i64>>>,
}

/// A process that ends with the value.
pub(crate) struct Process {
    child: Child,
    pub(crate) paused: bool,
    listening: Option<JoinHandle<()>>,
}

// === impl Crew ===

impl Crew {
    pub(crate) fn new(url: String, unfenced: bool) -> Self {
        Self { url, unfenced, started: 0, accepted: Arc::default() }
    }

    pub(crate) fn start(&mut self, rng: &mut StdRng, enqueues: bool) -> Process {
        self.started += 1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CRASH_URL", &self.url)
            .env("CRASH_ROLE", if enqueues { "enqueue" } else { "work" })
            .env("CRASH_UNFENCED", if self.unfenced { "1" } else { "0" })
            .env("CRASH_NAME", format!("w{}", self.started))
            .env("CRASH_FIRST", (self.started * 1_000_000).to_string())
            .env("CRASH_SEED", rng.random::<u64>().to_string())
            .stdin(Stdio::null())
            .stdout(if enqueues { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listening = child.stdout.take().map(|out| {
            let accepted = Arc::clone(&self.accepted);
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Some(n) = line.strip_prefix("accepted ").and_then(|n| n.parse().ok()) {
                        accepted.lock().unwrap().insert(n);
                    }
                }
            })
        });
        Process { child, paused: false, listening }
    }

    /// What was accepted by processes that have ended.
    pub(crate) fn accepted(&self) -> HashSet<i64> {
        self.accepted.lock().unwrap().clone()
    }
}

// === impl Process ===

impl Process {
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
        self.paused = true;
    }

    pub(crate) fn wake(&mut self) {
        self.signal(Signal::CONT);
        self.paused = false;
    }

    /// Asks it to stop when it has finished what it holds.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        // One that has stopped as asked is not there any more.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        // Everything it said is heard before anybody asks.
        self.listening.take().map(JoinHandle::join);
    }
}
