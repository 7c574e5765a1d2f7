//! The one JSON error shape: `{"error":{"code","message","details"}}`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A stable error code together with the HTTP status that always goes with it.
///
/// Applications add their own as constants; a code is never sent with two statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// What clients match on. Never changes once released.
    pub name: &'static str,
    /// The status sent with it.
    pub status: StatusCode,
}

/// An error on its way to a client.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    details: Option<Value>,
    headers: HeaderMap,
}

/// The body of every error response.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorObject,
}

/// What went wrong, for programs (`code`, `details`) and for people (`message`).
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorObject {
    /// Stable code to match on.
    #[schema(value_type = String, example = "INVALID_ARGUMENT")]
    pub code: Cow<'static, str>,
    /// One sentence for people; may change between versions.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
    /// More about it, when there is more: for a validation error, field name to broken rule.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

// === impl Code ===

impl Code {
    /// The request is malformed or breaks a stated rule.
    pub const INVALID_ARGUMENT: Self = Self::new("INVALID_ARGUMENT", StatusCode::BAD_REQUEST);
    /// No valid credentials.
    pub const UNAUTHENTICATED: Self = Self::new("UNAUTHENTICATED", StatusCode::UNAUTHORIZED);
    /// Valid credentials that may not do this.
    pub const FORBIDDEN: Self = Self::new("FORBIDDEN", StatusCode::FORBIDDEN);
    /// No such thing, or none that this caller may see.
    pub const NOT_FOUND: Self = Self::new("NOT_FOUND", StatusCode::NOT_FOUND);
    /// The path exists, the method does not.
    pub const METHOD_NOT_ALLOWED: Self = Self::new("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED);
    /// The answer cannot be given in any form the client accepts.
    pub const NOT_ACCEPTABLE: Self = Self::new("NOT_ACCEPTABLE", StatusCode::NOT_ACCEPTABLE);
    /// The client was too slow in sending.
    pub const REQUEST_TIMEOUT: Self = Self::new("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT);
    /// The present state forbids it.
    pub const CONFLICT: Self = Self::new("CONFLICT", StatusCode::CONFLICT);
    /// The body, or one part of it, is over its limit.
    pub const PAYLOAD_TOO_LARGE: Self = Self::new("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE);
    /// The body is of a type this operation does not take.
    pub const UNSUPPORTED_MEDIA_TYPE: Self =
        Self::new("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE);
    /// Well-formed, but refers to something that cannot be used.
    pub const UNPROCESSABLE: Self = Self::new("UNPROCESSABLE", StatusCode::UNPROCESSABLE_ENTITY);
    /// Too many requests; `Retry-After` says when to come back.
    pub const RATE_LIMITED: Self = Self::new("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS);
    /// Our fault.
    pub const INTERNAL: Self = Self::new("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR);
    /// Cannot serve now; try again.
    pub const UNAVAILABLE: Self = Self::new("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE);
    /// The request's deadline passed before the answer was ready.
    pub const DEADLINE_EXCEEDED: Self = Self::new("DEADLINE_EXCEEDED", StatusCode::SERVICE_UNAVAILABLE);

    /// A code with its status.
    #[must_use]
    pub const fn new(name: &'static str, status: StatusCode) -> Self {
        Self { name, status }
    }
}

// === impl ApiError ===

impl ApiError {
    /// An error of this code with a sentence for people.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), details: None, headers: HeaderMap::new() }))
    }

    /// An internal error: `cause` goes to the log, never to the client.
    #[must_use]
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Code::INTERNAL, "the server failed to handle the request")
    }

    /// A dependency cannot be reached: `cause` goes to the log, never to the client.
    #[must_use]
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        tracing::warn!(%cause, "a dependency is unavailable");
        Self::new(Code::UNAVAILABLE, "the service cannot answer at the moment")
            .retry_after(Duration::from_secs(1))
    }

    /// One field broke one rule.
    #[must_use]
    pub fn invalid_field(field: &str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        let mut details = serde_json::Map::new();
        details.insert(field.to_owned(), Value::String(rule.clone()));
        Self::new(Code::INVALID_ARGUMENT, format!("{field}: {rule}")).details(Value::Object(details))
    }

    /// Adds details for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Adds `Retry-After` in whole seconds, rounded up, at least 1.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0.code.name, self.0.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Inner { code, message, details, headers } = *self.0;
        let body = ErrorBody { error: ErrorObject { code: code.name.into(), message, details } };
        let mut response = (code.status, Json(body)).into_response();
        response.headers_mut().extend(headers);
        response
    }
}

/// The answer for a path that no route has.
pub async fn not_found() -> ApiError {
    ApiError::new(Code::NOT_FOUND, "there is nothing at this path")
}

/// The answer for a path whose route has other methods; axum adds `Allow`.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(Code::METHOD_NOT_ALLOWED, "this path does not answer to this method; see the Allow header")
}
