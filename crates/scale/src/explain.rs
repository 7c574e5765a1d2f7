//! A decision and everything that led to it.

mod summary;

use serde::{Deserialize, Serialize};

use crate::calculate::{MetricError, Proposal};
use crate::normalize::{Limited, Stabilized};
use crate::policy::{Asking, Substitute};
use crate::spec::Target;
use crate::state::Conditions;

/// What to do now, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Replicas asked for before this round.
    pub current: u32,
    /// Replicas asked for now. After a failed write it is `current` again.
    pub desired: u32,
    /// True when the scale has to be written.
    pub write: bool,
    /// What Kubernetes would report as a reconcile error; a decision may still be taken on partial information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Conditions after this round.
    pub conditions: Conditions,
    /// How it came about.
    pub explanation: Explanation,
}

/// How a decision came about, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which way the round took.
    pub path: Path,
    /// `minReplicas` in force.
    pub min_replicas: u32,
    /// `maxReplicas` in force.
    pub max_replicas: u32,
    /// Every metric, in the order of the spec; empty when the path needs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricReport>,
    /// Index of the metric that asked for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<usize>,
    /// The policy that asked for more than every metric, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winning_policy: Option<Asking>,
    /// What the winner asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
    /// After stabilisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilized: Option<Stabilized>,
    /// After bounds and rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<Limited>,
}

/// Which way a round took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// The scale could not be read.
    NoScale,
    /// Somebody set the target to zero, which pauses its autoscaler.
    Paused,
    /// More replicas than allowed: straight down to the bound.
    AboveMax,
    /// Fewer replicas than allowed: straight up to the bound.
    BelowMin,
    /// The instances of the target cannot be told apart.
    SelectorFault,
    /// No metric worked, or too few to dare a downscale.
    MetricsFailed,
    /// Metrics decided.
    Metrics,
}

/// One metric and what it alone would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricReport {
    /// Metric or resource name.
    pub name: String,
    /// Metric type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is compared with; absent for an unknown type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What it asks for, or why it has no say.
    #[serde(flatten)]
    pub outcome: MetricOutcome,
    /// What stands in for it after a failure, when `signalLoss` is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<Substitute>,
}

/// Result of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricOutcome {
    /// It asks for a count.
    Proposal(Proposal),
    /// It failed.
    Failure(MetricError),
}

// === impl Decision ===

impl Decision {
    /// One honest sentence: what was measured, what it asks for, and what changed the answer.
    pub fn summary(&self) -> String {
        summary::of(self)
    }

    /// True when no metric was allowed to decide although metrics were needed.
    pub fn is_blind(&self) -> bool {
        matches!(self.explanation.path, Path::NoScale | Path::SelectorFault | Path::MetricsFailed)
    }
}

// === impl MetricReport ===

impl MetricReport {
    /// What it asks for, unless it failed.
    pub fn proposal(&self) -> Option<&Proposal> {
        match &self.outcome {
            MetricOutcome::Proposal(proposal) => Some(proposal),
            MetricOutcome::Failure(_) => None,
        }
    }

    /// Why it has no say, if so.
    pub fn failure(&self) -> Option<&MetricError> {
        match &self.outcome {
            MetricOutcome::Proposal(_) => None,
            MetricOutcome::Failure(error) => Some(error),
        }
    }
}
