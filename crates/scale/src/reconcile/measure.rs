//! Every metric and policy of a round: HPA.md section 3.

use super::Extras;
use crate::calculate::{
    MetricError, Proposal, Round, average_value, per_instance_target, total_reading, utilization,
    value_target,
};
use crate::explain::{Explanation, MetricOutcome, MetricReport};
use crate::observe::{Reading, Scale};
use crate::policy::formula::NAME;
use crate::policy::{Health, Substitute};
use crate::spec::policy::SignalLoss;
use crate::spec::{HpaSpec, MetricSpec, Target};
use crate::state::Reason;
use crate::{Observation, Settings, Time};

/// Evaluates every metric; the highest proposal wins. Returns the wanted count and the error to report beside it, or
/// why nothing may be done: nothing answered, or something failed and the rest asks for less than there is.
pub(super) fn measure(
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
        if extras.stands_without_metrics { spec.metrics.as_slice().into() } else { spec.effective_metrics() };
    let mut tally = Tally::default();
    explanation.metrics.reserve_exact(metrics.len());
    for (index, metric) in metrics.iter().enumerate() {
        let subject = Subject {
            name: metric.name(),
            kind: metric.kind(),
            target: metric.target(),
            reason: reason_of(metric),
        };
        let proposed = propose(&round, metric, observed.readings.get(index));
        tally.weigh(&subject, proposed, health(&mut extras.signal_loss, index), &round, explanation);
    }
    if let Some(formula) = &extras.formula {
        let reason = Reason::FailedGetExternalMetric;
        let subject = Subject { name: NAME, kind: "Formula", target: Some(formula.target), reason };
        let own = health(&mut extras.signal_loss, metrics.len());
        tally.weigh(&subject, formula.propose(&round), own, &round, explanation);
        if let Some(incomplete) = &formula.incomplete {
            tally.blocked = true;
            tally.fail(reason, || format!("{NAME}: {incomplete}"));
        }
    }
    for (policy, asked) in extras.asks {
        match asked {
            Ok(replicas) => {
                if tally.add(i32::try_from(*replicas).unwrap_or(i32::MAX)) {
                    explanation.winning_policy = Some(*policy);
                    explanation.winner = None;
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
    let asked = explanation.metrics.len() + extras.asks.len();
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

/// A metric as a report names it.
struct Subject<'a> {
    name: &'a str,
    kind: &'a str,
    target: Option<Target>,
    /// What Kubernetes would say when it fails.
    reason: Reason,
}

/// The memory of one metric, when what follows its loss is declared.
fn health<'a>(
    signal_loss: &'a mut Option<(SignalLoss, &mut Vec<Health>)>,
    index: usize,
) -> Option<(SignalLoss, &'a mut Health)> {
    let (rule, healths) = signal_loss.as_mut()?;
    if healths.len() <= index {
        healths.resize(index + 1, Health::default());
    }
    healths.get_mut(index).map(|health| (*rule, health))
}

impl Tally {
    /// Takes one metric in, and writes down what it had to say.
    fn weigh(
        &mut self,
        subject: &Subject<'_>,
        proposed: Result<Proposal, MetricError>,
        health: Option<(SignalLoss, &mut Health)>,
        round: &Round<'_>,
        explanation: &mut Explanation,
    ) {
        let index = explanation.metrics.len();
        let mut substitute = None;
        let outcome = match proposed {
            Ok(proposal) => {
                if let Some((_, health)) = health {
                    health.answered(proposal.replicas, round.now);
                }
                if self.add(proposal.replicas) {
                    explanation.winner = Some(index);
                }
                MetricOutcome::Proposal(proposal)
            }
            Err(error) => {
                substitute =
                    health.and_then(|(rule, health)| health.failed(&rule, round.spec_replicas, round.now));
                if substitute.is_none_or(Substitute::blocks_scale_in) {
                    self.blocked = true;
                }
                if substitute.is_some_and(|substitute| self.add(substitute.replicas())) {
                    explanation.winner = Some(index);
                }
                self.fail(subject.reason, || format!("{}: {error}", subject.name));
                MetricOutcome::Failure(error)
            }
        };
        explanation.metrics.push(MetricReport {
            name: subject.name.to_owned(),
            kind: subject.kind.to_owned(),
            target: subject.target,
            outcome,
            substitute,
        });
    }

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
    let total_milli = total_reading(Some(reading), target, round.settings, round.now)?;
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
