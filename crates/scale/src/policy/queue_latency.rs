//! `queueLatency`: nobody in the queue waits longer than wanted.
//!
//! Wanted properties:
//! * one decision goes from 0 or 1 to what the backlog needs, however large it is;
//! * more waiting jobs, more arrivals, slower service: never fewer instances;
//! * an answer is a total, and instances that are starting count with the work they will have done by the time a further
//!   one could start: waiting for them does not raise the answer;
//! * zero only when nothing waits, nothing runs and nothing arrives;
//! * without a service time there is no answer, except that a waiting job wakes a pool of zero.

use serde::{Deserialize, Serialize};

use super::signals::{Capacity, QueueSignal};
use crate::calculate::MetricError;
use crate::queueing::{Variability, fewest_instances};
use crate::spec::policy::QueueLatency;

/// What the policy saw and asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Replicas asked for.
    pub asks: u32,
    /// Jobs waiting.
    pub depth: u64,
    /// Jobs that will be waiting when an instance started now is ready.
    pub depth_then: u64,
    /// Replicas that keep the mean wait for good.
    pub steady: u32,
    /// Replicas that work off the backlog in time.
    pub backlog: u32,
}

/// Asks for replicas.
pub fn evaluate(
    spec: &QueueLatency,
    queue: &QueueSignal,
    capacity: &Capacity,
    startup_s: f64,
    max: u32,
) -> Result<Report, MetricError> {
    let busy = queue.depth > 0 || queue.in_service > 0;
    let measured_s = queue.service_us.map(|service_us| service_us as f64 / 1e6);
    let Some(service_s) = measured_s.or(spec.service_s).filter(|&service_s| service_s > 0.0) else {
        if capacity.replicas == 0 && busy {
            return Ok(Report {
                asks: 1,
                depth: queue.depth,
                depth_then: queue.depth,
                steady: 0,
                backlog: 1,
            });
        }
        let message = "the service time is not known yet".to_owned();
        return Err(MetricError::Unavailable { message });
    };
    let arrivals_per_s = queue.arrivals_milli_per_s as f64 / 1000.0;
    let jobs_per_s = f64::from(spec.slots) / service_s;
    let offered = arrivals_per_s * service_s;

    let steady = if offered > 0.0 {
        let calm = |mean_wait: f64| mean_wait * service_s <= spec.target_wait_s;
        fewest_instances(offered, spec.slots, max, |q| calm(q.mean_wait(Variability::EXPONENTIAL)))
    } else {
        u32::from(busy)
    };
    let worked_s = f64::from(capacity.ready) * startup_s + capacity.starting_seconds_within(startup_s);
    let depth_then = (queue.depth as f64 + arrivals_per_s * startup_s - jobs_per_s * worked_s).max(0.0);
    let backlog = ((depth_then / spec.target_wait_s + arrivals_per_s) / jobs_per_s).ceil();
    let backlog = if depth_then > 0.0 { (backlog as u32).min(max) } else { 0 };
    let asks = steady.max(backlog);
    Ok(Report { asks, depth: queue.depth, depth_then: depth_then.ceil() as u64, steady, backlog })
}
