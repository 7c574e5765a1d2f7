//! What happened, counted per route and worker and added up only when somebody asks.
//!
//! Each worker has its own counters behind a lock that only a scrape ever contends for.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::durations::Durations;
use crate::method::Method;

/// Upper bounds of the duration histogram, in seconds: from what a proxied cache hit takes to what a model takes.
pub const BUCKETS_S: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The counters of one route.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    shards: Box<[Shard]>,
}

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<RouteCounts>);

/// Counts of one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RouteCounts {
    /// Finished requests by method and status code. At most ten methods times the codes that occur, so a scan is
    /// faster than a hash.
    pub(crate) requests: Vec<((Method, u16), u64)>,
    /// Requests by duration, one more than the bounds.
    pub(crate) durations: [u64; BUCKETS_S.len() + 1],
    pub(crate) duration_sum: Duration,
    /// How long upstreams took: from the request they answered to the end of their answer.
    pub(crate) served: Durations,
}

/// What the gateway did for one service since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Requests that have ended.
    pub requests: u64,
    /// Those answered with a status from 500 to 599.
    pub errors: u64,
    /// Requests by duration: one count for each of [`BUCKETS_S`] and one for all that took longer. Tunnels are left out.
    pub durations: [u64; BUCKETS_S.len() + 1],
}

// === impl Answered ===

impl Answered {
    pub(crate) fn add(&mut self, counts: &RouteCounts) {
        self.requests += counts.requests_total();
        self.errors += counts.errors_total();
        for (sum, count) in self.durations.iter_mut().zip(counts.durations) {
            *sum += count;
        }
    }
}

// === impl RouteMetrics ===

impl RouteMetrics {
    pub(crate) fn new(workers: usize) -> Self {
        Self { shards: (0..workers).map(|_| Shard::default()).collect() }
    }

    /// Counts a finished request. The duration is left out for tunnels, which last as long as people talk; `served` also
    /// for requests that no upstream answered well.
    pub(crate) fn finished(
        &self,
        worker: usize,
        method: Method,
        code: u16,
        duration: Option<Duration>,
        served: Option<Duration>,
    ) {
        let mut counts = self.shards[worker].0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add_requests(method, code, 1);
        if let Some(duration) = duration {
            let seconds = duration.as_secs_f64();
            let bucket = BUCKETS_S.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS_S.len());
            counts.durations[bucket] += 1;
            counts.duration_sum += duration;
        }
        if let Some(served) = served {
            counts.served.record(served);
        }
    }

    pub(crate) fn total(&self) -> RouteCounts {
        let mut total = RouteCounts::default();
        for shard in &self.shards {
            let shard = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            for ((method, code), count) in &shard.requests {
                total.add_requests(*method, *code, *count);
            }
            for (sum, count) in total.durations.iter_mut().zip(shard.durations) {
                *sum += count;
            }
            total.duration_sum += shard.duration_sum;
            total.served.add(&shard.served);
        }
        total
    }
}

// === impl RouteCounts ===

impl RouteCounts {
    fn add_requests(&mut self, method: Method, code: u16, count: u64) {
        match self.requests.iter_mut().find(|(key, _)| *key == (method, code)) {
            Some((_, sum)) => *sum += count,
            None => self.requests.push(((method, code), count)),
        }
    }

    pub(crate) fn requests_total(&self) -> u64 {
        self.requests.iter().map(|(_, count)| count).sum()
    }

    pub(crate) fn errors_total(&self) -> u64 {
        self.requests.iter().filter(|((_, code), _)| (500..600).contains(code)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What names a route in metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    /// Empty for every host.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) service: String,
}

impl RouteKey {
    /// The value of the `route` label, such as `api.example.org/v1`.
    pub(crate) fn label(&self) -> String {
        format!("{}{}", self.host, self.path)
    }
}
