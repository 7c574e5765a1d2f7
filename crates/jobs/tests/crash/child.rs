//! The processes that are hurt: one that takes requests, and workers.

use std::time::{Duration, Instant};

use plimsoll_jobs::{
    Backoff, Cancelled, Failure, Growth, JobContext, JobId, Jobs, JobsError, JobsOptions, Migration, NewJob,
    Tx, Worker, WorkerOptions,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) const QUEUE: &str = "q";
pub(crate) const LEASE: Duration = Duration::from_millis(150);
/// Longest wait for a database that is recovering from what was done to it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Opens the queue beside the application's own tables, which also record everything that happens to a job.
async fn open_once(url: &str, options: JobsOptions) -> Result<Jobs, JobsError> {
    let sql = match url.starts_with("sqlite:") {
        true => include_str!("sql/tables_sqlite.sql"),
        false => include_str!("sql/tables_postgres.sql"),
    };
    let jobs = Jobs::open(url, options).await?;
    jobs.migrate("torture", &[Migration { version: 1, name: "tables", sql }]).await?;
    Ok(jobs)
}

fn options(seed: u64) -> JobsOptions {
    let backoff = Backoff {
        base: Duration::from_millis(5),
        growth: Growth::Factor(2.0),
        cap: Duration::from_millis(50),
    };
    JobsOptions { backoff, seed: Some(seed), readers: 1, ..JobsOptions::default() }
}

/// The same, of a database that may be recovering from what was done to it.
pub(crate) async fn open(url: &str, seed: u64) -> Result<Jobs, JobsError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match open_once(url, options(seed)).await {
            Err(JobsError::Busy(_) | JobsError::Database(_)) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
}

pub(crate) fn main() {
    // No orphan, even if the test itself is killed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    let seed: u64 = setting("CRASH_SEED").parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let url = setting("CRASH_URL");
        if setting("CRASH_ROLE") == "start" {
            return start(&url, seed).await;
        }
        let jobs = open(&url, seed).await.unwrap();
        match setting("CRASH_ROLE").as_str() {
            "enqueue" => enqueue(&jobs, seed).await,
            "work" => work(jobs, seed).await,
            "hold" => hold(&jobs).await,
            role => panic!("no such role: {role}"),
        }
    });
}

/// Opens the queue when told to, at the first try, and uses it.
async fn start(url: &str, seed: u64) {
    say("ready");
    told();
    let started = async {
        // The others' turns take as long as the machine's disk does.
        let patient = JobsOptions { busy_timeout: PATIENCE, ..options(seed) };
        let jobs = open_once(url, patient).await?;
        request(&jobs, std::process::id().into(), NewJob::new(QUEUE, json!(0))).await
    };
    match started.await {
        Ok(_) => say("started: well"),
        Err(e) => say(&format!("started: {e}")),
    }
}

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
        if let Ok(id) = request(jobs, n, job).await {
            say(&format!("accepted {n}"));
            if rng.random_ratio(1, 20) {
                // Whether it succeeds is told by the application's row, in the same transaction.
                drop(cancel(jobs, n, id).await);
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..4))).await;
    }
}

async fn request(jobs: &Jobs, n: i64, job: NewJob) -> Result<JobId, JobsError> {
    let (tx, id) = requested(jobs, n, job).await?;
    tx.commit().await?;
    Ok(id)
}

/// All of it but the commit.
pub(crate) async fn requested(jobs: &Jobs, n: i64, job: NewJob) -> Result<(Tx, JobId), JobsError> {
    let mut tx = jobs.begin().await?;
    execute(&mut tx, "INSERT INTO request (n) VALUES ($1)", &[n], None).await?;
    let id = jobs.enqueue(&mut tx, job).await?.id();
    execute(&mut tx, "UPDATE request SET job = $1 WHERE n = $2", &[id.0, n], None).await?;
    Ok((tx, id))
}

async fn cancel(jobs: &Jobs, n: i64, id: JobId) -> Result<(), JobsError> {
    let mut tx = jobs.begin().await?;
    let how = match jobs.cancel(&mut tx, id).await? {
        Cancelled::Now => 1,
        Cancelled::Requested => 2,
    };
    execute(&mut tx, "UPDATE request SET cancelled = $1 WHERE n = $2", &[how, n], None).await?;
    tx.commit().await
}

async fn work(jobs: Jobs, seed: u64) {
    let name = setting("CRASH_NAME");
    let options = WorkerOptions {
        name: name.clone(),
        concurrency: 3,
        lease: LEASE,
        poll: Duration::from_millis(20),
        drain: Duration::from_millis(30),
        ..WorkerOptions::default()
    };
    let unfenced = setting("CRASH_UNFENCED") == "1";
    let handler = move |context: JobContext| {
        let name = name.clone();
        async move { handle(&context, &name, seed, unfenced).await }
    };
    let shutdown = CancellationToken::new();
    let (mut asked, stop) = (signal(SignalKind::terminate()).unwrap(), shutdown.clone());
    tokio::spawn(async move {
        asked.recv().await;
        stop.cancel();
    });
    Worker::new(jobs, QUEUE, options).run(handler, shutdown).await;
}

async fn handle(context: &JobContext, worker: &str, seed: u64, unfenced: bool) -> Result<(), Failure> {
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
    let result = "INSERT INTO result (n, job, token, worker) VALUES ($1, $2, $3, $4)";
    execute(&mut tx, result, &[n, job.id.0, job.token.0], Some(worker)).await?;
    if unfenced {
        // What the fence is there to prevent: the effect is durable before the lease was looked at.
        tx.commit().await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
        tx = context.jobs().begin().await?;
    }
    context.complete(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Takes a job and, each time it is told to, does everything to it that only the holder of its lease may.
async fn hold(jobs: &Jobs) {
    let held = jobs.claim(QUEUE, "sleeper", LEASE, 1).await.unwrap().remove(0);
    say("holding");
    while told() {
        let completed = async {
            let mut tx = jobs.begin().await?;
            let result = "INSERT INTO result (n, job, token) VALUES ($1, $2, $3)";
            execute(&mut tx, result, &[1, held.id.0, held.token.0], None).await?;
            jobs.complete(&mut tx, &held).await?;
            tx.commit().await
        };
        let outcomes = [
            completed.await,
            jobs.heartbeat(&held, LEASE).await.map(drop),
            jobs.progress(&held, 500, "awake").await,
            jobs.fail(&held, plimsoll_jobs::FailureClass::Never, "awake").await.map(drop),
            jobs.release(&held).await,
        ];
        if outcomes.iter().all(|o| o.as_ref().is_err_and(JobsError::is_lease_lost)) {
            say("outcome: all lost");
        } else {
            say(&format!("outcome: {outcomes:?}"));
        }
    }
}

/// False when nobody is there to tell.
fn told() -> bool {
    std::io::stdin().read_line(&mut String::new()).is_ok_and(|n| n > 0)
}

/// One of the application's own statements, in the transaction.
async fn execute(
    tx: &mut Tx,
    sql: &'static str,
    numbers: &[i64],
    text: Option<&str>,
) -> Result<(), JobsError> {
    if tx.sqlite().is_ok() {
        let query = numbers.iter().fold(sqlx::query(sql), |q, n| q.bind(*n));
        text.into_iter().fold(query, |q, t| q.bind(t)).execute(tx.sqlite()?).await?;
    } else {
        let query = numbers.iter().fold(sqlx::query(sql), |q, n| q.bind(*n));
        text.into_iter().fold(query, |q, t| q.bind(t)).execute(tx.postgres()?).await?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the pipe to the test")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
