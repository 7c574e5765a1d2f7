//! What a run came to.

use serde::{Deserialize, Serialize};

/// Figures of one run. Everything about requests, time and money covers what was measured; `flow` covers the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Seconds that were measured.
    pub measured_s: f64,
    /// Requests that were started or dropped in them.
    pub requests: u64,
    /// Requests whose response took too long or that were dropped.
    pub over_slo: u64,
    /// Of those, requests whose service alone takes too long, whatever the replicas.
    pub unavoidable: u64,
    /// Requests that waited too long or were dropped.
    pub over_wait: u64,
    /// Time before service.
    pub wait: Times,
    /// Wait and service.
    pub response: Times,
    /// Seconds of instances paid for, from the request for one until it is gone.
    pub replica_s: f64,
    /// Of those, seconds before they were ready.
    pub starting_s: f64,
    /// `replica_s` at the price of the service.
    pub cost: f64,
    /// Decisions that added instances.
    pub scale_ups: u32,
    /// Decisions that removed instances.
    pub scale_downs: u32,
    /// Decisions in the other direction than the one before.
    pub reversals: u32,
    /// Seconds with the most replicas the policy may ask for.
    pub at_max_s: f64,
    /// Most replicas asked for at once.
    pub peak_replicas: u32,
    /// Where every request of the run is.
    pub flow: Flow,
    /// What happened over time, when a step was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Point>,
    /// Every measured request that was started or dropped, in order of arrival, when they were to be kept.
    #[serde(skip)]
    pub served: Vec<Served>,
}

/// One request and how long it waited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    /// Seconds from the start of the trace.
    pub arrival_s: f64,
    /// Seconds of service.
    pub service_s: f64,
    /// Seconds before its service; `None` when it found the queue full.
    pub wait_s: Option<f64>,
}

/// Percentiles of a time, in seconds, within one per cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Mean, exact.
    pub mean_s: f64,
    /// Median.
    pub p50_s: f64,
    /// 95th percentile.
    pub p95_s: f64,
    /// 99th percentile.
    pub p99_s: f64,
    /// Longest, exact.
    pub max_s: f64,
}

/// Arrivals and where they are at the end, each counted where it happens. With [`sample`](crate::Setup::sample) these
/// are the simulated ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Requests that came.
    pub arrivals: u64,
    /// Requests that were served to the end.
    pub completions: u64,
    /// Requests being served.
    pub in_flight: u64,
    /// Requests in the queue.
    pub waiting: u64,
    /// Requests that found the queue full.
    pub dropped: u64,
}

/// One step of the series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// End of the step, in seconds from the start.
    pub at_s: f64,
    /// Arrivals in the step.
    pub arrivals: u64,
    /// Requests over the limit, by when they were started.
    pub over_slo: u64,
    /// Requests that waited too long, by when they were started.
    pub over_wait: u64,
    /// Instances that serve.
    pub ready: u32,
    /// Instances that are on their way.
    pub starting: u32,
    /// Requests in the queue.
    pub waiting: u64,
    /// Requests being served.
    pub in_flight: u64,
}

// === impl Outcome ===

impl Outcome {
    /// Per cent of the requests over the limit.
    pub fn over_slo_pct(&self) -> f64 {
        pct(self.over_slo, self.requests)
    }

    /// Per cent of the requests that waited too long.
    pub fn over_wait_pct(&self) -> f64 {
        pct(self.over_wait, self.requests)
    }

    /// Hours of instances.
    pub fn replica_hours(&self) -> f64 {
        self.replica_s / 3600.0
    }

    /// Changes of direction per hour.
    pub fn reversals_per_hour(&self) -> f64 {
        f64::from(self.reversals) * 3600.0 / self.measured_s.max(1e-9)
    }
}

fn pct(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

// === impl Times ===

impl Times {
    pub(crate) fn of(histogram: &crate::histogram::Histogram) -> Self {
        Self {
            mean_s: histogram.mean_s(),
            p50_s: histogram.quantile_s(0.5),
            p95_s: histogram.quantile_s(0.95),
            p99_s: histogram.quantile_s(0.99),
            max_s: histogram.max_s(),
        }
    }
}

// === impl Flow ===

impl Flow {
    /// True when no request was lost or made up.
    pub fn adds_up(&self) -> bool {
        self.arrivals == self.completions + self.in_flight + self.waiting + self.dropped
    }
}
