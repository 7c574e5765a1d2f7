//! A worker whose leases last an hour: who waits for one to end waits longer than any test.

use std::time::Duration;

use plimsoll_jobs::{Jobs, JobsOptions, Worker, WorkerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Takes one job of the queue `work` at a time. The first attempt at a job `{"hold": true}` never ends.
pub(crate) async fn run() {
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let jobs = Jobs::open(&env("PLIMSOLL_QUEUE_URL"), JobsOptions::default()).await.expect("a queue");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        signal(SignalKind::terminate()).expect("a handler").recv().await;
        stop.cancel();
    });
    let options = WorkerOptions {
        name: env("PLIMSOLL_WORKER"),
        concurrency: 1,
        lease: Duration::from_secs(3600),
        drain: Duration::ZERO,
        ..WorkerOptions::default()
    };
    let handler = |context: plimsoll_jobs::JobContext| async move {
        let payload: serde_json::Value = context.job().payload.parse()?;
        if payload["hold"] == true && context.job().attempt == 1 {
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    Worker::new(jobs, "work", options).run(handler, shutdown).await;
}
