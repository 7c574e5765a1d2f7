//! `GET /v1/result/{id}`.

use app_kit::etag::EntityTag;
use app_kit::extract::Path;
use app_kit::{ApiError, Code};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::Shared;
use super::auth::Owner;
use super::errors::{Common, Guarded};
use super::views::ResultView;

/// Longest id that is looked up.
const MAX_ID_BYTES: usize = 64;

/// Read an evaluation and its result
///
/// Reading changes nothing. Another owner's evaluation is not found. A finished evaluation may be cached by its
/// client for five minutes; send its `ETag` back in `If-None-Match` to get a 304 without a body.
#[utoipa::path(
    get,
    path = "/v1/result/{id}",
    tag = "evaluations",
    operation_id = "result",
    params(
        ("id" = String, Path, description = "Id from `POST /v1/evaluate`"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags the client has"),
    ),
    responses(
        (status = 200, description = "The evaluation as it stands", body = ResultView, headers(
            ("ETag" = String, description = "Strong entity tag of this body"),
            ("Cache-Control" = String, description = "`private, max-age=300` when finished, else `no-store`"),
        )),
        (status = 304, description = "The client has this body already"),
        (status = 400, description = "The id cannot be read (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        (status = 404, description = "No such evaluation of yours (`NOT_FOUND`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("api_key" = []), ("bearer" = []), ()),
)]
pub(super) async fn result(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let not_found = || ApiError::new(Code::NOT_FOUND, "there is no such evaluation");
    if id.len() > MAX_ID_BYTES {
        return Err(not_found());
    }
    let stored = app.store.read_result(&id).await?;
    // Another owner's is answered like one that does not exist, or its existence would be told (W27).
    let stored = stored.filter(|stored| stored.owner == owner.as_str()).ok_or_else(not_found)?;
    let cache = if stored.status.is_final() { "private, max-age=300" } else { "no-store" };
    let body = serde_json::to_vec(&ResultView::new(id, stored)?).map_err(ApiError::internal)?;
    let tag = EntityTag::from_digest(&Sha256::digest(&body));
    let response = ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, cache)], body).into_response();
    Ok(tag.apply(&headers, response))
}
