//! Who is answered.

use std::sync::Arc;

use http::Request;
use plimsoll_console::{Console, Operator, Secret, StartError};

use crate::{
    http::{Finish, code, get, header_of, open, post, send},
    stack::{DEADLINE, Stack},
};

const TOKEN: &str = "a-token-of-some-length";

async fn start(listen: &str, token: Option<&str>) -> Result<Console, StartError> {
    let operator: Arc<dyn Operator> = Stack::new();
    Console::start(listen.parse().expect("an address"), token.map(Secret::new), operator).await
}

#[tokio::test]
async fn listener_that_others_can_reach_needs_a_token() {
    let error = start("0.0.0.0:0", None).await.expect_err("refused");
    assert!(matches!(error, StartError::TokenNeeded { .. }));
    assert!(error.to_string().contains("admin.token_env"), "{error}");
    let short = start("0.0.0.0:0", Some("short")).await.expect_err("refused");
    assert!(matches!(short, StartError::TokenTooShort { bytes: 5, .. }));
    let console = start("0.0.0.0:0", Some(TOKEN)).await.expect("started");
    assert!(console.shutdown(DEADLINE).await);
}

#[tokio::test]
async fn empty_token_is_refused_even_on_loopback() {
    assert!(matches!(start("127.0.0.1:0", Some(" \n")).await, Err(StartError::TokenTooShort { .. })));
}

#[tokio::test]
async fn taken_address_is_named() {
    let first = start("127.0.0.1:0", None).await.expect("started");
    let address = first.local_addr().to_string();
    let error = start(&address, None).await.expect_err("taken");
    assert!(matches!(error, StartError::Bind { .. }));
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn token_guards_api_and_metrics_but_not_probes_and_page() {
    let console = Stack::new().serve(Some(TOKEN)).await;
    let addr = console.local_addr();
    for path in ["/api/v1/stack", "/api/v1/stream", "/api/v1/decisions", "/api/v1/nothing", "/metrics"] {
        for authorization in [None, Some("Bearer wrong"), Some("Basic YTpi"), Some(TOKEN)] {
            let mut request = get(addr, path);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = send(addr, request.empty()).await;
            assert_eq!(answer.status(), 401, "{path} with {authorization:?}");
            assert_eq!(code(&answer), "unauthorized");
            assert_eq!(header_of(&answer, "www-authenticate"), "Bearer");
        }
        let request = get(addr, path).header("authorization", format!("Bearer {TOKEN}")).empty();
        assert_ne!(open(addr, request).await.status(), 401, "{path} with the token");
    }
    for path in ["/", "/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(send(addr, get(addr, path).empty()).await.status(), 200, "{path}");
    }
    let answer = send(addr, post(addr, "/api/v1/shutdown").empty()).await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn host_of_a_stranger_is_refused() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for path in ["/", "/api/v1/stack", "/metrics", "/openapi.json"] {
        let answer = send(addr, Request::get(path).header("host", "evil.example").empty()).await;
        assert_eq!(answer.status(), 421, "{path}");
        assert_eq!(code(&answer), "misdirected");
        let none = send(addr, Request::get(path).empty()).await;
        assert_eq!(none.status(), 421, "{path} without a host");
        let two = Request::get(path).header("host", "localhost").header("host", "evil.example").empty();
        assert_eq!(send(addr, two).await.status(), 421, "{path} with two hosts");
    }
    let absolute = Request::get("http://evil.example/api/v1/stack").header("host", "localhost").empty();
    assert_eq!(send(addr, absolute).await.status(), 421, "an absolute target overrides the header");
    let probe = send(addr, Request::get("/healthz").header("host", "node-3").empty()).await;
    assert_eq!(probe.status(), 200, "a probe may use any host");
    let local = send(addr, Request::get("/api/v1/stack").header("host", "localhost:9999").empty()).await;
    assert_eq!(local.status(), 200, "a forwarded port is still this machine");
}

#[tokio::test]
async fn another_site_may_not_change_anything() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let foreign = ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1.evil.example"];
    for origin in foreign {
        let request = post(addr, "/api/v1/shutdown").header("origin", origin).empty();
        let answer = send(addr, request).await;
        assert_eq!(answer.status(), 403, "{origin}");
        assert_eq!(code(&answer), "foreign_origin");
    }
    let cross = post(addr, "/api/v1/shutdown").header("sec-fetch-site", "cross-site").empty();
    assert_eq!(send(addr, cross).await.status(), 403);
    assert_eq!(*stack.shutdowns.borrow(), 0);
    let own = post(addr, "/api/v1/shutdown").header("origin", format!("http://{addr}")).empty();
    assert_eq!(send(addr, own).await.status(), 202);
    assert_eq!(*stack.shutdowns.borrow(), 1);
}

#[tokio::test]
async fn form_cannot_change_anything() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let request = Request::post("/api/v1/reload")
            .header("host", addr.to_string())
            .header("content-type", content_type)
            .with("{}");
        let answer = send(addr, request).await;
        assert_eq!(answer.status(), 415, "{content_type}");
        assert_eq!(code(&answer), "unsupported_media_type");
    }
}

#[tokio::test]
async fn large_body_is_refused() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let body = format!("{{\"target\": \"{}\"}}", "x".repeat(70_000));
    let answer = send(addr, post(addr, "/api/v1/restart").with(&body)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(code(&answer), "too_large");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for path in ["/", "/api/v1/stack", "/healthz", "/no/such/path"] {
        let answer = send(addr, get(addr, path).empty()).await;
        let policy = header_of(&answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header_of(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header_of(&answer, "x-frame-options"), "DENY", "{path}");
        assert_eq!(header_of(&answer, "referrer-policy"), "no-referrer", "{path}");
        assert!(!header_of(&answer, "cache-control").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn request_id_and_trace_are_carried_through() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = get(addr, "/api/v1/stack").header("x-request-id", "abc-1").header("traceparent", trace);
    let answer = send(addr, request.empty()).await;
    assert_eq!(header_of(&answer, "x-request-id"), "abc-1");
    assert_eq!(header_of(&answer, "traceparent"), trace);
    let odd = send(addr, get(addr, "/api/v1/stack").header("x-request-id", "a b;c").empty()).await;
    assert_eq!(header_of(&odd, "x-request-id").len(), 36, "a new one instead of a strange one");
}
