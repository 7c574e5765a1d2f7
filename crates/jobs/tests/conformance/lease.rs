//! Claim, heartbeat, complete, fail, release: who may do what, and until when.

use std::time::Duration;

use plimsoll_jobs::{FailureClass, JobState, Outcome, Progress};

use crate::fixture::{Fixture, LEASE, START_MS, job, number, numbers};

pub(crate) async fn job_is_claimed_once_and_gone_when_completed(f: Fixture) {
    let id = f.add(job(1)).await.id();
    let claimed = f.claim_one().await;
    assert_eq!((claimed.id, claimed.attempt, number(&claimed)), (id, 1, 1));
    assert_eq!((claimed.lease_until_ms, claimed.ready_at_ms), (START_MS + 10_000, START_MS));
    assert!(f.claim(10).await.is_empty());
    f.complete(&claimed).await.unwrap();
    assert!(f.complete(&claimed).await.unwrap_err().is_lease_lost());
    assert!(f.jobs.find(id).await.unwrap().is_none());
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total, stats.enqueued_total), (0, 0, 1, 1));
}

pub(crate) async fn expired_lease_goes_to_another_worker_and_fences_the_first(f: Fixture) {
    f.add(job(1)).await;
    let first = f.claim_one().await;
    f.clock.advance(LEASE);
    // Even before anybody else has taken it: the lease is over.
    assert!(f.complete(&first).await.unwrap_err().is_lease_lost());
    assert_eq!(f.stats().await.ready, 1);
    assert!(f.other.has_work("q").await.unwrap());
    let second = f.other.claim("q", "v", LEASE, 1).await.unwrap().remove(0);
    assert_eq!((second.id, second.attempt, second.ready_at_ms), (first.id, 2, START_MS + 10_000));
    assert!(second.token > first.token);
    assert!(f.jobs.heartbeat(&first, LEASE).await.unwrap_err().is_lease_lost());
    assert!(f.jobs.fail(&first, FailureClass::Never, "x").await.unwrap_err().is_lease_lost());
    assert!(f.jobs.release(&first).await.unwrap_err().is_lease_lost());
    assert!(f.complete(&first).await.unwrap_err().is_lease_lost());
    let failures = f.jobs.failures(first.id).await.unwrap();
    assert_eq!((failures.len(), failures[0].attempt, failures[0].worker.as_str()), (1, 1, "w"));
    f.complete(&second).await.unwrap();
    let stats = f.stats().await;
    assert_eq!((stats.leases_lost_total, stats.failed_attempts_total, stats.completed_total), (1, 1, 1));
    assert!(f.jobs.failures(first.id).await.unwrap().is_empty());
}

pub(crate) async fn expired_lease_ends_nothing_though_nobody_took_the_job_yet(f: Fixture) {
    f.add_many(&(0..3).map(job).collect::<Vec<_>>()).await;
    let claimed = f.claim(3).await;
    f.clock.advance(LEASE);
    // Neighbours, and others: a driver may write them differently.
    let apart = [claimed[0].clone(), claimed[2].clone()];
    for jobs in [&claimed[..], &claimed[1..2], &apart] {
        let mut tx = f.jobs.begin().await.unwrap();
        assert!(f.jobs.complete_many(&mut tx, jobs).await.unwrap().is_empty());
        tx.commit().await.unwrap();
    }
    for class in [FailureClass::Retry, FailureClass::RetryAfter(LEASE), FailureClass::Never] {
        assert!(f.jobs.fail(&claimed[0], class, "late").await.unwrap_err().is_lease_lost(), "{class:?}");
    }
    assert!(f.jobs.release(&claimed[0]).await.unwrap_err().is_lease_lost());
    let again = f.claim(3).await;
    let mut seen: Vec<_> = again.iter().map(|c| (number(c), c.attempt)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 2), (1, 2), (2, 2)]);
    let stats = f.stats().await;
    assert_eq!((stats.completed_total, stats.dead, stats.leases_lost_total), (0, 0, 3));
}

pub(crate) async fn last_expired_lease_makes_a_dead_letter(f: Fixture) {
    f.add(job(1).max_attempts(2)).await;
    for attempt in 1..=2 {
        assert_eq!(f.claim_one().await.attempt, attempt);
        f.clock.advance(LEASE);
    }
    assert!(f.claim(1).await.is_empty());
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.dead), (0, 0, 1));
    assert_eq!((stats.dead_total, stats.leases_lost_total), (1, 2));
}

pub(crate) async fn heartbeat_keeps_a_lease_and_does_not_revive_an_expired_one(f: Fixture) {
    f.add(job(1)).await;
    let claimed = f.claim_one().await;
    for _ in 0..10 {
        f.after(9);
        assert!(!f.jobs.heartbeat(&claimed, LEASE).await.unwrap().cancel);
    }
    assert!(f.claim(1).await.is_empty());
    f.after(10);
    assert!(f.jobs.heartbeat(&claimed, LEASE).await.unwrap_err().is_lease_lost());
    assert_eq!(f.claim_one().await.attempt, 2);
}

pub(crate) async fn released_job_keeps_its_place_and_its_attempts(f: Fixture) {
    f.add(job(1)).await;
    f.after(1);
    f.add(job(2)).await;
    let first = f.claim_one().await;
    f.after(1);
    f.jobs.release(&first).await.unwrap();
    assert_eq!(f.stats().await.oldest_ready_age_ms, Some(2000));
    let again = f.claim_one().await;
    assert_eq!((again.id, again.attempt, again.ready_at_ms), (first.id, 1, first.ready_at_ms));
    assert_eq!(f.stats().await.failed_attempts_total, 0);
}

pub(crate) async fn failure_is_retried_after_the_named_wait_then_dead(f: Fixture) {
    let id = f.add(job(1).max_attempts(2)).await.id();
    let first = f.claim_one().await;
    let class = FailureClass::RetryAfter(Duration::from_secs(5));
    let outcome = f.jobs.fail(&first, class, "429").await.unwrap();
    let Outcome::Retried { at_ms } = outcome else { panic!("{outcome:?}") };
    let late_ms = at_ms - START_MS - 5000;
    assert!((0..=1000).contains(&late_ms), "not before the time that was named, nor long after: {late_ms}");
    assert!(f.claim(1).await.is_empty());
    assert!(!f.jobs.has_work("q").await.unwrap());
    assert_eq!(f.stats().await.scheduled, 1);
    assert_eq!(f.jobs.find(id).await.unwrap().unwrap().state, JobState::Scheduled);
    f.after(6);
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.oldest_ready_age_ms), (1, 0, Some(1000 - late_ms)));
    let second = f.claim_one().await;
    assert_eq!(second.attempt, 2);
    assert_eq!(f.jobs.fail(&second, FailureClass::Retry, "again").await.unwrap(), Outcome::Dead);
    let stats = f.stats().await;
    assert_eq!((stats.dead, stats.leased, stats.failed_attempts_total), (1, 0, 2));
}

pub(crate) async fn retry_waits_at_most_the_backoff(f: Fixture) {
    let mut waits = Vec::new();
    for n in 0..20 {
        f.add(job(n)).await;
        let now_ms = f.jobs.now_ms();
        let Outcome::Retried { at_ms } =
            f.jobs.fail(&f.claim_one().await, FailureClass::Retry, "x").await.unwrap()
        else {
            panic!("first attempt of several");
        };
        waits.push(at_ms - now_ms);
        f.complete_all().await;
    }
    // Full jitter: somewhere in the whole range of a second, not near its end (W39).
    assert!(waits.iter().all(|w| (0..=1000).contains(w)), "{waits:?}");
    assert!(waits.iter().any(|w| *w < 300) && waits.iter().any(|w| *w > 700), "{waits:?}");
}

pub(crate) async fn waits_grow_with_the_attempts_and_the_cap_holds(f: Fixture) {
    let mut longest = [0; 5];
    for n in 0..12 {
        f.add(job(n).max_attempts(6)).await;
        for (attempt, longest) in longest.iter_mut().enumerate() {
            let (claimed, now_ms) = (f.claim_one().await, f.jobs.now_ms());
            assert_eq!(claimed.attempt as usize, attempt + 1);
            let outcome = f.jobs.fail(&claimed, FailureClass::Retry, "x").await.unwrap();
            let Outcome::Retried { at_ms } = outcome else { panic!("{outcome:?}") };
            *longest = at_ms.wrapping_sub(now_ms).max(*longest);
            f.after(600);
        }
        f.complete_all().await;
    }
    // To the fourth power of the attempt in seconds, at most ten minutes; the longest of twelve is near its end.
    for (longest, ceiling) in longest.into_iter().zip([1000, 16_000, 81_000, 256_000, 600_000]) {
        assert!((ceiling / 2..=ceiling).contains(&longest), "{longest} of {ceiling}");
    }
}

impl Fixture {
    async fn complete_all(&self) {
        self.after(2);
        for claimed in self.claim(100).await {
            self.complete(&claimed).await.unwrap();
        }
    }
}

pub(crate) async fn job_past_its_deadline_is_buried_not_started(f: Fixture) {
    f.add(job(1).deadline_ms(START_MS + 500)).await;
    f.add(job(2).deadline_ms(START_MS + 5000)).await;
    f.after(1);
    assert_eq!(numbers(&f.claim(10).await), [2]);
    assert_eq!(f.stats().await.dead, 1);
}

pub(crate) async fn many_are_completed_at_once_and_lost_ones_are_left_out(f: Fixture) {
    f.add_many(&(0..10).map(job).collect::<Vec<_>>()).await;
    let claimed = f.claim(10).await;
    f.jobs.release(&claimed[3]).await.unwrap();
    let mut tx = f.jobs.begin().await.unwrap();
    let done = f.jobs.complete_many(&mut tx, &claimed).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((done.len(), done.contains(&claimed[3].id)), (9, false));
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total), (1, 0, 9));
}

pub(crate) async fn uncommitted_claim_completion_and_failure_leave_no_trace(f: Fixture) {
    f.add(job(1)).await;
    let claimed = f.claim_one().await;
    let before = f.stats().await;
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.complete(&mut tx, &claimed).await.unwrap();
    drop(tx);
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.fail_in(&mut tx, &claimed, FailureClass::Never, "x").await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(f.stats().await, before);
    f.complete(&claimed).await.unwrap();
}

pub(crate) async fn progress_is_visible_and_fenced(f: Fixture) {
    let id = f.add(job(1)).await.id();
    let claimed = f.claim_one().await;
    assert_eq!(f.jobs.find(id).await.unwrap().unwrap().progress, None);
    f.jobs.progress(&claimed, 250, "page 1 of 4").await.unwrap();
    let info = f.jobs.find(id).await.unwrap().unwrap();
    assert_eq!(info.progress, Some(Progress { permille: 250, note: "page 1 of 4".into() }));
    assert_eq!((info.state, info.worker.as_deref(), info.attempts), (JobState::Leased, Some("w"), 1));
    f.after(10);
    assert!(f.jobs.progress(&claimed, 500, "late").await.unwrap_err().is_lease_lost());
}
