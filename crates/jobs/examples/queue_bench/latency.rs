//! From the call that enqueues to the start of the handler, one job at a time.

use std::time::{Duration, Instant};

use plimsoll_jobs::{Jobs, NewJob, Worker, WorkerOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Failed, Settings};

/// `jobs` probes with pauses of `gap_ms`; `waiting` jobs that are due in an hour are put into the same queue before.
pub(crate) async fn run(jobs: &Jobs, settings: &Settings) -> Result<Value, Failed> {
    let probes = settings.get("jobs", 200);
    let gap = Duration::from_millis(settings.get("gap_ms", 20) as u64);
    later(jobs, settings.get("waiting", 0)).await?;

    let (started, mut starts) = mpsc::channel(16);
    let shutdown = CancellationToken::new();
    let worker = Worker::new(jobs.clone(), "bench", WorkerOptions::default());
    let running = tokio::spawn(worker.run(
        move |_| {
            started.try_send(Instant::now()).ok();
            std::future::ready(Ok(()))
        },
        shutdown.clone(),
    ));
    let mut ms = Vec::with_capacity(probes);
    // The first ones find cold caches and connections.
    for probe in 0..probes + 20 {
        tokio::time::sleep(gap).await;
        let asked = Instant::now();
        let mut tx = jobs.begin().await?;
        jobs.enqueue(&mut tx, NewJob::new("bench", json!({ "n": probe }))).await?;
        tx.commit().await?;
        let start = starts.recv().await.ok_or("the worker is gone")?;
        if probe >= 20 {
            ms.push((start - asked).as_secs_f64() * 1000.0);
        }
    }
    shutdown.cancel();
    running.await?;
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() as f64 * share) as usize).min(ms.len() - 1)];
    Ok(json!({ "jobs": probes, "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) }))
}

async fn later(jobs: &Jobs, mut waiting: usize) -> Result<(), Failed> {
    let job = NewJob::new("bench", json!({ "n": 0 })).delay(Duration::from_secs(3600));
    while waiting > 0 {
        let batch = waiting.min(5000);
        let mut tx = jobs.begin().await?;
        jobs.enqueue_many(&mut tx, &vec![job.clone(); batch]).await?;
        tx.commit().await?;
        waiting -= batch;
    }
    Ok(())
}
