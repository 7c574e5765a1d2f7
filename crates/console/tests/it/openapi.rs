//! The OpenAPI document is true: each operation is asked for, and each status it names is provoked where a client can.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use serde_json::Value;

use crate::{
    http::{Answer, Finish, header_of, json, send},
    schema::faults,
    stack::Stack,
};

const TOKEN: &str = "a-token-of-some-length";

/// Statuses a single request cannot provoke; other tests do (`watchers_are_bounded…`, `reload_says…`) or the moment
/// is too short to hit from outside (`readyz` while closing).
const ELSEWHERE: [(&str, &str); 4] = [
    ("get /api/v1/stream", "503"),
    ("get /readyz", "503"),
    ("post /api/v1/reload", "409"),
    ("post /api/v1/restart", "409"),
];

struct Probe {
    operation: &'static str,
    path: &'static str,
    body: &'static str,
    status: &'static str,
}

const fn probe(
    operation: &'static str,
    path: &'static str,
    body: &'static str,
    status: &'static str,
) -> Probe {
    Probe { operation, path, body, status }
}

const SCALE: &str = "post /api/v1/services/{name}/scale";
const DRAIN: &str = "post /api/v1/instances/{id}/drain";
const LOGS: &str = "get /api/v1/instances/{id}/logs";

const LETTERS: &str = "get /api/v1/dead-letters";
const JOB: &str = "get /api/v1/jobs/{id}";
const REQUEUE: &str = "post /api/v1/jobs/requeue";
const DISCARD: &str = "post /api/v1/jobs/discard";
const CANCEL: &str = "post /api/v1/jobs/cancel";

const PROBES: [Probe; 53] = [
    probe("get /healthz", "/healthz", "", "200"),
    probe("get /readyz", "/readyz", "", "200"),
    probe("get /metrics", "/metrics", "", "200"),
    probe("get /openapi.json", "/openapi.json", "", "200"),
    probe("get /api/v1/stack", "/api/v1/stack", "", "200"),
    probe("get /api/v1/decisions", "/api/v1/decisions?limit=2&service=worker", "", "200"),
    probe("get /api/v1/decisions", "/api/v1/decisions?limit=0", "", "400"),
    probe("get /api/v1/decisions/{id}", "/api/v1/decisions/3", "", "200"),
    probe("get /api/v1/decisions/{id}", "/api/v1/decisions/99", "", "404"),
    probe(LOGS, "/api/v1/instances/worker-7/logs", "", "200"),
    probe(LOGS, "/api/v1/instances/worker-7/logs?lines=x", "", "400"),
    probe(LOGS, "/api/v1/instances/nobody/logs", "", "404"),
    probe(SCALE, "/api/v1/services/worker/scale", r#"{"replicas": 2}"#, "200"),
    probe(SCALE, "/api/v1/services/worker/scale", "{", "400"),
    probe(SCALE, "/api/v1/services/nobody/scale", r#"{"replicas": 2}"#, "404"),
    probe(SCALE, "/api/v1/services/worker/scale", r#"{"replicas": 99}"#, "409"),
    probe(SCALE, "/api/v1/services/worker/scale", r#"{"replicas": 0}"#, "422"),
    probe(DRAIN, "/api/v1/instances/worker-7/drain", "", "200"),
    probe(DRAIN, "/api/v1/instances/worker-7/drain", "", "409"),
    probe(DRAIN, "/api/v1/instances/nobody/drain", "", "404"),
    probe("post /api/v1/restart", "/api/v1/restart", r#"{"target": "api"}"#, "200"),
    probe("post /api/v1/restart", "/api/v1/restart", "{", "400"),
    probe("post /api/v1/restart", "/api/v1/restart", r#"{"target": "nobody"}"#, "404"),
    probe("post /api/v1/restart", "/api/v1/restart", r#"{"targets": []}"#, "422"),
    probe("post /api/v1/reload", "/api/v1/reload", "", "200"),
    probe("post /api/v1/reload", "/api/v1/reload", "broken file", "422"),
    probe("post /api/v1/shutdown", "/api/v1/shutdown", "", "202"),
    probe("get /api/v1/report", "/api/v1/report", "", "200"),
    probe("get /api/v1/report", "/api/v1/report?since_s=x", "", "400"),
    probe("get /api/v1/report", "/api/v1/report?since_s=1", "", "409"),
    probe("get /api/v1/report", "/api/v1/report?since_s=0", "", "422"),
    probe(LETTERS, "/api/v1/dead-letters?limit=1&queue=evaluate", "", "200"),
    probe(LETTERS, "/api/v1/dead-letters?limit=0", "", "400"),
    probe(LETTERS, "/api/v1/dead-letters?queue=nobody", "", "404"),
    probe(LETTERS, "/api/v1/dead-letters?queue=locked", "", "409"),
    probe(LETTERS, "/api/v1/dead-letters?after=x", "", "422"),
    probe(JOB, "/api/v1/jobs/17", "", "200"),
    probe(JOB, "/api/v1/jobs/1", "", "404"),
    probe(JOB, "/api/v1/jobs/409", "", "409"),
    probe(REQUEUE, "/api/v1/jobs/requeue", r#"{"jobs": [17, 1]}"#, "200"),
    probe(REQUEUE, "/api/v1/jobs/requeue", "{", "400"),
    probe(REQUEUE, "/api/v1/jobs/requeue", r#"{"all": true, "queue": "nobody"}"#, "404"),
    probe(REQUEUE, "/api/v1/jobs/requeue", r#"{"jobs": [409]}"#, "409"),
    probe(REQUEUE, "/api/v1/jobs/requeue", "{}", "422"),
    probe(DISCARD, "/api/v1/jobs/discard", r#"{"all": true, "queue": "mail", "by": "me"}"#, "200"),
    probe(DISCARD, "/api/v1/jobs/discard", "{", "400"),
    probe(DISCARD, "/api/v1/jobs/discard", r#"{"all": true, "queue": "nobody"}"#, "404"),
    probe(DISCARD, "/api/v1/jobs/discard", r#"{"jobs": [409]}"#, "409"),
    probe(DISCARD, "/api/v1/jobs/discard", "{}", "422"),
    probe(CANCEL, "/api/v1/jobs/cancel", r#"{"jobs": [17]}"#, "200"),
    probe(CANCEL, "/api/v1/jobs/cancel", "{", "400"),
    probe(CANCEL, "/api/v1/jobs/cancel", r#"{"jobs": [409]}"#, "409"),
    probe(CANCEL, "/api/v1/jobs/cancel", r#"{"all": true}"#, "422"),
];

fn operations(document: &Value) -> BTreeMap<String, Value> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("operations").iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        })
        .collect()
}

/// Panics unless the answer is one that the document describes for the operation.
fn assert_described(document: &Value, operation: &str, answer: &Answer) {
    let described = &operations(document)[operation]["responses"][answer.status().as_str()];
    assert!(described.is_object(), "{operation} does not name {}", answer.status());
    let content_type = header_of(answer, "content-type").split(';').next().unwrap_or_default();
    let content = described["content"].as_object().expect("a described body");
    let media =
        content.get(content_type).unwrap_or_else(|| panic!("{operation} does not name {content_type}"));
    if content_type == "application/json" {
        let found = faults(&json(answer), &media["schema"], document, operation);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[tokio::test]
async fn each_operation_answers_as_the_document_says() {
    let stack = Stack::new();
    let console = stack.serve(Some(TOKEN)).await;
    let addr = console.local_addr();
    let host = addr.to_string();
    let document = json(&send(addr, Request::get("/openapi.json").header("host", &host).empty()).await);
    let bearer = format!("Bearer {TOKEN}");
    let mut seen: BTreeSet<(String, String)> =
        ELSEWHERE.map(|(name, status)| (name.into(), status.into())).into();

    for Probe { operation, path, body, status } in PROBES {
        let method = operation.split(' ').next().unwrap_or_default().to_uppercase();
        if body == "broken file" {
            stack.break_file();
        }
        let request = Request::builder().method(method.as_str()).uri(path).header("host", &host);
        let request = request.header("authorization", &bearer).header("content-type", "application/json");
        let answer = send(addr, request.with(body)).await;
        assert_eq!(answer.status().as_str(), status, "{operation} {body}");
        assert_described(&document, operation, &answer);
        seen.insert((operation.to_owned(), status.to_owned()));
    }

    for (operation, described) in operations(&document) {
        let (method, template) = operation.split_once(' ').expect("method and path");
        let path = template.replace("{id}", "1").replace("{name}", "api");
        let build =
            || Request::builder().method(method.to_uppercase().as_str()).uri(&path).header("host", &host);
        if described["security"].is_array() {
            let answer = send(addr, build().empty()).await;
            assert_eq!(answer.status(), 401, "{operation} without a token");
            assert_described(&document, &operation, &answer);
            seen.insert((operation.clone(), "401".to_owned()));
        }
        if method == "post" {
            let form = build().header("authorization", &bearer).header("content-type", "text/plain");
            let foreign = build().header("authorization", &bearer).header("origin", "http://evil.example");
            for (request, status) in [(form, "415"), (foreign, "403")] {
                let answer = send(addr, request.empty()).await;
                assert_eq!(answer.status().as_str(), status, "{operation}");
                assert_described(&document, &operation, &answer);
                seen.insert((operation.clone(), status.to_owned()));
            }
        }
        if described["responses"]["200"]["content"].get("text/event-stream").is_some() {
            let request = build().header("authorization", &bearer).empty();
            let answer = crate::http::open(addr, request).await;
            assert_eq!(answer.headers()["content-type"], "text/event-stream");
            seen.insert((operation.clone(), answer.status().as_str().to_owned()));
        }
        for status in described["responses"].as_object().expect("responses").keys() {
            let pair = (operation.clone(), status.clone());
            assert!(seen.contains(&pair), "{operation} names {status}, which nothing here provoked");
        }
    }
}

#[test]
fn served_document_is_the_public_one() {
    let document = serde_json::to_value(plimsoll_console::openapi()).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert_eq!(operations(&document).len(), 20);
    assert!(document["components"]["securitySchemes"]["token"].is_object());
}
