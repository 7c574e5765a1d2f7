//! What the API says.

use serde_json::json;

use crate::{
    http::{Finish, code, get, header_of, json as body, post, send},
    stack::{DEADLINE, Stack},
};

#[tokio::test]
async fn stack_is_the_view_of_the_operator() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let answer = send(addr, get(addr, "/api/v1/stack").empty()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header_of(&answer, "cache-control"), "no-store");
    let view = plimsoll_console::Operator::view(stack.as_ref());
    assert_eq!(body(&answer), serde_json::to_value(view).expect("a view is JSON"));
}

#[tokio::test]
async fn decisions_come_in_pages() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let ids = |answer: &crate::http::Answer| {
        let page = body(answer);
        let list = page["decisions"].as_array().expect("a list").clone();
        (list.iter().map(|decision| decision["id"].clone()).collect::<Vec<_>>(), page["next_before"].clone())
    };
    let first = send(addr, get(addr, "/api/v1/decisions?limit=3").empty()).await;
    assert_eq!(ids(&first), (vec![json!(5), json!(4), json!(3)], json!(3)));
    let second = send(addr, get(addr, "/api/v1/decisions?limit=3&before=3").empty()).await;
    assert_eq!(ids(&second), (vec![json!(2), json!(1)], json!(null)));
    let api = send(addr, get(addr, "/api/v1/decisions?service=api").empty()).await;
    assert_eq!(ids(&api), (vec![json!(4), json!(2)], json!(null)));
}

#[tokio::test]
async fn senseless_queries_are_refused() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for path in [
        "/api/v1/decisions?limit=0",
        "/api/v1/decisions?limit=501",
        "/api/v1/decisions?limit=-1",
        "/api/v1/decisions?befor=3",
        "/api/v1/instances/worker-7/logs?lines=0",
        "/api/v1/instances/worker-7/logs?lines=99999999999999999999",
    ] {
        let answer = send(addr, get(addr, path).empty()).await;
        assert_eq!((answer.status().as_u16(), code(&answer).as_str()), (400, "bad_request"), "{path}");
    }
}

#[tokio::test]
async fn decision_record_explains_or_is_not_found() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let found = send(addr, get(addr, "/api/v1/decisions/3").empty()).await;
    assert_eq!(body(&found)["inputs"]["queue_age_seconds"], json!(9.5));
    for path in ["/api/v1/decisions/99", "/api/v1/decisions/abc", "/api/v1/decisions/-1"] {
        let missing = send(addr, get(addr, path).empty()).await;
        assert_eq!((missing.status().as_u16(), code(&missing).as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn logs_are_bounded_by_the_question() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let count = |answer: &crate::http::Answer| body(answer)["lines"].as_array().map(Vec::len);
    let default = send(addr, get(addr, "/api/v1/instances/worker-7/logs").empty()).await;
    assert_eq!(count(&default), Some(200));
    let five = send(addr, get(addr, "/api/v1/instances/worker-7/logs?lines=5").empty()).await;
    assert_eq!(count(&five), Some(5));
    let unknown = send(addr, get(addr, "/api/v1/instances/worker-8/logs").empty()).await;
    assert_eq!((unknown.status().as_u16(), code(&unknown).as_str()), (404, "not_found"));
}

#[tokio::test]
async fn metrics_say_which_format_they_are() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let answer = send(addr, get(addr, "/metrics").empty()).await;
    assert!(header_of(&answer, "content-type").starts_with("application/openmetrics-text"));
    assert!(std::str::from_utf8(answer.body()).is_ok_and(|text| text.contains("queue_depth")));
}

#[tokio::test]
async fn unknown_path_and_wrong_method_have_the_error_shape() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for path in ["/api/v1/nothing", "/assets/nothing.js", "/api/v2"] {
        let answer = send(addr, get(addr, path).empty()).await;
        assert_eq!((answer.status().as_u16(), code(&answer).as_str()), (404, "not_found"), "{path}");
    }
    for path in ["/api/v1/shutdown", "/api/v1/reload", "/api/v1/services/api/scale"] {
        let answer = send(addr, get(addr, path).empty()).await;
        assert_eq!(answer.status(), 405, "a GET must not act: {path}");
        assert_eq!(code(&answer), "method_not_allowed");
    }
    let answer = send(addr, post(addr, "/api/v1/stack").with("{}")).await;
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn nothing_answers_after_the_end() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    assert!(console.shutdown(DEADLINE).await);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
