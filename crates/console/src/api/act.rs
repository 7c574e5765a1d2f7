//! What an operator can tell the stack to do. An action that was begun is not cut off when its client goes away.

use std::{future::Future, sync::Arc};

use axum::{Json, extract::State};
use http::StatusCode;

use super::{Shared, failed};
use crate::{
    error::{ApiError, Json as Body, Path},
    operator::{Operator, OperatorError},
    wire::{ActionReport, ErrorShape, ReloadReport, RestartRequest, ScaleRequest},
};

/// Sets the number of instances of a service.
#[utoipa::path(
    post, path = "/api/v1/services/{name}/scale", tag = "act", security((), ("token" = [])),
    params(("name" = String, Path, description = "Name of the service")),
    request_body = ScaleRequest,
    responses(
        (status = 200, description = "Done or under way", body = ActionReport),
        (status = 400, description = "The body is not JSON", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 404, description = "No such service", body = ErrorShape),
        (status = 409, description = "Not now or not like this; the hint says what to do", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The size makes no sense", body = ErrorShape),
    )
)]
pub(super) async fn scale(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(request): Body<ScaleRequest>,
) -> Result<Json<ActionReport>, ApiError> {
    report(run(shared, move |operator| async move { operator.scale(&name, request.replicas).await }).await)
}

/// Takes one instance out: it leaves the gateway, finishes its work, then stops.
#[utoipa::path(
    post, path = "/api/v1/instances/{id}/drain", tag = "act", security((), ("token" = [])),
    params(("id" = String, Path, description = "Id of the instance, such as `worker-7`")),
    responses(
        (status = 200, description = "Done or under way", body = ActionReport),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 404, description = "No such instance", body = ErrorShape),
        (status = 409, description = "Not now; the hint says what to do", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
    )
)]
pub(super) async fn drain(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<ActionReport>, ApiError> {
    report(run(shared, move |operator| async move { operator.drain(&id).await }).await)
}

/// Replaces the instances of a service one after another, or one instance.
#[utoipa::path(
    post, path = "/api/v1/restart", tag = "act", security((), ("token" = [])), request_body = RestartRequest,
    responses(
        (status = 200, description = "Done or under way", body = ActionReport),
        (status = 400, description = "The body is not JSON", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 404, description = "No such service or instance", body = ErrorShape),
        (status = 409, description = "Not now; the hint says what to do", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The body makes no sense", body = ErrorShape),
    )
)]
pub(super) async fn restart(
    State(shared): State<Shared>,
    Body(request): Body<RestartRequest>,
) -> Result<Json<ActionReport>, ApiError> {
    report(run(shared, move |operator| async move { operator.restart(&request.target).await }).await)
}

/// Reads the stack file again and applies what changed.
#[utoipa::path(
    post, path = "/api/v1/reload", tag = "act", security((), ("token" = [])),
    responses(
        (status = 200, description = "What changed", body = ReloadReport),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 409, description = "The change needs a restart of plimsoll", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The file has mistakes: nothing was applied", body = ErrorShape),
    )
)]
pub(super) async fn reload(State(shared): State<Shared>) -> Result<Json<ReloadReport>, ApiError> {
    let changes = run(shared, move |operator| async move { operator.reload().await }).await?;
    Ok(Json(ReloadReport { changes }))
}

/// Ends the whole stack: drains, stops, exits.
#[utoipa::path(
    post, path = "/api/v1/shutdown", tag = "act", security((), ("token" = [])),
    responses(
        (status = 202, description = "Begun", body = ActionReport),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
    )
)]
pub(super) async fn shutdown(
    State(shared): State<Shared>,
) -> Result<(StatusCode, Json<ActionReport>), ApiError> {
    run(shared, move |operator| async move {
        operator.shutdown().await;
        Ok(())
    })
    .await?;
    let report = ActionReport { message: "the stack drains and stops".to_owned() };
    Ok((StatusCode::ACCEPTED, Json(report)))
}

/// Runs an action on a task of its own, which outlives the request.
pub(super) async fn run<T, F>(
    shared: Shared,
    action: impl FnOnce(Arc<dyn Operator>) -> F + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, OperatorError>> + Send,
{
    let task = tokio::spawn(async move { action(shared.operator).await });
    Ok(task.await.map_err(failed)??)
}

fn report(message: Result<String, ApiError>) -> Result<Json<ActionReport>, ApiError> {
    message.map(|message| Json(ActionReport { message }))
}
