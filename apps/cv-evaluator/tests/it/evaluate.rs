//! `POST /v1/evaluate`.

use serde_json::{Value, json};

use super::support::{Stack, error_of, text};

#[tokio::test]
async fn an_evaluation_is_accepted_and_says_where_it_will_be() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let response = stack.post("/v1/evaluate").json(&body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["status"], json!("queued"));
    assert_eq!(location, format!("/v1/result/{}", text(&answer, "id")));
    let polled: Value = stack.get(&location).send().await.unwrap().json().await.unwrap();
    assert_eq!(polled, answer);
    stack.stop().await;
}

#[tokio::test]
async fn w11_two_requests_at_once_with_one_key_make_one_job() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let requests =
        (0..12).map(|_| stack.post("/v1/evaluate").header("idempotency-key", "race").json(&body).send());
    let mut ids = Vec::new();
    let mut accepted = 0;
    for response in futures::future::join_all(requests).await {
        let response = response.unwrap();
        accepted += i32::from(response.status() == 202);
        assert!(response.status() == 202 || response.status() == 200);
        ids.push(text(&response.json::<Value>().await.unwrap(), "id"));
    }
    ids.dedup();
    assert_eq!((ids.len(), accepted), (1, 1));
    assert_eq!(stack.store.jobs().stats(Some("evaluate")).await.unwrap()[0].enqueued_total, 1);
    assert_eq!(stack.store.totals().await.unwrap().evaluations, 1.0);
    stack.stop().await;
}

#[tokio::test]
async fn w11_a_key_is_bound_to_its_body() {
    let stack = Stack::start().await;
    let mut body = stack.upload_texts().await;
    let send = |body: &Value| stack.post("/v1/evaluate").header("idempotency-key", "k").json(body).send();
    assert_eq!(send(&body).await.unwrap().status(), 202);
    assert_eq!(send(&body).await.unwrap().status(), 200);
    // The same request in other words is the same request.
    let reordered = format!(
        "{{ \"project_id\" : {}, \"cv_id\":{}, \"job_description\": null }}",
        body["project_id"], body["cv_id"]
    );
    let again =
        stack.post("/v1/evaluate").header("idempotency-key", "k").header("content-type", "application/json");
    assert_eq!(again.body(reordered).send().await.unwrap().status(), 200);
    body["job_description"] = json!("another job");
    error_of(send(&body).await.unwrap(), 422, "IDEMPOTENCY_KEY_REUSED").await;
    stack.stop().await;
}

#[tokio::test]
async fn w11_a_repeat_is_told_the_true_state() {
    let stack = Stack::start().await;
    let mut body = stack.upload_texts().await;
    body["job_description"] = json!("Rust backend engineer");
    let send = || stack.post("/v1/evaluate").header("idempotency-key", "k").json(&body).send();
    let first: Value = send().await.unwrap().json().await.unwrap();
    let worker = stack.worker(&[]).await;
    let end = stack.finished(&text(&first, "id")).await;
    let repeat: Value = send().await.unwrap().json().await.unwrap();
    assert_eq!(repeat, json!({ "id": first["id"], "status": end["status"] }));
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn an_unknown_upload_is_the_clients_mistake() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let send = |body: Value| stack.post("/v1/evaluate").json(&body).send();
    let unknown = json!({ "cv_id": "nope", "project_id": ids["project_id"] });
    let error = error_of(send(unknown).await.unwrap(), 404, "UPLOAD_NOT_FOUND").await;
    assert_eq!(error["details"], json!({ "cv_id": "unknown" }));
    // A CV is not a project report.
    let swapped = json!({ "cv_id": ids["project_id"], "project_id": ids["cv_id"] });
    error_of(send(swapped).await.unwrap(), 404, "UPLOAD_NOT_FOUND").await;
    assert_eq!(stack.store.totals().await.unwrap().evaluations, 0.0);
    stack.stop().await;
}

#[tokio::test]
async fn every_broken_rule_is_told_at_once() {
    let stack = Stack::start().await;
    let body = json!({
        "cv_id": "",
        "project_id": "x".repeat(65),
        "job_description": "ü".repeat(5001),
        "study_case_brief": "a\u{0}b",
        "scoring_rubric": "x".repeat(10_001),
    });
    let error =
        error_of(stack.post("/v1/evaluate").json(&body).send().await.unwrap(), 400, "INVALID_ARGUMENT").await;
    assert_eq!(
        error["details"],
        json!({
            "cv_id": "required",
            "project_id": "1 to 64 letters, digits, _ and -",
            "job_description": "at most 5000 characters",
            "study_case_brief": "no NUL characters",
            "scoring_rubric": "at most 10000 characters",
        })
    );
    stack.stop().await;
}

#[tokio::test]
async fn malformed_requests_get_the_error_shape() {
    let stack = Stack::start().await;
    let post = |body: &str, media_type: &str| {
        stack.post("/v1/evaluate").header("content-type", media_type).body(body.to_owned()).send()
    };
    let json_type = "application/json";
    error_of(post("{", json_type).await.unwrap(), 400, "INVALID_ARGUMENT").await;
    error_of(post("[]", json_type).await.unwrap(), 400, "INVALID_ARGUMENT").await;
    error_of(post("{\"cv_id\":1}", json_type).await.unwrap(), 400, "INVALID_ARGUMENT").await;
    let unknown_field = "{\"cv_id\":\"a\",\"project_id\":\"b\",\"job_descripton\":\"c\"}";
    error_of(post(unknown_field, json_type).await.unwrap(), 400, "INVALID_ARGUMENT").await;
    error_of(post("{}", "text/plain").await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    let large = format!("{{\"cv_id\":\"{}\"}}", "x".repeat(1024 * 1024));
    error_of(post(&large, json_type).await.unwrap(), 413, "PAYLOAD_TOO_LARGE").await;
    let deep = "[".repeat(100_000);
    error_of(post(&deep, json_type).await.unwrap(), 400, "INVALID_ARGUMENT").await;
    let long_key = stack
        .post("/v1/evaluate")
        .header("idempotency-key", "k".repeat(256))
        .json(&json!({"cv_id":"a","project_id":"b"}));
    error_of(long_key.send().await.unwrap(), 400, "INVALID_ARGUMENT").await;
    stack.stop().await;
}
