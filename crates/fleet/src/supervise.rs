//! The life of one instance: start, watch, stop or fail, back off, start again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::entry::{Entry, Wanted};
use crate::fleet::Shared;
use crate::health::Verdict;
use crate::monitor::Monitor;
use crate::process::command::prefix_path;
use crate::process::exit::{MemoryFacts, describe};
use crate::process::marker::{self, Marker};
use crate::process::spawn::{End, Plan, Process};
use crate::{State, Stream};

/// Runs one instance until it is asked to stop.
pub(crate) struct Supervisor {
    fleet: Arc<Shared>,
    entry: Arc<Entry>,
    wanted: watch::Receiver<Wanted>,
    /// The restart request that was honoured last.
    generation: u64,
    backoff: Backoff,
    rng: StdRng,
}

/// How one process of the instance came to its end.
enum Lap {
    Stop,
    Restart,
    Failed { why: String, ready_for: Duration },
}

/// Why the watch over a running process ended.
enum Event {
    Exited,
    Interrupted(Interrupt),
    OverLimit,
    Unhealthy(String),
}

/// What the caller asked for.
enum Interrupt {
    Stop,
    Restart,
}

/// How long the last lines of a dead process may take to arrive; only somebody outside the instance who got
/// hold of its output could keep it open.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

/// Who was ready for so long and then ended with status 0 has done what it was there for (a worker that is recycled
/// after so many jobs): no failure, and replaced at once. Shorter, it would be a loop.
const WORTHWHILE: Duration = Duration::from_secs(1);

// === impl Supervisor ===

impl Supervisor {
    pub(crate) fn new(fleet: Arc<Shared>, entry: Arc<Entry>) -> Self {
        let timings = &fleet.config.timings;
        let backoff = Backoff::new(timings.backoff_base, timings.backoff_max, timings.backoff_reset);
        // Instances of one fleet must not share their jitter: the number makes the difference.
        let seed = fleet.config.seed ^ entry.id.number().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let wanted = entry.wanted.subscribe();
        Self { fleet, entry, wanted, generation: 0, backoff, rng: StdRng::seed_from_u64(seed) }
    }

    pub(crate) async fn run(mut self) {
        let mut since = self.entry.launched;
        loop {
            match self.lap(since).await {
                Lap::Stop => break,
                Lap::Restart => since = Instant::now(),
                Lap::Failed { why, ready_for } => {
                    if matches!(self.back_off(&why, ready_for).await, Some(Interrupt::Stop)) {
                        break;
                    }
                    since = Instant::now();
                }
            }
            self.entry.with(|live| live.seen.restarts = live.seen.restarts.saturating_add(1));
        }
        self.set_state(State::Stopped);
        self.fleet.forget(&self.entry);
        self.entry.finish();
    }

    /// One process from the wait for its turn to its end.
    async fn lap(&mut self, since: Instant) -> Lap {
        self.set_state(State::Starting);
        let Some(turn) = self.turn().await else { return Lap::Stop };
        let failed = |why: String| Lap::Failed { why, ready_for: Duration::ZERO };

        let port = match self.fleet.ports.take() {
            Ok(port) => port,
            Err(error) => return failed(error.to_string()),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let plan = self.plan(address);
        let started = Process::start(plan, &self.fleet.keeper, self.fleet.memory_groups.as_ref()).await;
        let (mut process, output) = match started {
            Ok(started) => started,
            Err(error) => return failed(error.to_string()),
        };
        let mut readers = JoinSet::new();
        readers.spawn(Arc::clone(&self.entry.log).capture(output.stdout, Stream::Stdout));
        readers.spawn(Arc::clone(&self.entry.log).capture(output.stderr, Stream::Stderr));
        self.note_start(&process, address);

        let event = self.watch(&process, address, turn, since).await;
        let ready_for =
            self.entry.with(|live| live.seen.ready_since).map_or(Duration::ZERO, |since| since.elapsed());
        let end = self.finish(&mut process, &event).await;
        let well = end.status.is_some_and(|status| status.success());
        let _ = timeout(OUTPUT_PATIENCE, async { while readers.join_next().await.is_some() {} }).await;

        let why = self.note_end(end, &event);
        match event {
            Event::Interrupted(Interrupt::Stop) => Lap::Stop,
            Event::Interrupted(Interrupt::Restart) => Lap::Restart,
            Event::Exited if well && ready_for >= WORTHWHILE => {
                tracing::info!(instance = %self.entry.id, "ended by itself and well, a fresh process takes its place");
                Lap::Restart
            }
            Event::Exited | Event::OverLimit | Event::Unhealthy(_) => Lap::Failed { why, ready_for },
        }
    }

    /// Waits until few enough others are starting; `None` when it is to stop before that.
    async fn turn(&mut self) -> Option<OwnedSemaphorePermit> {
        let starts = Arc::clone(&self.fleet.starts);
        let permit = starts.acquire_owned();
        tokio::pin!(permit);
        loop {
            tokio::select! {
                biased;
                interrupt = self.interrupted() => if matches!(interrupt, Interrupt::Stop) { return None },
                // Only a closed semaphore fails, and nobody closes it.
                permit = &mut permit => return permit.ok(),
            }
        }
    }

    async fn watch(
        &mut self,
        process: &Process,
        address: SocketAddr,
        turn: OwnedSemaphorePermit,
        since: Instant,
    ) -> Event {
        let entry = Arc::clone(&self.entry);
        let mut turn = Some(turn);
        let mut monitor = Monitor::new(&entry.spec, address, &self.fleet.config.timings);
        loop {
            tokio::select! {
                biased;
                interrupt = self.interrupted() => return Event::Interrupted(interrupt),
                () = process.exited() => return Event::Exited,
                () = entry.over_limit.notified() => {
                    // A ring may be left over from a process before this one.
                    if entry.with(|live| live.over_limit) {
                        return Event::OverLimit;
                    }
                }
                verdict = monitor.next() => match verdict {
                    Verdict::Ready => {
                        self.note_ready(turn.take().is_some().then_some(since));
                    }
                    Verdict::NotReady(reason) => self.note_not_ready(reason),
                    Verdict::Dead(reason) => {
                        self.note_not_ready(reason.clone());
                        return Event::Unhealthy(reason);
                    }
                }
            }
        }
    }

    async fn finish(&self, process: &mut Process, event: &Event) -> End {
        let drain = self.entry.spec.drain;
        match event {
            // Killed by us at once: it has had its warning in the form of a limit.
            Event::Exited | Event::OverLimit => process.end().await,
            Event::Unhealthy(_) => process.stop(drain.min(self.fleet.config.timings.failed_drain)).await,
            Event::Interrupted(_) => {
                self.set_state(State::Draining);
                process.stop(drain).await
            }
        }
    }

    /// Shows the crash and waits; returns what the caller asked for meanwhile.
    async fn back_off(&mut self, why: &str, ready_for: Duration) -> Option<Interrupt> {
        let wait = self.backoff.failed(ready_for, self.rng.random());
        let failures = self.backoff.failures();
        tracing::warn!(instance = %self.entry.id, why, failures, retry_ms = wait.as_millis() as u64, "instance failed");
        self.entry.with(|live| {
            live.seen.last_exit = Some(why.to_owned());
            live.seen.crashes = live.seen.crashes.saturating_add(1);
        });
        self.set_state(State::CrashLoop { failures, retry_at: Instant::now() + wait });
        tokio::select! {
            biased;
            interrupt = self.interrupted() => Some(interrupt),
            () = sleep(wait) => None,
        }
    }

    /// Waits for a wish that was not honoured yet.
    async fn interrupted(&mut self) -> Interrupt {
        let honoured = self.generation;
        let wish = self.wanted.wait_for(|wanted| wanted.stop || wanted.generation != honoured).await;
        match wish.map(|wanted| *wanted) {
            Ok(Wanted { stop: false, generation }) => {
                self.generation = generation;
                Interrupt::Restart
            }
            _ => Interrupt::Stop,
        }
    }

    fn plan(&self, address: SocketAddr) -> Plan {
        let config = &self.fleet.config;
        let spec = &self.entry.spec;
        let mut environment: BTreeMap<OsString, OsString> = self.fleet.inherited.clone();
        for (name, value) in config.base_env.iter().chain(&spec.env) {
            environment.insert(name.into(), value.into());
        }
        if let Some(prefix) = &config.path_prefix {
            prefix_path(&mut environment, prefix);
        }
        let marker = Marker::of_instance(&self.fleet.id, self.entry.id.to_string());
        let outer =
            self.fleet.inherited.get::<OsString>(&marker::VARIABLE.into()).and_then(|value| value.to_str());
        let own = [
            ("HOST", address.ip().to_string()),
            ("PORT", address.port().to_string()),
            ("PLIMSOLL_INSTANCE", self.entry.id.to_string()),
            ("PLIMSOLL_WORKER", format!("{}@{}", self.entry.id, self.fleet.home)),
            ("PLIMSOLL_SERVICE", spec.name.clone()),
            ("PLIMSOLL_STACK", config.stack.clone()),
            ("PLIMSOLL_DRAIN_S", spec.drain.as_secs().to_string()),
            ("PLIMSOLL_GATEWAY_PEER", Ipv4Addr::LOCALHOST.to_string()),
            (marker::VARIABLE, marker.value(outer)),
        ];
        environment.extend(own.map(|(name, value)| (name.into(), value.into())));
        Plan {
            exec_command: config.exec_command.clone(),
            command: spec.command.clone(),
            directory: spec.directory.clone(),
            environment,
            marker,
            memory_limit_bytes: spec.memory_limit_bytes,
        }
    }

    fn note_start(&self, process: &Process, address: SocketAddr) {
        self.entry.with(|live| {
            live.group = Some(process.group());
            live.memory_group = process.memory_group();
            live.over_limit = false;
            live.seen.address = address;
            live.seen.pid = Some(process.pid());
            live.seen.started_at = Some(Instant::now());
            live.seen.memory_enforcement = process.enforcement();
        });
        self.fleet.changed();
    }

    /// `launched` is when this start began, on the first readiness of a process.
    fn note_ready(&self, launched: Option<Instant>) {
        let now = Instant::now();
        self.entry.with(|live| {
            live.seen.state = State::Ready;
            live.seen.ready_since = Some(now);
            live.seen.not_ready_because = None;
            if let Some(launched) = launched {
                live.seen.startup = Some(now - launched);
            }
        });
        if let Some(launched) = launched {
            self.fleet.note_startup(&self.entry.spec.name, now - launched);
        }
        self.fleet.changed();
    }

    fn note_not_ready(&self, reason: String) {
        self.entry.with(|live| {
            live.seen.state = State::NotReady;
            live.seen.ready_since = None;
            live.seen.not_ready_because = Some(reason);
        });
        self.fleet.changed();
    }

    /// Records the end and returns it in words.
    fn note_end(&self, end: End, event: &Event) -> String {
        if end.left > 0 {
            tracing::error!(instance = %self.entry.id, left = end.left, "processes of the instance could not be killed");
        }
        let text = self.entry.with(|live| {
            let memory = MemoryFacts {
                limit_bytes: live.seen.memory_limit_bytes,
                enforcement: live.seen.memory_enforcement,
                over_limit: end.over_limit || live.over_limit,
            };
            let status = end
                .status
                .map_or_else(|| "could not be killed".to_owned(), |status| describe(status, memory));
            let text = match event {
                Event::Unhealthy(reason) => format!("{reason}; {status}"),
                _ => status,
            };
            live.group = None;
            live.memory_group = None;
            live.sample = None;
            live.seen.pid = None;
            live.seen.started_at = None;
            live.seen.ready_since = None;
            live.seen.cpu_milli = None;
            live.seen.memory_bytes = None;
            live.seen.last_exit = Some(text.clone());
            text
        });
        tracing::info!(instance = %self.entry.id, end = text, "instance ended");
        text
    }

    fn set_state(&self, state: State) {
        self.entry.with(|live| {
            live.seen.state = state;
            if state == State::Starting {
                live.seen.not_ready_because = None;
            }
        });
        self.fleet.changed();
    }
}
