//! Jobs: look at one, look at the dead letters, requeue, discard, cancel.

use axum::{Json, extract::State};

use super::{Shared, act::run, read::within};
use crate::{
    error::{ApiError, Json as Body, Path, Query},
    queue::{Act, JobView, LetterFilter, LetterPage, LetterQuery, MAX_LETTERS, Order, OrderReport, Place},
    wire::ErrorShape,
};

const DEFAULT_LETTERS: usize = 50;

/// Dead letters in the order of their death.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "queue", security((), ("token" = [])), params(LetterFilter),
    responses(
        (status = 200, description = "A page of dead letters", body = LetterPage),
        (status = 400, description = "The query makes no sense", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 404, description = "No such queue", body = ErrorShape),
        (status = 409, description = "The queue cannot be asked now", body = ErrorShape),
        (status = 422, description = "`after` is not the `next` of a page", body = ErrorShape),
    )
)]
pub(super) async fn dead_letters(
    State(shared): State<Shared>,
    Query(filter): Query<LetterFilter>,
) -> Result<Json<LetterPage>, ApiError> {
    let limit = within(filter.limit.unwrap_or(DEFAULT_LETTERS), MAX_LETTERS, "limit")?;
    let after = filter.after.as_deref().map(str::parse::<Place>).transpose()?;
    let query = LetterQuery { queue: filter.queue, after, limit };
    Ok(Json(shared.operator.dead_letters(query).await?))
}

/// One job and what became of its attempts.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "queue", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Number of the job")),
    responses(
        (status = 200, description = "The job; its payload is not shown", body = JobView),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 404, description = "No such job (any more)", body = ErrorShape),
        (status = 409, description = "The queue cannot be asked now", body = ErrorShape),
    )
)]
pub(super) async fn job(
    State(shared): State<Shared>,
    Path(id): Path<i64>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(shared.operator.job(id).await?))
}

/// Makes dead letters ready again, with all their attempts before them.
#[utoipa::path(
    post, path = "/api/v1/jobs/requeue", tag = "queue", security((), ("token" = [])), request_body = Order,
    responses(
        (status = 200, description = "What was done, and which jobs were left alone", body = OrderReport),
        (status = 400, description = "The body is not JSON", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 404, description = "No such queue", body = ErrorShape),
        (status = 409, description = "The queue cannot be asked now", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The order makes no sense", body = ErrorShape),
    )
)]
pub(super) async fn requeue(
    State(shared): State<Shared>,
    Body(order): Body<Order>,
) -> Result<Json<OrderReport>, ApiError> {
    obey(shared, Act::Requeue, order).await
}

/// Deletes dead letters.
#[utoipa::path(
    post, path = "/api/v1/jobs/discard", tag = "queue", security((), ("token" = [])), request_body = Order,
    responses(
        (status = 200, description = "What was done, and which jobs were left alone", body = OrderReport),
        (status = 400, description = "The body is not JSON", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 404, description = "No such queue", body = ErrorShape),
        (status = 409, description = "The queue cannot be asked now", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The order makes no sense", body = ErrorShape),
    )
)]
pub(super) async fn discard(
    State(shared): State<Shared>,
    Body(order): Body<Order>,
) -> Result<Json<OrderReport>, ApiError> {
    obey(shared, Act::Discard, order).await
}

/// Withdraws jobs: waiting ones will not run, who works on one is told to give it up.
#[utoipa::path(
    post, path = "/api/v1/jobs/cancel", tag = "queue", security((), ("token" = [])), request_body = Order,
    responses(
        (status = 200, description = "What was done, and which jobs were left alone", body = OrderReport),
        (status = 400, description = "The body is not JSON", body = ErrorShape),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
        (status = 403, description = "Sent by another site", body = ErrorShape),
        (status = 409, description = "The queue cannot be asked now", body = ErrorShape),
        (status = 415, description = "The content type is not JSON", body = ErrorShape),
        (status = 422, description = "The order makes no sense", body = ErrorShape),
    )
)]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    Body(order): Body<Order>,
) -> Result<Json<OrderReport>, ApiError> {
    obey(shared, Act::Cancel, order).await
}

async fn obey(shared: Shared, act: Act, order: Order) -> Result<Json<OrderReport>, ApiError> {
    order.check(act)?;
    run(shared, move |operator| async move { operator.order(act, order).await }).await.map(Json)
}
