//! External metrics that this process owns: of its queues and of its edge. Nothing is scraped, so nothing is stale.

use std::collections::BTreeMap;

use crate::backlog::Backlog;
use plimsoll_gateway::GatewayStats;
use plimsoll_jobs::Holder;
use plimsoll_scale::{Time, calculate::MetricError, observe::Reading, spec::MetricId};

/// Names that an External metric may ask for, each with the label that tells its series apart.
pub const NAMES: &[(&str, &str)] = &[
    ("queue_age_seconds", "queue"),
    ("queue_depth", "queue"),
    ("queue_time_to_drain_seconds", "queue"),
    ("http_requests_in_flight", "service"),
    ("http_requests_waiting", "service"),
    ("http_requests_per_second", "service"),
];

/// What was seen of the queues and the edge at one moment.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Every queue that ever held a job, or why the queue could not be asked.
    pub queues: Result<Vec<Backlog>, String>,
    /// Who holds jobs.
    pub holders: Vec<Holder>,
    /// Requests at its instances per service.
    pub in_flight: BTreeMap<String, u64>,
    /// Requests that wait for an instance per service.
    pub waiting: BTreeMap<String, u64>,
    /// Requests that come in per service, in thousandths per second over the last half minute.
    pub requests_milli_per_s: BTreeMap<String, u64>,
}

// === impl Signals ===

impl Default for Signals {
    fn default() -> Self {
        let queues = Err("not asked yet".to_owned());
        let none = BTreeMap::new();
        Self {
            queues,
            holders: Vec::new(),
            in_flight: none.clone(),
            waiting: none.clone(),
            requests_milli_per_s: none,
        }
    }
}

impl Signals {
    /// Takes the edge's figures in.
    pub fn of_gateway(&mut self, stats: &GatewayStats) {
        for (service, own) in &stats.services {
            self.in_flight.insert(service.clone(), own.in_flight);
            self.waiting.insert(service.clone(), own.waiting);
        }
    }

    /// The series that `metric` names, summed by whoever reads them.
    ///
    /// A queue that never held a job is empty, which is a fact and not a failure; a queue that cannot be asked is a failure.
    pub fn read(&self, metric: &MetricId, at: Time) -> Reading {
        let failed = |message: String| Reading::Failed(MetricError::Unavailable { message });
        let series: Vec<(&str, i64)> = match metric.name.as_str() {
            name @ ("queue_age_seconds" | "queue_depth" | "queue_time_to_drain_seconds") => {
                match &self.queues {
                    Err(why) => return failed(format!("the queue cannot be read: {why}")),
                    Ok(queues) => queues
                        .iter()
                        .map(|queue| (queue.stats.queue.as_str(), queue_milli(name, queue)))
                        .collect(),
                }
            }
            "http_requests_in_flight" => each(&self.in_flight, milli),
            "http_requests_waiting" => each(&self.waiting, milli),
            "http_requests_per_second" => {
                each(&self.requests_milli_per_s, |count| i64::try_from(count).unwrap_or(i64::MAX))
            }
            other => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                return failed(format!("nobody emits `{other}`; known are {}", names.join(", ")));
            }
        };
        let label = NAMES.iter().find(|(name, _)| *name == metric.name).map_or("", |(_, label)| label);
        let matching = series
            .into_iter()
            .filter(|(value, _)| metric.selector.matches(|asked| (asked == label).then_some(value)));
        let mut milli: Vec<i64> = matching.map(|(_, milli)| milli).collect();
        if milli.is_empty() {
            milli.push(0);
        }
        Reading::Series { milli, at }
    }
}

fn each(services: &BTreeMap<String, u64>, milli: impl Fn(u64) -> i64) -> Vec<(&str, i64)> {
    services.iter().map(|(service, count)| (service.as_str(), milli(*count))).collect()
}

fn queue_milli(name: &str, queue: &Backlog) -> i64 {
    match name {
        "queue_age_seconds" => queue.stats.oldest_ready_age_ms.unwrap_or(0),
        "queue_time_to_drain_seconds" => i64::try_from(queue.time_to_drain_ms()).unwrap_or(i64::MAX),
        _ => milli(queue.stats.ready),
    }
}

fn milli(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1000)
}
