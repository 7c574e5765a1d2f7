//! What stands before every handler: whom we answer, what we accept, which headers go out.
//!
//! A console on loopback without a token is still reachable from any web page the operator has open. Three rules keep
//! those out: the `Host` must name this machine (a rebound DNS name does not), a request that changes something must
//! come from our own page or no page at all, and it must be JSON, which a form cannot send without asking first.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{self, HOST, ORIGIN},
    uri::{Authority, Uri},
};
use http_body_util::{BodyExt, Limited};

use crate::{error::ApiError, secret::Secret};

/// Largest request body; the largest true one is a few dozen bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who may ask.
pub(crate) struct Guard {
    pub(crate) listen: SocketAddr,
    pub(crate) token: Option<Secret>,
}

// === impl Guard ===

impl Guard {
    fn check(&self, request: &Request) -> Result<(), ApiError> {
        let path = request.uri().path();
        if path == "/healthz" || path == "/readyz" {
            return Ok(()); // say nothing that needs protection, and probes send all sorts of hosts
        }
        let host = self.check_host(request)?;
        if path == "/metrics" || path == "/api" || path.starts_with("/api/") {
            self.check_token(request.headers())?;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            check_origin(request.headers(), &host)?;
            check_content_type(request.headers())?;
        }
        Ok(())
    }

    fn check_host(&self, request: &Request) -> Result<Authority, ApiError> {
        let refused = || {
            ApiError::new(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected",
                "the host in this request is not an address of this console",
            )
            .hint(format!("use http://{}/ or a loopback address", self.listen))
        };
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
            _ => None,
        };
        // An absolute request target overrides the header (RFC 9112, 3.2.2).
        let authority = request.uri().authority().cloned().or(host).ok_or_else(refused)?;
        if host_is_ours(&authority, self.listen.ip()) { Ok(authority) } else { Err(refused()) }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
        match given {
            Some(given) if token.matches(given) => Ok(()),
            _ => Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "this console needs its token in `Authorization: Bearer …`",
            )
            .hint("the token is in the environment variable that the stack file names as admin.token_env")),
        }
    }
}

/// Whether a host names this machine: a loopback name or address, the address it listens on, or, when it listens on
/// all of them, any address (a DNS name can be pointed at us by a stranger, an address cannot).
fn host_is_ours(authority: &Authority, listen: IpAddr) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().trim_end_matches('.');
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip == listen || listen.is_unspecified(),
        Err(_) => false,
    }
}

/// The credentials of a `Bearer` header; the scheme is case-insensitive (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

fn check_origin(headers: &HeaderMap, host: &Authority) -> Result<(), ApiError> {
    let own = |origin: &HeaderValue| {
        let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority() == Some(host)
        })
    };
    let foreign_origin = headers.get_all(ORIGIN).iter().any(|origin| !own(origin));
    let foreign_site = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if foreign_origin || foreign_site {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "another site may not change anything here",
        ));
    }
    Ok(())
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "a request that changes something needs `Content-Type: application/json`",
    ))
}

/// Reads the whole body, bounded in size and time, so that no handler waits for a client.
async fn collect_body(request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {MAX_BODY_BYTES} bytes"),
        )),
        Ok(Err(_)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "the body ended before its time"))
        }
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}

/// The middleware: checks, reads the body, answers, and puts the security headers on whatever goes out.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let request_id = request_id(request.headers());
    let traceparent = request.headers().get(TRACEPARENT).filter(|value| value.len() <= 128).cloned();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = match guard.check(&request) {
        Ok(()) => match collect_body(request).await {
            Ok(request) => next.run(request).await,
            Err(error) => error.into_response(),
        },
        Err(error) => error.into_response(),
    };
    if method != Method::GET {
        let status = response.status().as_u16();
        tracing::info!(%method, path, status, request_id = ?request_id, "admin request");
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, request_id);
    if let Some(traceparent) = traceparent {
        headers.insert(TRACEPARENT, traceparent);
    }
    response
}

/// The client's own request id when it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        (1..=128).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
    };
    headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&uuid::Uuid::now_v7().to_string())
            .unwrap_or(HeaderValue::from_static("unknown"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(host: &str, listen: &str) -> bool {
        host_is_ours(&host.parse().expect("an authority"), listen.parse().expect("an address"))
    }

    #[test]
    fn loopback_names_and_addresses_are_ours() {
        for host in
            ["localhost", "LOCALHOST:8081", "localhost.:1", "127.0.0.1:8081", "127.8.8.8", "[::1]:8081"]
        {
            assert!(ours(host, "127.0.0.1"), "{host}");
        }
    }

    #[test]
    fn names_that_a_stranger_can_point_at_us_are_not_ours() {
        for host in [
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.7:8081",
            "localhost@evil.example",
        ] {
            assert!(!ours(host, "127.0.0.1"), "{host}");
        }
    }

    #[test]
    fn the_listen_address_is_ours() {
        assert!(ours("10.0.0.7:8081", "10.0.0.7"));
        assert!(!ours("10.0.0.8:8081", "10.0.0.7"));
        assert!(ours("10.0.0.8:8081", "0.0.0.0"));
        assert!(!ours("admin.example", "0.0.0.0"));
    }

    #[test]
    fn bearer_scheme_is_case_insensitive() {
        assert_eq!(bearer(b"bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bearer"), None);
    }
}
