//! One history: start processes, hurt them at random, let a healthy worker finish, check.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};

use crate::{checker, child};

const WORKERS: usize = 3;
const HURTING: Duration = Duration::from_millis(1200);
const FINISHING: Duration = Duration::from_secs(60);

/// A process that ends with the value.
struct Process {
    child: Child,
    stopped: bool,
}

struct Crew<'a> {
    url: &'a str,
    rng: StdRng,
    started: usize,
    accepted: Arc<Mutex<HashSet<i64>>>,
}

/// Runs one history; answers with a summary, or with what was wrong.
pub(crate) async fn history(url: &str, rng_seed: u64, seed: u64) -> Result<String, String> {
    let jobs = child::open(url, seed).await.map_err(|e| e.to_string())?;
    let mut crew = Crew { url, rng: StdRng::seed_from_u64(rng_seed), started: 0, accepted: Arc::default() };
    // The first process takes requests, the others work.
    let mut crowd: Vec<Process> = (0..=WORKERS).map(|i| crew.start(i == 0)).collect();
    let (mut kills, mut stops) = (0, 0);
    let until = Instant::now() + HURTING;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(crew.rng.random_range(1..60))).await;
        let i = crew.rng.random_range(0..crowd.len());
        if crowd[i].stopped {
            crowd[i].signal(Signal::CONT);
            crowd[i].stopped = false;
        } else if crew.rng.random_bool(0.5) {
            crowd[i] = crew.start(i == 0); // dropping the old one kills it
            kills += 1;
        } else {
            crowd[i].signal(Signal::STOP);
            crowd[i].stopped = true;
            stops += 1;
        }
        checker::every_job_is_in_one_place(&jobs).await?;
    }
    // Those that sleep past their leases wake up beside a healthy worker and must not do harm.
    crowd[0] = crew.start(false);
    crowd.iter_mut().for_each(|p| p.signal(Signal::CONT));
    let until = Instant::now() + FINISHING;
    loop {
        let stats = jobs.stats(Some(child::QUEUE)).await.map_err(|e| e.to_string())?;
        match stats.first() {
            Some(s) if s.ready + s.scheduled + s.leased > 0 && Instant::now() < until => {}
            Some(s) if s.ready + s.scheduled + s.leased > 0 => return Err(format!("never finished: {s:?}")),
            _ => break,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(crowd);
    let accepted = crew.accepted.lock().unwrap().clone();
    let seen = checker::check(&jobs, &accepted).await?;
    Ok(format!("{} accepted, {kills} killed, {stops} stopped; {seen}", accepted.len()))
}

// === impl Crew ===

impl Crew<'_> {
    fn start(&mut self, enqueues: bool) -> Process {
        self.started += 1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CRASH_URL", self.url)
            .env("CRASH_ROLE", if enqueues { "enqueue" } else { "work" })
            .env("CRASH_NAME", format!("w{}", self.started))
            .env("CRASH_FIRST", (self.started * 1_000_000).to_string())
            .env("CRASH_SEED", self.rng.random::<u64>().to_string())
            .stdin(Stdio::null())
            .stdout(if enqueues { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if let Some(out) = child.stdout.take() {
            let accepted = Arc::clone(&self.accepted);
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Some(n) = line.strip_prefix("accepted ").and_then(|n| n.parse().ok()) {
                        accepted.lock().unwrap().insert(n);
                    }
                }
            });
        }
        Process { child, stopped: false }
    }
}

// === impl Process ===

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
