//! `formula`: one metric computed from several, with a target of its own.
//!
//! Wanted properties:
//! * the value goes the way of an External metric: a formula that is the name of one signal decides as that metric does;
//! * a signal that is absent, failed or stale is `nil`: without a value for it there is no answer, which blocks scaling in
//!   and is what `signalLoss` is about;
//! * an answer that did without a signal (`a ?? 0`) may raise the count and never lowers it;
//! * with a lower bound of zero, a value at or below `activationTarget` asks for nobody.

use serde::{Deserialize, Serialize};

use crate::calculate::{MetricError, Proposal, Round, per_instance_target, total_reading, value_target};
use crate::formula::{Failure, Formula, FormulaError};
use crate::observe::Reading;
use crate::spec::{MetricSpec, Target, policy as spec};
use crate::{Settings, Time};

/// The name of the metric in explanations.
pub const NAME: &str = "formula";

/// A formula ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Composite {
    formula: Formula,
    names: Vec<String>,
    target: Target,
    activation_milli: i64,
}

/// What the formula saw and came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its value, in thousandths; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_milli: Option<i64>,
    /// False while it is at or below the activation target, so that it asks for nobody.
    pub active: bool,
    /// The signals it looks at, in order of name.
    pub signals: Vec<Signal>,
    /// Signals that it did without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

/// One signal of a formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// What the formula calls it.
    pub name: String,
    /// What it was, in thousandths, or why it is absent.
    #[serde(flatten)]
    pub seen: Seen,
}

/// What was seen of a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen {
    /// Its value, in thousandths.
    Milli(i64),
    /// Why there is none.
    Failed(MetricError),
}

/// The formula as a metric of a round.
pub(crate) struct Measured {
    /// What it is compared with.
    pub(crate) target: Target,
    /// Its value in thousandths, and whether it asks for anybody.
    pub(crate) value: Result<(i64, bool), MetricError>,
    /// Why it may not scale in although it has a value.
    pub(crate) incomplete: Option<String>,
    /// The lower bound is zero, so that activation counts.
    from_zero: bool,
}

/// The metrics to read for a formula, in order of the names of the signals.
pub(super) fn metrics(formula: &spec::Formula) -> impl Iterator<Item = MetricSpec> + '_ {
    let target = formula.target();
    formula.signals.values().map(move |metric| MetricSpec::External { metric: metric.clone(), target })
}

// === impl Composite ===

impl Composite {
    pub(super) fn compile(spec: &spec::Formula) -> Result<Self, FormulaError> {
        let names: Vec<String> = spec.signals.keys().cloned().collect();
        let formula = Formula::compile(&spec.expression, &names)?;
        Ok(Self { formula, names, target: spec.target(), activation_milli: spec.activation_milli })
    }

    /// The value for these readings, one for each signal in order of name. `min` is the lower bound of the replicas.
    pub(super) fn measure(
        &self,
        readings: &[Reading],
        min: u32,
        settings: &Settings,
        now: Time,
    ) -> (Measured, Report) {
        let read = |index| total_reading(readings.get(index), self.target, settings, now);
        let seen: Vec<Result<i64, MetricError>> = (0..self.names.len()).map(read).collect();
        let values: Vec<Option<f64>> =
            seen.iter().map(|milli| milli.as_ref().ok().map(|milli| *milli as f64 / 1000.0)).collect();
        let outcome = self.formula.evaluate(&values);
        // Rounded, not truncated: 0.29 is 290 thousandths although the nearest number is a little less.
        let value = outcome.value.map(|value| (value * 1000.0).round() as i64);
        let value = value.map_err(|failure| MetricError::Formula { message: self.explain(failure, &seen) });
        let missed: Vec<&str> =
            outcome.missed.iter().filter_map(|&signal| self.names.get(signal).map(String::as_str)).collect();
        let incomplete = (value.is_ok() && !missed.is_empty())
            .then(|| format!("computed without {}, so nothing is scaled in", quoted(&missed)));
        let active = value.as_ref().is_ok_and(|milli| min > 0 || *milli > self.activation_milli);

        let signals = self.names.iter().zip(seen).enumerate();
        let signals = signals.filter(|(index, _)| self.formula.uses(*index)).map(|(_, (name, seen))| {
            let seen = seen.map_or_else(Seen::Failed, Seen::Milli);
            Signal { name: name.clone(), seen }
        });
        let report = Report {
            value_milli: value.as_ref().ok().copied(),
            active,
            signals: signals.collect(),
            missed: missed.iter().map(|&name| name.to_owned()).collect(),
        };
        let value = value.map(|milli| (milli, active));
        (Measured { target: self.target, value, incomplete, from_zero: min == 0 }, report)
    }

    fn explain(&self, failure: Failure, seen: &[Result<i64, MetricError>]) -> String {
        match failure {
            Failure::Missing { signal } => {
                let name = self.names.get(signal).map_or("?", String::as_str);
                match seen.get(signal) {
                    Some(Err(error)) => format!("`{name}` has no value: {error}"),
                    _ => format!("`{name}` has no value"),
                }
            }
            Failure::Nothing { at } => format!("there is no value at character {at}"),
            Failure::NotFinite { at } => {
                format!("no finite number at character {at}, such as a division by zero")
            }
        }
    }
}

// === impl Measured ===

impl Measured {
    /// What it asks for, as an External metric would.
    pub(crate) fn propose(&self, round: &Round<'_>) -> Result<Proposal, MetricError> {
        let (milli, active) = self.value.clone()?;
        let proposal = match self.target {
            Target::Value(target_milli) => value_target(round, milli, target_milli)?,
            Target::AverageValue(target_milli) => per_instance_target(round, milli, target_milli),
            Target::Utilization(_) => return Err(MetricError::InvalidTarget),
        };
        Ok(match (self.from_zero, active) {
            (false, _) => proposal,
            (true, true) => Proposal { replicas: proposal.replicas.max(1), ..proposal },
            (true, false) => Proposal { replicas: 0, held: None, ..proposal },
        })
    }
}

pub(super) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}
