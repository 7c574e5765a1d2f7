//! `POST /v1/upload`.

use std::time::Duration;

use app_documents::{Kind, sniff};
use app_kit::{ApiError, Code, extract};
use axum::Json;
use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::extract::{FromRequest as _, Request, State};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::auth::{Client, Owner};
use super::errors::{Common, Guarded, Limited, WithBody};
use crate::spool::Spool;
use crate::store::{NewUpload, UploadKind};

/// Longest pause between two pieces of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest a whole upload may take: 20 MiB at about 0.6 Mbit/s.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(300);
/// Longest we go on reading a body that is refused, so that the client gets to read why.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);
/// Longest file name kept, characters.
const MAX_NAME_CHARS: usize = 255;

/// Form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document is made from it; the handler streams the parts")]
pub(super) struct UploadForm {
    /// The CV: PDF, DOCX or plain text, told by its content.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    cv: Vec<u8>,
    /// The project report: PDF, DOCX or plain text, told by its content.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    project: Vec<u8>,
}

/// Ids of the two stored files.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Uploaded {
    /// Id of the CV.
    #[schema(value_type = String, format = "uuid")]
    cv_id: Uuid,
    /// Id of the project report.
    #[schema(value_type = String, format = "uuid")]
    project_id: Uuid,
}

/// Store a CV and a project report
///
/// Each file has its own size limit (`MAX_UPLOAD_MB`). Its type is told by its content; a name that claims another
/// type is refused with 415. The text is extracted later, by the evaluation: a file that is encrypted, scanned or
/// damaged fails the evaluation with a code that says so.
#[utoipa::path(
    post,
    path = "/v1/upload",
    tag = "evaluations",
    operation_id = "upload",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "Both files are stored", body = Uploaded, links(
        ("evaluate" = (operation_id = "evaluate", request_body = "$response.body")),
    )), WithBody, Guarded, Limited, Common),
    security(("api_key" = []), ("bearer" = []), ()),
)]
pub(super) async fn upload(
    State(app): State<Shared>,
    Client(client): Client,
    request: Request,
) -> Result<Json<Uploaded>, ApiError> {
    app.limit_address(client)?;
    let (mut parts, body) = request.into_parts();
    let owner =
        <Owner as axum::extract::FromRequestParts<Shared>>::from_request_parts(&mut parts, &app).await?;
    app.limit_owner(&owner)?;
    let form = Multipart::from_request(Request::from_parts(parts, body), &app).await;
    let mut form = form.map_err(|rejected| not_a_form(&rejected))?;
    let limit = app.settings.max_upload_bytes;

    let read = tokio::time::timeout(UPLOAD_DEADLINE, read_form(&mut form, limit))
        .await
        .unwrap_or_else(|_| Err(slow()));
    let (cv, project) = match read {
        Ok(files) => files,
        Err(refusal) => {
            drain(form).await;
            return Err(refusal);
        }
    };
    let (cv_id, project_id) = (Uuid::new_v4(), Uuid::new_v4());
    let uploads =
        vec![cv.named(cv_id, UploadKind::Cv).await?, project.named(project_id, UploadKind::Project).await?];
    app.store.add_uploads(owner.as_str(), uploads).await?;
    Ok(Json(Uploaded { cv_id, project_id }))
}

/// A file that passed all checks.
struct Received {
    format: Kind,
    file_name: String,
    spool: Spool,
}

// === impl Received ===

impl Received {
    async fn named(self, id: Uuid, kind: UploadKind) -> Result<NewUpload, ApiError> {
        Ok(NewUpload {
            id: id.to_string(),
            kind,
            format: self.format,
            file_name: self.file_name,
            content: self.spool.finish().await.map_err(ApiError::internal)?,
        })
    }
}

/// Reads both files, in either order.
async fn read_form(form: &mut Multipart, limit: u64) -> Result<(Received, Received), ApiError> {
    let (mut cv, mut project) = (None, None);
    while let Some(mut field) = next(form.next_field()).await? {
        let name = field.name().unwrap_or_default().to_owned();
        let (slot, kind) = match name.as_str() {
            "cv" => (&mut cv, UploadKind::Cv),
            "project" => (&mut project, UploadKind::Project),
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(ApiError::new(
                    Code::INVALID_ARGUMENT,
                    "the form has a part other than cv and project",
                )
                .details(json!({ "field": shown })));
            }
        };
        if slot.is_some() {
            return Err(ApiError::invalid_field(kind.as_str(), "given twice"));
        }
        *slot = Some(receive(&mut field, kind, limit).await?);
    }
    let missing = |kind: UploadKind| {
        ApiError::new(Code::INVALID_ARGUMENT, format!("the file `{}` is missing", kind.as_str()))
            .details(json!({ "field": kind.as_str() }))
    };
    Ok((cv.ok_or_else(|| missing(UploadKind::Cv))?, project.ok_or_else(|| missing(UploadKind::Project))?))
}

/// Reads one file into a spool, holding no more than one piece of it, and checks it.
async fn receive(field: &mut Field<'_>, kind: UploadKind, limit: u64) -> Result<Received, ApiError> {
    let file_name = field.file_name().map(|name| name.chars().take(MAX_NAME_CHARS).collect::<String>());
    let mut spool = Spool::new();
    while let Some(bytes) = next(field.chunk()).await? {
        if spool.size_bytes() + bytes.len() as u64 > limit {
            let max_mb = limit / (1024 * 1024);
            return Err(ApiError::new(
                Code::PAYLOAD_TOO_LARGE,
                format!("the file `{}` is over {max_mb} MiB", kind.as_str()),
            )
            .details(json!({ "field": kind.as_str(), "max_mb": max_mb })));
        }
        spool.push(&bytes).await.map_err(ApiError::internal)?;
    }
    if spool.size_bytes() == 0 {
        return Err(ApiError::invalid_field(kind.as_str(), "the file is empty"));
    }
    let Some(format) = sniff(spool.head(), file_name.as_deref()) else {
        return Err(ApiError::new(
            Code::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "the file `{}` is not a PDF, DOCX or text, or its name claims another type",
                kind.as_str()
            ),
        )
        .details(json!({ "field": kind.as_str(), "accepted": ["pdf", "docx", "txt"] })));
    };
    Ok(Received { format, file_name: file_name.unwrap_or_default(), spool })
}

/// Waits for the next piece, but not for ever.
async fn next<T>(piece: impl Future<Output = Result<T, MultipartError>>) -> Result<T, ApiError> {
    match tokio::time::timeout(IDLE_TIMEOUT, piece).await {
        Ok(Err(error)) if error.status().is_server_error() => {
            // The body broke off: what failed is the client's stream, not this server.
            tracing::debug!(%error, "an upload broke off");
            Err(ApiError::new(Code::INVALID_ARGUMENT, "the upload broke off before its end"))
        }
        Ok(piece) => piece.map_err(|error| extract::rejection(error.status(), error.body_text())),
        Err(_) => Err(slow()),
    }
}

/// Reads what is left of a refused body and throws it away, within the body's limit and a short time. A server
/// that closes while the client still sends makes the client's kernel drop the answer unread.
async fn drain(mut form: Multipart) {
    let rest = async {
        while let Ok(Some(mut field)) = form.next_field().await {
            while let Ok(Some(_)) = field.chunk().await {}
        }
    };
    if tokio::time::timeout(REFUSAL_DEADLINE, rest).await.is_err() {
        tracing::debug!("a refused upload went on for too long");
    }
}

fn slow() -> ApiError {
    ApiError::new(Code::REQUEST_TIMEOUT, "the upload came too slowly")
}

fn not_a_form(rejected: &MultipartRejection) -> ApiError {
    ApiError::new(Code::UNSUPPORTED_MEDIA_TYPE, format!("send multipart/form-data: {}", rejected.body_text()))
        .details(json!({ "header": CONTENT_TYPE.as_str() }))
}
