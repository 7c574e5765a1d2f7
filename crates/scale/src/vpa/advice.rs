//! A recommendation compared with what is requested.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Amounts, Policy, Recommendation, defaults};
use crate::Time;
use crate::spec::MetricSpec;

/// When a recommendation is applied.
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

/// What a service wants of its sizes, in the vocabulary of the Vertical Pod Autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wish {
    /// When a recommendation is applied.
    pub mode: Mode,
    /// `minAllowed` and `maxAllowed`.
    #[serde(default)]
    pub allowed: Policy,
    /// `cpu` is among the `controlledResources`.
    pub controls_cpu: bool,
    /// `memory` is among them.
    pub controls_memory: bool,
    /// With fewer instances than this none is restarted for its size.
    pub min_replicas: u32,
}

/// One running instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: Arc<str>,
    /// What it requests.
    pub requests: Amounts,
    /// When it was created; that its process was started again since does not count.
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
    /// True when the mode may change it: it is controlled, and no autoscaler owns it.
    pub applies: bool,
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
        /// The instances that are due, the one with the largest change first.
        instances: Vec<Due>,
        /// How many may go at once: half of all, and at least one.
        at_once: usize,
    },
}

/// An instance that is to be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Its name.
    pub name: Arc<str>,
    /// What it requests.
    pub requests: Amounts,
    /// Why.
    pub because: Because,
}

/// Why an instance is worth a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A request is below the lower bound or above the upper one.
    OutsideTheRange,
    /// It ran out of memory soon after its start.
    OutOfMemory,
    /// It is old and far from the target.
    Drifted,
}

/// Compares. `requests` is what new instances would get without a recommendation, `metrics` are those that an autoscaler
/// of the same service decides with.
pub fn advise(
    wish: &Wish,
    recommendation: &Recommendation,
    requests: Amounts,
    members: &[Member],
    metrics: &[MetricSpec],
    now: Time,
) -> Advice {
    let cpu = resource(recommendation, requests, metrics, ("cpu", wish.controls_cpu), |one| one.cpu_milli);
    let memory =
        resource(recommendation, requests, metrics, ("memory", wish.controls_memory), |one| one.memory_bytes);
    let chosen = |advice: &ResourceAdvice, today| if advice.applies { advice.target } else { today };
    let wanted = Amounts {
        cpu_milli: chosen(&cpu, requests.cpu_milli),
        memory_bytes: chosen(&memory, requests.memory_bytes),
    };
    let apply = match wish.mode {
        _ if !cpu.applies && !memory.applies => Apply::Show,
        Mode::Off => Apply::Show,
        Mode::Initial => Apply::AtCreation { requests: wanted },
        Mode::Recreate => {
            let instances = worth_restarting(&cpu, &memory, wanted, members, wish.min_replicas, now);
            // Of a single instance that may be replaced, half is still that one.
            let at_once = ((members.len() as f64 * defaults::EVICTION_TOLERANCE) as usize).max(1);
            Apply::Restart { requests: wanted, instances, at_once }
        }
    };
    Advice { cpu, memory, apply }
}

/// The metric that measures usage of this resource, if one does: a change of the request would change what it decides.
pub fn owner(metrics: &[MetricSpec], resource: &str) -> Option<String> {
    let owns = |metric: &&MetricSpec| {
        let measures = matches!(metric, MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. });
        measures && metric.name() == resource
    };
    metrics.iter().find(owns).map(|metric| format!("{} {}", metric.kind(), metric.name()))
}

fn resource(
    recommendation: &Recommendation,
    requests: Amounts,
    metrics: &[MetricSpec],
    (name, controlled): (&str, bool),
    of: impl Fn(&Amounts) -> i64,
) -> ResourceAdvice {
    let request = of(&requests);
    let (lower, upper) = (of(&recommendation.lower), of(&recommendation.upper));
    let verdict = match owner(metrics, name) {
        Some(metric) => Verdict::OwnedByAutoscaler { metric },
        None if request < lower => Verdict::Raise,
        None if request > upper => Verdict::Lower,
        None => Verdict::Fits,
    };
    let applies = controlled && !matches!(verdict, Verdict::OwnedByAutoscaler { .. });
    ResourceAdvice { request, target: of(&recommendation.target), lower, upper, verdict, applies }
}

/// Instances to restart: outside the range, out of memory soon after the start, or old and far enough from the target.
/// A service with too few instances is left alone.
fn worth_restarting(
    cpu: &ResourceAdvice,
    memory: &ResourceAdvice,
    wanted: Amounts,
    members: &[Member],
    min_replicas: u32,
    now: Time,
) -> Vec<Due> {
    if members.len() < min_replicas as usize {
        return Vec::new();
    }
    let outside = |advice: &ResourceAdvice, request: i64| {
        advice.applies && (request < advice.lower || request > advice.upper)
    };
    let change = |advice: &ResourceAdvice, request: i64, target: i64| {
        if advice.applies { request.abs_diff(target) as f64 / request.max(1) as f64 } else { 0.0 }
    };
    let mut found: Vec<(f64, Due)> = Vec::new();
    for member in members {
        let Amounts { cpu_milli, memory_bytes } = member.requests;
        let total =
            change(cpu, cpu_milli, wanted.cpu_milli) + change(memory, memory_bytes, wanted.memory_bytes);
        let out_of_memory = member.out_of_memory_at.is_some_and(|at| {
            at >= member.started_at && at < member.started_at.plus_s(defaults::EVICT_AFTER_OOM_S)
        });
        let old = member.started_at.plus_s(defaults::LIFETIME_THRESHOLD_S) < now;
        let because = if outside(cpu, cpu_milli) || outside(memory, memory_bytes) {
            Because::OutsideTheRange
        } else if out_of_memory && memory.applies {
            Because::OutOfMemory
        } else if old && total >= defaults::CHANGE_THRESHOLD {
            Because::Drifted
        } else {
            continue;
        };
        if total > 0.0 {
            found.push((total, Due { name: member.name.clone(), requests: member.requests, because }));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    found.into_iter().map(|(_, due)| due).collect()
}

// === impl Wish ===

impl Wish {
    /// This mode on both resources, with the updater's defaults.
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            allowed: Policy::default(),
            controls_cpu: true,
            controls_memory: true,
            min_replicas: defaults::MIN_REPLICAS,
        }
    }
}

// === impl ResourceAdvice ===

impl ResourceAdvice {
    /// True when an autoscaler owns the resource.
    pub fn is_owned(&self) -> bool {
        matches!(self.verdict, Verdict::OwnedByAutoscaler { .. })
    }
}
