//! Who holds jobs, what becomes of those of a dead worker, how long jobs take.

use std::time::Duration;

use plimsoll_jobs::{FailureClass, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, LEASE, START_MS, job, numbers};

/// Queue, worker, jobs and oldest claim of all holders.
async fn holders(f: &Fixture) -> Vec<(String, String, u64, i64)> {
    let holders = f.jobs.holders(None).await.unwrap();
    holders.into_iter().map(|h| (h.queue, h.worker, h.jobs, h.oldest_claim_ms)).collect()
}

pub(crate) async fn holders_are_told_by_name_while_their_leases_live(f: Fixture) {
    f.add_many(&(0..6).map(job).collect::<Vec<_>>()).await;
    let of_w = f.claim(2).await;
    f.after(1);
    f.jobs.claim("q", "v", LEASE, 3).await.unwrap();
    f.claim(1).await;
    let told =
        |queue: &str, worker: &str, jobs, since_ms| (queue.to_owned(), worker.to_owned(), jobs, since_ms);
    let all = [told("q", "v", 3, START_MS + 1000), told("q", "w", 3, START_MS)];
    assert_eq!(holders(&f).await, all);
    assert!(f.jobs.holders(Some("other")).await.unwrap().is_empty());
    f.complete(&of_w[0]).await.unwrap();
    f.jobs.fail(&of_w[1], FailureClass::Retry, "x").await.unwrap();
    assert_eq!(holders(&f).await[1], told("q", "w", 1, START_MS + 1000));
    f.clock.advance(LEASE);
    assert_eq!(holders(&f).await, []);
}

pub(crate) async fn leases_of_a_dead_worker_end_at_once_and_fence_it(f: Fixture) {
    f.add_many(&[job(1), job(2).max_attempts(1), job(3)]).await;
    let first = f.claim(2).await;
    f.after(1);
    // The same name again, as after a restart under the same name: its lease is not the dead one's.
    let restarted_at_ms = f.jobs.now_ms();
    let second = f.claim(1).await;
    assert_eq!(f.jobs.end_leases_of("v", restarted_at_ms).await.unwrap(), 0);
    let mut bell = f.other.bell();
    bell.mark_unchanged();
    assert_eq!(f.jobs.end_leases_of("w", restarted_at_ms).await.unwrap(), 2);
    // A listener that is not connected yet hears the next ring.
    let mut rings = 0;
    while f.rings && tokio::time::timeout(Duration::from_millis(200), bell.changed()).await.is_err() {
        f.jobs.end_leases_of("w", restarted_at_ms).await.unwrap();
        rings += 1;
        assert!(rings < 100, "the bell does not ring");
    }
    assert_eq!(f.jobs.end_leases_of("w", restarted_at_ms).await.unwrap(), 0);

    // No time has passed. The attempts count: a job that kills its workers ends as a dead letter.
    assert!(f.complete(&first[0]).await.unwrap_err().is_lease_lost());
    assert!(f.jobs.heartbeat(&first[0], LEASE).await.unwrap_err().is_lease_lost());
    let again = f.other.claim("q", "v", LEASE, 9).await.unwrap();
    assert_eq!(numbers(&again), [1]);
    assert_eq!(again[0].attempt, 2);
    let stats = f.stats().await;
    assert_eq!((stats.leases_lost_total, stats.dead, stats.ready, stats.leased), (2, 1, 0, 2));
    f.complete(&second[0]).await.unwrap();
    f.complete(&again[0]).await.unwrap();
}

pub(crate) async fn times_of_all_workers_add_up(f: Fixture) {
    let run = async |jobs: &plimsoll_jobs::Jobs, n: i64| {
        f.add(job(n)).await;
        // The clock is the tests': the job waits three seconds and takes four, whatever the machine does.
        f.after(3);
        let (stop, clock) = (CancellationToken::new(), f.clock.clone());
        let stopper = stop.clone();
        let options = WorkerOptions { concurrency: 1, lease: 10 * LEASE, ..WorkerOptions::default() };
        let handler = move |_| {
            clock.advance(Duration::from_secs(4));
            stopper.cancel();
            async { Ok(()) }
        };
        assert_eq!(Worker::new(jobs.clone(), "q", options).run(handler, stop).await.completed, 1);
    };
    assert!(f.jobs.times(None).await.unwrap().is_empty());
    run(&f.jobs, 1).await;
    run(&f.other, 2).await;
    let times = f.jobs.times(Some("q")).await.unwrap().remove(0);
    assert_eq!((times.wait.count, times.wait.sum_s, times.run.count, times.run.sum_s), (2, 6.0, 2, 8.0));
    let at_most = |bound: f64| times.wait.cumulative.iter().find(|(b, _)| *b == bound).unwrap().1;
    assert_eq!((at_most(2.5), at_most(5.0), at_most(f64::INFINITY)), (0, 2, 2));
    assert!(f.jobs.times(Some("other")).await.unwrap().is_empty());
}
