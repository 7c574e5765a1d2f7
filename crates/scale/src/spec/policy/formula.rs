//! `formula` as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::{MetricId, Target, quantity};

/// One metric computed from several, as KEDA's `scalingModifiers`: for everything that follows (tolerance, stabilisation,
/// rate limits, signal loss) it is an External metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Formula {
    /// In the language of [`crate::formula`].
    pub expression: String,
    /// External metrics by the names that the expression calls them by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, MetricId>,
    /// What the value is compared with, in thousandths.
    #[serde(rename = "target", with = "quantity::milli_required")]
    pub target_milli: i64,
    /// How it is compared.
    #[serde(default)]
    pub metric_type: FormulaTarget,
    /// With a lower bound of zero, a value at or below this asks for nobody and a higher one for at least one instance,
    /// in thousandths. Without a lower bound of zero it has no say, as in KEDA.
    #[serde(
        default,
        rename = "activationTarget",
        with = "quantity::milli_required",
        skip_serializing_if = "is_zero"
    )]
    pub activation_milli: i64,
}

/// What the target of a [`Formula`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FormulaTarget {
    /// The value per instance.
    #[default]
    AverageValue,
    /// The whole value.
    Value,
}

// === impl Formula ===

impl Formula {
    /// The target as a metric has it.
    pub fn target(&self) -> Target {
        match self.metric_type {
            FormulaTarget::AverageValue => Target::AverageValue(self.target_milli),
            FormulaTarget::Value => Target::Value(self.target_milli),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}
