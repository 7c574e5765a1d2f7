//! Requests that arrive by way of Kafka and results that leave that way: the application's side, which is a queue and a
//! table. The broker's side is proved in `plimsoll-kafka`.

use std::time::Duration;

use cv_evaluator::store::{Accepted, FailedAttempt, Lease, Spent};
use plimsoll_jobs::{FailureClass, NewJob};
use serde_json::{Value, json};

use super::queue::request;
use super::support::{Stack, eventually, text};

const VARIABLES: &[(&str, &str)] = &[("REQUESTS_QUEUE", "evaluate-requests"), ("RESULTS_TOPIC", "results")];

async fn ask(stack: &Stack, payload: Value) {
    let mut tx = stack.store.jobs().begin().await.unwrap();
    stack.store.jobs().enqueue(&mut tx, NewJob::new("evaluate-requests", payload)).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn request_from_a_topic_becomes_one_evaluation_and_its_result_waits_in_the_outbox() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let worker = stack.worker(VARIABLES).await;
    let mut request = json!({ "cv_id": text(&ids, "cv_id"), "project_id": text(&ids, "project_id") });
    request["idempotency_key"] = json!("from-elsewhere-1");
    let headers = json!({ "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" });
    let record = json!({ "kafka": { "topic": "evaluate-jobs", "headers": headers }, "value": request });
    // The other system sent it twice.
    ask(&stack, record.clone()).await;
    ask(&stack, record).await;
    let messages = || stack.number("SELECT COUNT(*) FROM plimsoll_outbox WHERE topic = 'results'");
    eventually(async || (messages().await == 1).then_some(())).await;
    assert_eq!(stack.number("SELECT COUNT(*) FROM cv_evaluation").await, 1);
    assert_eq!(stack.number("SELECT COUNT(*) FROM cv_result").await, 1);
    worker.stop().await;
    assert_eq!(messages().await, 1);
    let traced =
        "SELECT COUNT(*) FROM plimsoll_outbox WHERE headers LIKE '%0af7651916cd43dd8448eb211c80319c%'";
    assert_eq!(stack.number(traced).await, 1);
    stack.stop().await;
}

#[tokio::test]
async fn request_that_cannot_be_is_a_dead_letter_that_says_why() {
    let stack = Stack::start().await;
    let worker = stack.worker(VARIABLES).await;
    ask(&stack, json!({ "cv_id": "nowhere", "project_id": "nowhere" })).await;
    ask(&stack, json!({ "value": { "cv_id": "", "project_id": "x" } })).await;
    ask(&stack, json!({ "value": 7 })).await;
    let dead = eventually(async || {
        let dead = stack.store.jobs().dead_letters("evaluate-requests", None, 10).await.unwrap();
        (dead.len() == 3).then_some(dead)
    })
    .await;
    let reasons: Vec<&str> = dead.iter().map(|letter| letter.reason.as_str()).collect();
    for told in ["no such upload", "required", "no object"] {
        assert!(reasons.iter().any(|reason| reason.contains(told)), "{told}: {reasons:?}");
    }
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn what_is_still_to_be_told_of_an_erased_evaluation_or_owner_is_not() {
    let stack = Stack::with(VARIABLES).await;
    let ids = stack.upload_texts().await;
    let request = json!({ "cv_id": text(&ids, "cv_id"), "project_id": text(&ids, "project_id") });
    let worker = stack.worker(VARIABLES).await;
    let mut tx = stack.store.jobs().begin().await.unwrap();
    // The ingest knows whose it is by a header, and the application by that.
    let job = NewJob::new("evaluate-requests", json!({ "value": request })).owner("anonymous");
    stack.store.jobs().enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    let messages = || stack.number("SELECT COUNT(*) FROM plimsoll_outbox");
    eventually(async || (messages().await == 1).then_some(())).await;
    let one = stack.evaluate(&request).await;
    eventually(async || (messages().await == 2).then_some(())).await;
    worker.stop().await;
    let store = stack.store.clone().tell_outcomes("results".to_owned()).await.unwrap();
    store.erase_evaluation(&one, None).await.unwrap().unwrap();
    assert_eq!(messages().await, 1);
    assert_eq!(store.erase_owner("anonymous").await.unwrap().evaluations, 1);
    assert_eq!(messages().await, 0);
    stack.stop().await;
}

/// A reader drops what comes under an id that it has seen: an end it has not heard of must not have one.
#[tokio::test]
async fn evaluation_that_ends_again_after_its_requeue_is_told_again() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let store = stack.store.clone().tell_outcomes("results".to_owned()).await.unwrap();
    let accepted = store.accept(&request("anonymous", &ids)).await.unwrap();
    let Accepted::New(id) = accepted else { panic!("{accepted:?}") };
    for ends in 1..=2 {
        let claimed = store.jobs().claim("evaluate", "w", Duration::from_secs(30), 1).await.unwrap();
        assert_eq!(claimed[0].attempt, 1);
        let failed = FailedAttempt {
            class: FailureClass::Never,
            code: "BROKEN",
            message: "as the test wants it",
            receipt: None,
            spent: Spent::default(),
        };
        assert!(store.start(&id, &claimed[0]).await.unwrap());
        store.fail(Lease::Claim(&claimed[0]), &id, &failed).await.unwrap();
        assert_eq!(stack.number("SELECT COUNT(DISTINCT message_id) FROM plimsoll_outbox").await, ends);
        assert!(store.requeue(&id, 1).await.unwrap());
    }
    stack.stop().await;
}
