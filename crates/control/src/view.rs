//! What an operator sees: a snapshot of the running stack, serialised as it is by the admin API, the page and `plimsoll status --json`.

use plimsoll_jobs::QueueStats;
use serde::{Deserialize, Serialize};

/// The whole stack at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StackView {
    /// Name in the stack file.
    pub name: String,
    /// Version of the plimsoll binary.
    pub version: String,
    /// Process id of the running plimsoll.
    pub pid: u32,
    /// Seconds since the stack was started.
    pub uptime_s: u64,
    /// Milliseconds since the Unix epoch when this snapshot was taken.
    pub at_ms: u64,
    /// The edge, when the stack has one.
    pub gateway: Option<GatewayView>,
    /// Services in order of name.
    pub services: Vec<ServiceView>,
    /// Queues in order of name.
    pub queues: Vec<QueueView>,
    /// Latest decisions, newest first.
    pub decisions: Vec<DecisionView>,
    /// What the operator should know, such as a memory limit that this kernel cannot enforce.
    pub warnings: Vec<String>,
}

/// The edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GatewayView {
    /// Address it listens on.
    pub listen: String,
    /// Requests answered since start.
    pub requests_total: u64,
    /// Answers with a 5xx status since start.
    pub errors_total: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Requests that wait for an instance now.
    pub waiting: u64,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServiceView {
    /// Name in the stack file.
    pub name: String,
    /// Instances asked for.
    pub desired: u32,
    /// Instances that can serve now.
    pub ready: u32,
    /// Lower bound of the scaling policy; equal to `max` without one.
    pub min: u32,
    /// Upper bound of the scaling policy.
    pub max: u32,
    /// How memory limits are enforced here: `cgroup`, `rlimit` or `none`.
    pub memory_enforcement: String,
    /// One line a metric: what is watched and its target, such as `cpu 12% / 70%`.
    pub metrics: Vec<String>,
    /// What the second policy, which acts on nothing, would do; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowView>,
    /// What usage says of the size of an instance; none when nobody asked, or too little was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizing: Option<SizingView>,
    /// Instances, oldest first.
    pub instances: Vec<InstanceView>,
    /// What the edge sees of it, when it has a route.
    #[serde(default)]
    pub requests: Option<RequestsView>,
}

/// The requests of one service as the edge sees them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestsView {
    /// Requests that have ended since the edge was started.
    pub total: u64,
    /// Those answered with a 5xx status.
    pub errors: u64,
    /// Requests at its instances now.
    pub in_flight: u64,
    /// Requests that wait for one of its instances now.
    pub waiting: u64,
    /// Requests that come in per second, over the last half minute.
    pub per_s: f64,
    /// Mean seconds its instances took, over all requests they answered well; none before the first.
    pub mean_s: Option<f64>,
    /// 95th percentile of the same.
    pub p95_s: Option<f64>,
}

/// The shadow policy of a service beside the live one, at the latest round in which both were asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowView {
    /// Instances that the shadow wants.
    pub wants: u32,
    /// Instances that the live policy wants.
    pub live: u32,
    /// Instance hours that the shadow would have asked for since it has been compared.
    pub shadow_instance_hours: f64,
    /// Instance hours that the live policy asked for in the same time.
    pub live_instance_hours: f64,
}

/// Advice on the size of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SizingView {
    /// When it would be applied: `Off`, `Initial` or `Recreate`.
    pub mode: String,
    /// CPU in thousandths of a core.
    pub cpu: SizeView,
    /// Memory in bytes.
    pub memory: SizeView,
}

/// Advice on one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SizeView {
    /// What the stack file states; none when it says nothing.
    pub stated: Option<i64>,
    /// What would be best.
    pub target: i64,
    /// Least that still fits.
    pub lower: i64,
    /// Most that still fits.
    pub upper: i64,
    /// What follows, such as `fits` or `can be lowered`.
    pub verdict: String,
}

/// One instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstanceView {
    /// Id such as `worker-7`; never reused.
    pub id: String,
    /// `Starting`, `Ready`, `NotReady`, `Draining`, `CrashLoop` or `Stopped`.
    pub state: String,
    /// Loopback address it serves on; `-` before its first start.
    pub address: String,
    /// Why it is not ready, when there is something to say.
    #[serde(default)]
    pub because: Option<String>,
    /// Process id while it runs.
    pub pid: Option<u32>,
    /// CPU use over the last sample interval, in thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Resident memory of the process group in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory limit in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Requests in flight through the gateway.
    pub in_flight: u64,
    /// Jobs it holds.
    #[serde(default)]
    pub jobs: u64,
    /// Times it was started again after a crash.
    pub restarts: u32,
    /// Seconds since its last start.
    pub age_s: u64,
    /// How it last ended, such as `killed by signal 9`.
    pub last_exit: Option<String>,
    /// Last log lines, oldest first; filled for a `CrashLoop`.
    pub last_log: Vec<String>,
}

/// One job queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueueView {
    /// Name of the queue.
    pub name: String,
    /// Jobs that could start now.
    pub ready: u64,
    /// Jobs that wait for their time (delay or retry backoff).
    pub scheduled: u64,
    /// Jobs held by a worker.
    pub leased: u64,
    /// Jobs in the dead letter.
    pub dead: u64,
    /// Jobs finished.
    pub completed: u64,
    /// Age of the oldest ready job in seconds; 0 when none is ready.
    pub oldest_age_s: f64,
    /// Jobs ever enqueued.
    #[serde(default)]
    pub enqueued: u64,
    /// Attempts that failed, those whose lease was lost included.
    #[serde(default)]
    pub failed_attempts: u64,
    /// Attempts whose worker died, stalled or lost the database.
    #[serde(default)]
    pub leases_lost: u64,
    /// Jobs that ever became dead letters.
    #[serde(default)]
    pub died: u64,
    /// Jobs that came in per second, over the last half minute.
    #[serde(default)]
    pub arrivals_per_s: f64,
    /// Jobs that were completed per second, over the last half minute.
    #[serde(default)]
    pub completions_per_s: f64,
    /// Mean seconds a worker holds a job; none before the first one ended.
    #[serde(default)]
    pub service_s: Option<f64>,
    /// Seconds until the jobs that are ready now have been started, at the present pace.
    #[serde(default)]
    pub time_to_drain_s: f64,
    /// Who holds its jobs, in order of name.
    #[serde(default)]
    pub held_by: Vec<HolderView>,
}

impl From<&QueueStats> for QueueView {
    /// What the queue counts of itself. It knows no rates, and not who holds its jobs: those stay empty.
    fn from(stats: &QueueStats) -> Self {
        Self {
            name: stats.queue.clone(),
            ready: stats.ready,
            scheduled: stats.scheduled,
            leased: stats.leased,
            dead: stats.dead,
            completed: stats.completed_total,
            oldest_age_s: stats.oldest_ready_age_ms.unwrap_or(0) as f64 / 1000.0,
            enqueued: stats.enqueued_total,
            failed_attempts: stats.failed_attempts_total,
            leases_lost: stats.leases_lost_total,
            died: stats.dead_total,
            ..Self::default()
        }
    }
}

/// Who holds jobs of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HolderView {
    /// Name of the worker: that of its instance, where plimsoll started it.
    pub worker: String,
    /// Jobs it holds.
    pub jobs: u64,
}

/// One decision of the controller in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DecisionView {
    /// Id to ask `plimsoll why` about.
    pub id: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What kind of event: `scale`, `hold`, `alert`, `shadow`, `size`, `operator`, `crash`, `lifecycle`.
    pub kind: String,
    /// Service it concerns.
    pub service: String,
    /// Instances before.
    pub from: u32,
    /// Instances after.
    pub to: u32,
    /// Why, in one sentence.
    pub summary: String,
}
