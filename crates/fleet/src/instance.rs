//! What others see of an instance.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

/// Name of an instance, `<service>-<number>`; a number is never used again in the same state directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    service: String,
    number: u64,
}

/// An instance as it is now: a copy, not a live view.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name.
    pub id: InstanceId,
    /// Service it belongs to.
    pub service: String,
    /// Where it stands.
    pub state: State,
    /// Where it listens. Every start of the process gets a fresh port, so a restart changes this.
    pub address: SocketAddr,
    /// Process id of the group's leader while one runs.
    pub pid: Option<u32>,
    /// How often its process was started again, after a crash or because it was asked for.
    pub restarts: u32,
    /// How often it failed: ended by itself, got past a limit, stayed unhealthy or could not be started.
    pub crashes: u32,
    /// When the instance was launched.
    pub launched_at: SystemTime,
    /// When the present process was started.
    pub started_at: Option<Instant>,
    /// Since when it is ready without interruption.
    pub ready_since: Option<Instant>,
    /// How long the latest start took: from the launch (or the decision to start again) to ready, the wait
    /// for other starts included.
    pub startup: Option<Duration>,
    /// CPU used in the last interval by the process and its children, in thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Resident memory of the process and its children; pages shared among them count once per process
    /// (with a memory cgroup: the kernel's own count).
    pub memory_bytes: Option<u64>,
    /// Memory it may use.
    pub memory_limit_bytes: Option<u64>,
    /// Who keeps it below that limit.
    pub memory_enforcement: MemoryEnforcement,
    /// How the previous process ended, or why it could not be started.
    pub last_exit: Option<String>,
    /// Why it is not ready, while it is not.
    pub not_ready_because: Option<String>,
    /// The latest lines of output, oldest first (at most [`Instance::LAST_LOG_LINES`]).
    pub last_log: Vec<String>,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waiting for its turn to start, or started and not ready yet.
    Starting,
    /// Can serve.
    Ready,
    /// Was ready; now says it cannot serve, or does not answer.
    NotReady,
    /// Has been told to stop and may finish what it has.
    Draining,
    /// Failed and waits for its next start.
    CrashLoop {
        /// Failures in a row.
        failures: u32,
        /// When it will be started again.
        retry_at: Instant,
    },
    /// Gone for good.
    Stopped,
}

/// How a memory limit is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryEnforcement {
    /// No limit was asked for, or nothing holds it.
    None,
    /// `RLIMIT_DATA` per process, and the fleet's own measurement for all of them together.
    Rlimit,
    /// A memory cgroup (version 2) of the instance's own.
    Cgroup,
}

// === impl InstanceId ===

impl InstanceId {
    /// Names instance `number` of `service`.
    pub fn new(service: impl Into<String>, number: u64) -> Self {
        Self { service: service.into(), number }
    }

    /// Reads `worker-7`; `None` when there is no number after the last dash.
    pub fn parse(text: &str) -> Option<Self> {
        let (service, number) = text.rsplit_once('-')?;
        if service.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self::new(service, number.parse().ok()?))
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The number within the service.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.service, self.number)
    }
}

// === impl Instance ===

impl Instance {
    /// How many lines [`Instance::last_log`] holds at most; `Fleet::log_tail` gives more.
    pub const LAST_LOG_LINES: usize = 20;
}

// === impl State ===

impl State {
    /// The state's name as users see it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Starting => "Starting",
            State::Ready => "Ready",
            State::NotReady => "NotReady",
            State::Draining => "Draining",
            State::CrashLoop { .. } => "CrashLoop",
            State::Stopped => "Stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl MemoryEnforcement ===

impl MemoryEnforcement {
    /// The word users see: `none`, `rlimit` or `cgroup`.
    pub fn name(self) -> &'static str {
        match self {
            MemoryEnforcement::None => "none",
            MemoryEnforcement::Rlimit => "rlimit",
            MemoryEnforcement::Cgroup => "cgroup",
        }
    }
}

impl fmt::Display for MemoryEnforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_id_is_read_back_from_its_text() {
        let id = InstanceId::new("cv-worker", 17);
        assert_eq!(InstanceId::parse(&id.to_string()), Some(id));
        for text in ["", "-1", "worker", "worker-", "worker-x", "worker-+1"] {
            assert_eq!(InstanceId::parse(text), None, "{text}");
        }
    }
}
