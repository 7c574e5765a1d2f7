//! The life of a job on a SQLite file, with a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_jobs::{
    Claimed, Enqueued, FailureClass, Jobs, JobsError, JobsOptions, ManualClock, NewJob, Outcome, QueueStats,
};
use serde_json::json;

const LEASE: Duration = Duration::from_secs(10);

struct Fixture {
    jobs: Jobs,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_000_000));
    let options = JobsOptions { clock: clock.clone(), seed: Some(7), ..JobsOptions::default() };
    let url = format!("sqlite://{}", dir.path().join("queue.db").display());
    Fixture { jobs: Jobs::open(&url, options).await.unwrap(), clock, _dir: dir }
}

impl Fixture {
    async fn add(&self, job: NewJob) -> Enqueued {
        let mut tx = self.jobs.begin().await.unwrap();
        let added = self.jobs.enqueue(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        added
    }

    async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.jobs.claim("q", "w", LEASE, limit).await.unwrap()
    }

    async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "nothing to claim");
        claimed.remove(0)
    }

    async fn complete(&self, job: &Claimed) -> Result<(), JobsError> {
        let mut tx = self.jobs.begin().await.unwrap();
        self.jobs.complete(&mut tx, job).await?;
        tx.commit().await
    }

    async fn stats(&self) -> QueueStats {
        self.jobs.stats(Some("q")).await.unwrap().remove(0)
    }
}

fn job(n: i64) -> NewJob {
    NewJob::new("q", json!({ "n": n, "text": "it's \"quoted\" \u{1F6A2}\n" }))
}

fn number(job: &Claimed) -> i64 {
    job.payload.parse::<serde_json::Value>().unwrap()["n"].as_i64().unwrap()
}

#[tokio::test]
async fn job_is_claimed_once_and_gone_when_completed() {
    let f = fixture().await;
    let id = f.add(job(1)).await.id();
    let claimed = f.claim_one().await;
    assert_eq!((claimed.id, claimed.attempt, number(&claimed)), (id, 1, 1));
    assert!(f.claim(10).await.is_empty());
    f.complete(&claimed).await.unwrap();
    assert!(f.complete(&claimed).await.unwrap_err().is_lease_lost());
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total, stats.enqueued_total), (0, 0, 1, 1));
}

#[tokio::test]
async fn expired_lease_goes_to_another_worker_and_fences_the_first() {
    let f = fixture().await;
    f.add(job(1)).await;
    let first = f.claim_one().await;
    f.clock.advance(LEASE);
    // Even before anybody else has taken it: the lease is over.
    assert!(f.complete(&first).await.unwrap_err().is_lease_lost());
    assert_eq!(f.stats().await.ready, 1);
    let second = f.claim_one().await;
    assert_eq!((second.id, second.attempt), (first.id, 2));
    assert!(second.token > first.token);
    assert!(f.jobs.heartbeat(&first, LEASE).await.unwrap_err().is_lease_lost());
    assert!(f.jobs.fail(&first, FailureClass::Never, "x").await.unwrap_err().is_lease_lost());
    assert!(f.jobs.release(&first).await.unwrap_err().is_lease_lost());
    f.complete(&second).await.unwrap();
    assert_eq!(f.stats().await.leases_lost_total, 1);
}

#[tokio::test]
async fn last_expired_lease_makes_a_dead_letter() {
    let f = fixture().await;
    f.add(job(1).max_attempts(2)).await;
    for attempt in 1..=2 {
        assert_eq!(f.claim_one().await.attempt, attempt);
        f.clock.advance(LEASE);
    }
    assert!(f.claim(1).await.is_empty());
    let stats = f.stats().await;
    assert_eq!(
        (stats.ready, stats.leased, stats.dead, stats.dead_total, stats.leases_lost_total),
        (0, 0, 1, 1, 2)
    );
}

#[tokio::test]
async fn failure_is_retried_with_jitter_then_dead() {
    let f = fixture().await;
    f.add(job(1).max_attempts(2)).await;
    let first = f.claim_one().await;
    let outcome = f.jobs.fail(&first, FailureClass::RetryAfter(Duration::from_secs(5)), "429").await.unwrap();
    assert_eq!(outcome, Outcome::Retried { at_ms: 1_005_000 });
    assert!(f.claim(1).await.is_empty());
    assert_eq!(f.stats().await.scheduled, 1);
    f.clock.advance(Duration::from_secs(6));
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.oldest_ready_age_ms), (1, 0, Some(1000)));
    let second = f.claim_one().await;
    assert_eq!(second.attempt, 2);
    assert_eq!(f.jobs.fail(&second, FailureClass::Retry, "again").await.unwrap(), Outcome::Dead);
    assert_eq!(f.stats().await.dead, 1);
}

#[tokio::test]
async fn released_job_keeps_its_place_and_its_attempts() {
    let f = fixture().await;
    f.add(job(1)).await;
    f.clock.advance(Duration::from_secs(1));
    f.add(job(2)).await;
    let first = f.claim_one().await;
    f.clock.advance(Duration::from_secs(1));
    f.jobs.release(&first).await.unwrap();
    assert_eq!(f.stats().await.oldest_ready_age_ms, Some(2000));
    let again = f.claim_one().await;
    assert_eq!((again.id, again.attempt), (first.id, 1));
}

#[tokio::test]
async fn job_and_row_of_a_rolled_back_transaction_are_both_absent() {
    let f = fixture().await;
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue(&mut tx, job(1)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue(&mut tx, job(2)).await.unwrap();
    drop(tx);
    assert!(f.claim(10).await.is_empty());
    assert!(f.jobs.stats(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn unique_key_admits_one_live_job() {
    let f = fixture().await;
    let first = f.add(job(1).unique_key("k")).await;
    assert_eq!(f.add(job(2).unique_key("k")).await, Enqueued::Duplicate(first.id()));
    f.complete(&f.claim_one().await).await.unwrap();
    assert!(matches!(f.add(job(3).unique_key("k")).await, Enqueued::New(_)));
    // A dead job gives the key up.
    let third = f.claim_one().await;
    f.jobs.fail(&third, FailureClass::Never, "no").await.unwrap();
    assert!(matches!(f.add(job(4).unique_key("k")).await, Enqueued::New(_)));
}

#[tokio::test]
async fn many_jobs_come_out_in_order_of_priority_then_age() {
    let f = fixture().await;
    let jobs: Vec<_> = (0..100).map(|n| job(n).priority(if n % 2 == 0 { 0 } else { -1 })).collect();
    let mut tx = f.jobs.begin().await.unwrap();
    let added = f.jobs.enqueue_many(&mut tx, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(added.len(), 100);
    let order: Vec<i64> = f.claim(200).await.iter().map(number).collect();
    let expected: Vec<i64> = (0..100).filter(|n| n % 2 == 1).chain((0..100).filter(|n| n % 2 == 0)).collect();
    assert_eq!(order, expected);
    assert_eq!(f.stats().await.leased, 100);
}

#[tokio::test]
async fn job_past_its_deadline_is_buried_not_started() {
    let f = fixture().await;
    f.add(job(1).deadline_ms(1_000_500)).await;
    f.clock.advance(Duration::from_secs(1));
    assert!(f.claim(1).await.is_empty());
    assert_eq!(f.stats().await.dead, 1);
}

#[tokio::test]
async fn oldest_age_is_that_of_the_oldest_over_all_priorities() {
    let f = fixture().await;
    f.add(job(1).priority(5)).await;
    f.clock.advance(Duration::from_secs(3));
    f.add(job(2).priority(-5)).await;
    assert_eq!(f.stats().await.oldest_ready_age_ms, Some(3000));
}

#[tokio::test]
async fn invalid_jobs_are_refused() {
    let f = fixture().await;
    for bad in [
        NewJob::new("", json!(1)),
        NewJob::new("q\n", json!(1)),
        job(1).max_attempts(0),
        job(1).owner(""),
        NewJob::new("q", json!("x".repeat(2 << 20))),
    ] {
        let mut tx = f.jobs.begin().await.unwrap();
        assert!(matches!(f.jobs.enqueue(&mut tx, bad).await, Err(JobsError::InvalidJob(_))));
    }
}
