//! One round of the autoscaler: HPA.md section 2.

mod measure;

use crate::calculate::MetricError;
use crate::explain::{Decision, Explanation, Path};
use crate::normalize::{self, Bounds, Limited, Past, Stabilized};
use crate::observe::SelectorFault;
use crate::policy::formula::Measured;
use crate::policy::{Asking, Health};
use crate::settings::Settings;
use crate::spec::policy::SignalLoss;
use crate::spec::{Behavior, HpaSpec, ScalingRules};
use crate::state::{Reason, Recommendation, State};
use crate::{Observation, Time};
use measure::measure;

/// What became of the write of a new scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The target has the new scale (perhaps after a retry on conflict).
    Succeeded,
    /// It has not, and why.
    Failed(String),
}

/// What policies beside `metrics` bring to a round. [`Extras::default`] is plain Kubernetes.
#[derive(Default)]
pub(crate) struct Extras<'a> {
    /// What each of them asks for; a failure keeps the target from scaling in, as that of a metric does.
    pub(crate) asks: &'a [(Asking, Result<u32, MetricError>)],
    /// They or the formula see load while no instance runs, and empty `metrics` stay empty.
    pub(crate) stands_without_metrics: bool,
    /// One more metric, after those of the spec.
    pub(crate) formula: Option<Measured>,
    /// See [`Round::settle_s`].
    pub(crate) settle_s: Option<u32>,
    /// What stands in for lost metrics.
    pub(crate) signal_loss: Option<(SignalLoss, &'a mut Vec<Health>)>,
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
    reconcile_with(spec, settings, state, observed, Extras::default(), now)
}

pub(crate) fn reconcile_with(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    observed: &Observation,
    extras: Extras<'_>,
    now: Time,
) -> Decision {
    let mut explanation = Explanation {
        path: Path::Metrics,
        min_replicas: spec.min(),
        max_replicas: spec.max_replicas,
        metrics: Vec::new(),
        winner: None,
        winning_policy: None,
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

    if current == 0 && !may_leave_zero(spec, settings, state, extras.stands_without_metrics) {
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

    let asked = extras.asks.iter().filter_map(|(_, asked)| asked.as_ref().ok().copied()).max();
    let measured = measure(spec, settings, observed, scale, extras, now, &mut explanation);
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

    let (stabilized, limited) = normalize(spec, settings, state, current, wanted, asked, now);
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
    settle_with(spec, settings, state, decision, written, false, now);
}

pub(crate) fn settle_with(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    decision: &mut Decision,
    written: Written,
    stands_without_metrics: bool,
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
            let measurable = stands_without_metrics || spec.has_object_or_external();
            let to_zero = current > 0 && desired == 0 && spec.min() == 0 && measurable;
            note_zero(settings, state, to_zero, now);
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
fn may_leave_zero(spec: &HpaSpec, settings: &Settings, state: &State, seen_otherwise: bool) -> bool {
    let by_itself = state.conditions.scaled_to_zero.is_some_and(|condition| condition.status);
    let measurable = seen_otherwise || spec.has_object_or_external();
    settings.scale_to_zero && by_itself && (spec.min() != 0 || measurable)
}

/// Stabilises, limits, and records the unstabilised recommendation.
fn normalize(
    spec: &HpaSpec,
    settings: &Settings,
    state: &mut State,
    current: u32,
    wanted: u32,
    asked: Option<u32>,
    now: Time,
) -> (Stabilized, Limited) {
    let bounds = Bounds { min: spec.min(), max: spec.max_replicas };
    let log = state.recommendations.get_or_insert_default();
    let Some(behavior) = &spec.behavior else {
        let window_s = settings.downscale_stabilization_s;
        let stabilized = normalize::hold_down(log, wanted, window_s, now);
        normalize::record(log, wanted, window_s, now);
        // The built-in step limit guards against bogus utilisation; a policy that knows the backlog is not held back.
        let least = asked.map_or(0.0, f64::from).max(settings.scale_up_limit_minimum);
        let settings = Settings { scale_up_limit_minimum: least, ..*settings };
        let limited = normalize::clamp(&settings, bounds, current, stabilized.replicas);
        return (stabilized, limited);
    };
    let (up, down) = (behavior.up(), behavior.down(settings.downscale_stabilization_s));
    let (up_s, down_s) = (up.stabilization_window_s, down.stabilization_window_s);
    let stabilized = normalize::stabilize(log, current, wanted, up_s, down_s, now);
    normalize::record(log, wanted, up_s.max(down_s), now);
    let past = Past { up: &state.up_events, down: &state.down_events, now };
    let mut limited = normalize::rate_limit(bounds, current, stabilized.replicas, up, down, past);
    // The default limits upwards are not the user's word, so they do not hold a policy back either.
    let own_limits = behavior.scale_up.as_ref().is_some_and(ScalingRules::limits_rate);
    if limited.reason == Reason::ScaleUpLimit && !own_limits {
        let allowed = asked.unwrap_or(0).min(bounds.max).min(stabilized.replicas);
        if allowed > limited.replicas {
            limited = Limited { replicas: allowed, ..limited };
        }
        if limited.replicas == stabilized.replicas {
            limited = Limited { reason: Reason::DesiredWithinRange, policy: None, ..limited };
        } else if limited.replicas == bounds.max {
            limited = Limited { reason: Reason::TooManyReplicas, policy: None, ..limited };
        }
    }
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
fn note_zero(settings: &Settings, state: &mut State, to_zero: bool, now: Time) {
    if !settings.scale_to_zero {
        state.conditions.scaled_to_zero = None;
    } else if to_zero {
        state.conditions.scaled_to_zero(true, Reason::ScaledToZero, now);
    } else {
        state.conditions.scaled_to_zero(false, Reason::NotScaledToZero, now);
    }
}
