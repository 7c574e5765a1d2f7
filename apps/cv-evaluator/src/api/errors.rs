//! Codes of this application beside the kit's, and what the OpenAPI document says about errors.

use app_kit::Code;
use app_kit::error::ErrorBody;
use http::StatusCode;
use utoipa::IntoResponses;

/// The idempotency key was used before with another body.
pub const IDEMPOTENCY_KEY_REUSED: Code =
    Code::new("IDEMPOTENCY_KEY_REUSED", StatusCode::UNPROCESSABLE_ENTITY);
/// An upload id that does not exist, is not the caller's, or is of the other kind.
pub const UPLOAD_NOT_FOUND: Code = Code::new("UPLOAD_NOT_FOUND", StatusCode::NOT_FOUND);

/// What any operation may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it; the answers themselves are ApiErrors")]
pub(super) enum Common {
    /// `Accept` rules JSON out (`NOT_ACCEPTABLE`)
    #[response(status = 406)]
    NotAcceptable(ErrorBody),
    /// Our fault; the log has the request id (`INTERNAL`)
    #[response(status = 500)]
    Internal(ErrorBody),
    /// Cannot answer now, try again (`UNAVAILABLE`, `DEADLINE_EXCEEDED`)
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// What an operation with a body may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it; the answers themselves are ApiErrors")]
pub(super) enum WithBody {
    /// Malformed, or breaks a stated rule; `details` names field and rule (`INVALID_ARGUMENT`)
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// The body came too slowly (`REQUEST_TIMEOUT`)
    #[response(status = 408)]
    Timeout(ErrorBody),
    /// Over the limit; `details` names it (`PAYLOAD_TOO_LARGE`)
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// Not a type this operation takes (`UNSUPPORTED_MEDIA_TYPE`)
    #[response(status = 415)]
    WrongType(ErrorBody),
}

/// What an operation that costs something may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it; the answers themselves are ApiErrors")]
pub(super) enum Limited {
    /// Too many requests; `Retry-After` says how many seconds to wait (`RATE_LIMITED`)
    #[response(status = 429)]
    RateLimited(ErrorBody),
}

/// What an operation that needs credentials may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made from it; the answers themselves are ApiErrors")]
pub(super) enum Guarded {
    /// No valid credentials (`UNAUTHENTICATED`)
    #[response(status = 401)]
    Unauthenticated(ErrorBody),
}
