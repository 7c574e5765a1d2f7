//! What runs and why.

use axum::{Json, extract::State, response::IntoResponse};
use plimsoll_control::view::StackView;

use super::{Shared, blocking};
use crate::{
    error::{ApiError, Path, Query},
    operator::DecisionQuery,
    wire::{
        DecisionFilter, DecisionPage, ErrorShape, LogFilter, LogLines, MAX_DECISIONS, MAX_LOG_LINES,
        ReportFilter,
    },
};

const DEFAULT_DECISIONS: usize = 50;
/// A day.
const DEFAULT_REPORT_S: u64 = 86_400;
const DEFAULT_LOG_LINES: usize = 200;

/// The whole stack now.
#[utoipa::path(
    get, path = "/api/v1/stack", tag = "read", security((), ("token" = [])),
    responses(
        (status = 200, description = "A snapshot", body = StackView),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
    )
)]
pub(super) async fn stack(State(shared): State<Shared>) -> Json<StackView> {
    Json(shared.operator.view())
}

/// The whole stack, again whenever it changes.
///
/// Server-sent events named `stack`, each with a whole snapshot as data: the first at once, then upon each change, at
/// most four in a second and at least one in two seconds.
#[utoipa::path(
    get, path = "/api/v1/stream", tag = "read", security((), ("token" = [])),
    responses(
        (status = 200, description = "Snapshots until either side ends it", body = String, content_type = "text/event-stream"),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 503, description = "Too many clients follow the stream already", body = ErrorShape),
    )
)]
pub(super) async fn stream(State(shared): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    shared.feed.subscribe()
}

/// Decisions, newest first.
#[utoipa::path(
    get, path = "/api/v1/decisions", tag = "explain", security((), ("token" = [])), params(DecisionFilter),
    responses(
        (status = 200, description = "A page of decisions", body = DecisionPage),
        (status = 400, description = "The query makes no sense", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
    )
)]
pub(super) async fn decisions(
    State(shared): State<Shared>,
    Query(filter): Query<DecisionFilter>,
) -> Result<Json<DecisionPage>, ApiError> {
    let limit = within(filter.limit.unwrap_or(DEFAULT_DECISIONS), MAX_DECISIONS, "limit")?;
    let query = DecisionQuery { service: filter.service, before: filter.before, limit };
    let decisions = blocking(shared, |operator| operator.decisions(query)).await?;
    let next_before =
        (decisions.len() >= limit).then(|| decisions.last().map(|decision| decision.id)).flatten();
    Ok(Json(DecisionPage { decisions, next_before }))
}

/// Why: the full record of one decision.
#[utoipa::path(
    get, path = "/api/v1/decisions/{id}", tag = "explain", security((), ("token" = [])),
    params(("id" = u64, Path, description = "Id of the decision")),
    responses(
        (status = 200, description = "Inputs, rules and outcome", body = Object),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 404, description = "No such decision", body = ErrorShape),
    )
)]
pub(super) async fn decision(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let record = blocking(shared, move |operator| operator.why(id)).await?;
    record.map(Json).ok_or_else(|| ApiError::not_found(format!("there is no decision {id}")))
}

/// What the stack carried, decided and cost over the last `since_s` seconds, and how much of that was measured.
#[utoipa::path(
    get, path = "/api/v1/report", tag = "explain", security((), ("token" = [])), params(ReportFilter),
    responses(
        (status = 200, description = "Figures and events; what nobody measured is absent", body = Object),
        (status = 400, description = "The query makes no sense", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 409, description = "The logs or the stack file cannot be read", body = ErrorShape),
        (status = 422, description = "The period is out of bounds", body = ErrorShape),
    )
)]
pub(super) async fn report(
    State(shared): State<Shared>,
    Query(filter): Query<ReportFilter>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let since_s = filter.since_s.unwrap_or(DEFAULT_REPORT_S);
    Ok(Json(blocking(shared, move |operator| operator.report(since_s)).await??))
}

/// The last log lines of one instance.
#[utoipa::path(
    get, path = "/api/v1/instances/{id}/logs", tag = "read", security((), ("token" = [])),
    params(("id" = String, Path, description = "Id of the instance, such as `worker-7`"), LogFilter),
    responses(
        (status = 200, description = "Lines, oldest first", body = LogLines),
        (status = 400, description = "The query makes no sense", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 404, description = "No such instance", body = ErrorShape),
    )
)]
pub(super) async fn logs(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(filter): Query<LogFilter>,
) -> Result<Json<LogLines>, ApiError> {
    let count = within(filter.lines.unwrap_or(DEFAULT_LOG_LINES), MAX_LOG_LINES, "lines")?;
    let (instance, lines) = blocking(shared, move |operator| {
        let lines = operator.logs(&id, count);
        (id, lines)
    })
    .await?;
    match lines {
        Some(lines) => Ok(Json(LogLines { instance, lines })),
        None => Err(ApiError::not_found(format!("there is no instance `{instance}`"))),
    }
}

pub(super) fn within(value: usize, max: usize, name: &str) -> Result<usize, ApiError> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    let message = format!("`{name}` is {value} but must be 1 to {max}");
    Err(ApiError::new(http::StatusCode::BAD_REQUEST, "bad_request", message))
}
