//! What the fleet holds about one instance; written by its supervisor and the sampler, read by everybody.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::{Notify, watch};

use crate::logs::InstanceLog;
use crate::process::cgroup::MemoryGroup;
use crate::process::table::Group;
use crate::usage::Sample;
use crate::{Instance, InstanceId, MemoryEnforcement, ServiceSpec, State};

/// One instance.
pub(crate) struct Entry {
    pub(crate) id: InstanceId,
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) log: Arc<InstanceLog>,
    pub(crate) launched: Instant,
    /// What the caller wants of it.
    pub(crate) wanted: watch::Sender<Wanted>,
    /// Rings when the sampler found it over its memory limit.
    pub(crate) over_limit: Notify,
    live: Mutex<Live>,
    done: watch::Sender<bool>,
}

/// What the caller wants of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) stop: bool,
    /// Counts the restarts that were asked for.
    pub(crate) generation: u64,
}

/// The part that changes.
pub(crate) struct Live {
    /// The public view, without the log lines.
    pub(crate) seen: Instance,
    /// Process group that is alive.
    pub(crate) group: Option<Group>,
    /// Its memory cgroup.
    pub(crate) memory_group: Option<Arc<MemoryGroup>>,
    /// The latest measurement.
    pub(crate) sample: Option<Sample>,
    /// The fleet's own measurement is why it is being killed.
    pub(crate) over_limit: bool,
}

// === impl Entry ===

impl Entry {
    pub(crate) fn new(id: InstanceId, spec: Arc<ServiceSpec>, log: Arc<InstanceLog>) -> Arc<Self> {
        let seen = Instance {
            id: id.clone(),
            service: spec.name.clone(),
            state: State::Starting,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pid: None,
            restarts: 0,
            crashes: 0,
            launched_at: SystemTime::now(),
            started_at: None,
            ready_since: None,
            startup: None,
            cpu_milli: None,
            memory_bytes: None,
            memory_limit_bytes: spec.memory_limit_bytes,
            memory_enforcement: MemoryEnforcement::None,
            last_exit: None,
            not_ready_because: None,
            last_log: Vec::new(),
        };
        let live = Live { seen, group: None, memory_group: None, sample: None, over_limit: false };
        Arc::new(Self {
            id,
            spec,
            log,
            launched: Instant::now(),
            wanted: watch::Sender::default(),
            over_limit: Notify::new(),
            live: Mutex::new(live),
            done: watch::Sender::new(false),
        })
    }

    /// A copy for the outside.
    pub(crate) fn instance(&self) -> Instance {
        let mut instance = self.with(|live| live.seen.clone());
        instance.last_log = self.log.tail(Instance::LAST_LOG_LINES);
        instance
    }

    /// Reads or changes the live part; short, never across an await.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Live) -> T) -> T {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn ask_to_stop(&self) {
        self.wanted.send_modify(|wanted| wanted.stop = true);
    }

    pub(crate) fn ask_to_restart(&self) {
        self.wanted.send_modify(|wanted| wanted.generation += 1);
    }

    /// The supervisor's last word.
    pub(crate) fn finish(&self) {
        self.done.send_replace(true);
    }

    /// Waits until it has stopped for good.
    pub(crate) async fn finished(self: Arc<Self>) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }
}
