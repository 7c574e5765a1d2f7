//! The administrator's operations.

use std::sync::Arc;

use app_kit::extract::{Json, Path, Query};
use app_kit::{ApiError, Code};
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Administrator, Client, unauthenticated};
use super::errors::{Common, Guarded, Limited, WithBody};
use super::views::ResultView;
use crate::store::{Cursor, EvaluationRow, ListQuery, WorkStatus};

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The administrator's name.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
    /// The administrator's password.
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    password: String,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Send it as `Authorization: Bearer TOKEN`.
    token: String,
    /// Whose it is.
    username: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusView {
    /// Always `authenticated`; otherwise the answer is 401.
    #[schema(value_type = String)]
    status: &'static str,
    /// The administrator's name.
    username: String,
}

/// Totals.
#[derive(Serialize, ToSchema)]
pub(super) struct StatsView {
    /// Files stored.
    uploads: u64,
    /// Evaluations asked for.
    evaluations: u64,
    /// Evaluations completed.
    completed: u64,
    /// Evaluations failed.
    failed: u64,
    /// Mean time from request to result, seconds; 0 before the first.
    avg_time: f64,
}

/// Which page of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Rows, 1 to 100; 10 without it.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 80, pattern = "^[0-9]{1,15}[.][A-Za-z0-9-]{1,64}$")]
    cursor: Option<String>,
    /// Only of this status.
    status: Option<WorkStatus>,
    /// Beginning of an id, of the evaluation or of one of its uploads.
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    search: Option<String>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
pub(super) struct JobsView {
    /// Newest first.
    jobs: Vec<JobView>,
    /// How to go on.
    pagination: Pagination,
}

/// How to go on.
#[derive(Serialize, ToSchema)]
pub(super) struct Pagination {
    /// Rows asked for.
    limit: u32,
    /// Cursor of the next page; null on the last.
    next: Option<String>,
}

/// An evaluation as an operator sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct JobView {
    /// Its id.
    id: String,
    /// Whose it is.
    owner: String,
    /// Where it stands.
    status: WorkStatus,
    /// Upload of the CV.
    cv_id: String,
    /// Upload of the project report.
    project_id: String,
    /// Attempts begun.
    attempts: u32,
    /// Why it failed; null otherwise.
    error: Option<app_kit::error::ErrorObject>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// An evaluation with its result.
#[derive(Serialize, ToSchema)]
pub(super) struct JobDetail {
    /// The evaluation.
    job: JobView,
    /// What its owner sees.
    result: ResultView,
}

/// Log in
///
/// Name and password as JSON or as a form. Answers a token for the other operations. Limited to a few tries a minute
/// for each address.
#[utoipa::path(
    post, path = "/admin/token", tag = "admin", operation_id = "admin_token",
    request_body(content((Login = "application/json"), (Login = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "A token", body = TokenView), WithBody, Guarded, Limited, Common),
    security(()),
)]
pub(super) async fn token(
    State(app): State<Shared>,
    Client(client): Client,
    request: Request,
) -> Result<Response, ApiError> {
    app.logins.check(client.limit_key())?;
    let login = read_login(request).await?;
    let (Some(admin), Some(tokens)) = (&app.settings.admin, &app.tokens) else {
        return Err(ApiError::internal("login without an administrator"));
    };
    let slot = Arc::clone(&app.login_slots).acquire_owned().await.map_err(ApiError::internal)?;
    let hash = admin.password_hash.clone();
    let password = login.password.into_bytes();
    // Also for a wrong name, so that the time taken does not tell which of the two was wrong.
    let verify = move || {
        // Goes with the work, which goes on when the client has left.
        let _slot = slot;
        hash.verify(&password)
    };
    let fits = tokio::task::spawn_blocking(verify).await.map_err(ApiError::internal)?;
    let known = bool::from(login.username.as_bytes().ct_eq(admin.username.as_bytes()));
    if !(known & fits) {
        tracing::warn!(client = %client.0, "login refused");
        return Err(unauthenticated("name or password is wrong"));
    }
    let (token, claims) = tokens.issue(&admin.username).map_err(ApiError::internal)?;
    let expires = timestamp(i64::try_from(claims.exp).unwrap_or(i64::MAX).saturating_mul(1000));
    let view = TokenView { token, username: claims.sub, expires };
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(view)).into_response())
}

/// Who is logged in
#[utoipa::path(
    get, path = "/admin/api/status", tag = "admin", operation_id = "admin_status",
    responses((status = 200, description = "Logged in", body = StatusView), Guarded, Common),
    security(("admin" = [])),
)]
pub(super) async fn status(Administrator(username): Administrator) -> axum::Json<StatusView> {
    axum::Json(StatusView { status: "authenticated", username })
}

/// Totals since the beginning
#[utoipa::path(
    get, path = "/admin/api/stats", tag = "admin", operation_id = "admin_stats",
    responses((status = 200, description = "Totals", body = StatsView), Guarded, Common),
    security(("admin" = [])),
)]
pub(super) async fn stats(
    State(app): State<Shared>,
    _: Administrator,
) -> Result<axum::Json<StatsView>, ApiError> {
    let totals = app.store.totals().await?;
    let mean = if totals.completed > 0.0 { totals.completed_seconds / totals.completed } else { 0.0 };
    Ok(axum::Json(StatsView {
        uploads: whole(totals.uploads),
        evaluations: whole(totals.evaluations),
        completed: whole(totals.completed),
        failed: whole(totals.failed),
        avg_time: mean,
    }))
}

/// List evaluations, newest first
///
/// Pages by cursor, so that a page costs the same however deep it is and rows that arrive meanwhile move nothing.
#[utoipa::path(
    get, path = "/admin/api/jobs", tag = "admin", operation_id = "admin_jobs",
    params(PageQuery),
    responses(
        (status = 200, description = "A page", body = JobsView, links(
            ("admin_job" = (operation_id = "admin_job", parameters(("id" = "$response.body#/jobs/0/id")))),
            ("admin_requeue" = (operation_id = "admin_requeue", parameters(("id" = "$response.body#/jobs/0/id")))),
            ("admin_erase_job" = (operation_id = "admin_erase_job", parameters(("id" = "$response.body#/jobs/0/id")))),
        )),
        (status = 400, description = "A parameter breaks its rule (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("admin" = [])),
)]
pub(super) async fn jobs(
    State(app): State<Shared>,
    _: Administrator,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<JobsView>, ApiError> {
    let limit = query.limit.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::invalid_field("limit", "1 to 100"));
    }
    if let Some(search) = &query.search {
        let sane = (1..=64).contains(&search.len())
            && search.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !sane {
            return Err(ApiError::invalid_field("search", "1 to 64 letters, digits, _ and -"));
        }
    }
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?;
    // One more than asked for tells whether there is a next page.
    let list = ListQuery { after, status: query.status, search: query.search, limit: limit + 1 };
    let mut rows = app.store.list(&list).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(encode_cursor);
    let jobs = rows.into_iter().map(JobView::from).collect();
    Ok(axum::Json(JobsView { jobs, pagination: Pagination { limit, next } }))
}

/// Read one evaluation
#[utoipa::path(
    get, path = "/admin/api/jobs/{id}", tag = "admin", operation_id = "admin_job",
    params(("id" = String, Path, description = "Id of the evaluation")),
    responses(
        (status = 200, description = "The evaluation and what its owner sees", body = JobDetail),
        (status = 400, description = "The id cannot be read (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        (status = 404, description = "No such evaluation (`NOT_FOUND`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("admin" = [])),
)]
pub(super) async fn job(
    State(app): State<Shared>,
    _: Administrator,
    Path(id): Path<String>,
) -> Result<axum::Json<JobDetail>, ApiError> {
    let row = app.store.read_evaluation(&id).await?.ok_or_else(not_found)?;
    let result = app.store.read_result(&id).await?.ok_or_else(not_found)?;
    Ok(axum::Json(JobDetail { job: JobView::from(row), result: ResultView::new(id, result)? }))
}

/// Try a failed evaluation again
///
/// Puts it back into the queue with all its attempts.
#[utoipa::path(
    post, path = "/admin/api/jobs/{id}/requeue", tag = "admin", operation_id = "admin_requeue",
    params(("id" = String, Path, description = "Id of the evaluation")),
    responses(
        (status = 202, description = "Queued", body = JobView),
        (status = 400, description = "The id cannot be read (`INVALID_ARGUMENT`)", body = app_kit::error::ErrorBody),
        (status = 404, description = "No such evaluation (`NOT_FOUND`)", body = app_kit::error::ErrorBody),
        (status = 409, description = "It has not failed (`CONFLICT`)", body = app_kit::error::ErrorBody),
        Guarded, Common,
    ),
    security(("admin" = [])),
)]
pub(super) async fn requeue(
    State(app): State<Shared>,
    Administrator(username): Administrator,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let requeued = app.store.requeue(&id, app.settings.job_max_attempts).await?;
    let row = app.store.read_evaluation(&id).await?.ok_or_else(not_found)?;
    if !requeued {
        let message =
            format!("only a failed evaluation can be tried again; this one is {}", row.status.as_str());
        return Err(ApiError::new(Code::CONFLICT, message));
    }
    app.metrics.enqueued();
    tracing::info!(evaluation = id, username, "requeued");
    Ok((http::StatusCode::ACCEPTED, axum::Json(JobView::from(row))).into_response())
}

// === impl JobView ===

impl From<EvaluationRow> for JobView {
    fn from(row: EvaluationRow) -> Self {
        let error = row.error.map(|(code, message)| app_kit::error::ErrorObject {
            code: code.into(),
            message: message.into(),
            details: None,
        });
        Self {
            id: row.id,
            owner: row.owner,
            status: row.status,
            cv_id: row.cv_id,
            project_id: row.project_id,
            attempts: row.attempts,
            error,
            created_at: timestamp(row.created_at_ms),
            updated_at: timestamp(row.updated_at_ms),
        }
    }
}

async fn read_login(request: Request) -> Result<Login, ApiError> {
    let media_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = media_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let login = if is_form {
        let form = axum::Form::<Login>::from_request(request, &()).await;
        form.map_err(|rejected: FormRejection| {
            app_kit::extract::rejection(rejected.status(), rejected.body_text())
        })?
        .0
    } else {
        Json::<Login>::from_request(request, &()).await?.0
    };
    if !(1..=255).contains(&login.username.len()) {
        return Err(ApiError::invalid_field("username", "1 to 255 bytes"));
    }
    if !(1..=1024).contains(&login.password.len()) {
        return Err(ApiError::invalid_field("password", "1 to 1024 bytes"));
    }
    Ok(login)
}

fn encode_cursor(row: &EvaluationRow) -> String {
    format!("{}.{}", row.created_at_ms, row.id)
}

fn decode_cursor(text: &str) -> Result<Cursor, ApiError> {
    let decode = || {
        let (time, id) = text.split_once('.')?;
        let sane = (1..=15).contains(&time.len())
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        sane.then_some(Cursor { created_at_ms: time.parse().ok()?, id: id.to_owned() })
    };
    decode().ok_or_else(|| ApiError::invalid_field("cursor", "take it from `next` of the page before"))
}

fn not_found() -> ApiError {
    ApiError::new(Code::NOT_FOUND, "there is no such evaluation")
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// A total is a count, whatever type it is stored as.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^53, not negative"
)]
fn whole(total: f64) -> u64 {
    total.max(0.0).round() as u64
}
