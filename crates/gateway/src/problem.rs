//! Answers that the gateway gives itself, in the house's error shape.

use std::io::Write as _;

/// One kind of refusal or failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// HTTP status code.
    pub(crate) status: u16,
    /// Stable machine-readable name.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: &'static str,
    /// Value of the `Retry-After` header, in seconds.
    pub(crate) retry_after_s: Option<u32>,
}

const fn problem(status: u16, code: &'static str, message: &'static str) -> Problem {
    Problem { status, code, message, retry_after_s: None }
}

pub(crate) const BAD_REQUEST: Problem = problem(400, "bad_request", "the request is not valid HTTP/1.1");
pub(crate) const BAD_TARGET: Problem = problem(400, "bad_target", "the request target is not valid");
pub(crate) const BAD_HOST: Problem =
    problem(400, "bad_host", "exactly one valid host header is required (RFC 9112 3.2)");
pub(crate) const BAD_FRAMING: Problem = problem(
    400,
    "bad_framing",
    "content-length and transfer-encoding do not give the body one clear length (RFC 9112 6)",
);
pub(crate) const BAD_BODY: Problem = problem(400, "bad_body", "the request body is not validly framed");
pub(crate) const NO_ROUTE: Problem = problem(404, "no_route", "no route matches this host and path");
pub(crate) const METHOD_NOT_ALLOWED: Problem =
    problem(405, "method_not_allowed", "this method is not forwarded");
pub(crate) const REQUEST_TIMEOUT: Problem =
    problem(408, "request_timeout", "the request did not arrive in time");
pub(crate) const BODY_TOO_LARGE: Problem =
    problem(413, "body_too_large", "the request body is larger than the gateway forwards");
pub(crate) const URI_TOO_LONG: Problem =
    problem(414, "uri_too_long", "the request target is longer than the gateway accepts");
pub(crate) const EXPECTATION_FAILED: Problem =
    problem(417, "expectation_failed", "only the expectation 100-continue is known");
pub(crate) const HEAD_TOO_LARGE: Problem =
    problem(431, "head_too_large", "the request head is larger than the gateway accepts");
pub(crate) const UNKNOWN_CODING: Problem =
    problem(501, "unknown_transfer_coding", "only the transfer coding chunked is known");
pub(crate) const BAD_GATEWAY: Problem =
    problem(502, "bad_gateway", "the upstream closed the connection before it answered");
pub(crate) const BAD_UPSTREAM_ANSWER: Problem =
    problem(502, "bad_upstream_answer", "the upstream's answer is not valid HTTP/1.1");
pub(crate) const CONNECT_FAILED: Problem = problem(502, "connect_failed", "no upstream could be reached");
pub(crate) const UPSTREAM_TIMEOUT: Problem =
    problem(504, "upstream_timeout", "the upstream did not answer in time");
pub(crate) const CONNECT_TIMEOUT: Problem =
    problem(504, "connect_timeout", "no upstream accepted a connection in time");
pub(crate) const BAD_VERSION: Problem =
    problem(505, "http_version_not_supported", "only HTTP/1.1 and HTTP/1.0 are spoken here");
/// No instance took the request while it waited; one that is being started should be there a little later.
pub(crate) const NO_UPSTREAM: Problem = Problem {
    retry_after_s: Some(5),
    ..problem(503, "no_upstream", "no instance of the service could take the request in time")
};
/// Too many requests wait already. The queue moves as soon as an instance is ready.
pub(crate) const QUEUE_FULL: Problem = Problem {
    retry_after_s: Some(1),
    ..problem(503, "queue_full", "too many requests wait for an instance of the service already")
};
pub(crate) const TOO_MANY_CONNECTIONS: Problem = Problem {
    retry_after_s: Some(1),
    ..problem(503, "too_many_connections", "the gateway has as many connections open as it may")
};

/// What an answer depends on besides its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// Empty when the request was not understood.
    pub(crate) request_id: &'a [u8],
    /// The value of the `Date` header.
    pub(crate) date: &'a [u8],
    /// HEAD: same head, no body.
    pub(crate) is_head: bool,
    pub(crate) closes: bool,
}

// === impl Problem ===

impl Problem {
    /// Appends the complete response.
    pub(crate) fn write(&self, context: Context<'_>, out: &mut Vec<u8>) {
        let details = if context.request_id.is_empty() {
            serde_json::json!({})
        } else {
            serde_json::json!({ "request_id": String::from_utf8_lossy(context.request_id) })
        };
        let error = serde_json::json!({ "code": self.code, "message": self.message, "details": details });
        let body = serde_json::json!({ "error": error }).to_string();

        // Writing to a vector cannot fail.
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        out.extend_from_slice(b"content-type: application/json\r\ndate: ");
        out.extend_from_slice(context.date);
        let _ = write!(out, "\r\ncontent-length: {}\r\n", body.len());
        if let Some(seconds) = self.retry_after_s {
            let _ = write!(out, "retry-after: {seconds}\r\n");
        }
        if !context.request_id.is_empty() {
            out.extend_from_slice(b"x-request-id: ");
            out.extend_from_slice(context.request_id);
            out.extend_from_slice(b"\r\n");
        }
        if self.status == 405 {
            out.extend_from_slice(b"allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n");
        }
        if context.closes {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if !context.is_head {
            out.extend_from_slice(body.as_bytes());
        }
    }
}

/// The reason phrases of the statuses above.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
