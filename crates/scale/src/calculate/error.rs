//! Why a metric has no say this round.

use serde::{Deserialize, Serialize};

/// Failure of one metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum MetricError {
    /// The source could not be asked.
    #[error("source is unavailable: {message}")]
    Unavailable {
        /// What the source said.
        message: String,
    },
    /// The newest value is too old.
    #[error("newest value is {age_s} s old")]
    Stale {
        /// Age in seconds.
        age_s: i64,
    },
    /// The source answered with nothing.
    #[error("no metrics returned")]
    NoMetricsReturned,
    /// The target has no instances.
    #[error("no instances to measure")]
    NoInstances,
    /// Every sample belongs to an instance that does not count now.
    #[error("no metrics for counted instances (they may be unready)")]
    NoMetricsForCountedInstances,
    /// The requests of the measured instances add up to zero.
    #[error("no metrics matched known instances")]
    NoMetricsMatchedKnownInstances,
    /// A container has no request, so its utilisation is undefined.
    #[error("container `{container}` of `{instance}` has no {resource} request")]
    MissingRequest {
        /// Instance.
        instance: String,
        /// Container, empty for the instance as a whole.
        container: String,
        /// Resource.
        resource: String,
    },
    /// The named container does not exist.
    #[error("container `{container}` not found in `{instance}`")]
    ContainerNotFound {
        /// Instance.
        instance: String,
        /// Container.
        container: String,
    },
    /// A formula has no value.
    #[error("{message}")]
    Formula {
        /// What it lacks.
        message: String,
    },
    /// The target type does not fit the metric type.
    #[error("target does not fit the metric type")]
    InvalidTarget,
    /// The metric type is unknown.
    #[error("unknown metric source type `{kind}`")]
    UnknownType {
        /// Type as written.
        kind: String,
    },
}
