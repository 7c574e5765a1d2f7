//! Policies beside `metrics`, and guards around the decision. Each is off until it is named; with none named, [`decide`]
//! is [`reconcile`](crate::reconcile) and its result reads the same byte for byte.
//!
//! * A `formula` is one more metric, out of several signals.
//! * What **asks** for a count (`queueLatency`, `concurrency`, `slo`, `demandQuantile`) competes with the metrics: the highest wins.
//! * What gives a **floor** (`schedule`, `forecast`) raises the answer inside `maxReplicas` and never lowers it.
//! * **Guards** (`freeze`, `pause`, `step`) have the last word.

pub mod concurrency;
mod decision;
pub mod demand_quantile;
mod flaps;
pub mod forecast;
pub mod formula;
mod health;
pub mod queue_latency;
pub mod schedule;
mod signals;
pub mod slo;
mod victims;

use serde::{Deserialize, Serialize};

use crate::calculate::MetricError;
use crate::explain::Path;
use crate::formula::FormulaError;
use crate::observe::Reading;
use crate::reconcile::{Extras, reconcile_with, settle_with};
use crate::spec::MetricSpec;
use crate::spec::policy::ScalingPolicy;
use crate::{Decision, Observation, Settings, State, Time, Written};
use schedule::{Schedule, ScheduleError};

pub use decision::{Asking, By, Override, PolicyDecision, Reports};
pub use flaps::Flapping;
pub use health::{Health, LastGood, Substitute};
pub use signals::{Capacity, Gauge, QueueSignal, Signals, Traffic};
pub use victims::{Candidate, Victims, choose};

/// A [`ScalingPolicy`] ready to decide with: cron times and the formula are read, time zones are looked up.
#[derive(Debug, Clone)]
pub struct Policy {
    spec: ScalingPolicy,
    schedules: Vec<Schedule>,
    formula: Option<formula::Composite>,
    /// What to read for a round.
    metrics: Vec<MetricSpec>,
    /// How many of them ask by themselves.
    own_metrics: usize,
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A schedule means nothing.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The expression of the formula means nothing.
    #[error("`formula.expression`: {0}")]
    Formula(#[from] FormulaError),
}

/// The whole memory between rounds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PolicyState {
    /// Of the autoscaler itself.
    #[serde(flatten)]
    pub hpa: State,
    /// Of `concurrency`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub concurrency: concurrency::Memory,
    /// Of `demandQuantile`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub demand_quantile: demand_quantile::Memory,
    /// Of `forecast`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forecast: forecast::Memory,
    /// Of each metric, for `signalLoss`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<Health>,
    /// Of the flap detector.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flaps: flaps::Memory,
}

/// Decides. `observed.readings` holds one reading per metric of [`Policy::metrics_to_read`]. When the decision says
/// `write`, write and report to [`settle_policy`].
pub fn decide(
    policy: &Policy,
    settings: &Settings,
    state: &mut PolicyState,
    observed: &Observation,
    signals: &Signals,
    now: Time,
) -> PolicyDecision {
    let spec = &policy.spec;
    let max = spec.hpa.max_replicas;
    let startup_ms = signals.startup_ms.unwrap_or(0);
    let mut policies = Reports::default();
    let asks = ask(spec, settings, state, observed, signals, &mut policies, now);
    let (measured, report) = policy.measure(&observed.readings, settings, now).unzip();
    policies.formula = report;
    let extras = Extras {
        asks: &asks,
        stands_without_metrics: spec.stands_without_metrics(),
        formula: measured,
        settle_s: spec.settle_s,
        signal_loss: spec.signal_loss.map(|rule| (rule, &mut state.health)),
    };
    let mut decision = reconcile_with(&spec.hpa, settings, &mut state.hpa, observed, extras, now);

    let mut overrides = Vec::new();
    // A pause by hand and a target that cannot be read are nobody's to raise.
    let may_raise = !matches!(decision.explanation.path, Path::NoScale | Path::Paused);
    for schedule in &policy.schedules {
        if let Some(report) = schedule.evaluate(startup_ms, now) {
            let floor = report.asks.min(max);
            if may_raise && floor > decision.desired {
                change(&mut decision, &mut overrides, By::Schedule(report.name.clone()), floor);
            }
            policies.schedule.push(report);
        }
    }
    if let Some(forecast) = &spec.forecast {
        let report =
            forecast::evaluate(forecast, &mut state.forecast, signals.demand.as_ref(), startup_ms, now);
        let floor = report.asks.unwrap_or(0).min(max);
        if may_raise && floor > decision.desired {
            change(&mut decision, &mut overrides, By::Forecast, floor);
        }
        policies.forecast = Some(report);
    }
    let jump = decision.desired.abs_diff(decision.current);
    let jump_alert = spec.step.alert_above.is_some_and(|most| jump > most).then_some(jump);
    guard(spec, &mut decision, &mut overrides);
    if !overrides.is_empty() {
        decision.write = decision.desired != decision.current;
        state.hpa.desired = Some(decision.desired);
    }
    let flapping = spec.flap_detector.and_then(|detector| state.flaps.flapping(&detector, now));
    PolicyDecision { decision, policies, overrides, jump_alert, flapping }
}

/// Takes note of what became of the write; see [`settle`](crate::settle).
pub fn settle_policy(
    policy: &Policy,
    settings: &Settings,
    state: &mut PolicyState,
    decided: &mut PolicyDecision,
    written: Written,
    now: Time,
) {
    let spec = &policy.spec;
    let Decision { write, current, desired, .. } = decided.decision;
    if let Some(detector) = &spec.flap_detector
        && write
        && written == Written::Succeeded
    {
        state.flaps.moved(desired > current, now);
        decided.flapping = state.flaps.flapping(detector, now);
    }
    let at_zero = spec.stands_without_metrics();
    settle_with(&spec.hpa, settings, &mut state.hpa, &mut decided.decision, written, at_zero, now);
}

/// Asks every policy that is on.
fn ask(
    spec: &ScalingPolicy,
    settings: &Settings,
    state: &mut PolicyState,
    observed: &Observation,
    signals: &Signals,
    policies: &mut Reports,
    now: Time,
) -> Vec<(Asking, Result<u32, MetricError>)> {
    let mut asks = Vec::new();
    if !spec.has_asking_policy() {
        return asks;
    }
    let max = spec.hpa.max_replicas;
    let startup_s = signals.startup_ms.unwrap_or(0) as f64 / 1000.0;
    let capacity = Capacity::of(observed, now);
    if let Some(rule) = &spec.queue_latency {
        let report = Signals::fresh(signals.queue, |queue| queue.at, settings, now)
            .and_then(|queue| queue_latency::evaluate(rule, &queue, &capacity, startup_s, max));
        asks.push((Asking::QueueLatency, report.as_ref().map(|report| report.asks).map_err(Clone::clone)));
        policies.queue_latency = report.ok();
    }
    if let Some(rule) = &spec.concurrency {
        let report = Signals::fresh(signals.in_flight, |gauge| gauge.at, settings, now)
            .map(|gauge| concurrency::evaluate(rule, &mut state.concurrency, &gauge, &capacity, now));
        asks.push((Asking::Concurrency, report.as_ref().map(|report| report.asks).map_err(Clone::clone)));
        policies.concurrency = report.ok();
    }
    if let Some(rule) = &spec.slo {
        let report = Signals::fresh(signals.traffic, |traffic| traffic.at, settings, now)
            .map(|traffic| slo::evaluate(rule, &traffic, max));
        asks.push((Asking::Slo, report.as_ref().map(|report| report.asks).map_err(Clone::clone)));
        policies.slo = report.ok();
    }
    if let Some(rule) = &spec.demand_quantile {
        let report = Signals::fresh(signals.demand, |gauge| gauge.at, settings, now)
            .map(|gauge| demand_quantile::evaluate(rule, &mut state.demand_quantile, &gauge, now));
        let asked = report.as_ref().map(|report| report.asks).map_err(Clone::clone);
        asks.push((Asking::DemandQuantile, asked));
        policies.demand_quantile = report.ok();
    }
    let failed = asks.iter().filter_map(|(asking, asked)| Some((*asking, asked.as_ref().err()?.clone())));
    policies.failed = failed.collect();
    asks
}

/// The last word: size of the step, directions that are off, freeze.
fn guard(spec: &ScalingPolicy, decision: &mut Decision, overrides: &mut Vec<Override>) {
    let current = decision.current;
    if let Some(most) = spec.step.max {
        let bounded = decision.desired.clamp(current.saturating_sub(most), current.saturating_add(most));
        change(decision, overrides, By::Step, bounded);
    }
    if spec.pause.scale_in && decision.desired < current {
        change(decision, overrides, By::PauseScaleIn, current);
    }
    if spec.pause.scale_out && decision.desired > current {
        change(decision, overrides, By::PauseScaleOut, current);
    }
    if spec.freeze {
        change(decision, overrides, By::Freeze, current);
    }
}

fn change(decision: &mut Decision, overrides: &mut Vec<Override>, by: By, to: u32) {
    if to != decision.desired {
        overrides.push(Override { by, from: decision.desired, to });
        decision.desired = to;
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

// === impl PolicyState ===

impl PolicyState {
    /// The state as a log of decisions should hold it: without the histories of `forecast` and `demandQuantile`
    /// (thousands of numbers, of which the decision carries the reports) and without a window of `concurrency` longer than two minutes.
    #[must_use]
    pub fn for_log(&self) -> Self {
        let concurrency = if self.concurrency.len() <= 120 {
            self.concurrency.clone()
        } else {
            concurrency::Memory::default()
        };
        Self {
            hpa: self.hpa.clone(),
            concurrency,
            demand_quantile: demand_quantile::Memory::default(),
            forecast: forecast::Memory::default(),
            health: self.health.clone(),
            flaps: self.flaps.clone(),
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Prepares a spec; fails on cron times, time zones and expressions that mean nothing.
    pub fn compile(spec: ScalingPolicy) -> Result<Self, CompileError> {
        let schedules = spec.schedule.iter().map(Schedule::compile).collect::<Result<_, _>>()?;
        let formula = spec.formula.as_ref().map(formula::Composite::compile).transpose()?;
        let mut metrics = spec.metrics().into_owned();
        let own_metrics = metrics.len();
        metrics.extend(spec.formula.iter().flat_map(formula::metrics));
        Ok(Self { spec, schedules, formula, metrics, own_metrics })
    }

    /// The metrics to read for a round, in the order of the readings: those that ask, then the signals of the formula.
    pub fn metrics_to_read(&self) -> &[MetricSpec] {
        &self.metrics
    }

    /// What the formula comes to for these readings of [`Policy::metrics_to_read`]; `None` without a formula.
    pub fn formula(&self, readings: &[Reading], settings: &Settings, now: Time) -> Option<formula::Report> {
        self.measure(readings, settings, now).map(|(_, report)| report)
    }

    fn measure(
        &self,
        readings: &[Reading],
        settings: &Settings,
        now: Time,
    ) -> Option<(formula::Measured, formula::Report)> {
        let readings = readings.get(self.own_metrics..).unwrap_or_default();
        Some(self.formula.as_ref()?.measure(readings, self.spec.hpa.min(), settings, now))
    }

    /// The spec it was made from.
    pub fn spec(&self) -> &ScalingPolicy {
        &self.spec
    }
}
