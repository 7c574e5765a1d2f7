//! The part of `bench/queue` that speaks our API, and the ceiling: the same jobs with bare SQL on the same connections.
//!
//! `queue_bench TASK URL [name=number]…` does one thing and prints one line of JSON. The script measures the processor
//! time of this process and of the server around it.
#![expect(clippy::print_stdout, reason = "a measuring program: its figures are its output")]

mod latency;
mod ours;
mod raw;
mod raw_sqlite;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use plimsoll_jobs::{Jobs, JobsOptions};

type Failed = Box<dyn Error + Send + Sync>;

/// Settings of one run, from `name=number` arguments.
struct Settings(HashMap<String, usize>);

impl Settings {
    fn get(&self, name: &str, default: usize) -> usize {
        self.0.get(name).copied().unwrap_or(default)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let (Some(task), Some(url)) = (args.next(), args.next()) else {
        return Err("usage: queue_bench TASK URL [name=number]…".into());
    };
    let mut settings = HashMap::new();
    for arg in args {
        let (name, number) = arg.split_once('=').ok_or("expected name=number")?;
        settings.insert(name.to_owned(), number.parse()?);
    }
    let settings = Settings(settings);
    let figures = if task == "raw-batches" {
        raw_sqlite::batches(&url, &settings).await?
    } else if task.starts_with("raw-") {
        raw::run(&task, &url, &settings).await?
    } else {
        let jobs =
            Jobs::open(&url, JobsOptions { busy_timeout: Duration::from_secs(60), ..JobsOptions::default() });
        let jobs = jobs.await?;
        match task.as_str() {
            "enqueue" => ours::enqueue(&jobs, &settings).await?,
            "work" => ours::work(&jobs, &settings).await?,
            "batches" => ours::batches(&jobs, &settings).await?,
            "drain" => ours::drain(&jobs, &settings).await?,
            "latency" => latency::run(&jobs, &settings).await?,
            _ => return Err(format!("no task {task}").into()),
        }
    };
    println!("{figures}");
    Ok(())
}

/// Costs in milliseconds along a run: the first and the last twentieth, and what lies between.
fn along(ms: &[f64]) -> serde_json::Value {
    let part = (ms.len() / 20).max(1).min(ms.len());
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let deciles: Vec<f64> = ms.chunks(ms.len().div_ceil(10).max(1)).map(mean).collect();
    serde_json::json!({ "first_ms": mean(&ms[..part]), "last_ms": mean(&ms[ms.len() - part..]), "deciles_ms": deciles })
}
