//! Our API: enqueueing, the worker's runtime with a handler that does nothing, and bare claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll_jobs::{Jobs, NewJob, Worker, WorkerOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Failed, Settings, along};

const LEASE: Duration = Duration::from_secs(60);

/// `jobs` jobs in batches of `batch`, from `clients` at once.
pub(crate) async fn enqueue(jobs: &Jobs, settings: &Settings) -> Result<Value, Failed> {
    let (total, batch) = (settings.get("jobs", 100_000), settings.get("batch", 500));
    let clients = settings.get("clients", 4);
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (jobs, new) = (jobs.clone(), (0..batch).map(job).collect::<Vec<_>>());
        running.spawn(async move {
            for _ in 0..total / clients / batch {
                jobs.enqueue_now(&new).await?;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(
        json!({ "jobs": total / clients / batch * clients * batch, "seconds": started.elapsed().as_secs_f64() }),
    )
}

fn job(n: usize) -> NewJob {
    NewJob::new("bench", json!({ "n": n }))
}

/// The worker's runtime until `jobs` jobs have run and their ends are durable.
pub(crate) async fn work(jobs: &Jobs, settings: &Settings) -> Result<Value, Failed> {
    let total = settings.get("jobs", 100_000);
    let options = WorkerOptions {
        concurrency: settings.get("concurrency", 12),
        ahead: settings.get("ahead", 1000),
        lease: LEASE,
        ..WorkerOptions::default()
    };
    let started = Instant::now();
    let left = Arc::new(AtomicUsize::new(total));
    let all_done = CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..settings.get("workers", 2) {
        let (left, last) = (Arc::clone(&left), all_done.clone());
        let handler = move |_| {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                last.cancel();
            }
            std::future::ready(Ok(()))
        };
        running.spawn(Worker::new(jobs.clone(), "bench", options.clone()).run(handler, all_done.clone()));
    }
    let mut completed = 0;
    while let Some(report) = running.join_next().await {
        completed += report?.completed;
    }
    Ok(json!({ "jobs": completed, "seconds": started.elapsed().as_secs_f64() }))
}

/// Enqueue, claim and complete in turn in batches of `batch` from one task: what an embedded queue makes durable.
pub(crate) async fn batches(jobs: &Jobs, settings: &Settings) -> Result<Value, Failed> {
    let (total, batch) = (settings.get("jobs", 100_000), settings.get("batch", 100));
    let new: Vec<NewJob> = (0..batch).map(job).collect();
    let limit = u32::try_from(batch)?;
    let started = Instant::now();
    let mut done = 0;
    while done < total {
        let mut tx = jobs.begin().await?;
        jobs.enqueue_many(&mut tx, &new).await?;
        tx.commit().await?;
        let claimed = jobs.claim("bench", "bench", LEASE, limit).await?;
        let mut tx = jobs.begin().await?;
        done += jobs.complete_many(&mut tx, &claimed).await?.len();
        tx.commit().await?;
    }
    Ok(json!({ "jobs": done, "seconds": started.elapsed().as_secs_f64() }))
}

/// Claims and completes whatever waits, batch by batch, and notes what each claim took.
pub(crate) async fn drain(jobs: &Jobs, settings: &Settings) -> Result<Value, Failed> {
    let limit = u32::try_from(settings.get("batch", 500))?;
    let started = Instant::now();
    let (mut claims_ms, mut done) = (Vec::new(), 0);
    loop {
        let asked = Instant::now();
        let claimed = jobs.claim("bench", "bench", LEASE, limit).await?;
        if claimed.is_empty() {
            break;
        }
        claims_ms.push(asked.elapsed().as_secs_f64() * 1000.0);
        let mut tx = jobs.begin().await?;
        done += jobs.complete_many(&mut tx, &claimed).await?.len();
        tx.commit().await?;
    }
    Ok(json!({ "jobs": done, "seconds": started.elapsed().as_secs_f64(), "claim": along(&claims_ms) }))
}
