//! Bodies of the admin API beyond the views, shared by server and client.

use plimsoll_control::view::DecisionView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Largest number of decisions in one answer.
pub(crate) const MAX_DECISIONS: usize = 500;
/// Largest number of log lines in one answer.
pub(crate) const MAX_LOG_LINES: usize = 10_000;

/// What an action did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionReport {
    /// One sentence for the operator.
    pub message: String,
}

/// What a reload changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReport {
    /// One sentence a change; empty when the file says what already runs.
    pub changes: Vec<String>,
}

/// Decisions, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionPage {
    /// At most as many as were asked for.
    pub decisions: Vec<DecisionView>,
    /// Give this as `before` for the next page; absent when there may be no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// Log lines of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// Id of the instance.
    pub instance: String,
    /// Oldest first.
    pub lines: Vec<String>,
}

/// The house's error body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorShape {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// A word for programs, such as `not_found`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, by code; `{"hint": …}` says how to mend it.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Query of the decision list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DecisionFilter {
    /// Only decisions about this service.
    pub(crate) service: Option<String>,
    /// Only decisions with a smaller id.
    pub(crate) before: Option<u64>,
    /// How many, 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
}

/// Query of the log.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogFilter {
    /// How many of the last lines, 1 to 10000; 200 when absent.
    #[param(minimum = 1, maximum = 10000)]
    pub(crate) lines: Option<usize>,
}

/// Query of the report.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportFilter {
    /// How far back, in seconds; a day when absent.
    #[param(minimum = 1)]
    pub(crate) since_s: Option<u64>,
}

/// The size a service is to have.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleRequest {
    /// Number of instances.
    pub(crate) replicas: u32,
}

/// What to restart.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestartRequest {
    /// Name of a service or id of an instance.
    pub(crate) target: String,
}
