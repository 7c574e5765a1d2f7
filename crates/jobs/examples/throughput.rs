//! Measures the queue with jobs that do nothing: `throughput URL [JOBS] [BATCH]`. Used by `bench/queue`.
#![expect(clippy::print_stdout, reason = "a measuring program: its figures are its output")]

use std::time::{Duration, Instant};

use plimsoll_jobs::{Jobs, JobsError, JobsOptions, NewJob};
use serde_json::json;

const LEASE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), JobsError> {
    let args: Vec<String> = std::env::args().collect();
    let url = args.get(1).map_or("sqlite::memory:", String::as_str);
    let number = |i: usize, default| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (total, batch) = (number(2, 100_000), number(3, 100));
    let jobs = Jobs::open(url, JobsOptions::default()).await?;
    let new: Vec<NewJob> = (0..batch).map(|n| NewJob::new("bench", json!({ "n": n }))).collect();

    let started = Instant::now();
    for _ in 0..total / batch {
        let mut tx = jobs.begin().await?;
        jobs.enqueue_many(&mut tx, &new).await?;
        tx.commit().await?;
    }
    let enqueued = started.elapsed();

    let (mut claiming, mut completing, mut done) = (Duration::ZERO, Duration::ZERO, 0);
    let limit = u32::try_from(batch).unwrap_or(u32::MAX);
    loop {
        let started = Instant::now();
        let claimed = jobs.claim("bench", "bench", LEASE, limit).await?;
        claiming += started.elapsed();
        if claimed.is_empty() {
            break;
        }
        let started = Instant::now();
        let mut tx = jobs.begin().await?;
        done += jobs.complete_many(&mut tx, &claimed).await?.len();
        tx.commit().await?;
        completing += started.elapsed();
    }
    let rate = |d: Duration| done as f64 / d.as_secs_f64();
    println!(
        "{done} jobs in batches of {batch}: {:.0} jobs/s (enqueue {:.0}/s, claim {:.0}/s, complete {:.0}/s)",
        rate(enqueued + claiming + completing),
        rate(enqueued),
        rate(claiming),
        rate(completing),
    );
    Ok(())
}
