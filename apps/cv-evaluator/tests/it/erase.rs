//! Erasing all that is held of an owner.

use std::time::Duration;

use cv_evaluator::store::Lease;
use plimsoll_jobs::{FailureClass, JobsError};
use serde_json::{Value, json};

use super::owners::{stack, upload_as};
use super::support::{CV, Form, PROJECT, Stack, text};

/// Words that stand in no other document.
const MARK: &str = "Xanthippe Quagmire-Zoltowski";

async fn evaluate_as(stack: &Stack, key: &str, body: &Value) -> String {
    let request = stack.post("/v1/evaluate").bearer_auth(key).header("idempotency-key", "k").json(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
    text(&response.json().await.unwrap(), "id")
}

async fn erase_as(stack: &Stack, key: &str) -> Value {
    let response = stack.delete("/v1/me").bearer_auth(key).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn status_as(stack: &Stack, key: &str, id: &str) -> u16 {
    let request = stack.get(&format!("/v1/result/{id}")).bearer_auth(key);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn w37_all_that_is_held_of_an_owner_is_erased_and_nothing_of_another() {
    let stack = stack().await;
    let mine = upload_as(&stack, "secret-a").await;
    let theirs = upload_as(&stack, "secret-b").await;
    let done = evaluate_as(&stack, "secret-a", &mine).await;
    let kept = evaluate_as(&stack, "secret-b", &theirs).await;
    let worker = stack.worker(&[]).await;
    for (key, id) in [("secret-a", &done), ("secret-b", &kept)] {
        super::support::eventually(async || {
            let request = stack.get(&format!("/v1/result/{id}")).bearer_auth(key);
            let body: Value = request.send().await.unwrap().json().await.unwrap();
            (body["status"] == "completed").then_some(())
        })
        .await;
    }
    worker.stop().await;

    let erased = erase_as(&stack, "secret-a").await;
    assert_eq!(erased["owner"], "acme");
    assert_eq!((&erased["uploads"], &erased["evaluations"]), (&json!(2), &json!(1)));
    assert_eq!(status_as(&stack, "secret-a", &done).await, 404);
    assert_eq!(status_as(&stack, "secret-b", &kept).await, 200);
    for (sql, left) in [
        ("SELECT COUNT(*) FROM cv_upload", 2),
        ("SELECT COUNT(DISTINCT upload_id) FROM cv_upload_chunk", 2),
        ("SELECT COUNT(*) FROM cv_evaluation", 1),
        ("SELECT COUNT(*) FROM cv_result", 1),
    ] {
        assert_eq!(stack.number(sql).await, left, "{sql}");
    }
    assert_eq!(
        erase_as(&stack, "secret-a").await,
        json!({ "owner": "acme", "uploads": 0, "evaluations": 0, "jobs": 0 })
    );
    // The key is still good, and what it names is new.
    let again = upload_as(&stack, "secret-a").await;
    evaluate_as(&stack, "secret-a", &again).await;
    stack.stop().await;
}

#[tokio::test]
async fn w37_what_waits_is_withdrawn_and_what_runs_writes_nothing_any_more() {
    let stack = stack().await;
    let body = upload_as(&stack, "secret-a").await;
    let running = evaluate_as(&stack, "secret-a", &body).await;
    let jobs = stack.store.jobs();
    let job = jobs.claim("evaluate", "w", Duration::from_secs(60), 1).await.unwrap().pop().unwrap();
    assert!(stack.store.start(&running, &job).await.unwrap());
    let waiting = stack.post("/v1/evaluate").bearer_auth("secret-a").json(&body).send().await.unwrap();
    assert_eq!(waiting.status(), 202);

    let erased = erase_as(&stack, "secret-a").await;
    assert_eq!((&erased["evaluations"], &erased["jobs"]), (&json!(2), &json!(2)));
    assert!(jobs.claim("evaluate", "w", Duration::from_secs(60), 10).await.unwrap().is_empty());
    let lost = jobs.heartbeat(&job, Duration::from_secs(60)).await;
    assert!(lost.as_ref().is_err_and(JobsError::is_lease_lost), "{lost:?}");
    let failed =
        stack.store.fail(Lease::Claim(&job), &running, &super::queue::failed(FailureClass::Never, "X")).await;
    assert!(failed.is_err(), "a late worker settles nothing");
    assert_eq!(stack.number("SELECT COUNT(*) FROM cv_evaluation").await, 0);
    for stats in jobs.stats(Some("evaluate")).await.unwrap() {
        assert_eq!((stats.ready, stats.leased), (0, 0), "the queue's own figures follow");
    }
    stack.stop().await;
}

#[tokio::test]
async fn w37_the_words_are_gone_from_the_disk_and_not_only_from_the_tables() {
    let stack = stack().await;
    // Postgres overwrites freed space when it needs it; nothing can be promised of its files.
    if stack.on_postgres() {
        return stack.stop().await;
    }
    let cv = format!("{MARK}\n{CV}");
    let form = Form::new().file("cv", "cv.txt", cv.as_bytes()).file("project", "p.txt", PROJECT.as_bytes());
    assert_eq!(form.send(stack.post("/v1/upload").bearer_auth("secret-a")).await.status(), 200);
    let on_disk = async || {
        // Brings the log into the file and empties it, as the database does from time to time.
        let pool = stack.store.jobs().sqlite().unwrap();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await.unwrap();
        let files = std::fs::read_dir(stack.directory.path()).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
            .any(|bytes| bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()))
    };
    assert!(on_disk().await);
    erase_as(&stack, "secret-a").await;
    assert!(!on_disk().await);
    stack.stop().await;
}

#[tokio::test]
async fn w37_without_keys_nobody_erases_everybody() {
    let stack = Stack::start().await;
    stack.upload_texts().await;
    super::support::error_of(stack.delete("/v1/me").send().await.unwrap(), 403, "FORBIDDEN").await;
    assert_eq!(stack.number("SELECT COUNT(*) FROM cv_upload").await, 2);
    stack.stop().await;
}

/// Evaluations, results, files and the pieces of files that are there.
async fn held(stack: &Stack) -> [i64; 4] {
    [
        stack.number("SELECT COUNT(*) FROM cv_evaluation").await,
        stack.number("SELECT COUNT(*) FROM cv_result").await,
        stack.number("SELECT COUNT(*) FROM cv_upload").await,
        stack.number("SELECT COUNT(DISTINCT upload_id) FROM cv_upload_chunk").await,
    ]
}

async fn erase_one(stack: &Stack, key: &str, id: &str) -> reqwest::Response {
    stack.delete(&format!("/v1/result/{id}")).bearer_auth(key).send().await.unwrap()
}

#[tokio::test]
async fn w37_one_evaluation_is_erased_with_its_files_unless_another_refers_to_them() {
    let stack = stack().await;
    let body = upload_as(&stack, "secret-a").await;
    let first = evaluate_as(&stack, "secret-a", &body).await;
    let second = stack.post("/v1/evaluate").bearer_auth("secret-a").json(&body).send().await.unwrap();
    let second = text(&second.json().await.unwrap(), "id");
    let worker = stack.worker(&[]).await;
    for id in [&first, &second] {
        super::support::eventually(async || {
            let request = stack.get(&format!("/v1/result/{id}")).bearer_auth("secret-a");
            let body: Value = request.send().await.unwrap().json().await.unwrap();
            (body["status"] == "completed").then_some(())
        })
        .await;
    }
    worker.stop().await;

    // Not by another, who is told nothing and changes nothing.
    super::support::error_of(erase_one(&stack, "secret-b", &first).await, 404, "NOT_FOUND").await;
    super::support::error_of(erase_one(&stack, "wrong", &first).await, 401, "UNAUTHENTICATED").await;
    assert_eq!(held(&stack).await, [2, 2, 2, 2]);

    let erased: Value = erase_one(&stack, "secret-a", &first).await.json().await.unwrap();
    assert_eq!(erased, json!({ "owner": "acme", "uploads": 0, "evaluations": 1, "jobs": 0 }));
    assert_eq!(held(&stack).await, [1, 1, 2, 2]);
    assert_eq!(status_as(&stack, "secret-a", &first).await, 404);
    assert_eq!(status_as(&stack, "secret-a", &second).await, 200);
    super::support::error_of(erase_one(&stack, "secret-a", &first).await, 404, "NOT_FOUND").await;

    let erased: Value = erase_one(&stack, "secret-a", &second).await.json().await.unwrap();
    assert_eq!((&erased["uploads"], &erased["evaluations"]), (&json!(2), &json!(1)));
    assert_eq!(held(&stack).await, [0, 0, 0, 0]);
    // Its idempotency key went with it: the same request is a new one, about files that are gone.
    let again = stack.post("/v1/evaluate").bearer_auth("secret-a").header("idempotency-key", "k").json(&body);
    super::support::error_of(again.send().await.unwrap(), 404, "UPLOAD_NOT_FOUND").await;
    stack.stop().await;
}

#[tokio::test]
async fn w37_one_evaluation_is_erased_whether_it_waits_or_runs_or_has_failed() {
    let stack = stack().await;
    let jobs = stack.store.jobs();
    let claim = async || {
        jobs.claim("evaluate", "w", Duration::from_secs(60), 1).await.unwrap().pop().expect("a job is ready")
    };

    // Waits.
    let body = upload_as(&stack, "secret-a").await;
    let waiting = evaluate_as(&stack, "secret-a", &body).await;
    let erased: Value = erase_one(&stack, "secret-a", &waiting).await.json().await.unwrap();
    assert_eq!(erased, json!({ "owner": "acme", "uploads": 2, "evaluations": 1, "jobs": 1 }));
    assert!(jobs.claim("evaluate", "w", Duration::from_secs(60), 10).await.unwrap().is_empty());

    // Runs: its worker comes too late with whatever it has.
    let body = upload_as(&stack, "secret-a").await;
    let running = evaluate_as(&stack, "secret-a", &body).await;
    let job = claim().await;
    assert!(stack.store.start(&running, &job).await.unwrap());
    let work = stack.store.read_work(&running).await.unwrap().unwrap();
    let erased: Value = erase_one(&stack, "secret-a", &running).await.json().await.unwrap();
    assert_eq!((&erased["evaluations"], &erased["jobs"]), (&json!(1), &json!(1)));
    let late = super::queue::finish(&stack, &job, &work).await;
    assert!(!matches!(late, Ok(true)), "a late worker wrote a result: {late:?}");
    assert_eq!(held(&stack).await, [0, 0, 0, 0]);

    // Has failed: the dead letter goes too.
    let body = upload_as(&stack, "secret-a").await;
    let failed = evaluate_as(&stack, "secret-a", &body).await;
    let job = claim().await;
    assert!(stack.store.start(&failed, &job).await.unwrap());
    let why = super::queue::failed(FailureClass::Never, "DOCUMENT_CORRUPT");
    stack.store.fail(Lease::Claim(&job), &failed, &why).await.unwrap();
    assert_eq!(jobs.dead_letters("evaluate", None, 10).await.unwrap().len(), 1);
    let erased: Value = erase_one(&stack, "secret-a", &failed).await.json().await.unwrap();
    assert_eq!((&erased["evaluations"], &erased["jobs"]), (&json!(1), &json!(1)));
    assert!(jobs.dead_letters("evaluate", None, 10).await.unwrap().is_empty());
    assert_eq!(held(&stack).await, [0, 0, 0, 0]);
    stack.stop().await;
}
