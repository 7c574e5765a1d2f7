//! `X-Request-Id` and W3C `traceparent`: taken from the client when sane, made otherwise, always answered.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::HeaderName;
use tracing::Instrument as _;
use uuid::Uuid;

/// The header of [`RequestId`].
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of [`TraceParent`].
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest request id taken from a client, bytes.
const MAX_REQUEST_ID: usize = 128;

/// What ties the log lines of one request together. In each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

/// This request's place in a trace (W3C Trace Context, version 00). In each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

// === impl RequestId ===

impl RequestId {
    /// The client's id if it is 1 to 128 letters, digits, `.`, `_`, `:` or `-`; anything else could break a log
    /// line or a downstream header and is replaced.
    #[must_use]
    pub fn accept(header: Option<&HeaderValue>) -> Self {
        let sane = |text: &&str| {
            (1..=MAX_REQUEST_ID).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
        };
        match header.and_then(|value| value.to_str().ok()).filter(sane) {
            Some(text) => Self(text.to_owned()),
            None => Self(Uuid::now_v7().to_string()),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl TraceParent ===

impl TraceParent {
    /// Continues the client's trace with a span of our own, or starts a trace.
    #[must_use]
    pub fn accept(header: Option<&HeaderValue>) -> Self {
        let parent = header.and_then(|value| value.to_str().ok()).and_then(Self::parse);
        let trace_id = parent.as_ref().map_or_else(|| Uuid::new_v4().as_u128(), |parent| parent.trace_id);
        // Zero means "no span" in the format.
        Self {
            trace_id,
            span_id: rand::random::<u64>().max(1),
            flags: parent.map_or(0, |parent| parent.flags),
        }
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; None for other forms, upper-case digits and all-zero ids, which the
    /// format forbids.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2];
        if !lengths || ![version, trace, span, flags].into_iter().all(is_hex) || version == "ff" {
            return None;
        }
        // Later versions may carry more fields; version 00 may not.
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let parsed = Self {
            trace_id: u128::from_str_radix(trace, 16).ok()?,
            span_id: u64::from_str_radix(span, 16).ok()?,
            flags: u8::from_str_radix(flags, 16).ok()?,
        };
        (parsed.trace_id != 0 && parsed.span_id != 0).then_some(parsed)
    }

    /// The trace's id, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl std::fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// Middleware: gives the request its id and trace, runs it in a span that carries them, answers with both.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = RequestId::accept(request.headers().get(&X_REQUEST_ID));
    let trace = TraceParent::accept(request.headers().get(&TRACEPARENT));
    let span = tracing::info_span!("request", request_id = id.as_str(), trace_id = trace.trace_id());
    let id_value = HeaderValue::from_str(id.as_str());
    let trace_value = HeaderValue::from_str(&trace.to_string());
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(trace);

    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = id_value {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    if let Ok(value) = trace_value {
        response.headers_mut().insert(TRACEPARENT, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_request_id_is_kept() {
        let header = HeaderValue::from_static("01J8-abc.DEF_1:2");
        assert_eq!(RequestId::accept(Some(&header)).as_str(), "01J8-abc.DEF_1:2");
    }

    #[test]
    fn insane_request_id_is_replaced() {
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\"b", "é", long.as_str()] {
            let header = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let id = RequestId::accept(Some(&header));
            assert_ne!(id.as_str(), bad);
            assert_eq!(id.as_str().len(), 36);
        }
    }

    #[test]
    fn trace_is_continued_with_a_span_of_our_own() {
        let header = HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let trace = TraceParent::accept(Some(&header));
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.span_id, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(TraceParent::parse(&trace.to_string()), Some(trace));
    }

    #[test]
    fn malformed_trace_starts_a_new_one() {
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf9-00f067aa0ba902b7-01",
            "",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
