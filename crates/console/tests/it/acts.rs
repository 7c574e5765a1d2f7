//! What the API does.

use std::time::Duration;

use plimsoll_console::Operator;
use serde_json::json;

use crate::{
    http::{Finish, code, json as body, open, post, send},
    stack::{DEADLINE, Stack},
};

#[tokio::test]
async fn scale_reaches_the_operator() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let request = post(addr, "/api/v1/services/worker/scale").with(r#"{"replicas": 3}"#);
    let answer = send(addr, request).await;
    assert_eq!((answer.status().as_u16(), body(&answer)), (200, json!({"message": "3 instances asked for"})));
    assert_eq!(stack.view().services[1].desired, 3);
}

#[tokio::test]
async fn refusals_of_the_operator_keep_their_kind() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for (service, replicas, status, expected) in [
        ("nobody", 1, 404, "not_found"),
        ("worker", 9, 409, "refused"),
        ("worker", 0, 422, "invalid"),
        ("a%2Fb", 1, 404, "not_found"),
    ] {
        let path = format!("/api/v1/services/{service}/scale");
        let answer = send(addr, post(addr, &path).with(&format!("{{\"replicas\": {replicas}}}"))).await;
        assert_eq!((answer.status().as_u16(), code(&answer).as_str()), (status, expected), "{service}");
    }
    let answer = send(addr, post(addr, "/api/v1/services/worker/scale").with(r#"{"replicas": 9}"#)).await;
    assert_eq!(body(&answer)["error"]["details"]["hint"], json!("raise maxReplicas in the stack file"));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    for (request, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 422),
        ("{}", 422),
        (r#"{"replicas": -1}"#, 422),
        (r#"{"replicas": 1.5}"#, 422),
        (r#"{"replicas": 4294967296}"#, 422),
        (r#"{"replicas": 2, "force": true}"#, 422),
        ("\u{0}\u{1}", 400),
    ] {
        let answer = send(addr, post(addr, "/api/v1/services/worker/scale").with(request)).await;
        assert_eq!(answer.status(), status, "{request:?}");
        code(&answer);
    }
    assert_eq!(stack.view().services[1].desired, 1);
}

#[tokio::test]
async fn drain_needs_no_body() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let first = send(addr, post(addr, "/api/v1/instances/worker-7/drain").empty()).await;
    assert_eq!(first.status(), 200);
    assert_eq!(stack.view().services[1].instances[0].state, "Draining");
    let second = send(addr, post(addr, "/api/v1/instances/worker-7/drain").with("{}")).await;
    assert_eq!((second.status().as_u16(), code(&second).as_str()), (409, "refused"));
}

#[tokio::test]
async fn action_outlives_its_client() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let mut begun = stack.slow_restarts_begun.subscribe();
    let mut done = stack.slow_restarts_done.subscribe();
    let client = tokio::spawn(open(addr, post(addr, "/api/v1/restart").with(r#"{"target": "slow"}"#)));
    begun.wait_for(|count| *count == 1).await.expect("the restart begins");
    client.abort();
    assert!(client.await.is_err_and(|error| error.is_cancelled()));
    // With the client's connection gone the console is quiet again; the restart is not.
    stack.release.notify_one();
    let finished = tokio::time::timeout(DEADLINE, done.wait_for(|count| *count == 1)).await;
    assert!(finished.is_ok(), "the restart was cut off");
}

#[tokio::test]
async fn reload_says_what_changed_or_what_is_wrong() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let good = send(addr, post(addr, "/api/v1/reload").empty()).await;
    assert_eq!(body(&good), json!({"changes": ["worker: maxReplicas 4 → 6"]}));
    stack.break_file();
    let bad = send(addr, post(addr, "/api/v1/reload").empty()).await;
    assert_eq!((bad.status().as_u16(), code(&bad).as_str()), (422, "invalid"));
    assert!(body(&bad)["error"]["message"].as_str().is_some_and(|text| text.contains("stack.yaml:3:5")));
}

#[tokio::test]
async fn request_in_flight_finishes_during_shutdown() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let mut begun = stack.slow_restarts_begun.subscribe();
    let client = tokio::spawn(send(addr, post(addr, "/api/v1/restart").with(r#"{"target": "slow"}"#)));
    begun.wait_for(|count| *count == 1).await.expect("the restart begins");
    let ending = tokio::spawn(console.shutdown(DEADLINE));
    stack.release.notify_one();
    assert_eq!(client.await.expect("no panic").status(), 200);
    assert!(ending.await.expect("no panic"), "all requests finished");
}

#[tokio::test]
async fn deadline_of_a_shutdown_cuts_what_hangs() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let mut begun = stack.slow_restarts_begun.subscribe();
    let client = tokio::spawn(async move {
        let stream = tokio::net::TcpStream::connect(addr).await.expect("the console listens");
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        sender.send_request(post(addr, "/api/v1/restart").with(r#"{"target": "slow"}"#)).await
    });
    begun.wait_for(|count| *count == 1).await.expect("the restart begins");
    assert!(!console.shutdown(Duration::from_millis(50)).await, "one request hangs");
    assert!(client.await.expect("no panic").is_err(), "its connection is cut");
}
