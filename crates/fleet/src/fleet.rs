//! The fleet: all instances of a stack, and the handle by which others use them.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use crate::entry::Entry;
use crate::ledger::Ledger;
use crate::logs::{InstanceLog, prune};
use crate::ports::Ports;
use crate::process::cgroup::MemoryGroups;
use crate::process::keeper::Keeper;
use crate::process::marker::Marker;
use crate::process::sweep::Target;
use crate::supervise::Supervisor;
use crate::{FleetConfig, FleetError, Instance, InstanceId, ServiceSpec, State, sampler};

/// Handle on a running fleet; clones are the same fleet.
///
/// Dropping the handles stops nothing: call [`Fleet::shutdown`]. When the process ends without that,
/// the guard kills every instance.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

/// What the handle, the supervisors and the sampler share.
pub(crate) struct Shared {
    pub(crate) config: FleetConfig,
    /// Unique id of this run of the fleet, part of the marker.
    pub(crate) id: String,
    /// Names the state directory.
    pub(crate) home: String,
    /// Plimsoll's own environment at the start.
    pub(crate) inherited: BTreeMap<OsString, OsString>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) starts: Arc<Semaphore>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) memory_groups: Option<MemoryGroups>,
    keeper_task: Mutex<Option<JoinHandle<()>>>,
    runtime: Handle,
    logs: PathBuf,
    /// `None` after the shutdown, so that the directory is free for the next fleet.
    ledger: Mutex<Option<Ledger>>,
    entries: Mutex<Entries>,
    closed: AtomicBool,
    changes: watch::Sender<u64>,
    startups: Mutex<BTreeMap<String, VecDeque<Duration>>>,
}

#[derive(Default)]
struct Entries {
    running: BTreeMap<InstanceId, Arc<Entry>>,
    /// The latest that stopped, newest last.
    stopped: VecDeque<Arc<Entry>>,
}

/// Stopped instances that can still be asked about.
const STOPPED_KEPT: usize = 64;
/// Starts per service from which the usual start-up time is taken.
const STARTUPS_KEPT: usize = 20;
/// How long a lock is waited for. A plimsoll that was killed holds it a moment longer through a child that
/// was between fork and exec.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Pause between looks at the lock.
const LOCK_PERIOD: Duration = Duration::from_millis(50);
/// How long leftovers of an earlier fleet may take to die before this one starts anyway.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

// === impl Fleet ===

impl Fleet {
    /// Opens the state directory, ends what an earlier fleet left behind there, and starts the guard. Must
    /// be called within a tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// A state directory that is locked or cannot be used, a guard that does not start, or a command that
    /// is missing in `config`.
    pub async fn start(config: FleetConfig) -> Result<Fleet, FleetError> {
        for (setting, command) in
            [("guard_command", &config.guard_command), ("exec_command", &config.exec_command)]
        {
            if command.is_empty() {
                return Err(FleetError::Config { setting, problem: "is empty" });
            }
        }
        if config.start_parallelism == 0 {
            return Err(FleetError::Config {
                setting: "start_parallelism",
                problem: "is zero, nothing would ever start",
            });
        }
        let unique = Uuid::new_v4();
        let id = unique.simple().to_string();
        let memory_groups = MemoryGroups::find(&id);

        let mut ledger = open_ledger(&config.state_dir).await?;
        let survivors = end_leftovers(ledger.earlier_fleets(), memory_groups.as_ref()).await;
        ledger.begin(&id, survivors)?;
        let logs = ledger.logs();
        prune(&logs, config.logs.kept_instances, &[]);

        let command = config.guard_command[0].to_string_lossy().into_owned();
        let guard = Keeper::start(config.guard_command.clone(), id.clone()).await;
        let (keeper, keeper_task) = guard.map_err(|source| FleetError::Guard { command, source })?;

        // Ports must differ between fleets that start at the same moment with the same seed.
        let port_seed = unique.as_u64_pair().0;
        let shared = Arc::new(Shared {
            id,
            home: ledger.home().to_owned(),
            inherited: std::env::vars_os().collect(),
            ports: Ports::new(port_seed),
            starts: Arc::new(Semaphore::new(config.start_parallelism)),
            keeper,
            memory_groups,
            keeper_task: Mutex::new(Some(keeper_task)),
            runtime: Handle::current(),
            logs,
            ledger: Mutex::new(Some(ledger)),
            entries: Mutex::default(),
            closed: AtomicBool::new(false),
            changes: watch::Sender::new(0),
            startups: Mutex::default(),
            config,
        });
        tokio::spawn(sampler::run(Arc::downgrade(&shared), shared.config.timings.usage_period));
        Ok(Fleet { shared })
    }

    /// Adds an instance of a service and returns at once; it starts when fewer than
    /// `start_parallelism` others are starting.
    ///
    /// After [`Fleet::shutdown`] nothing is started and the returned name means nothing.
    pub fn launch(&self, spec: &Arc<ServiceSpec>) -> InstanceId {
        let shared = &self.shared;
        let id = match lock(&shared.ledger).as_mut() {
            Some(ledger) => ledger.next_id(&spec.name),
            None => return InstanceId::new(&spec.name, 0),
        };
        let config = &shared.config;
        let log = InstanceLog::new(&shared.logs, id.clone(), config.logs.clone(), config.log_sink.clone());
        let entry = Entry::new(id.clone(), Arc::clone(spec), log);
        {
            let mut entries = lock(&shared.entries);
            if shared.is_closed() {
                return id;
            }
            entries.running.insert(id.clone(), Arc::clone(&entry));
        }
        shared.runtime.spawn(Supervisor::new(Arc::clone(shared), entry).run());
        shared.changed();
        id
    }

    /// Asks an instance to stop: SIGTERM to its process group, SIGKILL to whatever is left after the
    /// service's drain. The request is made at once; the future ends when nothing of the instance is alive.
    /// Asking twice, or for an instance that is gone, does no harm.
    pub fn stop(&self, id: &InstanceId) -> impl Future<Output = ()> + Send + use<> {
        let entry = self.shared.entry(id);
        if let Some(entry) = &entry {
            entry.ask_to_stop();
        }
        async move {
            if let Some(entry) = entry {
                entry.finished().await;
            }
        }
    }

    /// Asks an instance to stop as by [`Fleet::stop`] and to start again at once, without back-off; in a
    /// crash loop, to start now. `false` when there is no such instance.
    pub fn restart(&self, id: &InstanceId) -> bool {
        let entry = self.shared.entry(id);
        if let Some(entry) = &entry {
            entry.ask_to_restart();
        }
        entry.is_some()
    }

    /// All instances that have not stopped for good, by service and number.
    pub fn instances(&self) -> Vec<Instance> {
        self.shared.entries().iter().map(|entry| entry.instance()).collect()
    }

    /// One instance; the latest that stopped can be asked for as well.
    pub fn instance(&self, id: &InstanceId) -> Option<Instance> {
        self.shared.find(id).map(|entry| entry.instance())
    }

    /// Names the state directory, unlike any other: instances get `PLIMSOLL_WORKER=<instance>@<home>`, so that workers of
    /// several stacks and machines can be told apart in a database that they share.
    pub fn home(&self) -> &str {
        &self.shared.home
    }

    /// Whether this instance was launched here, by this fleet or an earlier one with the same state directory.
    pub fn was_launched(&self, id: &InstanceId) -> bool {
        lock(&self.shared.ledger).as_ref().is_some_and(|ledger| ledger.was_given(id))
    }

    /// A number that grows with every change of state.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The latest `count` lines that an instance wrote, oldest first (at most `LogLimits::ring_lines`).
    pub fn log_tail(&self, id: &InstanceId, count: usize) -> Vec<String> {
        self.shared.find(id).map(|entry| entry.log.tail(count)).unwrap_or_default()
    }

    /// The usual time from launch to ready of a service: median of its latest 20 starts; `None` before the
    /// first.
    pub fn startup(&self, service: &str) -> Option<Duration> {
        let startups = lock(&self.shared.startups);
        let mut times: Vec<Duration> = startups.get(service)?.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Stops all instances at the same time, each with its own drain, then the guard. Afterwards the state
    /// directory can be used by another fleet.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        let entries = {
            let entries = lock(&shared.entries);
            shared.closed.store(true, Ordering::Release);
            entries.running.values().cloned().collect::<Vec<_>>()
        };
        for entry in &entries {
            entry.ask_to_stop();
        }
        for entry in entries {
            entry.finished().await;
        }
        shared.keeper.close();
        let task = lock(&shared.keeper_task).take();
        if let Some(task) = task {
            let _ = task.await;
        }
        if let Some(mut ledger) = lock(&shared.ledger).take() {
            ledger.end();
        }
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The running ones.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).running.values().cloned().collect()
    }

    /// Tells everybody who waits for a change.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn note_startup(&self, service: &str, took: Duration) {
        let mut startups = lock(&self.startups);
        let times = startups.entry(service.to_owned()).or_default();
        if times.len() == STARTUPS_KEPT {
            times.pop_front();
        }
        times.push_back(took);
    }

    /// Moves a stopped instance out of the running ones and makes room for its logs.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) {
        debug_assert!(
            entry.with(|live| live.seen.state == State::Stopped),
            "only stopped instances are forgotten"
        );
        let live: Vec<InstanceId> = {
            let mut entries = lock(&self.entries);
            entries.running.remove(&entry.id);
            if entries.stopped.len() == STOPPED_KEPT {
                entries.stopped.pop_front();
            }
            entries.stopped.push_back(Arc::clone(entry));
            entries.running.keys().cloned().collect()
        };
        let (logs, keep) = (self.logs.clone(), self.config.logs.kept_instances);
        self.runtime.spawn_blocking(move || prune(&logs, keep, &live));
        self.changed();
    }

    fn entry(&self, id: &InstanceId) -> Option<Arc<Entry>> {
        lock(&self.entries).running.get(id).cloned()
    }

    fn find(&self, id: &InstanceId) -> Option<Arc<Entry>> {
        let entries = lock(&self.entries);
        entries.running.get(id).or_else(|| entries.stopped.iter().find(|entry| entry.id == *id)).cloned()
    }
}

/// Opens the state directory; a lock that is only just being given up is waited for.
async fn open_ledger(directory: &Path) -> Result<Ledger, FleetError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match Ledger::open(directory) {
            Err(FleetError::Locked { .. }) if Instant::now() < deadline => sleep(LOCK_PERIOD).await,
            result => return result,
        }
    }
}

/// Kills what earlier fleets left alive and returns those of which something could not be killed.
async fn end_leftovers(fleets: Vec<String>, memory_groups: Option<&MemoryGroups>) -> Vec<String> {
    if fleets.is_empty() {
        return fleets;
    }
    let target = Target {
        markers: fleets.iter().map(|fleet| Marker::of_fleet(fleet.as_str())).collect(),
        groups: Vec::new(),
    };
    let deadline = Instant::now() + LEFTOVER_PATIENCE;
    let swept = tokio::task::spawn_blocking(move || target.kill_all(deadline)).await.unwrap_or_default();
    if swept.killed > 0 {
        tracing::warn!(
            killed = swept.killed,
            left = swept.left,
            "ended processes left behind by an earlier run"
        );
    }
    if let Some(groups) = memory_groups {
        for fleet in &fleets {
            groups.remove_leftovers(fleet);
        }
    }
    if swept.left == 0 { Vec::new() } else { fleets }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
