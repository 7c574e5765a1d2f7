//! Cancelling, remembering, forgetting.

use std::time::Duration;

use plimsoll_jobs::{Cancelled, Enqueued, FailureClass, JobId, JobState, JobsError};

use crate::fixture::{Fixture, LEASE, job, number, numbers};

const HOUR: Duration = Duration::from_secs(3600);

async fn cancel(f: &Fixture, id: JobId) -> Result<Cancelled, JobsError> {
    let mut tx = f.jobs.begin().await.unwrap();
    let done = f.jobs.cancel(&mut tx, id).await?;
    tx.commit().await.unwrap();
    Ok(done)
}

pub(crate) async fn waiting_job_is_cancelled_at_once_and_a_leased_one_by_its_holder(f: Fixture) {
    let ready = f.add(job(1).keep(HOUR)).await.id();
    let later = f.add(job(2).delay(HOUR).lane("l")).await.id();
    assert_eq!(cancel(&f, ready).await.unwrap(), Cancelled::Now);
    assert_eq!(cancel(&f, later).await.unwrap(), Cancelled::Now);
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.jobs.find(ready).await.unwrap().unwrap().state, JobState::Cancelled);
    assert!(f.jobs.find(later).await.unwrap().is_none());
    assert!(matches!(cancel(&f, ready).await, Err(JobsError::NotFound(_))));

    let leased = f.add(job(3)).await.id();
    let claimed = f.claim_one().await;
    assert_eq!(cancel(&f, leased).await.unwrap(), Cancelled::Requested);
    assert!(f.jobs.heartbeat(&claimed, LEASE).await.unwrap().cancel);
    // Work that is done is done.
    f.complete(&claimed).await.unwrap();

    // Retried and released jobs, whose place is not where they began, and one whose holder is gone.
    for n in 4..=6 {
        let id = f.add(job(n)).await.id();
        let claimed = f.claim_one().await;
        match n {
            4 => drop(f.jobs.fail(&claimed, FailureClass::RetryAfter(LEASE), "x").await.unwrap()),
            5 => f.jobs.release(&claimed).await.unwrap(),
            _ => f.clock.advance(LEASE),
        }
        assert_eq!(cancel(&f, id).await.unwrap(), Cancelled::Now, "{n}");
        assert!(f.complete(&claimed).await.unwrap_err().is_lease_lost());
    }
    f.clock.advance(HOUR);
    assert!(f.claim(10).await.is_empty());
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.completed_total), (0, 0, 0, 1));
}

/// Those of a batch may be written as one.
pub(crate) async fn jobs_of_a_batch_go_their_own_ways(f: Fixture) {
    let ids = f.add_many(&(0..10).map(job).collect::<Vec<_>>()).await;
    for n in [0, 4, 9] {
        assert_eq!(cancel(&f, ids[n]).await.unwrap(), Cancelled::Now);
        assert!(matches!(cancel(&f, ids[n]).await, Err(JobsError::NotFound(_))));
    }
    let info = f.jobs.find(ids[6]).await.unwrap().unwrap();
    assert_eq!((info.state, info.attempts), (JobState::Ready, 0));
    let claimed = f.claim(5).await;
    assert_eq!(numbers(&claimed), [1, 2, 3, 5, 6]);
    assert_eq!(f.stats().await.ready, 2);
    let mut tx = f.jobs.begin().await.unwrap();
    let ends = [claimed[0].clone(), claimed[4].clone()];
    assert_eq!(f.jobs.complete_many(&mut tx, &ends).await.unwrap().len(), 2);
    tx.commit().await.unwrap();
    f.jobs.release(&claimed[1]).await.unwrap();
    f.jobs.progress(&claimed[2], 500, "half").await.unwrap();
    assert_eq!(cancel(&f, claimed[3].id).await.unwrap(), Cancelled::Requested);
    for lost in [&claimed[0], &claimed[1], &claimed[4]] {
        assert!(f.complete(lost).await.unwrap_err().is_lease_lost());
    }
    let kept = f.jobs.heartbeat_many(&claimed.iter().collect::<Vec<_>>(), LEASE).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|k| (k.job, k.cancel)).collect();
    assert_eq!(kept, [(claimed[2].id, false), (claimed[3].id, true)]);
    // The one given back comes first again.
    assert_eq!(numbers(&f.claim(10).await), [2, 7, 8]);
    f.clock.advance(LEASE);
    let again: Vec<_> = f.claim(10).await.iter().map(|c| (number(c), c.attempt)).collect();
    assert_eq!(again, [(2, 2), (3, 2), (5, 2), (7, 2), (8, 2)]);
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total, stats.leases_lost_total), (0, 5, 2, 5));
}

pub(crate) async fn outcome_is_visible_as_long_as_asked(f: Fixture) {
    let id = f.add(job(1).keep(HOUR).owner("ann")).await.id();
    f.add(job(2)).await;
    for claimed in f.claim(2).await {
        f.complete(&claimed).await.unwrap();
    }
    let info = f.jobs.find(id).await.unwrap().unwrap();
    assert_eq!((info.state, info.attempts, info.owner.as_deref()), (JobState::Completed, 1, Some("ann")));
    assert!(info.payload.is_none());
    assert_eq!(f.jobs.purge(HOUR).await.unwrap(), 0);
    f.clock.advance(HOUR);
    assert_eq!(f.jobs.purge(HOUR).await.unwrap(), 1);
    assert!(f.jobs.find(id).await.unwrap().is_none());
}

pub(crate) async fn purge_spares_what_lives(f: Fixture) {
    let dead = f.add(job(0)).await.id();
    f.jobs.fail(&f.claim_one().await, FailureClass::Never, "no").await.unwrap();
    f.add(job(1)).await;
    f.claim_one().await;
    f.add(job(2)).await;
    f.add(job(3).delay(10 * HOUR)).await;
    f.add(job(4).idempotent("k", b"", HOUR)).await;
    assert_eq!(f.jobs.purge(2 * HOUR).await.unwrap(), 0);
    f.clock.advance(2 * HOUR + LEASE);
    // The key has expired, the dead letter is old; all jobs stay, the one whose lease ran out too (W37).
    assert_eq!(f.jobs.purge(2 * HOUR).await.unwrap(), 2);
    assert!(f.jobs.find(dead).await.unwrap().is_none());
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.dead), (3, 1, 0));
    let mut left = numbers(&f.claim(10).await);
    left.sort_unstable();
    assert_eq!(left, [1, 2, 4]);
}

pub(crate) async fn erased_owner_leaves_nothing_and_the_holder_is_fenced(f: Fixture) {
    let mine = |n: i64| job(n).owner("ann");
    f.add(mine(0).keep(HOUR).idempotent("k", b"", HOUR)).await;
    f.complete(&f.claim_one().await).await.unwrap();
    f.add(mine(1)).await;
    f.jobs.fail(&f.claim_one().await, FailureClass::Never, "no").await.unwrap();
    f.add(mine(2)).await;
    f.jobs.fail(&f.claim_one().await, FailureClass::RetryAfter(Duration::ZERO), "ann's").await.unwrap();
    let held = f.claim_one().await;
    f.add(mine(3)).await;
    f.add(mine(4).delay(HOUR)).await;
    f.add(job(5).owner("bob")).await;
    let mut tx = f.jobs.begin().await.unwrap();
    assert_eq!(f.jobs.erase_owner(&mut tx, "ann").await.unwrap(), 4);
    tx.commit().await.unwrap();
    assert!(f.complete(&held).await.unwrap_err().is_lease_lost());
    assert!(f.jobs.heartbeat(&held, LEASE).await.unwrap_err().is_lease_lost());
    for id in 1..=5 {
        assert!(f.jobs.find(JobId(id)).await.unwrap().is_none(), "{id}");
        // Reasons may quote what they failed on.
        assert!(f.jobs.failures(JobId(id)).await.unwrap().is_empty(), "{id}");
    }
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.dead), (1, 0, 0, 0));
    assert!(matches!(f.add(mine(6).idempotent("k", b"other", HOUR)).await, Enqueued::New(_)));
}
