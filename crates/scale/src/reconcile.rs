//! One round of the autoscaler: HPA.md section 2.

use crate::calculate::{
    MetricError, Proposal, Round, TotalOf, average_value, per_instance_target, sum, utilization, value_target,
};
use crate::explain::{Decision, Explanation, MetricOutcome, MetricReport, Path};
use crate::normalize::{self, Bounds, Limited, Past, Stabilized};
use crate::observe::{Reading, Scale, SelectorFault};
use crate::settings::Settings;
use crate::spec::{Behavior, HpaSpec, MetricSpec, Target};
use crate::state::{Reason, Recommendation, State};
use crate::{Observation, Time};

/// What became of the write of a new scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The target has the new scale (perhaps after a retry on conflict).
    Succeeded,
    /// It has not, and why.
    Failed(String),
}

/// Decides what to do now and records the recommendation in `state`. When [`Decision::write`] is set, write the scale
/// and report the outcome to [`settle`].
pub fn reconcile(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    observed: &Observation,
    now: Time,
) -> Decision {
    let mut explanation = Explanation {
        path: Path::Metrics,
        min_replicas: spec.min(),
        max_replicas: spec.max_replicas,
        metrics: Vec::new(),
        winner: None,
        wanted: None,
        stabilized: None,
        limited: None,
    };
    let Some(scale) = observed.scale else {
        state.conditions.able_to_scale(false, Reason::FailedGetScale, now);
        explanation.path = Path::NoScale;
        let last = state.desired.unwrap_or(spec.min());
        return decision(state, last, last, Some("the current scale could not be read".into()), explanation);
    };
    let current = scale.spec_replicas;
    state.conditions.able_to_scale(true, Reason::SucceededGetScale, now);
    // A controller without history must not downscale for one stabilisation window.
    state.recommendations.get_or_insert_with(|| vec![Recommendation { replicas: current, at: now }]);

    if current == 0 && !may_leave_zero(spec, settings, state) {
        if !settings.scale_to_zero {
            state.conditions.scaled_to_zero = None;
        }
        state.conditions.scaling_active(false, Reason::ScalingDisabled, now);
        explanation.path = Path::Paused;
        return decision(state, 0, 0, None, explanation);
    }
    if current > spec.max_replicas {
        explanation.path = Path::AboveMax;
        return decision(state, current, spec.max_replicas, None, explanation);
    }
    if current > 0 && current < spec.min() {
        explanation.path = Path::BelowMin;
        return decision(state, current, spec.min(), None, explanation);
    }
    if let Some(fault) = observed.selector_fault {
        let reason = match fault {
            SelectorFault::InvalidSelector => Reason::InvalidSelector,
            SelectorFault::AmbiguousSelector => Reason::AmbiguousSelector,
        };
        state.conditions.scaling_active(false, reason, now);
        explanation.path = Path::SelectorFault;
        return decision(state, current, current, Some(reason.to_string()), explanation);
    }

    let measured = measure(spec, settings, observed, scale, now, &mut explanation);
    let (wanted, error) = match measured {
        Ok(measured) => measured,
        Err((reason, message)) => {
            state.conditions.scaling_active(false, reason, now);
            explanation.path = Path::MetricsFailed;
            return decision(state, current, current, Some(message), explanation);
        }
    };
    state.conditions.scaling_active(true, Reason::ValidMetricFound, now);
    explanation.wanted = Some(wanted);

    let (stabilized, limited) = normalize(spec, settings, state, current, wanted, now);
    let able = if stabilized.replicas == wanted { Reason::ReadyForNewScale } else { stabilized.reason };
    state.conditions.able_to_scale(true, able, now);
    state.conditions.scaling_limited(limited.replicas != stabilized.replicas, limited.reason, now);
    explanation.stabilized = Some(stabilized);
    explanation.limited = Some(limited);
    // From zero no bound was checked above.
    let desired = if current == 0 { limited.replicas.max(spec.min()) } else { limited.replicas };
    decision(state, current, desired, error, explanation)
}

/// Takes note of what became of the write that `decision` asked for; without one there is nothing to settle.
pub fn settle(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    decision: &mut Decision,
    written: Written,
    now: Time,
) {
    if !decision.write {
        return;
    }
    let (current, desired) = (decision.current, decision.desired);
    match written {
        Written::Failed(message) => {
            state.conditions.able_to_scale(false, Reason::FailedUpdateScale, now);
            decision.desired = current;
            decision.error = Some(message);
        }
        Written::Succeeded => {
            state.conditions.able_to_scale(true, Reason::SucceededRescale, now);
            state.last_scale_at = Some(now);
            if let Some(behavior) = &spec.behavior {
                remember(behavior, settings, state, current, desired, now);
            }
            note_zero(spec, settings, state, current, desired, now);
        }
    }
    state.desired = Some(decision.desired);
    decision.conditions = state.conditions;
}

fn decision(
    state: &mut State,
    current: u32,
    desired: u32,
    error: Option<String>,
    explanation: Explanation,
) -> Decision {
    state.desired = Some(desired);
    Decision { current, desired, write: desired != current, error, conditions: state.conditions, explanation }
}

/// At zero only a target that its autoscaler put there is looked at: a zero set by hand is a pause.
fn may_leave_zero(spec: &HpaSpec, settings: &Settings, state: &State) -> bool {
    let by_itself = state.conditions.scaled_to_zero.is_some_and(|condition| condition.status);
    settings.scale_to_zero && by_itself && (spec.min() != 0 || spec.has_object_or_external())
}

/// Evaluates every metric; the highest proposal wins. Returns the wanted count and the error to report beside it, or
/// why nothing may be done: every metric failed, or some did and the rest asks for less than there is.
fn measure(
    spec: &HpaSpec,
    settings: &Settings,
    observed: &Observation,
    scale: Scale,
    now: Time,
    explanation: &mut Explanation,
) -> Result<(u32, Option<String>), (Reason, String)> {
    let round = Round {
        settings,
        tolerances: settings.tolerances(spec),
        instances: &observed.instances,
        spec_replicas: scale.spec_replicas,
        status_replicas: scale.status_replicas,
        now,
    };
    let metrics = spec.effective_metrics();
    let mut highest = 0_i32;
    let mut first_failure: Option<(Reason, String)> = None;
    let mut failures = 0_usize;
    explanation.metrics.reserve_exact(metrics.len());
    for (index, metric) in metrics.iter().enumerate() {
        let outcome = match propose(&round, metric, observed.readings.get(index)) {
            Ok(proposal) => {
                // Kubernetes starts at 0 and replaces a 0 by anything.
                if highest == 0 || proposal.replicas > highest {
                    highest = proposal.replicas;
                    explanation.winner = Some(index);
                }
                MetricOutcome::Proposal(proposal)
            }
            Err(error) => {
                failures += 1;
                first_failure
                    .get_or_insert_with(|| (reason_of(metric), format!("{}: {error}", metric.name())));
                MetricOutcome::Failure(error)
            }
        };
        explanation.metrics.push(MetricReport {
            name: metric.name().to_owned(),
            kind: metric.kind().to_owned(),
            target: metric.target(),
            outcome,
        });
    }
    let wanted = u32::try_from(highest).unwrap_or(0);
    let Some((reason, first)) = first_failure else { return Ok((wanted, None)) };
    let message = format!("invalid metrics ({failures} of {}), first error: {first}", metrics.len());
    if failures == metrics.len() || i64::from(highest) < i64::from(scale.spec_replicas) {
        return Err((reason, message));
    }
    Ok((wanted, Some(message)))
}

fn propose(
    round: &Round<'_>,
    metric: &MetricSpec,
    reading: Option<&Reading>,
) -> Result<Proposal, MetricError> {
    if let MetricSpec::Unknown { kind } = metric {
        return Err(MetricError::UnknownType { kind: kind.clone() });
    }
    let reading = reading.ok_or(MetricError::NoMetricsReturned)?;
    if let Reading::Failed(error) = reading {
        return Err(error.clone());
    }
    match (metric, reading) {
        (MetricSpec::Resource { name, target }, Reading::Instances(samples)) => match *target {
            Target::Utilization(pct) => utilization(round, name, None, pct, samples),
            Target::AverageValue(milli) => average_value(round, name == "cpu", milli, samples),
            Target::Value(_) => Err(MetricError::InvalidTarget),
        },
        (MetricSpec::ContainerResource { name, container, target }, Reading::Instances(samples)) => {
            match *target {
                Target::Utilization(pct) => utilization(round, name, Some(container), pct, samples),
                Target::AverageValue(milli) => average_value(round, name == "cpu", milli, samples),
                Target::Value(_) => Err(MetricError::InvalidTarget),
            }
        }
        (MetricSpec::Pods { target: Target::AverageValue(milli), .. }, Reading::Instances(samples)) => {
            average_value(round, false, *milli, samples)
        }
        (MetricSpec::Object { target, .. } | MetricSpec::External { target, .. }, reading) => {
            total_of(round, *target, reading)
        }
        _ => Err(MetricError::InvalidTarget),
    }
}

fn total_of(round: &Round<'_>, target: Target, reading: &Reading) -> Result<Proposal, MetricError> {
    let of = match target {
        Target::AverageValue(_) => TotalOf::PerInstance,
        _ => TotalOf::Value,
    };
    let (total_milli, at) = match reading {
        Reading::Value { milli, at } => (*milli, *at),
        Reading::Series { milli, .. } if milli.is_empty() => return Err(MetricError::NoMetricsReturned),
        Reading::Series { milli, at } => (sum(milli, of), *at),
        Reading::Instances(_) | Reading::Failed(_) => return Err(MetricError::InvalidTarget),
    };
    if round.settings.stale_after_s.is_some_and(|limit_s| at.plus_s(limit_s) < round.now) {
        return Err(MetricError::Stale { age_s: round.now.since_ms(at) / 1000 });
    }
    match target {
        Target::Value(milli) => value_target(round, total_milli, milli),
        Target::AverageValue(milli) => Ok(per_instance_target(round, total_milli, milli)),
        Target::Utilization(_) => Err(MetricError::InvalidTarget),
    }
}

fn reason_of(metric: &MetricSpec) -> Reason {
    match metric {
        MetricSpec::Resource { .. } => Reason::FailedGetResourceMetric,
        MetricSpec::ContainerResource { .. } => Reason::FailedGetContainerResourceMetric,
        MetricSpec::Pods { .. } => Reason::FailedGetPodsMetric,
        MetricSpec::Object { .. } => Reason::FailedGetObjectMetric,
        MetricSpec::External { .. } => Reason::FailedGetExternalMetric,
        MetricSpec::Unknown { .. } => Reason::InvalidMetricSourceType,
    }
}

/// Stabilises, limits, and records the unstabilised recommendation.
fn normalize(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    current: u32,
    wanted: u32,
    now: Time,
) -> (Stabilized, Limited) {
    let bounds = Bounds { min: spec.min(), max: spec.max_replicas };
    let log = state.recommendations.get_or_insert_default();
    let Some(behavior) = &spec.behavior else {
        let window_s = settings.downscale_stabilization_s;
        let stabilized = normalize::hold_down(log, wanted, window_s, now);
        normalize::record(log, wanted, window_s, now);
        let limited = normalize::clamp(settings, bounds, current, stabilized.replicas);
        return (stabilized, limited);
    };
    let (up, down) = (behavior.up(), behavior.down(settings.downscale_stabilization_s));
    let (up_s, down_s) = (up.stabilization_window_s, down.stabilization_window_s);
    let stabilized = normalize::stabilize(log, current, wanted, up_s, down_s, now);
    normalize::record(log, wanted, up_s.max(down_s), now);
    let past = Past { up: &state.up_events, down: &state.down_events, now };
    let limited = normalize::rate_limit(bounds, current, stabilized.replicas, up, down, past);
    (stabilized, limited)
}

/// Stores the rescale for the rate limits.
fn remember(
    behavior: &Behavior,
    settings: &Settings,
    state: &mut State,
    current: u32,
    desired: u32,
    now: Time,
) {
    let (rules, events) = if desired > current {
        (behavior.up(), &mut state.up_events)
    } else {
        (behavior.down(settings.downscale_stabilization_s), &mut state.down_events)
    };
    let longest_s = rules.policies.iter().map(|policy| policy.period_s).max().unwrap_or(0);
    normalize::store(events, desired.abs_diff(current), longest_s, now);
}

/// Remembers whether the autoscaler itself went to zero, so that it may come back on its own.
fn note_zero(spec: &HpaSpec, settings: &Settings, state: &mut State, current: u32, desired: u32, now: Time) {
    if !settings.scale_to_zero {
        state.conditions.scaled_to_zero = None;
        return;
    }
    if current > 0 && desired == 0 && spec.min() == 0 && spec.has_object_or_external() {
        state.conditions.scaled_to_zero(true, Reason::ScaledToZero, now);
    } else {
        state.conditions.scaled_to_zero(false, Reason::NotScaledToZero, now);
    }
}
