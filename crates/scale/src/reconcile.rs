//! One round of the autoscaler: HPA.md section 2.

use crate::calculate::{
    MetricError, Proposal, Round, TotalOf, average_value, per_instance_target, sum, utilization, value_target,
};
use crate::explain::{Decision, Explanation, MetricOutcome, MetricReport, Path};
use crate::normalize::{self, Bounds, Limited, Past, Stabilized};
use crate::observe::{Reading, Scale, SelectorFault};
use crate::policy::{Asking, Health, Substitute};
use crate::settings::Settings;
use crate::spec::policy::SignalLoss;
use crate::spec::{Behavior, HpaSpec, MetricSpec, ScalingRules, Target};
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

/// What policies beside `metrics` bring to a round. [`Extras::default`] is plain Kubernetes.
#[derive(Default)]
pub(crate) struct Extras<'a> {
    /// What each of them asks for; a failure keeps the target from scaling in, as that of a metric does.
    pub(crate) asks: &'a [(Asking, Result<u32, MetricError>)],
    /// One of them sees load while no instance runs.
    pub(crate) measurable_at_zero: bool,
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

    if current == 0 && !may_leave_zero(spec, settings, state, extras.measurable_at_zero) {
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
    measurable_at_zero: bool,
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
            let measurable = measurable_at_zero || spec.has_object_or_external();
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

/// Evaluates every metric; the highest proposal wins. Returns the wanted count and the error to report beside it, or
/// why nothing may be done: nothing answered, or something failed and the rest asks for less than there is.
fn measure(
    spec: &HpaSpec,
    settings: &Settings,
    observed: &Observation,
    scale: Scale,
    mut extras: Extras<'_>,
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
        settle_s: extras.settle_s,
    };
    let metrics =
        if extras.asks.is_empty() { spec.effective_metrics() } else { spec.metrics.as_slice().into() };
    let mut tally = Tally::default();
    explanation.metrics.reserve_exact(metrics.len());
    for (index, metric) in metrics.iter().enumerate() {
        let health = extras.signal_loss.as_mut().and_then(|(rule, healths)| {
            if healths.len() <= index {
                healths.resize(index + 1, Health::default());
            }
            healths.get_mut(index).map(|health| (*rule, health))
        });
        let mut substitute = None;
        let outcome = match propose(&round, metric, observed.readings.get(index)) {
            Ok(proposal) => {
                if let Some((_, health)) = health {
                    health.answered(proposal.replicas, now);
                }
                if tally.add(proposal.replicas) {
                    explanation.winner = Some(index);
                }
                MetricOutcome::Proposal(proposal)
            }
            Err(error) => {
                substitute = health.and_then(|(rule, health)| health.failed(&rule, scale.spec_replicas, now));
                if substitute.is_none_or(Substitute::blocks_scale_in) {
                    tally.blocked = true;
                }
                if substitute.is_some_and(|substitute| tally.add(substitute.replicas())) {
                    explanation.winner = Some(index);
                }
                tally.fail(reason_of(metric), || format!("{}: {error}", metric.name()));
                MetricOutcome::Failure(error)
            }
        };
        explanation.metrics.push(MetricReport {
            name: metric.name().to_owned(),
            kind: metric.kind().to_owned(),
            target: metric.target(),
            outcome,
            substitute,
        });
    }
    for (policy, asked) in extras.asks {
        match asked {
            Ok(replicas) => {
                if tally.add(i32::try_from(*replicas).unwrap_or(i32::MAX)) {
                    explanation.winning_policy = Some(*policy);
                }
            }
            Err(error) => {
                tally.blocked = true;
                // The closest reason Kubernetes knows: a signal from outside the instances.
                tally.fail(Reason::FailedGetExternalMetric, || format!("{policy}: {error}"));
            }
        }
    }
    let wanted = u32::try_from(tally.highest).unwrap_or(0);
    let Some((reason, first)) = tally.first_failure else { return Ok((wanted, None)) };
    let asked = metrics.len() + extras.asks.len();
    let message = format!("invalid metrics ({} of {asked}), first error: {first}", tally.failures);
    if !tally.answered || (tally.blocked && i64::from(tally.highest) < i64::from(scale.spec_replicas)) {
        return Err((reason, message));
    }
    Ok((wanted, Some(message)))
}

/// Sums a round of proposals and failures up.
#[derive(Default)]
struct Tally {
    highest: i32,
    answered: bool,
    failures: usize,
    first_failure: Option<(Reason, String)>,
    /// A failure keeps the target from scaling in.
    blocked: bool,
}

impl Tally {
    /// True when the proposal becomes the highest. Kubernetes starts at 0 and replaces a 0 by anything.
    fn add(&mut self, replicas: i32) -> bool {
        self.answered = true;
        let wins = self.highest == 0 || replicas > self.highest;
        if wins {
            self.highest = replicas;
        }
        wins
    }

    fn fail(&mut self, reason: Reason, message: impl FnOnce() -> String) {
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| (reason, message()));
    }
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
