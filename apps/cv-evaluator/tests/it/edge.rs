//! What holds for every route.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Stack, error_of};

#[tokio::test]
async fn ids_of_request_and_trace_are_carried_through() {
    let stack = Stack::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = stack.get("/healthz").header("x-request-id", "abc-123").header("traceparent", trace);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "abc-123");
    let answered = response.headers()["traceparent"].to_str().unwrap();
    assert!(answered.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && answered != trace, "{answered}");
    let fresh = stack.get("/healthz").header("x-request-id", "a b").send().await.unwrap();
    assert_ne!(fresh.headers()["x-request-id"], "a b");
    stack.stop().await;
}

#[tokio::test]
async fn browsers_are_told_to_treat_answers_as_data() {
    let stack = Stack::start().await;
    for path in ["/healthz", "/v1/result/x", "/nowhere"] {
        let response = stack.get(path).header("origin", "https://evil.example").send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
    stack.stop().await;
}

#[tokio::test]
async fn w26_cors_is_for_listed_origins_and_never_with_credentials() {
    let stack = Stack::with(&[("CORS_ALLOW_ORIGINS", "https://app.example.org")]).await;
    let origin = async |origin: &str| {
        let response = stack.get("/healthz").header("origin", origin).send().await.unwrap();
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(origin("https://app.example.org").await.as_deref(), Some("https://app.example.org"));
    assert_eq!(origin("https://evil.example").await, None);
    stack.stop().await;
}

#[tokio::test]
async fn wrong_paths_and_methods_and_types_get_the_error_shape() {
    let stack = Stack::start().await;
    error_of(stack.get("/nowhere").send().await.unwrap(), 404, "NOT_FOUND").await;
    let wrong_method = stack.get("/v1/evaluate").send().await.unwrap();
    assert_eq!(wrong_method.headers()["allow"], "POST");
    error_of(wrong_method, 405, "METHOD_NOT_ALLOWED").await;
    for accept in ["text/html", "application/json;q=0"] {
        let response = stack.get("/v1/result/x").header("accept", accept).send().await.unwrap();
        let error = error_of(response, 406, "NOT_ACCEPTABLE").await;
        assert_eq!(error["details"]["accept"], json!(accept));
    }
    let response = stack.get("/v1/result/x").header("accept", "text/html, */*;q=0.1").send().await.unwrap();
    assert_eq!(response.status(), 404);
    // The admin API is not there unless configured.
    error_of(stack.get("/admin/api/stats").send().await.unwrap(), 404, "NOT_FOUND").await;
    stack.stop().await;
}

#[tokio::test]
async fn w25_liveness_depends_on_nothing_and_readiness_on_the_database() {
    let stack = Stack::with(&[("PLIMSOLL_INSTANCE", "api-7"), ("PLIMSOLL_SERVICE", "api")]).await;
    let alive: Value = stack.get("/healthz").send().await.unwrap().json().await.unwrap();
    assert_eq!((&alive["instance"], &alive["service"]), (&json!("api-7"), &json!("api")));
    assert_eq!(stack.get("/readyz").send().await.unwrap().status(), 200);
    // Another process drops the tables the server needs.
    stack.sql(&["DROP TABLE cv_counter"]).await;
    let ready = stack.get("/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(
        ready["checks"][0],
        json!({ "name": "database", "ok": false, "message": "the database does not answer" })
    );
    assert_eq!(stack.get("/healthz").send().await.unwrap().status(), 200);
    stack.stop().await;
}

#[tokio::test]
async fn w30_requests_are_counted_by_template_and_number() {
    let stack = Stack::start().await;
    for id in ["a", "b", "c"] {
        stack.get(&format!("/v1/result/{id}")).send().await.unwrap();
    }
    stack.get("/nowhere/at/all").send().await.unwrap();
    let response = stack.get("/metrics").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.text().await.unwrap();
    for line in [
        "http_requests_total{route=\"/v1/result/{id}\",method=\"GET\",status=\"404\"} 3",
        "http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 1",
        "http_request_duration_seconds_count{route=\"/v1/result/{id}\",method=\"GET\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nnot in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    stack.stop().await;
}

#[tokio::test]
async fn many_half_sent_heads_do_not_keep_others_out() {
    let stack = Stack::start().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut socket = TcpStream::connect(stack.address).await.unwrap();
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(socket);
    }
    assert_eq!(stack.get("/healthz").send().await.unwrap().status(), 200);
    // The drain would wait for the rest of each head, up to its own limit.
    drop(slow);
    stack.stop().await;
}

#[tokio::test]
async fn garbage_on_the_socket_is_refused_and_closed() {
    let stack = Stack::start().await;
    let mut socket = TcpStream::connect(stack.address).await.unwrap();
    socket.write_all(&(0..=255_u8).cycle().take(4096).collect::<Vec<u8>>()).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"));
    assert_eq!(stack.get("/healthz").send().await.unwrap().status(), 200);
    stack.stop().await;
}
