//! What the caller decides: where the fleet lives, what a service is, how patient to be.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::InstanceId;

/// Settings of a whole fleet.
#[derive(Clone)]
pub struct FleetConfig {
    /// Name of the stack; instances see it as `PLIMSOLL_STACK`.
    pub stack: String,
    /// Directory for the lock, the instance counters and `logs/`; created when absent.
    pub state_dir: PathBuf,
    /// Directory put before `PATH`, so that commands beside the plimsoll binary are found.
    pub path_prefix: Option<PathBuf>,
    /// Command line that ends in [`run_guard`](crate::run_guard), for example `[plimsoll, __guard]`.
    pub guard_command: Vec<OsString>,
    /// Command line that ends in [`run_exec`](crate::run_exec), for example `[plimsoll, __exec]`.
    pub exec_command: Vec<OsString>,
    /// How many instances may be on their way to ready at the same time (at least 1).
    pub start_parallelism: usize,
    /// Environment of every instance. Order of strength, weakest first: plimsoll's own environment, this
    /// map, the service's `env`, the variables the fleet sets itself (`PORT`, `PLIMSOLL_INSTANCE`, …).
    pub base_env: BTreeMap<String, String>,
    /// Seed of the restart jitter.
    pub seed: u64,
    /// Who else sees each line that an instance writes.
    pub log_sink: Option<LogSink>,
    /// How often to look and how long to wait.
    pub timings: Timings,
    /// How much of the logs to keep.
    pub logs: LogLimits,
}

/// What to run and how to treat it; shared by all instances of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Name of the service; instances are called `<name>-<number>`.
    pub name: String,
    /// Program and arguments. A program without `/` is looked for in `PATH`.
    pub command: Vec<String>,
    /// Working directory; plimsoll's own when absent.
    pub directory: Option<PathBuf>,
    /// The service's own environment.
    pub env: BTreeMap<String, String>,
    /// Where to ask for health. Without it an instance is ready once it stayed up for [`Timings::grace`].
    pub health: Option<Health>,
    /// Longest time from the start of the process to its first readiness.
    pub start_timeout: Duration,
    /// Longest time between SIGTERM and SIGKILL; instances see it as `PLIMSOLL_DRAIN_S`.
    pub drain: Duration,
    /// Memory an instance may use.
    pub memory_limit_bytes: Option<u64>,
}

/// HTTP paths on the instance's own port that answer 2xx or 3xx when all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Is the process alive; failing three times in a row restarts it.
    pub liveness: String,
    /// Can it serve now; failing takes it out of the balancing.
    pub readiness: String,
}

/// Periods and patience. The defaults are for real use; tests shorten them.
#[derive(Debug, Clone)]
pub struct Timings {
    /// Pause between readiness probes until the first success: short, because a start is waited for.
    pub starting_period: Duration,
    /// Pause between readiness probes of an instance that has been ready.
    pub readiness_period: Duration,
    /// Pause between liveness probes.
    pub liveness_period: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// Failures in a row that count (Kubernetes' default is 3 as well).
    pub failure_threshold: u32,
    /// How long a service without health must stay up to be called ready.
    pub grace: Duration,
    /// Longest time between SIGTERM and SIGKILL for an instance that failed its liveness or never got ready:
    /// it has shown that it is not working, so it does not get the whole drain.
    pub failed_drain: Duration,
    /// Time between two measurements of CPU and memory.
    pub usage_period: Duration,
    /// Largest wait before the first restart after a crash.
    pub backoff_base: Duration,
    /// Largest wait before any restart.
    pub backoff_max: Duration,
    /// An instance that stayed ready this long has its crashes forgiven.
    pub backoff_reset: Duration,
}

/// Bounds of what is kept of the instances' output.
#[derive(Debug, Clone)]
pub struct LogLimits {
    /// Bytes of one line; the rest of a longer line is dropped and its size noted.
    pub line_bytes: usize,
    /// Lines kept in memory per instance.
    pub ring_lines: usize,
    /// Bytes of a log file before it becomes `<instance>.log.1` and a new one begins.
    pub file_bytes: u64,
    /// Instances whose log files are kept; those of the oldest are deleted.
    pub kept_instances: usize,
}

/// Receives every line; called on a thread that may block, lines of one stream in order.
pub type LogSink = Arc<dyn Fn(&LogLine<'_>) + Send + Sync>;

/// One line of output of an instance.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Who wrote it.
    pub instance: &'a InstanceId,
    /// Where it was written to.
    pub stream: Stream,
    /// The line without its end; invalid UTF-8 is replaced.
    pub text: &'a str,
}

/// One of the two streams that are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

// === impl FleetConfig ===

impl FleetConfig {
    /// A configuration with the defaults: eight starts at a time, no sink, seed 0.
    pub fn new(
        stack: impl Into<String>,
        state_dir: impl Into<PathBuf>,
        guard_command: Vec<OsString>,
        exec_command: Vec<OsString>,
    ) -> Self {
        Self {
            stack: stack.into(),
            state_dir: state_dir.into(),
            path_prefix: None,
            guard_command,
            exec_command,
            start_parallelism: 8,
            base_env: BTreeMap::new(),
            seed: 0,
            log_sink: None,
            timings: Timings::default(),
            logs: LogLimits::default(),
        }
    }
}

// === impl Timings ===

impl Default for Timings {
    fn default() -> Self {
        Self {
            starting_period: Duration::from_millis(100),
            readiness_period: Duration::from_secs(1),
            liveness_period: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(2),
            failure_threshold: 3,
            grace: Duration::from_secs(1),
            failed_drain: Duration::from_secs(5),
            usage_period: Duration::from_secs(1),
            backoff_base: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            backoff_reset: Duration::from_secs(60),
        }
    }
}

// === impl LogLimits ===

impl Default for LogLimits {
    fn default() -> Self {
        Self { line_bytes: 8 << 10, ring_lines: 200, file_bytes: 10 << 20, kept_instances: 100 }
    }
}
