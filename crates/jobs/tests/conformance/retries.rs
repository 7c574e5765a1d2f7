//! Retries in an outage.

use plimsoll_jobs::{FailureClass, Outcome};

use crate::fixture::{Fixture, RETRIES, job};

const SECONDS: u64 = 30;
const JOBS_PER_S: i64 = 20;

/// Claims everything there is and fails it: how many were first attempts, how many retries.
async fn fail_all(f: &Fixture) -> (u64, u64) {
    let claimed = f.claim(1000).await;
    let mut tx = f.jobs.begin().await.unwrap();
    for c in &claimed {
        f.jobs.fail_in(&mut tx, c, FailureClass::Retry, "the other side is down").await.unwrap();
    }
    tx.commit().await.unwrap();
    let first = claimed.iter().filter(|c| c.attempt == 1).count() as u64;
    (first, claimed.len() as u64 - first)
}

pub(crate) async fn retries_of_an_outage_stay_within_the_budget_and_none_is_lost(f: Fixture) {
    let (mut first, mut retries) = (0, 0);
    for second in 0..SECONDS {
        f.add_many(&(0..JOBS_PER_S).map(|n| job(n).max_attempts(5)).collect::<Vec<_>>()).await;
        let (more_first, more_retries) = fail_all(&f).await;
        (first, retries) = (first + more_first, retries + more_retries);
        let allowed = first * u64::from(RETRIES.percent) / 100
            + u64::from(RETRIES.burst)
            + (second + 1) * u64::from(RETRIES.per_s);
        assert!(retries <= allowed, "{retries} retries of {first} jobs after {second} s: {allowed} allowed");
        f.after(1);
    }
    // Of backoff alone there would be about three for each job by now. The budget is used, though.
    assert!(first == SECONDS * JOBS_PER_S.unsigned_abs() && retries > first / 6, "{retries} of {first}");
    // The outage is over: what was postponed comes back.
    f.after(3600);
    let claimed = f.claim(10_000).await;
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.complete_many(&mut tx, &claimed).await.unwrap();
    tx.commit().await.unwrap();
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased), (0, 0, 0));
    assert_eq!(stats.completed_total + stats.dead_total, first);
}

pub(crate) async fn queues_have_budgets_of_their_own(f: Fixture) {
    f.add_many(&(0..200).map(job).collect::<Vec<_>>()).await;
    fail_all(&f).await;
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue(&mut tx, plimsoll_jobs::NewJob::new("r", serde_json::json!(1))).await.unwrap();
    tx.commit().await.unwrap();
    let claimed = f.jobs.claim("r", "w", crate::fixture::LEASE, 1).await.unwrap().remove(0);
    let outcome = f.jobs.fail(&claimed, FailureClass::Retry, "x").await.unwrap();
    let Outcome::Retried { at_ms } = outcome else { panic!("{outcome:?}") };
    assert!(at_ms <= f.jobs.now_ms() + 1000, "postponed by the other queue's retries");
}
