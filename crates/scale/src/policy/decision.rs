//! What a policy decided, and what had to do with it.

use serde::{Deserialize, Serialize};

use super::{
    Flapping, concurrency, demand_quantile, forecast, formula, is_default, queue_latency, schedule, slo,
};
use crate::Decision;
use crate::calculate::MetricError;

/// What asks for a count beside `metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Asking {
    /// [`queue_latency`].
    QueueLatency,
    /// [`concurrency`].
    Concurrency,
    /// [`slo`].
    Slo,
    /// [`demand_quantile`].
    DemandQuantile,
}

/// A decision and what the policies had to do with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyDecision {
    /// The decision, guards included.
    #[serde(flatten)]
    pub decision: Decision,
    /// What each policy saw; a failed one is absent here and named in `failed`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policies: Reports,
    /// What raised or held the answer after the autoscaler was done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Set when the decision wants to jump by more than `step.alertAbove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_alert: Option<u32>,
    /// Set while the count goes up and down too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Flapping>,
}

/// Reports of the policies that are on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reports {
    /// `formula`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<formula::Report>,
    /// `queueLatency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_latency: Option<queue_latency::Report>,
    /// `concurrency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<concurrency::Report>,
    /// `slo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<slo::Report>,
    /// `demandQuantile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demand_quantile: Option<demand_quantile::Report>,
    /// Schedules in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<schedule::Report>,
    /// `forecast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<forecast::Report>,
    /// Policies without an answer, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<(Asking, MetricError)>,
}

/// A change of the answer after the autoscaler was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What changed it.
    pub by: By,
    /// From this count.
    pub from: u32,
    /// To this count.
    pub to: u32,
}

/// What changed an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// A schedule of this name.
    Schedule(String),
    /// The forecast.
    Forecast,
    /// `step.max`.
    Step,
    /// `pause.scaleIn`.
    PauseScaleIn,
    /// `pause.scaleOut`.
    PauseScaleOut,
    /// `freeze`.
    Freeze,
}

// === impl PolicyDecision ===

impl PolicyDecision {
    /// One honest sentence: that of the decision, then everything that changed it afterwards.
    pub fn summary(&self) -> String {
        use std::fmt::Write as _;
        let mut text = self.decision.summary();
        for Override { by, from, to } in &self.overrides {
            let _ = match by {
                By::Schedule(name) => write!(text, "; raised from {from} to {to} by schedule `{name}`"),
                By::Forecast => write!(text, "; raised from {from} to {to} by the forecast"),
                By::Step => write!(text, "; one step goes to {to} instead of {from}"),
                By::PauseScaleIn => write!(text, "; scaling in to {from} is paused, stays at {to}"),
                By::PauseScaleOut => write!(text, "; scaling out to {from} is paused, stays at {to}"),
                By::Freeze => write!(text, "; frozen at {to} instead of {from}"),
            };
        }
        if let Some(formula) = &self.policies.formula {
            if formula.value_milli.is_some() && !formula.active {
                text.push_str("; the formula is not above its activationTarget and asks for nobody");
            }
            if formula.value_milli.is_some() && !formula.missed.is_empty() {
                let _ = write!(text, "; the formula did without {}", formula::quoted(&formula.missed));
            }
        }
        for (asking, error) in &self.policies.failed {
            let _ = write!(text, "; {asking} has no answer: {error}");
        }
        if let Some(flapping) = self.flapping {
            let (reversals, window_s) = (flapping.reversals, flapping.window_s);
            let _ = write!(text, "; flapping: {reversals} changes of direction in {window_s} s");
        }
        text
    }
}

// === impl Asking ===

impl std::fmt::Display for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::QueueLatency => "queueLatency",
            Self::Concurrency => "concurrency",
            Self::Slo => "slo",
            Self::DemandQuantile => "demandQuantile",
        })
    }
}
