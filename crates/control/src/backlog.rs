//! A queue as scaling sees it: not how many jobs wait, but how long they will.
//!
//! Depth without service time means nothing: a hundred jobs of ten milliseconds are gone in a second, a hundred model calls
//! of a minute keep eight slots busy for a quarter of an hour. The seeds of this project name eight alarm thresholds, in
//! jobs, jobs a worker and seconds of lag (FEATURES X2); time to drain is the one figure they can all be stated in.
//!
//! Wanted properties of the time to drain, each a test below:
//! - nothing waits: nothing to drain;
//! - more jobs that wait, slower jobs, fewer that are worked on: never less time;
//! - half as many that are worked on take twice the time, so that as a `Value` target it asks for what it says;
//! - while the time of a job is not known yet: at least as long as the oldest has waited already.

use plimsoll_jobs::QueueStats;

/// One queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Counts and totals.
    pub stats: QueueStats,
    /// Jobs that came in, in thousandths per second, over the last half minute.
    pub arrivals_milli_per_s: u64,
    /// Jobs that were completed, in thousandths per second, over the last half minute.
    pub completions_milli_per_s: u64,
    /// Mean time a job is held by a worker; none before the first ending.
    pub service_us: Option<u64>,
}

// === impl Backlog ===

impl Backlog {
    /// Milliseconds until the last job that waits now has been started, at the present pace: with as many jobs at once as
    /// are worked on at this moment, or one at a time while there are none.
    pub fn time_to_drain_ms(&self) -> u64 {
        let QueueStats { ready, leased, .. } = self.stats;
        let Some(service_us) = self.service_us.filter(|_| ready > 0) else {
            return self.stats.oldest_ready_age_ms.unwrap_or(0).max(0).unsigned_abs();
        };
        let us = u128::from(ready) * u128::from(service_us) / u128::from(leased.max(1));
        u64::try_from(us / 1000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
