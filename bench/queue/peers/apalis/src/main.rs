//! apalis on Postgres: `apalis-bench enqueue|work|latency URL [name=number]…`, as `queue_bench` of plimsoll-jobs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use futures::stream;
use tokio::sync::mpsc;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let settings: HashMap<&str, usize> =
        args[2..].iter().filter_map(|a| a.split_once('=')).map(|(k, v)| (k, v.parse().unwrap())).collect();
    let get = |name: &str, default| settings.get(name).copied().unwrap_or(default);
    let pool = PgPool::connect(&args[1]).await?;
    PostgresStorage::setup(&pool).await?;
    let (total, batch) = (get("jobs", 10_000), get("batch", 500));
    // As in its example: tasks are fetched in batches and not locked once more one by one.
    let config = Config::default().queue("bench").batch_size(batch).lock_tasks(false);
    match args[0].as_str() {
        "enqueue" => enqueue(&pool, config, total).await,
        "work" => work(&pool, config, total).await,
        _ => latency(&pool, config, total, Duration::from_millis(get("gap_ms", 20) as u64)).await,
    }
}

async fn enqueue(pool: &PgPool, config: Config, total: usize) -> Result<(), Failed> {
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut backend = PostgresStorage::new(pool).with_config(config.clone());
        running.spawn(async move {
            let mut tasks = Box::pin(stream::iter((0..total / 4).map(|n| TaskBuilder::new(n).build())));
            backend.push_all(&mut tasks).await.map_err(|e| e.to_string())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    report(total / 4 * 4, started);
    Ok(())
}

async fn work(pool: &PgPool, config: Config, total: usize) -> Result<(), Failed> {
    let left = Arc::new(AtomicUsize::new(total));
    let started = Instant::now();
    let handler = move |_: usize, worker: WorkerContext| {
        let last = left.fetch_sub(1, Ordering::Relaxed) == 1;
        async move {
            if last {
                worker.stop()?;
            }
            Ok::<_, BoxDynError>(())
        }
    };
    let backend = PostgresStorage::new(pool).with_config(config);
    WorkerBuilder::new("bench").backend(backend).parallelize(tokio::spawn).build(handler).run().await?;
    report(total, started);
    Ok(())
}

async fn latency(pool: &PgPool, config: Config, probes: usize, gap: Duration) -> Result<(), Failed> {
    let (started, mut starts) = mpsc::channel(16);
    let backend = PostgresStorage::new(pool).with_config(config.clone()).with_pubsub();
    let handler = move |_: usize| {
        let _ = started.try_send(Instant::now());
        async { Ok::<_, BoxDynError>(()) }
    };
    let worker = WorkerBuilder::new("bench").backend(backend).build(handler);
    tokio::spawn(worker.run());
    let mut queue = PostgresStorage::new(pool).with_config(config).with_pubsub();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut ms = Vec::new();
    for probe in 0..probes + 20 {
        tokio::time::sleep(gap).await;
        let asked = Instant::now();
        queue.push(probe).await?;
        let start = tokio::time::timeout(Duration::from_secs(30), starts.recv()).await?.ok_or("worker gone")?;
        if probe >= 20 {
            ms.push((start - asked).as_secs_f64() * 1000.0);
        }
    }
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() as f64 * share) as usize).min(ms.len() - 1)];
    println!("{}", serde_json::json!({ "jobs": probes, "p50_ms": at(0.5), "p99_ms": at(0.99) }));
    Ok(())
}

fn report(jobs: usize, started: Instant) {
    println!("{}", serde_json::json!({ "jobs": jobs, "seconds": started.elapsed().as_secs_f64() }));
}
