//! How running jobs end early.

use std::time::{Duration, Instant};

use plimsoll_jobs::{NewJob, WorkerOptions, WorkerReport};
use serde_json::json;
use tokio::sync::mpsc;

use crate::fixture::{Fixture, LONG, options};

pub(crate) async fn handler_is_dropped_when_its_lease_is_lost(f: Fixture) {
    f.add(1).await;
    let (started, mut starts) = mpsc::channel(1);
    let (dropped, mut drops) = mpsc::channel::<()>(1);
    let worker = f.start(WorkerOptions { lease: Duration::from_millis(300), ..options() }, move |c| {
        let (started, dropped) = (started.clone(), dropped.clone());
        async move {
            let _dropped = dropped;
            started.send(c.job().clone()).await.unwrap();
            std::future::pending().await
        }
    });
    let job = starts.recv().await.unwrap();
    // Somebody else finishes the job behind the worker's back.
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.complete(&mut tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    f.stop.cancel();
    // The channel ends when the last sender, the one in the handler, is gone.
    let report = worker.await.unwrap();
    assert!(drops.recv().await.is_none());
    assert_eq!(report, WorkerReport { lost: 1, ..Default::default() });
}

pub(crate) async fn stop_lets_running_jobs_finish_and_starts_no_other(f: Fixture) {
    f.add(10).await;
    let (started, mut starts) = mpsc::channel(10);
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let open = go.clone();
    let worker = f.start(WorkerOptions { concurrency: 2, ..options() }, move |_| {
        let (started, mut open) = (started.clone(), open.subscribe());
        async move {
            started.send(()).await.unwrap();
            open.recv().await.unwrap();
            Ok(())
        }
    });
    starts.recv().await.unwrap();
    starts.recv().await.unwrap();
    f.stop.cancel();
    go.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 2, ..Default::default() });
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total), (8, 0, 2));
}

pub(crate) async fn jobs_claimed_ahead_do_not_start_after_the_stop_and_lose_no_attempt(f: Fixture) {
    stop_with_jobs_claimed_ahead(f, None).await;
}

pub(crate) async fn jobs_claimed_ahead_of_a_recycle_go_back_at_the_stop_all_the_same(f: Fixture) {
    stop_with_jobs_claimed_ahead(f, Some(6)).await;
}

async fn stop_with_jobs_claimed_ahead(f: Fixture, recycle_after: Option<u64>) {
    f.add(10).await;
    let (started, mut starts) = mpsc::channel(10);
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let open = go.clone();
    let worker = f.start(WorkerOptions { concurrency: 1, ahead: 5, recycle_after, ..options() }, move |_| {
        let (started, mut open) = (started.clone(), open.subscribe());
        async move {
            started.send(()).await.unwrap();
            open.recv().await.unwrap();
            Ok(())
        }
    });
    starts.recv().await.unwrap();
    f.until(|s| s.leased == 6).await;
    f.stop.cancel();
    f.until(|s| s.leased == 1 && s.ready == 9).await;
    go.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 1, released: 5, ..Default::default() });
    assert!(starts.recv().await.is_none());
    assert!(f.jobs.claim("q", "w", LONG, 10).await.unwrap().iter().all(|j| j.attempt == 1));
}

/// How often the machine may be too busy for a measurement.
const TRIES: usize = 8;

pub(crate) async fn unfinished_jobs_are_released_soon_after_the_drain_and_lose_no_attempt(f: Fixture) {
    let drain = Duration::from_millis(50);
    let mut took = Vec::new();
    for _ in 0..TRIES {
        took.push(released_after(&f, drain).await - drain);
        if took.last() < Some(&Duration::from_millis(100)) {
            return;
        }
    }
    panic!("released after the drain by {took:?}");
}

/// From the stop of a worker with three jobs that never end to their release.
async fn released_after(f: &Fixture, drain: Duration) -> Duration {
    f.add(3).await;
    let (started, mut starts) = mpsc::channel(3);
    let stop = f.stop.child_token();
    let worker = f.start_until(&stop, WorkerOptions { drain, ..options() }, move |_| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    for _ in 0..3 {
        starts.recv().await.unwrap();
    }
    let stopped = Instant::now();
    stop.cancel();
    f.until(|s| s.ready == 3 && s.leased == 0).await;
    let took = stopped.elapsed();
    assert!(took >= drain, "{took:?}");
    assert_eq!(worker.await.unwrap(), WorkerReport { released: 3, ..Default::default() });
    let claimed = f.jobs.claim("q", "w", LONG, 10).await.unwrap();
    assert_eq!(claimed.iter().map(|j| j.attempt).collect::<Vec<_>>(), [1, 1, 1]);
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.complete_many(&mut tx, &claimed).await.unwrap();
    tx.commit().await.unwrap();
    took
}

pub(crate) async fn running_job_is_stopped_at_its_deadline(f: Fixture) {
    let mut tx = f.jobs.begin().await.unwrap();
    let deadline = f.jobs.now_ms() + 500;
    f.jobs.enqueue(&mut tx, NewJob::new("q", json!(1)).deadline_ms(deadline)).await.unwrap();
    tx.commit().await.unwrap();
    let worker = f.start(options(), |_| std::future::pending());
    f.until(|s| s.dead == 1).await;
    // Not by the time of the counts: that is noted before they are read.
    assert!(f.jobs.now_ms() >= deadline);
    f.stop.cancel();
    worker.await.unwrap();
}

pub(crate) async fn worker_is_done_after_as_many_jobs_as_asked(f: Fixture) {
    f.add(20).await;
    let worker = f.start(WorkerOptions { recycle_after: Some(7), ..options() }, |_| async { Ok(()) });
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 7, ..Default::default() });
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased), (13, 0));
}

pub(crate) async fn cancelled_job_is_dropped_by_the_worker_that_holds_it(f: Fixture) {
    f.add(1).await;
    let (started, mut starts) = mpsc::channel(1);
    let lease = Duration::from_millis(150);
    let worker = f.start(WorkerOptions { lease, ..options() }, move |c| {
        let started = started.clone();
        async move {
            started.send(c.job().id).await?;
            std::future::pending().await
        }
    });
    let id = starts.recv().await.unwrap();
    let mut tx = f.jobs.begin().await.unwrap();
    assert_eq!(f.jobs.cancel(&mut tx, id).await.unwrap(), plimsoll_jobs::Cancelled::Requested);
    tx.commit().await.unwrap();
    f.until(|s| s.leased == 0).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerReport { cancelled: 1, ..Default::default() });
}
