//! A queue of each kind, and short words for what the tests do most.

use std::time::{Duration, Instant};

use plimsoll_jobs::{
    Backoff, Failure, JobContext, Jobs, JobsOptions, NewJob, QueueStats, Worker, WorkerOptions, WorkerReport,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        name: "w".into(),
        concurrency: 4,
        lease: LONG,
        poll: Duration::from_millis(20),
        drain: LONG,
        ..WorkerOptions::default()
    }
}

pub(crate) struct Fixture {
    pub(crate) url: String,
    pub(crate) jobs: Jobs,
    pub(crate) stop: CancellationToken,
    _dir: Option<tempfile::TempDir>,
}

pub(crate) async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("queue.db").display());
    Fixture { _dir: Some(dir), ..at(url).await }
}

/// None if the tests were told to do without Postgres.
pub(crate) async fn postgres() -> Option<Fixture> {
    Some(at(plimsoll_test_postgres::server(false)?.database().await).await)
}

async fn at(url: String) -> Fixture {
    let backoff = Backoff { base: Duration::from_millis(5), ..Backoff::default() };
    let jobs = Jobs::open(&url, JobsOptions { backoff, ..JobsOptions::default() }).await.unwrap();
    Fixture { url, jobs, stop: CancellationToken::new(), _dir: None }
}

impl Fixture {
    pub(crate) fn start<H, F>(&self, options: WorkerOptions, handler: H) -> JoinHandle<WorkerReport>
    where
        H: Fn(JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.start_until(&self.stop, options, handler)
    }

    pub(crate) fn start_until<H, F>(
        &self,
        stop: &CancellationToken,
        options: WorkerOptions,
        handler: H,
    ) -> JoinHandle<WorkerReport>
    where
        H: Fn(JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        tokio::spawn(Worker::new(self.jobs.clone(), "q", options).run(handler, stop.clone()))
    }

    pub(crate) async fn add(&self, n: usize) {
        add(&self.jobs, n).await;
    }

    pub(crate) async fn stats(&self) -> QueueStats {
        self.jobs.stats(Some("q")).await.unwrap().remove(0)
    }

    /// Waits until the figures satisfy `wanted`.
    pub(crate) async fn until(&self, wanted: impl Fn(&QueueStats) -> bool) -> QueueStats {
        let deadline = Instant::now() + LONG;
        loop {
            let stats = self.stats().await;
            if wanted(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never came: {stats:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(crate) async fn add(jobs: &Jobs, n: usize) {
    let new: Vec<_> = (0..n).map(|n| NewJob::new("q", json!(n)).max_attempts(3)).collect();
    let mut tx = jobs.begin().await.unwrap();
    jobs.enqueue_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}
