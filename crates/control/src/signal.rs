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
    ("http_requests_waiting", "gateway"),
];

/// What was seen of the queues and the edge at one moment.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Every queue that ever held a job, or why the queue could not be asked.
    pub queues: Result<Vec<Backlog>, String>,
    /// Who holds jobs.
    pub holders: Vec<Holder>,
    /// Requests in flight per service.
    pub in_flight: BTreeMap<String, u64>,
    /// Requests that wait for an instance.
    pub waiting: u64,
}

// === impl Signals ===

impl Default for Signals {
    fn default() -> Self {
        let queues = Err("not asked yet".to_owned());
        Self { queues, holders: Vec::new(), in_flight: BTreeMap::new(), waiting: 0 }
    }
}

impl Signals {
    /// Adds up the edge's figures per service.
    pub fn of_gateway(&mut self, stats: &GatewayStats) {
        for (instance, upstream) in &stats.upstreams {
            let service = plimsoll_fleet::InstanceId::parse(instance)
                .map_or_else(|| instance.clone(), |id| id.service().to_owned());
            *self.in_flight.entry(service).or_default() += upstream.in_flight;
        }
        self.waiting = stats.waiting;
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
            "http_requests_in_flight" => {
                self.in_flight.iter().map(|(service, count)| (service.as_str(), milli(*count))).collect()
            }
            "http_requests_waiting" => vec![("gateway", milli(self.waiting))],
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
