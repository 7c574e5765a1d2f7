//! `POST /v1/evaluate`.

use app_kit::extract::Json;
use app_kit::request_id::{RequestId, TraceParent};
use app_kit::{ApiError, Code};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::Shared;
use super::auth::{ANONYMOUS, Client, Owner, is_owner_name};
use super::errors::{Common, Guarded, IDEMPOTENCY_KEY_REUSED, Limited, UPLOAD_NOT_FOUND, WithBody};
use crate::store::{Accepted, NewEvaluation, Trace, WorkStatus};

/// Longest idempotency key, characters.
const MAX_KEY_CHARS: usize = 255;

/// What is to be evaluated against what.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateRequest {
    /// Id of the CV, from an upload.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    cv_id: String,
    /// Id of the project report, from an upload.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    project_id: String,
    /// The job to match the CV with; without it the shipped one.
    #[schema(max_length = 5000, pattern = r"^[^\u0000]*$")]
    job_description: Option<String>,
    /// The task the project was to solve; without it the shipped one.
    #[schema(max_length = 5000, pattern = r"^[^\u0000]*$")]
    study_case_brief: Option<String>,
    /// What good answers look like; without it the shipped one.
    #[schema(max_length = 10000, pattern = r"^[^\u0000]*$")]
    scoring_rubric: Option<String>,
}

/// An evaluation that was taken on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Evaluation {
    /// Its id: poll `/v1/result/{id}`.
    id: String,
    /// Where it stands now.
    status: WorkStatus,
}

/// Ask for an evaluation
///
/// Answers 202 as soon as the evaluation and its job are durable; the work is done later, which is what 202 means
/// (earlier versions answered 200). With an `Idempotency-Key`, repeating the request answers 200 with the same
/// evaluation in its true present state, so a client may safely repeat a request whose answer it lost; the same key
/// with another body is refused with 422. Keys belong to their owner and last as long as their evaluation.
#[utoipa::path(
    post,
    path = "/v1/evaluate",
    tag = "evaluations",
    operation_id = "evaluate",
    params(("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request, 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = EvaluateRequest,
    responses(
        (status = 202, description = "Taken on; poll the address in `Location`", body = Evaluation, headers(("Location" = String, description = "Where the result will be")), links(
            ("result" = (operation_id = "result", parameters(("id" = "$response.body#/id")))),
            ("erase_result" = (operation_id = "erase_result", parameters(("id" = "$response.body#/id")))),
            ("admin_job" = (operation_id = "admin_job", parameters(("id" = "$response.body#/id")))),
        )),
        (status = 200, description = "Taken on before under the same key; this is its present state", body = Evaluation, headers(("Location" = String, description = "Where the result is or will be"))),
        (status = 404, description = "An upload id is unknown, not yours or of the other kind (`UPLOAD_NOT_FOUND`)", body = app_kit::error::ErrorBody),
        (status = 422, description = "The key was used before with another body (`IDEMPOTENCY_KEY_REUSED`)", body = app_kit::error::ErrorBody),
        WithBody, Guarded, Limited, Common,
    ),
    security(("api_key" = []), ("bearer" = []), ()),
)]
pub(super) async fn evaluate(
    State(app): State<Shared>,
    Client(client): Client,
    owner: Owner,
    Extension(request_id): Extension<RequestId>,
    Extension(trace): Extension<TraceParent>,
    headers: HeaderMap,
    Json(body): Json<EvaluateRequest>,
) -> Result<Response, ApiError> {
    app.limit_address(client)?;
    app.limit_owner(&owner)?;
    check(&body)?;
    let idempotency_key = idempotency_key(&headers)?;
    let new = NewEvaluation {
        owner: owner.as_str().to_owned(),
        body_sha256: digest(&body)?,
        cv_id: body.cv_id,
        project_id: body.project_id,
        job_description: body.job_description,
        study_case_brief: body.study_case_brief,
        scoring_rubric: body.scoring_rubric,
        idempotency_key,
        trace: Trace {
            request_id: Some(request_id.as_str().to_owned()),
            traceparent: Some(trace.to_string()),
        },
        max_attempts: app.settings.job_max_attempts,
        max_wait_ms: app.settings.job_max_wait_ms,
    };
    match app.intake.accept(new).await? {
        Accepted::New(id) => {
            app.metrics.enqueued();
            Ok(answer(StatusCode::ACCEPTED, id, WorkStatus::Queued))
        }
        Accepted::Repeated(id, status) => Ok(answer(StatusCode::OK, id, status)),
        Accepted::KeyReused => Err(ApiError::new(
            IDEMPOTENCY_KEY_REUSED,
            "this Idempotency-Key was used before with another body; use a new key",
        )),
        Accepted::UnknownUpload(field) => {
            let mut details = Map::new();
            details.insert(field.to_owned(), Value::from("unknown"));
            Err(ApiError::new(UPLOAD_NOT_FOUND, format!("{field} names no upload of yours of that kind"))
                .details(Value::Object(details)))
        }
    }
}

/// A request that arrived as a job of this owner instead of over HTTP, checked like the others. It may name another.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn from_job(
    mut request: Value,
    owner: Option<&str>,
    trace: Trace,
    max_attempts: u32,
    max_wait_ms: Option<i64>,
) -> Result<NewEvaluation, String> {
    let fields = request.as_object_mut().ok_or("request is no object")?;
    let mut text = |name: &str| match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is no text")),
    };
    let owner = text("owner")?.unwrap_or_else(|| owner.unwrap_or(ANONYMOUS).to_owned());
    let idempotency_key = text("idempotency_key")?;
    if !is_owner_name(&owner) {
        return Err("owner is no name of an owner".to_owned());
    }
    if idempotency_key.as_deref().is_some_and(|key| !is_idempotency_key(key)) {
        return Err(format!("idempotency_key is not 1 to {MAX_KEY_CHARS} visible ASCII characters"));
    }
    let body: EvaluateRequest = serde_json::from_value(request).map_err(|error| error.to_string())?;
    let broken = broken_rules(&body);
    if !broken.is_empty() {
        return Err(format!("the request breaks rules: {}", Value::Object(broken)));
    }
    Ok(NewEvaluation {
        owner,
        body_sha256: digest(&body).map_err(|error| error.to_string())?,
        cv_id: body.cv_id,
        project_id: body.project_id,
        job_description: body.job_description,
        study_case_brief: body.study_case_brief,
        scoring_rubric: body.scoring_rubric,
        idempotency_key,
        trace,
        max_attempts,
        max_wait_ms,
    })
}

fn check(body: &EvaluateRequest) -> Result<(), ApiError> {
    let broken = broken_rules(body);
    if broken.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(Code::INVALID_ARGUMENT, "the request breaks the rules in details")
        .details(Value::Object(broken)))
}

/// Every broken rule at once, field by field.
fn broken_rules(body: &EvaluateRequest) -> Map<String, Value> {
    let mut broken = Map::new();
    for (field, id) in [("cv_id", &body.cv_id), ("project_id", &body.project_id)] {
        let sane = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if id.is_empty() {
            broken.insert(field.to_owned(), Value::from("required"));
        } else if id.len() > 64 || !sane {
            broken.insert(field.to_owned(), Value::from("1 to 64 letters, digits, _ and -"));
        }
    }
    for (field, text, max_chars) in [
        ("job_description", &body.job_description, 5000),
        ("study_case_brief", &body.study_case_brief, 5000),
        ("scoring_rubric", &body.scoring_rubric, 10_000),
    ] {
        let text = text.as_deref().unwrap_or_default();
        if text.chars().count() > max_chars {
            broken.insert(field.to_owned(), Value::from(format!("at most {max_chars} characters")));
        } else if text.contains('\0') {
            broken.insert(field.to_owned(), Value::from("no NUL characters"));
        }
    }
    broken
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    if !is_idempotency_key(key) || values.next().is_some() {
        return Err(ApiError::invalid_field(
            "Idempotency-Key",
            "one key of 1 to 255 visible ASCII characters",
        ));
    }
    Ok(Some(key.to_owned()))
}

fn is_idempotency_key(key: &str) -> bool {
    (1..=MAX_KEY_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Over the request as understood, so that spaces and the order of fields make no other request of it.
fn digest(body: &EvaluateRequest) -> Result<String, ApiError> {
    let canonical = serde_json::to_vec(body).map_err(ApiError::internal)?;
    Ok(hex::encode(Sha256::digest(canonical)))
}

fn answer(status: StatusCode, id: String, state: WorkStatus) -> Response {
    let location = HeaderValue::from_str(&format!("/v1/result/{id}"));
    let mut response = (status, axum::Json(Evaluation { id, status: state })).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
