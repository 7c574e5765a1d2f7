//! Erasing: one evaluation (`DELETE /v1/result/{id}`, `DELETE /admin/api/jobs/{id}`) or all of an owner (`DELETE /v1/me`,
//! `DELETE /admin/api/owners/{owner}`).

use app_kit::extract::Path;
use app_kit::{ApiError, Code};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::auth::{Administrator, Client, Owner, is_owner_name};
use super::errors::{Common, Guarded, Limited};
use crate::store::Erased;

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(super) struct ErasedView {
    /// Whose it was.
    owner: String,
    /// Files.
    uploads: u64,
    /// Evaluations, and with them their results.
    evaluations: u64,
    /// Jobs that waited, ran or had died.
    jobs: u64,
}

/// Erase one evaluation
///
/// The evaluation, its result and its job, and those of its two files that no other evaluation refers to, in one
/// transaction: for a candidate who asks to be forgotten. What waits is withdrawn; what runs writes no result.
#[utoipa::path(
    delete, path = "/v1/result/{id}", tag = "evaluations", operation_id = "erase_result",
    params(("id" = String, Path, description = "Id from `POST /v1/evaluate`")),
    responses(
        (status = 200, description = "Erased; what went with it", body = ErasedView),
        (status = 400, description = "The id cannot be read (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        (status = 404, description = "No such evaluation of yours (`NOT_FOUND`)", body = app_kit::error::ErrorBody),
        Guarded, Limited, Common,
    ),
    security(("api_key" = []), ("bearer" = []), ()),
)]
pub(super) async fn erase_result(
    State(app): State<Shared>,
    Client(client): Client,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<axum::Json<ErasedView>, ApiError> {
    app.limit_address(client)?;
    app.limit_owner(&owner)?;
    let erased = app.store.erase_evaluation(&id, Some(owner.as_str())).await?;
    let (owner, erased) = erased.ok_or_else(not_found)?;
    tracing::info!(owner, evaluation = id, ?erased, "an evaluation was erased by its owner");
    Ok(axum::Json(ErasedView::new(&owner, erased)))
}

/// Erase one evaluation of anybody
///
/// As `DELETE /v1/result/{id}` does for its owner.
#[utoipa::path(
    delete, path = "/admin/api/jobs/{id}", tag = "admin", operation_id = "admin_erase_job",
    params(("id" = String, Path, description = "Id of the evaluation")),
    responses(
        (status = 200, description = "Erased; what went with it", body = ErasedView),
        (status = 400, description = "The id cannot be read (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        (status = 404, description = "No such evaluation (`NOT_FOUND`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("admin" = [])),
)]
pub(super) async fn admin_erase_job(
    State(app): State<Shared>,
    Administrator(username): Administrator,
    Path(id): Path<String>,
) -> Result<axum::Json<ErasedView>, ApiError> {
    let (owner, erased) = app.store.erase_evaluation(&id, None).await?.ok_or_else(not_found)?;
    tracing::info!(owner, username, evaluation = id, ?erased, "an evaluation was erased by an administrator");
    Ok(axum::Json(ErasedView::new(&owner, erased)))
}

/// Erase everything of yours
///
/// Files, evaluations, results and jobs of the key's owner, in one transaction. What waits is withdrawn; what runs is
/// stopped and writes no result. The key stays valid. Repeating it is harmless.
#[utoipa::path(
    delete, path = "/v1/me", tag = "evaluations", operation_id = "erase_me",
    responses(
        (status = 200, description = "Erased; how much there was", body = ErasedView),
        (status = 403, description = "No keys are configured, so nothing says what is yours (`FORBIDDEN`)", body = app_kit::error::ErrorBody),
        Guarded, Limited, Common,
    ),
    security(("api_key" = []), ("bearer" = []), ()),
)]
pub(super) async fn erase_me(
    State(app): State<Shared>,
    Client(client): Client,
    owner: Owner,
) -> Result<axum::Json<ErasedView>, ApiError> {
    app.limit_address(client)?;
    app.limit_owner(&owner)?;
    if owner.is_anonymous() {
        let message = "without API_KEYS everything belongs to everybody; an administrator can erase it";
        return Err(ApiError::new(Code::FORBIDDEN, message));
    }
    let erased = app.store.erase_owner(owner.as_str()).await?;
    tracing::info!(owner = owner.as_str(), ?erased, "erased by the owner");
    Ok(axum::Json(ErasedView::new(owner.as_str(), erased)))
}

/// Erase everything of an owner
///
/// As `DELETE /v1/me` does, for any owner; `anonymous` is who everybody is while no keys are configured.
#[utoipa::path(
    delete, path = "/admin/api/owners/{owner}", tag = "admin", operation_id = "admin_erase",
    params(("owner" = String, Path, description = "The owner's name", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._@-]+$")),
    responses(
        (status = 200, description = "Erased; how much there was, which may be nothing", body = ErasedView),
        (status = 400, description = "No owner can have this name (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("admin" = [])),
)]
pub(super) async fn admin_erase(
    State(app): State<Shared>,
    Administrator(username): Administrator,
    Path(owner): Path<String>,
) -> Result<axum::Json<ErasedView>, ApiError> {
    if !is_owner_name(&owner) {
        return Err(ApiError::invalid_field("owner", "1 to 64 letters, digits, . _ @ and -"));
    }
    let erased = app.store.erase_owner(&owner).await?;
    tracing::info!(owner, username, ?erased, "erased by an administrator");
    Ok(axum::Json(ErasedView::new(&owner, erased)))
}

// === impl ErasedView ===

impl ErasedView {
    fn new(owner: &str, erased: Erased) -> Self {
        let Erased { uploads, evaluations, jobs } = erased;
        Self { owner: owner.to_owned(), uploads, evaluations, jobs }
    }
}

fn not_found() -> ApiError {
    ApiError::new(Code::NOT_FOUND, "there is no such evaluation")
}
