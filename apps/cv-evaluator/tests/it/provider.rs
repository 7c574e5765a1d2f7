//! A model provider that misbehaves: each kind of failure has its code, and only those worth repeating are repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::support::Stack;

/// A chat completions endpoint that answers each question so; answers its base URL and the count of its calls.
pub(crate) async fn provider(
    answer: impl Fn(&Value) -> Response + Clone + Send + Sync + 'static,
) -> (String, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let answer = async move |question: axum::Json<Value>| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(&question)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(answer);
    let options = app_kit::server::ServerOptions::default();
    // Ends with the test's runtime.
    tokio::spawn(app_kit::server::serve(
        listener,
        router,
        options,
        tokio_util::sync::CancellationToken::new(),
    ));
    (url, calls)
}

#[tokio::test]
async fn w05_the_kind_of_a_failure_and_not_its_words_decides_on_another_attempt() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "2")]).await;
    let body = stack.upload_texts().await;
    let refusal = r#"{"error":{"message":"rate limited, timeout, temporary failure: try again"}}"#;
    let prose = r#"{"id":"1","object":"chat.completion","model":"m","usage":{"prompt_tokens":70,"completion_tokens":3},"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"The candidate looks strong."}}]}"#;
    for (status, retry_after, answer, code, attempts) in [
        // Its words ask for a repeat, its kind does not.
        (StatusCode::UNAUTHORIZED, None, refusal, "UPSTREAM_AUTH", 1),
        (StatusCode::OK, None, prose, "SCHEMA_INVALID", 1),
        (StatusCode::TOO_MANY_REQUESTS, Some("0"), "{}", "UPSTREAM_RATE_LIMIT", 2),
        (StatusCode::SERVICE_UNAVAILABLE, Some("0"), "{}", "UPSTREAM_UNAVAILABLE", 2),
    ] {
        let (url, calls) = provider(move |_| {
            let mut response = (status, [("content-type", "application/json")], answer).into_response();
            if let Some(wait) = retry_after {
                response.headers_mut().insert("retry-after", wait.parse().unwrap());
            }
            response
        })
        .await;
        let variables =
            [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", "sk-test"), ("OPENAI_MODEL", "m")];
        let worker = stack.worker(&variables).await;
        let id = stack.evaluate(&body).await;
        let done = stack.finished(&id).await;
        assert_eq!(
            (&done["status"], &done["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{status}: {done}"
        );
        assert!(!done.to_string().contains("sk-test"));
        // What was tried and used is told of a failure too.
        let (receipt, spent) = (&done["receipt"], &done["spent"]);
        assert_eq!(
            (&receipt["scored_by"], &receipt["attempts"]),
            (&json!("openai"), &json!(attempts)),
            "{done}"
        );
        assert_eq!(spent["calls"], json!(calls.load(Ordering::SeqCst)), "{done}");
        // Two answers that broke the schema were paid for.
        let tokens = if code == "SCHEMA_INVALID" { json!(2 * 70) } else { json!(null) };
        assert_eq!((&receipt["prompt_tokens"], &spent["prompt_tokens"]), (&tokens, &tokens), "{done}");
        assert_eq!(stack.store.read_evaluation(&id).await.unwrap().unwrap().attempts, attempts, "{status}");
        assert!(calls.load(Ordering::SeqCst) >= attempts);
        worker.stop().await;
    }
    stack.stop().await;
}
