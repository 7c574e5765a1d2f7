//! From one reading to the replicas it asks for: HPA.md section 4.
//!
//! Arithmetic is Kubernetes': integer milli-units with truncating division, then f64 ratios and `ceil`. Where Go would
//! wrap around on overflow, these functions saturate.

mod error;
mod group;
mod instances;
mod requests;
mod total;

use serde::{Deserialize, Serialize};

pub use error::MetricError;
pub use group::{Group, Groups, classify, group};
pub use instances::{Round, average_value, utilization};
pub use requests::request;
pub use total::{TotalOf, per_instance_target, per_instance_usage, sum, total_reading, value_target};

/// What one metric alone asks for, and how that came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Replicas asked for.
    pub replicas: i32,
    /// What was measured.
    pub current: Current,
    /// Measured over target, absent when it is not a finite number (no replicas to divide by).
    pub ratio: Option<f64>,
    /// The ratio after filling in missing and unready instances, where that was needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled_ratio: Option<f64>,
    /// Why the current count was kept, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// How the instances were grouped, for per-instance metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
}

/// A measured value in the unit of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Current {
    /// Share of the request.
    Utilization {
        /// Per cent, truncated.
        pct: i32,
        /// Average usage per instance in milli-units.
        average_milli: i64,
    },
    /// Average over instances.
    Average {
        /// Milli-units.
        milli: i64,
    },
    /// Total divided over the existing replicas.
    PerInstance {
        /// Milli-units per replica, rounded up.
        milli: i64,
        /// The total in milli-units.
        total_milli: i64,
    },
    /// Total against total.
    Total {
        /// Milli-units.
        milli: i64,
    },
}

/// Why a metric left the replica count as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The ratio is inside the tolerance.
    WithinTolerance,
    /// The ratio is inside the tolerance once missing and unready instances are filled in.
    WithinToleranceAfterFill,
    /// Filling in missing and unready instances turns the direction around.
    DirectionTurned,
    /// The filled-in count contradicts the direction of the ratio.
    CountContradicts,
    /// No instance has been ready for long enough to show in the signal (`settleSeconds` only).
    Settling,
}
