//! `GET /v1/result/{id}`.

use cv_evaluator::store::WorkStatus;
use serde_json::Value;

use super::support::{Stack, error_of};

#[tokio::test]
async fn w32_entity_tag_is_strong_and_saves_the_body() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let id = stack.evaluate(&body).await;
    let path = format!("/v1/result/{id}");
    let first = stack.get(&path).send().await.unwrap();
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 66, "{tag}");
    for header in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let response = stack.get(&path).header("if-none-match", header.as_str()).send().await.unwrap();
        assert_eq!(response.status(), 304, "{header}");
        assert_eq!(response.headers()["etag"].to_str().unwrap(), tag);
        assert!(response.headers().contains_key("cache-control"));
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let unquoted = tag.trim_matches('"').to_owned();
    for header in [unquoted.as_str(), "\"other\""] {
        let response = stack.get(&path).header("if-none-match", header).send().await.unwrap();
        assert_eq!(response.status(), 200, "{header}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn only_a_finished_evaluation_may_be_cached_and_only_privately() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let id = stack.evaluate(&body).await;
    let path = format!("/v1/result/{id}");
    let cache = async || {
        stack.get(&path).send().await.unwrap().headers()["cache-control"].to_str().unwrap().to_owned()
    };
    assert_eq!(cache().await, "no-store");
    let worker = stack.worker(&[]).await;
    stack.finished(&id).await;
    assert_eq!(cache().await, "private, max-age=300");
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn w06_reading_changes_nothing_however_long_a_job_waits() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let id = stack.evaluate(&body).await;
    // As if it had been waiting for a day, where the predecessor failed it after five minutes.
    let back = "UPDATE cv_evaluation SET created_at_ms = created_at_ms - 86400000, updated_at_ms = created_at_ms - 86400000";
    stack.sql(&[back]).await;
    let before = row(&stack, &id).await;
    for _ in 0..3 {
        let polled: Value =
            stack.get(&format!("/v1/result/{id}")).send().await.unwrap().json().await.unwrap();
        assert_eq!(polled["status"], "queued");
    }
    assert_eq!(row(&stack, &id).await, before);
    stack.stop().await;
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let stack = Stack::start().await;
    for id in ["nope", "%00", "%F0%9F%92%A9", &"x".repeat(500), "..%2F..%2Fetc"] {
        let response = stack.get(&format!("/v1/result/{id}")).send().await.unwrap();
        error_of(response, 404, "NOT_FOUND").await;
    }
    error_of(stack.get("/v1/result/%ff").send().await.unwrap(), 400, "INVALID_ARGUMENT").await;
    stack.stop().await;
}

async fn row(stack: &Stack, id: &str) -> (WorkStatus, i64) {
    let row = stack.store.read_evaluation(id).await.unwrap().unwrap();
    (row.status, row.updated_at_ms)
}
