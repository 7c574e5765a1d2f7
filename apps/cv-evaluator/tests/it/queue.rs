//! The application's rows and the queue's, always together.

use std::time::Duration;

use plimsoll_jobs::{Claimed, FailureClass, Outcome};
use serde_json::json;

use cv_evaluator::store::{Accepted, FailedAttempt, JobBody, Lease, NewEvaluation, Spent, Trace, WorkStatus};

use super::support::{Stack, text};

const LEASE: Duration = Duration::from_secs(30);

/// One queued evaluation, claimed by `worker`.
async fn claim(stack: &Stack, worker: &str, lease: Duration) -> Claimed {
    let mut claimed = stack.store.jobs().claim("evaluate", worker, lease, 1).await.unwrap();
    claimed.pop().expect("a job is ready")
}

fn scored() -> cv_scoring::Scored {
    serde_json::from_value(json!({
        "cv_match_rate": 0.5, "cv_feedback": "a", "project_score": 5.0, "project_feedback": "b",
        "overall_summary": "c", "parameters": [],
        "receipt": {
            "scored_by": "baseline", "model": null, "prompt_version": "v", "case_sha256": "00", "attempts": 1,
            "calls": 0, "retries": 0, "repairs": 0, "prompt_tokens": null, "completion_tokens": null,
            "injection_suspected": [], "notes": [],
        },
    }))
    .unwrap()
}

fn receipt() -> serde_json::Value {
    cv_evaluator::api::receipt_json(&scored().receipt, 1, Duration::ZERO, Duration::ZERO, "worker-1")
}

async fn status(stack: &Stack, id: &str) -> WorkStatus {
    stack.store.read_work(id).await.unwrap().unwrap().status
}

async fn results(stack: &Stack) -> i64 {
    stack.number("SELECT COUNT(*) FROM cv_result").await
}

pub(crate) fn request(owner: &str, ids: &serde_json::Value) -> NewEvaluation {
    NewEvaluation {
        owner: owner.to_owned(),
        cv_id: text(ids, "cv_id"),
        project_id: text(ids, "project_id"),
        job_description: None,
        study_case_brief: None,
        scoring_rubric: None,
        idempotency_key: None,
        body_sha256: "00".into(),
        trace: Trace::default(),
        max_attempts: 1,
        max_wait_ms: None,
    }
}

pub(crate) fn failed(class: FailureClass, code: &str) -> FailedAttempt<'_> {
    FailedAttempt { class, code, message: "as the test wants it", receipt: None, spent: Spent::default() }
}

/// What a worker does that has scored the case.
pub(crate) async fn finish(
    stack: &Stack,
    job: &Claimed,
    work: &cv_evaluator::store::Work,
) -> Result<bool, cv_evaluator::store::StoreError> {
    stack.store.complete(Lease::Claim(job), work, &scored(), &receipt()).await
}

#[tokio::test]
async fn w01_what_goes_into_the_queue_comes_out_of_it() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let request = stack.post("/v1/evaluate").header("x-request-id", "from-the-client").json(&body);
    let id = text(&request.send().await.unwrap().json().await.unwrap(), "id");
    let job: JobBody = claim(&stack, "w", LEASE).await.payload.parse().unwrap();
    assert_eq!(job.evaluation_id, id);
    assert_eq!(job.trace.request_id.as_deref(), Some("from-the-client"));
    assert!(job.trace.traceparent.unwrap().starts_with("00-"));
    stack.stop().await;
}

#[tokio::test]
async fn w02_a_finished_job_is_not_done_again_after_a_restart() {
    let stack = Stack::start().await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let first = stack.worker(&[]).await;
    stack.finished(&id).await;
    assert_eq!(first.stop().await.completed, 1);
    assert!(!stack.store.jobs().has_work("evaluate").await.unwrap());
    let second = stack.worker(&[]).await;
    let other = stack.evaluate(&stack.upload_texts().await).await;
    stack.finished(&other).await;
    assert_eq!(second.stop().await.completed, 1);
    assert_eq!(results(&stack).await, 2);
    stack.stop().await;
}

#[tokio::test]
async fn w04_attempts_are_counted_with_the_job_whoever_makes_them() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "3")]).await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    for attempt in 1..=3 {
        let job = claim(&stack, &format!("worker-{attempt}"), LEASE).await;
        assert_eq!(job.attempt, attempt);
        assert!(stack.store.start(&id, &job).await.unwrap());
        assert_eq!(status(&stack, &id).await, WorkStatus::Processing);
        // At once, so that the next claim need not wait for the backoff.
        let class = FailureClass::RetryAfter(Duration::ZERO);
        let outcome =
            stack.store.fail(Lease::Claim(&job), &id, &failed(class, "UPSTREAM_TIMEOUT")).await.unwrap();
        match attempt {
            3 => assert_eq!((outcome, status(&stack, &id).await), (Outcome::Dead, WorkStatus::Failed)),
            _ => assert_eq!(status(&stack, &id).await, WorkStatus::Queued),
        }
    }
    assert_eq!(stack.store.read_evaluation(&id).await.unwrap().unwrap().attempts, 3);
    stack.stop().await;
}

#[tokio::test]
async fn w08_late_writer_cannot_overwrite_completed() {
    let stack = Stack::start().await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    // A worker that stalls past its lease, and another that takes over and finishes.
    let late = claim(&stack, "late", Duration::from_millis(1)).await;
    assert!(stack.store.start(&id, &late).await.unwrap());
    let taken = super::support::eventually(async || {
        stack.store.jobs().claim("evaluate", "other", LEASE, 1).await.unwrap().pop()
    })
    .await;
    let work = stack.store.read_work(&id).await.unwrap().unwrap();
    assert!(stack.store.start(&id, &taken).await.unwrap());
    assert!(stack.store.complete(Lease::Claim(&taken), &work, &scored(), &receipt()).await.unwrap());

    let mut other = scored();
    other.cv_match_rate = 0.9;
    let refused = stack.store.complete(Lease::Claim(&late), &work, &other, &receipt()).await.unwrap_err();
    assert!(refused.to_string().contains("no longer leased"), "{refused}");
    let refused =
        stack.store.fail(Lease::Claim(&late), &id, &failed(FailureClass::Never, "X")).await.unwrap_err();
    assert!(refused.to_string().contains("no longer leased"), "{refused}");
    assert!(!stack.store.start(&id, &late).await.unwrap());
    let refused = stack.store.restart(&id, &late, LEASE).await.unwrap_err();
    assert!(refused.to_string().contains("no longer leased"), "{refused}");
    let stored = stack.store.read_result(&id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.scores.unwrap().cv_match_rate), (WorkStatus::Completed, 0.5));
    assert_eq!(results(&stack).await, 1);
    stack.stop().await;
}

#[tokio::test]
async fn w09_result_and_state_and_job_end_together_or_not_at_all() {
    let stack = Stack::start().await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let job = claim(&stack, "w", LEASE).await;
    assert!(stack.store.start(&id, &job).await.unwrap());
    let work = stack.store.read_work(&id).await.unwrap().unwrap();
    // The database refuses this rate, after job and status were already written in the transaction.
    let mut impossible = scored();
    impossible.cv_match_rate = 1.5;
    stack.store.complete(Lease::Claim(&job), &work, &impossible, &receipt()).await.unwrap_err();
    assert_eq!((status(&stack, &id).await, results(&stack).await), (WorkStatus::Processing, 0));
    assert_eq!(stack.store.totals().await.unwrap().completed, 0.0);
    // The lease is still held, so the same attempt may yet succeed.
    assert!(stack.store.complete(Lease::Claim(&job), &work, &scored(), &receipt()).await.unwrap());
    assert_eq!((status(&stack, &id).await, results(&stack).await), (WorkStatus::Completed, 1));
    stack.stop().await;
}

#[tokio::test]
async fn w10_a_request_without_its_job_does_not_exist() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    // Longer than the queue takes: the job is refused after the row was written.
    let new = request(&"o".repeat(300), &ids);
    // Thirty times ten.
    stack
        .sql(&["UPDATE cv_upload SET owner = replace('..............................', '.', 'oooooooooo')"])
        .await;
    stack.store.accept(&new).await.unwrap_err();
    let rows = stack.number("SELECT COUNT(*) FROM cv_evaluation").await;
    assert_eq!((rows, stack.store.totals().await.unwrap().evaluations), (0, 0.0));

    // In a group, the spoilt one takes none of the others with it.
    let sound = NewEvaluation { owner: "anonymous".into(), ..new.clone() };
    let intake = cv_evaluator::store::Intake::start(stack.store.clone());
    let (spoilt, sound) = tokio::join!(intake.accept(new.clone()), intake.accept(sound));
    spoilt.unwrap_err();
    assert_eq!(sound.unwrap(), Accepted::UnknownUpload("cv_id"));

    let accepted = stack.store.accept(&NewEvaluation { owner: "anonymous".into(), ..new }).await.unwrap();
    assert_eq!(accepted, Accepted::UnknownUpload("cv_id"));
    stack.stop().await;
}

#[tokio::test]
async fn w07_only_its_own_deadline_fails_a_waiting_job_and_the_owner_is_told() {
    let stack = Stack::with(&[("JOB_MAX_WAIT_S", "1")]).await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    // As if the wait were over already.
    stack.sql(&["UPDATE plimsoll_job SET deadline_ms = 1"]).await;
    let worker = stack.worker(&[]).await;
    let done = stack.finished(&id).await;
    assert_eq!((&done["status"], &done["error"]["code"]), (&json!("failed"), &json!("DEADLINE_EXCEEDED")));
    assert_eq!(stack.store.totals().await.unwrap().failed, 1.0);
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_on_the_last_attempt_fails_the_evaluation() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "1")]).await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let job = claim(&stack, "dies", Duration::from_millis(1)).await;
    assert!(stack.store.start(&id, &job).await.unwrap());
    let worker = stack.worker(&[]).await;
    let done = stack.finished(&id).await;
    assert_eq!((&done["status"], &done["error"]["code"]), (&json!("failed"), &json!("WORKER_LOST")));
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn w31_depth_and_age_of_the_queue_can_be_scraped() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    for _ in 0..3 {
        stack.evaluate(&body).await;
    }
    let held = claim(&stack, "w", LEASE).await;
    let figures = async || {
        let text = stack.get("/metrics").send().await.unwrap().text().await.unwrap();
        let of =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let depth = |state: &str| of(&format!("queue_depth{{queue=\"evaluate\",state=\"{state}\"}}"));
        (depth("ready"), depth("leased"), of("queue_age_seconds{queue=\"evaluate\"}"))
    };
    super::support::eventually(async || {
        let (ready, leased, age) = figures().await;
        (ready == Some(2.0) && leased == Some(1.0) && age? > 0.0).then_some(())
    })
    .await;
    stack.store.jobs().release(&held).await.unwrap();
    let (_, _, before) = figures().await;
    // The age rises by itself.
    super::support::eventually(async || (figures().await.2 > before).then_some(())).await;
    stack.stop().await;
}

#[tokio::test]
async fn a_job_that_an_operator_takes_back_from_the_dead_is_done() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "1")]).await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let job = claim(&stack, "w", LEASE).await;
    assert!(stack.store.start(&id, &job).await.unwrap());
    stack.store.fail(Lease::Claim(&job), &id, &failed(FailureClass::Never, "UPSTREAM_AUTH")).await.unwrap();
    assert_eq!(status(&stack, &id).await, WorkStatus::Failed);
    // By the queue's own means, which know nothing of evaluations.
    let mut tx = stack.store.jobs().begin().await.unwrap();
    stack.store.jobs().requeue(&mut tx, job.id).await.unwrap();
    tx.commit().await.unwrap();
    let worker = stack.worker(&[]).await;
    super::support::eventually(async || (status(&stack, &id).await == WorkStatus::Completed).then_some(()))
        .await;
    let totals = stack.store.totals().await.unwrap();
    assert_eq!((totals.completed, totals.failed), (1.0, 0.0));
    let row = stack.store.read_evaluation(&id).await.unwrap().unwrap();
    assert!(row.error.is_none());
    worker.stop().await;
    stack.stop().await;
}
