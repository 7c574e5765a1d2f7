//! Figures of one queue at one moment.

use crate::clock::Millis;

/// What a queue looks like now. Feeds `queue_depth`, `queue_age_seconds` and the scaling on them.
///
/// Reading it costs a handful of index look-ups, however many jobs wait: counts are kept up to date by the
/// transactions that move the jobs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct QueueStats {
    /// Name of the queue.
    pub queue: String,
    /// Jobs that could be claimed now, including those whose delay has passed or whose lease has expired.
    pub ready: u64,
    /// Jobs that wait for their time (delay or backoff).
    pub scheduled: u64,
    /// Jobs that a worker holds under a live lease.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
    /// Jobs ever enqueued.
    pub enqueued_total: u64,
    /// Jobs ever completed.
    pub completed_total: u64,
    /// Attempts that ended in failure (retried ones included).
    pub failed_attempts_total: u64,
    /// Leases that expired in a worker's hands.
    pub leases_lost_total: u64,
    /// Jobs that ever became dead letters.
    pub dead_total: u64,
    /// How long the oldest ready job has been waiting, in milliseconds; none when nothing is ready.
    pub oldest_ready_age_ms: Option<i64>,
    /// When this was read.
    pub at_ms: Millis,
}

/// Who holds jobs of a queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// The queue.
    pub queue: String,
    /// The worker's name: that of its instance, where plimsoll started it.
    pub worker: String,
    /// Jobs it holds under live leases.
    pub jobs: u64,
    /// When it took the one that it has held longest.
    pub oldest_claim_ms: Millis,
}
