//! A recommendation compared with what is requested.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Amounts, Recommendation, defaults};
use crate::spec::{HpaSpec, MetricSpec};
use crate::{Time, vpa};

/// When a recommendation would be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Never: it is only shown.
    #[default]
    Off,
    /// To instances that are created anyway.
    Initial,
    /// Also by restarting running instances.
    Recreate,
}

/// One running instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: Arc<str>,
    /// What it requests.
    pub requests: Amounts,
    /// When it started.
    pub started_at: Time,
    /// When it last ran out of memory, if it did.
    pub out_of_memory_at: Option<Time>,
}

/// What to do about the size of a service. Nobody acts on it unless asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// CPU.
    pub cpu: ResourceAdvice,
    /// Memory.
    pub memory: ResourceAdvice,
    /// What the mode makes of it.
    pub apply: Apply,
}

/// Advice on one resource, in millicores or bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceAdvice {
    /// Requested now.
    pub request: i64,
    /// Best request.
    pub target: i64,
    /// The range in which no restart is worth it.
    pub lower: i64,
    /// Its upper end.
    pub upper: i64,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from comparing a request with a recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The request fits.
    Fits,
    /// It is too small.
    Raise,
    /// It is too large.
    Lower,
    /// A horizontal autoscaler scales on this resource: changing the request would change what it measures.
    OwnedByAutoscaler {
        /// Name of the metric that owns it.
        metric: String,
    },
}

/// What a mode makes of an advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apply {
    /// Show it.
    Show,
    /// Use these requests for instances created from now on.
    AtCreation {
        /// The requests.
        requests: Amounts,
    },
    /// Also restart these instances.
    Restart {
        /// The requests.
        requests: Amounts,
        /// The instances, the one with the largest change first; at most half of all.
        instances: Vec<Arc<str>>,
    },
}

/// Compares. `requests` is what new instances would get today.
pub fn advise(
    mode: Mode,
    recommendation: &Recommendation,
    requests: Amounts,
    members: &[Member],
    hpa: Option<&HpaSpec>,
    now: Time,
) -> Advice {
    let cpu = resource(recommendation, requests, hpa, "cpu", |amounts| amounts.cpu_milli);
    let memory = resource(recommendation, requests, hpa, "memory", |amounts| amounts.memory_bytes);
    let chosen = |advice: &ResourceAdvice, today| if advice.is_owned() { today } else { advice.target };
    let wanted = Amounts {
        cpu_milli: chosen(&cpu, requests.cpu_milli),
        memory_bytes: chosen(&memory, requests.memory_bytes),
    };
    let apply = match mode {
        _ if cpu.is_owned() && memory.is_owned() => Apply::Show,
        Mode::Off => Apply::Show,
        Mode::Initial => Apply::AtCreation { requests: wanted },
        Mode::Recreate => Apply::Restart {
            requests: wanted,
            instances: worth_restarting(&cpu, &memory, wanted, members, now),
        },
    };
    Advice { cpu, memory, apply }
}

/// The metric of an autoscaler that measures usage of this resource, if one does.
fn owner(hpa: Option<&HpaSpec>, resource: &str) -> Option<String> {
    let metrics = hpa?.effective_metrics();
    let owns = |metric: &&MetricSpec| {
        let measures = matches!(metric, MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. });
        measures && metric.name() == resource
    };
    metrics.iter().find(owns).map(|metric| format!("{} {}", metric.kind(), metric.name()))
}

fn resource(
    recommendation: &Recommendation,
    requests: Amounts,
    hpa: Option<&HpaSpec>,
    name: &str,
    of: impl Fn(&Amounts) -> i64,
) -> ResourceAdvice {
    let request = of(&requests);
    let (lower, upper) = (of(&recommendation.lower), of(&recommendation.upper));
    let verdict = match owner(hpa, name) {
        Some(metric) => Verdict::OwnedByAutoscaler { metric },
        None if request < lower => Verdict::Raise,
        None if request > upper => Verdict::Lower,
        None => Verdict::Fits,
    };
    ResourceAdvice { request, target: of(&recommendation.target), lower, upper, verdict }
}

/// Instances to restart: outside the range, out of memory soon after the start, or old and far enough from the target.
/// A service with fewer than two instances is left alone, and at most half of the instances go at once.
fn worth_restarting(
    cpu: &ResourceAdvice,
    memory: &ResourceAdvice,
    wanted: Amounts,
    members: &[Member],
    now: Time,
) -> Vec<Arc<str>> {
    if members.len() < vpa::defaults::MIN_REPLICAS as usize {
        return Vec::new();
    }
    let outside = |advice: &ResourceAdvice, request: i64| {
        !advice.is_owned() && (request < advice.lower || request > advice.upper)
    };
    let change = |request: i64, target: i64| request.abs_diff(target) as f64 / request.max(1) as f64;
    let mut found: Vec<(f64, &Member)> = Vec::new();
    for member in members {
        let total = change(member.requests.cpu_milli, wanted.cpu_milli)
            + change(member.requests.memory_bytes, wanted.memory_bytes);
        let out_of_memory = member.out_of_memory_at.is_some_and(|at| {
            at >= member.started_at && at < member.started_at.plus_s(defaults::EVICT_AFTER_OOM_S)
        });
        let old = member.started_at.plus_s(defaults::LIFETIME_THRESHOLD_S) < now;
        let due = outside(cpu, member.requests.cpu_milli)
            || outside(memory, member.requests.memory_bytes)
            || (out_of_memory && !memory.is_owned())
            || (old && total >= defaults::CHANGE_THRESHOLD);
        if due && total > 0.0 {
            found.push((total, member));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let most = (members.len() as f64 * defaults::EVICTION_TOLERANCE) as usize;
    found.into_iter().take(most).map(|(_, member)| member.name.clone()).collect()
}

// === impl ResourceAdvice ===

impl ResourceAdvice {
    /// True when an autoscaler owns the resource.
    pub fn is_owned(&self) -> bool {
        matches!(self.verdict, Verdict::OwnedByAutoscaler { .. })
    }
}
