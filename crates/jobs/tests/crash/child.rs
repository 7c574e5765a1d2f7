//! The processes that are killed: one that takes requests, and workers.

use std::time::Duration;

use plimsoll_jobs::{
    Backoff, Failure, JobContext, Jobs, JobsError, JobsOptions, Migration, NewJob, Worker, WorkerOptions,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub(crate) const QUEUE: &str = "q";
pub(crate) const LEASE: Duration = Duration::from_millis(150);

/// The application's own tables, and a record of everything that happens to a job.
pub(crate) const TABLES: &[Migration] =
    &[Migration { version: 1, name: "tables", sql: include_str!("tables_sqlite.sql") }];

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

pub(crate) async fn open(url: &str, seed: u64) -> Result<Jobs, JobsError> {
    let backoff = Backoff { base: Duration::from_millis(5), factor: 2.0, cap: Duration::from_millis(50) };
    let jobs = Jobs::open(url, JobsOptions { backoff, seed: Some(seed), ..JobsOptions::default() }).await?;
    jobs.migrate("torture", TABLES).await?;
    Ok(jobs)
}

pub(crate) fn main() {
    // No orphan, even if the test itself is killed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    let seed: u64 = setting("CRASH_SEED").parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let jobs = open(&setting("CRASH_URL"), seed).await.unwrap();
        match setting("CRASH_ROLE").as_str() {
            "enqueue" => enqueue(&jobs, seed).await,
            "work" => work(jobs, seed).await,
            role => panic!("no such role: {role}"),
        }
    });
}

#[expect(clippy::print_stdout, reason = "the pipe to the test")]
/// Takes requests for ever, and says so once each is durable: from then on it must not get lost.
async fn enqueue(jobs: &Jobs, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let first: i64 = setting("CRASH_FIRST").parse().unwrap();
    for n in first.. {
        let mut job = NewJob::new(QUEUE, json!({ "n": n }))
            .max_attempts(if n % 10 == 3 { 2 } else { 10_000 })
            .priority(rng.random_range(-2..2));
        if rng.random_ratio(1, 4) {
            job = job.delay(Duration::from_millis(rng.random_range(0..60)));
        }
        if rng.random_ratio(1, 4) {
            job = job.unique_key(format!("key-{n}"));
        }
        let request = async {
            let mut tx = jobs.begin().await?;
            sqlx::query("INSERT INTO request (n) VALUES ($1)").bind(n).execute(tx.sqlite()?).await?;
            let id = jobs.enqueue(&mut tx, job).await?.id();
            sqlx::query("UPDATE request SET job = $1 WHERE n = $2")
                .bind(id.0)
                .bind(n)
                .execute(tx.sqlite()?)
                .await?;
            tx.commit().await
        };
        if request.await.is_ok() {
            println!("accepted {n}");
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..8))).await;
    }
}

async fn work(jobs: Jobs, seed: u64) {
    let name = setting("CRASH_NAME");
    let options = WorkerOptions {
        name: name.clone(),
        concurrency: 3,
        lease: LEASE,
        poll: Duration::from_millis(20),
        drain: Duration::ZERO,
        ..WorkerOptions::default()
    };
    let handler = move |context: JobContext| {
        let name = name.clone();
        async move { handle(&context, &name, seed).await }
    };
    Worker::new(jobs, QUEUE, options).run(handler, CancellationToken::new()).await;
}

async fn handle(context: &JobContext, worker: &str, seed: u64) -> Result<(), Failure> {
    let job = context.job();
    let mut rng = StdRng::seed_from_u64(seed ^ job.token.0.unsigned_abs());
    let n = job.payload.parse::<serde_json::Value>()?["n"].as_i64().ok_or_else(|| Failure::never("no n"))?;
    let millis = if rng.random_ratio(1, 20) { rng.random_range(200..500) } else { rng.random_range(0..20) };
    tokio::time::sleep(Duration::from_millis(millis)).await;
    match rng.random_range(0..100) {
        0..15 => return Err(Failure::retry("as drawn")),
        15..20 => return Err(Failure::retry_after(Duration::from_millis(10), "as drawn")),
        _ if n % 17 == 5 => return Err(Failure::never("as drawn")),
        _ => {}
    }
    let mut tx = context.jobs().begin().await?;
    sqlx::query("INSERT INTO result (n, job, token, worker) VALUES ($1, $2, $3, $4)")
        .bind(n)
        .bind(job.id.0)
        .bind(job.token.0)
        .bind(worker)
        .execute(tx.sqlite()?)
        .await?;
    context.complete(&mut tx).await?;
    Ok(tx.commit().await?)
}
