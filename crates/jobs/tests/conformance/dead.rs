//! Dead letters.

use plimsoll_jobs::{FailureClass, JobState, JobsError};

use crate::fixture::{Fixture, START_MS, job, number};

async fn kill(f: &Fixture, n: i64, reason: &str) -> plimsoll_jobs::JobId {
    let id = f.add(job(n).owner("ann").lane("l")).await.id();
    f.jobs.fail(&f.claim_one().await, FailureClass::Never, reason).await.unwrap();
    id
}

pub(crate) async fn dead_letters_are_listed_in_order_and_by_pages(f: Fixture) {
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(kill(&f, n, "no").await);
        f.after(if n == 1 { 0 } else { 1 });
    }
    let first = f.jobs.dead_letters("q", None, 3).await.unwrap();
    let rest = f.jobs.dead_letters("q", Some(first[2].cursor()), 3).await.unwrap();
    let listed: Vec<_> = first.iter().chain(&rest).map(|l| l.id).collect();
    assert_eq!(listed, ids);
    let letter = &first[0];
    assert_eq!((letter.died_at_ms, letter.enqueued_at_ms, letter.attempts), (START_MS, START_MS, 1));
    assert_eq!(
        (letter.owner.as_deref(), letter.lane.as_str(), letter.reason.as_str()),
        (Some("ann"), "l", "no")
    );
    assert_eq!(letter.payload.as_str(), r#"{"n":0}"#);
    assert!(f.jobs.dead_letters("other", None, 3).await.unwrap().is_empty());
}

pub(crate) async fn dead_letter_tells_why_each_attempt_failed(f: Fixture) {
    let id = f.add(job(1).max_attempts(3)).await.id();
    for reason in ["first", "second", &"x".repeat(10_000)] {
        f.jobs.fail(&f.claim_one().await, FailureClass::Retry, reason).await.unwrap();
        f.after(60);
    }
    let failures = f.jobs.failures(id).await.unwrap();
    let told: Vec<_> = failures.iter().map(|x| (x.attempt, x.message.len(), x.worker.as_str())).collect();
    assert_eq!(told, [(1, 5, "w"), (2, 6, "w"), (3, plimsoll_jobs::MAX_MESSAGE_BYTES, "w")]);
    let info = f.jobs.find(id).await.unwrap().unwrap();
    assert_eq!((info.state, info.attempts), (JobState::Dead, 3));
}

pub(crate) async fn requeued_job_has_all_its_attempts_again(f: Fixture) {
    let id = kill(&f, 1, "no").await;
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.requeue(&mut tx, id).await.unwrap();
    assert!(matches!(f.jobs.requeue(&mut tx, id).await, Err(JobsError::NotFound(_))));
    tx.commit().await.unwrap();
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.dead, stats.dead_total), (1, 0, 1));
    assert_eq!(f.jobs.find(id).await.unwrap().unwrap().state, JobState::Ready);
    let again = f.claim_one().await;
    assert_eq!((again.id, again.attempt, number(&again)), (id, 1, 1));
    f.complete(&again).await.unwrap();
}

pub(crate) async fn discarded_job_is_gone(f: Fixture) {
    let id = kill(&f, 1, "no").await;
    let live = f.add(job(2)).await.id();
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.discard(&mut tx, id).await.unwrap();
    assert!(matches!(f.jobs.discard(&mut tx, live).await, Err(JobsError::NotFound(_))));
    tx.commit().await.unwrap();
    assert!(f.jobs.find(id).await.unwrap().is_none());
    assert!(f.jobs.failures(id).await.unwrap().is_empty());
    let stats = f.stats().await;
    assert_eq!((stats.dead, stats.ready), (0, 1));
}
