//! A fresh queue of each kind, and short words for what the tests do most.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_jobs::{
    Claimed, Enqueued, JobId, Jobs, JobsError, JobsOptions, ManualClock, NewJob, QueueStats, RetryBudget,
};
use serde_json::json;

pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// Tight, so that it shows.
pub(crate) const RETRIES: RetryBudget =
    RetryBudget { percent: 20, per_s: 1, burst: 20, longest: Duration::from_secs(3600) };
/// Where the clock stands at first.
pub(crate) const START_MS: i64 = 1_000_000;

pub(crate) struct Fixture {
    pub(crate) jobs: Jobs,
    pub(crate) clock: Arc<ManualClock>,
    /// A second handle on the same database, where there can be one.
    pub(crate) other: Jobs,
    /// The one handle hears what the other commits; otherwise workers poll.
    pub(crate) rings: bool,
    _dir: Option<tempfile::TempDir>,
}

fn options(clock: &Arc<ManualClock>) -> JobsOptions {
    JobsOptions { clock: clock.clone(), seed: Some(7), retry_budget: Some(RETRIES), ..JobsOptions::default() }
}

pub(crate) async fn memory() -> Fixture {
    let clock = Arc::new(ManualClock::at(START_MS));
    let jobs = Jobs::open("memory:", options(&clock)).await.unwrap();
    Fixture { other: jobs.clone(), jobs, clock, rings: true, _dir: None }
}

pub(crate) async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(START_MS));
    let url = format!("sqlite://{}", dir.path().join("queue.db").display());
    let jobs = Jobs::open(&url, options(&clock)).await.unwrap();
    let other = Jobs::open(&url, options(&clock)).await.unwrap();
    Fixture { jobs, clock, other, rings: true, _dir: Some(dir) }
}

/// None if the tests were told to do without Postgres.
pub(crate) async fn postgres() -> Option<Fixture> {
    Some(postgres_emptied(&plimsoll_test_postgres::server(false)?.database().await).await)
}

/// The same by way of pgbouncer; the queue finds that out by itself.
pub(crate) async fn pgbouncer() -> Option<Fixture> {
    let pgbouncer = plimsoll_test_postgres::pgbouncer()?;
    let database = pgbouncer.server.new_database().await.unwrap();
    Some(Fixture { rings: false, ..postgres_emptied(&pgbouncer.url(&database)).await })
}

/// A database that may have been used before.
pub(crate) async fn postgres_emptied(url: &str) -> Fixture {
    let clock = Arc::new(ManualClock::at(START_MS));
    let options = || JobsOptions { readers: 1, ..options(&clock) };
    let jobs = Jobs::open(url, options()).await.unwrap();
    let other = Jobs::open(url, options()).await.unwrap();
    sqlx::raw_sql(include_str!("empty_postgres.sql")).execute(jobs.postgres().unwrap()).await.unwrap();
    Fixture { jobs, clock, other, rings: true, _dir: None }
}

impl Fixture {
    pub(crate) async fn add(&self, job: NewJob) -> Enqueued {
        self.try_add(job).await.unwrap()
    }

    pub(crate) async fn try_add(&self, job: NewJob) -> Result<Enqueued, JobsError> {
        let mut tx = self.jobs.begin().await?;
        let added = self.jobs.enqueue(&mut tx, job).await?;
        tx.commit().await?;
        Ok(added)
    }

    pub(crate) async fn add_many(&self, jobs: &[NewJob]) -> Vec<JobId> {
        let mut tx = self.jobs.begin().await.unwrap();
        let added = self.jobs.enqueue_many(&mut tx, jobs).await.unwrap();
        tx.commit().await.unwrap();
        added.into_iter().map(Enqueued::id).collect()
    }

    pub(crate) async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.jobs.claim("q", "w", LEASE, limit).await.unwrap()
    }

    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "nothing to claim");
        claimed.remove(0)
    }

    pub(crate) async fn complete(&self, job: &Claimed) -> Result<(), JobsError> {
        let mut tx = self.jobs.begin().await.unwrap();
        self.jobs.complete(&mut tx, job).await?;
        tx.commit().await
    }

    pub(crate) async fn stats(&self) -> QueueStats {
        self.jobs.stats(Some("q")).await.unwrap().remove(0)
    }

    pub(crate) fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(crate) fn job(n: i64) -> NewJob {
    NewJob::new("q", json!({ "n": n }))
}

pub(crate) fn number(job: &Claimed) -> i64 {
    job.payload.parse::<serde_json::Value>().unwrap()["n"].as_i64().unwrap()
}

pub(crate) fn numbers(jobs: &[Claimed]) -> Vec<i64> {
    jobs.iter().map(number).collect()
}
