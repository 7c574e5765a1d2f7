//! What a metric is compared with.

use serde::{Deserialize, Serialize};

use super::quantity;

/// Target of a metric. Exactly one kind, as the Kubernetes validation demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Target {
    /// Per cent of the request, averaged over the instances.
    Utilization(i32),
    /// Average per instance, in milli-units.
    AverageValue(i64),
    /// The whole value, in milli-units.
    Value(i64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average_utilization: Option<i32>,
    #[serde(default, with = "quantity::milli", skip_serializing_if = "Option::is_none")]
    average_value: Option<i64>,
    #[serde(default, with = "quantity::milli", skip_serializing_if = "Option::is_none")]
    value: Option<i64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Utilization,
    AverageValue,
    Value,
}

// === impl Target ===

impl From<Target> for Wire {
    fn from(target: Target) -> Self {
        let none = |kind| Self { kind, average_utilization: None, average_value: None, value: None };
        match target {
            Target::Utilization(pct) => Self { average_utilization: Some(pct), ..none(Kind::Utilization) },
            Target::AverageValue(milli) => Self { average_value: Some(milli), ..none(Kind::AverageValue) },
            Target::Value(milli) => Self { value: Some(milli), ..none(Kind::Value) },
        }
    }
}

impl TryFrom<Wire> for Target {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let missing = |field: &str| format!("target of type {:?} needs `{field}`", wire.kind);
        match wire.kind {
            Kind::Utilization => {
                wire.average_utilization.map(Self::Utilization).ok_or_else(|| missing("averageUtilization"))
            }
            Kind::AverageValue => {
                wire.average_value.map(Self::AverageValue).ok_or_else(|| missing("averageValue"))
            }
            Kind::Value => wire.value.map(Self::Value).ok_or_else(|| missing("value")),
        }
    }
}
