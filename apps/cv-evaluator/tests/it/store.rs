//! What is kept, and for how long.

use std::time::Duration;

use cv_evaluator::store::{Accepted, Intake, NewEvaluation, Store, UploadReader};
use plimsoll_jobs::{Jobs, JobsOptions};

use super::support::{Stack, text};

#[tokio::test]
async fn w37_only_what_is_finished_is_past_its_time_and_shared_files_go_last() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let done = stack.evaluate(&body).await;
    let worker = stack.worker(&[]).await;
    stack.finished(&done).await;
    worker.stop().await;
    // Refers to the same files.
    let waiting = stack.evaluate(&body).await;

    let day = Duration::from_secs(86_400);
    let mut reader = UploadReader::default();
    assert_eq!(stack.store.expire(day, &mut reader).await.unwrap(), (0, true));
    stack
        .sql(&["UPDATE cv_evaluation SET created_at_ms = 1", "UPDATE cv_upload SET created_at_ms = 1"])
        .await;
    assert_eq!(stack.store.expire(day, &mut reader).await.unwrap(), (1, true));
    assert!(stack.store.read_result(&done).await.unwrap().is_none());
    assert_eq!(stack.store.expire(day, &mut reader).await.unwrap(), (0, true));

    let worker = stack.worker(&[("DATA_RETENTION_DAYS", "0")]).await;
    assert_eq!(stack.finished(&waiting).await["status"], "completed");
    worker.stop().await;
    // The evaluation, then both files.
    assert_eq!(stack.store.expire(day, &mut reader).await.unwrap(), (3, true));
    assert!(stack.store.read_upload(&text(&body, "cv_id")).await.unwrap().is_none());
    let left = stack.number("SELECT COUNT(*) FROM cv_upload_chunk").await;
    let results = stack.number("SELECT COUNT(*) FROM cv_result").await;
    assert_eq!((left, results), (0, 0));
    stack.stop().await;
}

#[tokio::test]
async fn many_instances_may_start_at_once_on_an_empty_database() {
    let directory = tempfile::tempdir().unwrap();
    let url = super::support::database(&directory).await;
    let start = async |_| {
        let options = JobsOptions { readers: 1, ..JobsOptions::default() };
        Store::open(Jobs::open(&url, options).await?).await
    };
    for opened in futures::future::join_all((0..8).map(start)).await {
        opened.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn w11_instances_that_take_on_the_same_keys_at_once_make_one_evaluation_of_each() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let request = |key: usize| NewEvaluation {
        idempotency_key: Some(format!("key-{key}")),
        ..super::queue::request("anonymous", &ids)
    };
    // Each instance has a group of its own, in an order of its own.
    let mut groups = Vec::new();
    for shift in 0..6 {
        let jobs = Jobs::open(&stack.url, JobsOptions::default()).await.unwrap();
        let requests: Vec<NewEvaluation> = (0..24).map(|key| request((key * 5 + shift * 7) % 24)).collect();
        groups.push((Store::open(jobs).await.unwrap(), requests));
    }
    let accept = async |(store, requests): &(Store, Vec<NewEvaluation>)| {
        store.accept_many(&requests.iter().collect::<Vec<_>>()).await
    };
    let mut new = 0;
    for answers in futures::future::join_all(groups.iter().map(accept)).await {
        let answers = answers.unwrap();
        assert_eq!(answers.len(), 24);
        new += answers.iter().filter(|answer| matches!(answer, Accepted::New(_))).count();
        assert!(answers.iter().all(|answer| matches!(answer, Accepted::New(_) | Accepted::Repeated(..))));
    }
    assert_eq!((new, stack.number("SELECT COUNT(*) FROM cv_evaluation").await), (24, 24));
    assert_eq!(stack.store.jobs().stats(Some("evaluate")).await.unwrap()[0].enqueued_total, 24);
    stack.stop().await;
}

#[tokio::test]
async fn w36_requests_that_arrive_together_share_a_commit() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let intake = Intake::start(stack.store.clone());
    let requests = (0..60).map(|_| intake.accept(super::queue::request("anonymous", &ids)));
    for answer in futures::future::join_all(requests).await {
        assert!(matches!(answer, Ok(Accepted::New(_))));
    }
    // One time is read for each transaction: the first request went alone, the others together.
    let commits = stack.number("SELECT COUNT(DISTINCT created_at_ms) FROM cv_evaluation").await;
    assert!(commits <= 3, "{commits} commits for 60 requests");
    stack.stop().await;
}

#[tokio::test]
async fn w37_erasing_and_asking_at_the_same_time_leaves_no_evaluation_without_its_files() {
    let stack = Stack::start().await;
    for _ in 0..10 {
        let ids = stack.upload_texts().await;
        let request = super::queue::request("anonymous", &ids);
        let store = Store::open(Jobs::open(&stack.url, JobsOptions::default()).await.unwrap()).await.unwrap();
        let asking = futures::future::join_all((0..6).map(|_| store.accept(&request)));
        let (erased, asked) = tokio::join!(stack.store.erase_owner("anonymous"), asking);
        let erased = erased.unwrap();
        let taken = asked.into_iter().filter(|answer| matches!(answer, Ok(Accepted::New(_)))).count() as u64;
        // Those that came first went with the rest, those that came later found no files.
        assert_eq!((erased.uploads, erased.evaluations), (2, taken));
        assert_eq!(stack.number("SELECT COUNT(*) FROM cv_evaluation").await, 0);
        let stats = stack.store.jobs().stats(Some("evaluate")).await.unwrap();
        assert_eq!(stats.iter().map(|stats| stats.ready).sum::<u64>(), 0);
    }
    stack.stop().await;
}
