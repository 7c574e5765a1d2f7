//! What a stack did over a period, from its logbook and its log of decisions. Pure: files in, figures out.
//!
//! Every figure is one that was measured, and the report says how much of the period that was. What a histogram cannot tell is a
//! range; what nobody measured is absent.

mod build;
mod events;
pub(crate) mod html;
mod phrases;
mod sheets;
pub(crate) mod text;

use plimsoll_control::view::SizingView;
use serde::{Deserialize, Serialize};

pub(crate) use build::{Sources, build};

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) stack: String,
    /// Milliseconds since the Unix epoch; so everywhere.
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) coverage: Coverage,
    pub(crate) services: Vec<ServiceReport>,
    pub(crate) queues: Vec<QueueReport>,
    /// Decisions of the policies, newest last.
    pub(crate) decisions: Vec<Event>,
    pub(crate) alerts: Vec<Event>,
    pub(crate) crashes: Vec<Event>,
    /// What operators did.
    pub(crate) orders: Vec<Event>,
    /// Starts and stops of the whole stack.
    pub(crate) runs: Vec<Event>,
    /// One point a slice of the period, for drawing.
    pub(crate) course: Vec<Point>,
}

/// How much of the period is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    pub(crate) asked_s: u64,
    pub(crate) measured_s: f64,
    /// The first and last measured moment.
    pub(crate) first_ms: Option<u64>,
    pub(crate) last_ms: Option<u64>,
    /// Stretches between those in which nothing was measured, of ten seconds or more.
    pub(crate) gaps: Vec<Gap>,
    /// The oldest record of the decision log, when it began within the period: earlier ones are not known.
    pub(crate) decisions_from_ms: Option<u64>,
    /// Lines of the two logs that could not be read.
    pub(crate) damaged_lines: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

/// One service over the measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceReport {
    pub(crate) name: String,
    /// Hours of instances that had a process.
    pub(crate) instance_hours: f64,
    /// Hours of instances that could serve.
    pub(crate) ready_hours: f64,
    /// Hours of instances that were asked for.
    pub(crate) desired_hours: f64,
    /// `instance_hours` times the price that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<f64>,
    pub(crate) least_ready: u32,
    pub(crate) most_running: u32,
    /// Mean over the measured time, of all instances together.
    pub(crate) cpu_cores: f64,
    /// Most of a single instance.
    pub(crate) memory_max_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<HttpReport>,
    pub(crate) scaling: ScalingReport,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<ShadowReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sizing: Option<SizingView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forecast: Option<ForecastReport>,
}

/// What the edge answered for a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HttpReport {
    pub(crate) requests: u64,
    /// Status 500 to 599.
    pub(crate) errors: u64,
    /// In seconds; absent when nothing was answered.
    pub(crate) p50: Option<Range>,
    pub(crate) p95: Option<Range>,
    pub(crate) p99: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slo: Option<SloReport>,
}

/// A quantile as a histogram knows it: above one bound, up to the next. Without `upto`: beyond the last bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) above: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upto: Option<f64>,
}

/// `scaling.slo` of the stack file as it is now, held against what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SloReport {
    pub(crate) p95_s: f64,
    /// Requests that certainly took longer.
    pub(crate) over_at_least: u64,
    /// Requests that may have.
    pub(crate) over_at_most: u64,
    /// Whether 95 of 100 requests were fast enough; absent when the histogram cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<bool>,
}

/// Decisions on the size of a service, from the decision log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScalingReport {
    pub(crate) out: u32,
    pub(crate) r#in: u32,
    /// Times the policy wanted another number and was held.
    pub(crate) held: u32,
    /// What asked for the most when the number was changed.
    pub(crate) because: Vec<Because>,
    pub(crate) jumps: u32,
    pub(crate) flaps: u32,
    pub(crate) crashes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Because {
    pub(crate) reason: String,
    pub(crate) out: u32,
    pub(crate) r#in: u32,
}

/// The second policy beside the live one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShadowReport {
    pub(crate) compared_s: f64,
    /// Time in which both wanted different numbers.
    pub(crate) differed_s: f64,
    pub(crate) live_hours: f64,
    pub(crate) shadow_hours: f64,
    /// What the difference in hours is worth at the price that was given; negative: the shadow would have cost less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_difference: Option<f64>,
    pub(crate) most_above: u32,
    pub(crate) most_below: u32,
    /// Differences that began, changed or ended and were told as events.
    pub(crate) events: u32,
}

/// How the forecast did against what came, as it scores itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ForecastReport {
    /// The decision that says so.
    pub(crate) decision: u64,
    pub(crate) at_ms: u64,
    /// `on`, `losing` or `learning`.
    pub(crate) standing: String,
    /// Mean absolute errors, in units of demand.
    pub(crate) model_error: f64,
    pub(crate) naive_error: f64,
}

/// One queue over the measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueueReport {
    pub(crate) name: String,
    pub(crate) enqueued: u64,
    pub(crate) completed: u64,
    pub(crate) failed_attempts: u64,
    pub(crate) leases_lost: u64,
    /// Jobs that became dead letters.
    pub(crate) died: u64,
    /// Dead letters at the last measured moment.
    pub(crate) dead: u64,
    pub(crate) most_ready: u64,
    /// Longest wait of an oldest job.
    pub(crate) oldest_s: f64,
    /// `scaling.queueLatency` of the stack file as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<WaitReport>,
}

/// A wanted wait held against the longest one in each entry of the logbook.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WaitReport {
    pub(crate) target_s: f64,
    /// Entries, a minute each, in which the oldest job at some moment waited longer.
    pub(crate) minutes_over: u64,
    pub(crate) minutes: u64,
}

/// A line of the decision log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) at_ms: u64,
    pub(crate) service: String,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) summary: String,
}

/// A slice of the period, as far as it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at_ms: u64,
    /// Mean number of instances with a process, in the order of `services`.
    pub(crate) running: Vec<f64>,
    pub(crate) requests_per_s: f64,
    pub(crate) completed_per_s: f64,
    /// Longest wait of an oldest job, of all queues.
    pub(crate) oldest_s: f64,
}

/// What an instance costs in an hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prices {
    pub(crate) every: Option<f64>,
    /// By service; comes before `every`.
    pub(crate) of: std::collections::BTreeMap<String, f64>,
}

// === impl Report ===

impl Report {
    /// Fills in costs.
    pub(crate) fn price(&mut self, prices: &Prices) {
        for service in &mut self.services {
            let Some(price) = prices.of.get(&service.name).copied().or(prices.every) else { continue };
            service.cost = Some(service.instance_hours * price);
            if let Some(shadow) = &mut service.shadow {
                shadow.cost_difference = Some((shadow.shadow_hours - shadow.live_hours) * price);
            }
        }
    }

    /// The sum of the costs; none when none was priced.
    pub(crate) fn cost(&self) -> Option<f64> {
        let costs: Vec<f64> = self.services.iter().filter_map(|service| service.cost).collect();
        (!costs.is_empty()).then(|| costs.iter().sum())
    }
}

#[cfg(test)]
mod tests;
