//! Claiming, running, and being woken for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll_jobs::{Jobs, JobsOptions, NewJob, Worker, WorkerOptions, WorkerReport};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, LONG, add, options};

pub(crate) async fn w22_every_job_runs_once_within_the_concurrency(f: Fixture) {
    f.add(300).await;
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (r, p) = (running.clone(), peak.clone());
    let worker = f.start(options(), move |_| {
        let (r, p) = (r.clone(), p.clone());
        async move {
            p.fetch_max(r.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            r.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    f.until(|s| s.completed_total == 300).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 300, ..Default::default() });
    assert!(peak.load(Ordering::SeqCst) <= 4);
}

pub(crate) async fn jobs_claimed_ahead_run_once_within_the_concurrency(f: Fixture) {
    const JOBS: usize = 2000;
    f.add(JOBS).await;
    let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let counted = Arc::clone(&counts);
    let settle_within = Duration::from_millis(2);
    let worker = f.start(WorkerOptions { ahead: 100, settle_within, ..options() }, move |_| {
        let counts = Arc::clone(&counted);
        async move {
            let [runs, now, most] = &*counts;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    f.until(|s| s.completed_total == JOBS as u64).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap().completed, JOBS as u64);
    let [runs, _, most] = &*counts;
    assert_eq!(runs.load(Ordering::SeqCst), JOBS);
    assert!(most.load(Ordering::SeqCst) <= options().concurrency);
}

pub(crate) async fn job_of_ten_times_its_lease_runs_once(f: Fixture) {
    // A machine that starves three heartbeats in a row proves nothing: then again with a longer lease.
    for lease_ms in [500, 1000, 2000, 4000] {
        let lease = Duration::from_millis(lease_ms);
        f.add(1).await;
        let before = f.stats().await;
        let (starts, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let starts = starts.clone();
                f.start_until(&stop, WorkerOptions { lease, ..options() }, move |_| {
                    starts.fetch_add(1, Ordering::SeqCst);
                    async move {
                        tokio::time::sleep(lease * 10).await;
                        Ok(())
                    }
                })
            })
            .collect();
        let after = f.until(|s| s.ready + s.scheduled + s.leased == 0).await;
        stop.cancel();
        for w in workers {
            w.await.unwrap();
        }
        if after.leases_lost_total == before.leases_lost_total {
            assert_eq!(
                (starts.load(Ordering::SeqCst), after.completed_total),
                (1, before.completed_total + 1)
            );
            return;
        }
    }
    panic!("no lease was kept for as long as its job took");
}

pub(crate) async fn commit_of_another_handle_wakes_an_idle_worker_at_once(f: Fixture) {
    // A second handle shares nothing with the worker's but the file: it stands for another process.
    let other = Jobs::open(&f.url, JobsOptions::default()).await.unwrap();
    let (started, mut starts) = mpsc::channel(1);
    let slow_poll = WorkerOptions { poll: Duration::from_secs(3600), ..options() };
    let worker = f.start(slow_poll, move |_| {
        let started = started.clone();
        async move { Ok(started.send(()).await?) }
    });
    for _ in 0..20 {
        add(&other, 1).await;
        tokio::time::timeout(LONG, starts.recv()).await.unwrap().unwrap();
    }
    f.stop.cancel();
    worker.await.unwrap();
}

pub(crate) async fn who_begins_to_listen_looks_once_for_what_it_did_not_hear(f: Fixture) {
    let mut bell = f.jobs.bell();
    // On Postgres listening begins some time after the look at an empty queue, and a job committed between the two rings for
    // nobody. The kernel watches SQLite's doorbell from the first moment on.
    if f.jobs.postgres().is_ok() {
        tokio::time::timeout(LONG, bell.changed()).await.unwrap().unwrap();
    }
    f.add(1).await;
    tokio::time::timeout(LONG, bell.changed()).await.unwrap().unwrap();
}

pub(crate) async fn full_pool_of_one_class_does_not_hold_up_another(f: Fixture) {
    // FEATURES Q5: long CPU jobs fill their pool; the other pool's jobs do not wait for them.
    f.add(50).await;
    let cpu = f.start(options(), |_| std::future::pending());
    f.until(|s| s.leased == 4).await;
    let io =
        tokio::spawn(Worker::new(f.jobs.clone(), "io", options()).run(|_| async { Ok(()) }, f.stop.clone()));
    let new: Vec<_> = (0..20).map(|n| NewJob::new("io", json!(n))).collect();
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let deadline = Instant::now() + LONG;
    while f.jobs.stats(Some("io")).await.unwrap()[0].completed_total < 20 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    f.stop.cancel();
    assert_eq!(io.await.unwrap().completed, 20);
    cpu.abort();
}

pub(crate) async fn wait_and_run_times_are_measured(f: Fixture) {
    f.add(3).await;
    let worker = Worker::new(f.jobs.clone(), "q", options());
    let metrics = worker.metrics();
    let running = tokio::spawn(worker.run(|_| async { Ok(()) }, f.stop.clone()));
    f.until(|s| s.completed_total == 3).await;
    f.stop.cancel();
    running.await.unwrap();
    assert_eq!((metrics.wait.snapshot().count, metrics.run.snapshot().count), (3, 3));
}

pub(crate) async fn recurring_job_is_enqueued_by_running_workers_once_each_time(f: Fixture) {
    f.jobs.set_cron("tick", &"every 200ms".parse().unwrap(), &NewJob::new("q", json!(0))).await.unwrap();
    let (started, mut starts) = mpsc::channel(100);
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let started = started.clone();
            f.start(options(), move |c| {
                let started = started.clone();
                async move { Ok(started.send(c.job().id).await?) }
            })
        })
        .collect();
    for _ in 0..3 {
        starts.recv().await.unwrap();
    }
    f.stop.cancel();
    let mut completed = 0;
    for w in workers {
        completed += w.await.unwrap().completed;
    }
    assert_eq!(completed, f.stats().await.completed_total);
}
