//! Extractors whose rejections have the house's error shape.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use http::StatusCode;

use crate::{ApiError, Code};

/// A JSON body.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

/// The parameters of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// The parameters of the query string.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

/// Gives the rejection of an axum extractor, known by its status and text, one of our codes.
#[must_use]
pub fn rejection(status: StatusCode, text: String) -> ApiError {
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::REQUEST_TIMEOUT => Code::REQUEST_TIMEOUT,
        status if status.is_client_error() => Code::INVALID_ARGUMENT,
        _ => return ApiError::internal(text),
    };
    ApiError::new(code, text)
}

// === impl ApiError ===

impl From<JsonRejection> for ApiError {
    fn from(rejected: JsonRejection) -> Self {
        rejection(rejected.status(), rejected.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejected: PathRejection) -> Self {
        rejection(rejected.status(), rejected.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejected: QueryRejection) -> Self {
        rejection(rejected.status(), rejected.body_text())
    }
}
