//! The ceiling: insert, claim and delete with plain SQL, four connections, claims of 500.

use std::time::Instant;

use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row as _};
use tokio::task::JoinSet;

use crate::{Failed, Settings, along};

pub(crate) async fn run(task: &str, url: &str, settings: &Settings) -> Result<Value, Failed> {
    let clients = settings.get("clients", 4);
    let pool = PgPoolOptions::new().max_connections(u32::try_from(clients)?).connect(url).await?;
    let (total, batch) = (settings.get("jobs", 100_000), settings.get("batch", 500));
    if task == "raw-enqueue" {
        sqlx::raw_sql(include_str!("raw_table.sql")).execute(&pool).await?;
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let pool = pool.clone();
        match task {
            "raw-enqueue" => running.spawn(insert(pool, total / clients / batch, batch)),
            "raw-work" => running.spawn(drain(pool, i64::try_from(batch)?)),
            _ => return Err(format!("no task {task}").into()),
        };
    }
    let (mut done, mut costs_ms) = (0, Vec::new());
    while let Some(part) = running.join_next().await {
        let (n, ms) = part??;
        done += n;
        costs_ms.extend(ms);
    }
    let seconds = started.elapsed().as_secs_f64();
    let claim = (clients == 1).then(|| along(&costs_ms));
    Ok(json!({ "jobs": done, "seconds": seconds, "claim": claim }))
}

async fn insert(pool: PgPool, times: usize, batch: usize) -> Result<(usize, Vec<f64>), Failed> {
    let mut conn = pool.acquire().await?;
    let payloads: Vec<String> = (0..batch).map(|n| json!({ "n": n }).to_string()).collect();
    for _ in 0..times {
        sqlx::query(include_str!("raw_insert.sql")).bind(&payloads).execute(&mut *conn).await?;
    }
    Ok((times * batch, Vec::new()))
}

async fn drain(pool: PgPool, batch: i64) -> Result<(usize, Vec<f64>), Failed> {
    let mut conn = pool.acquire().await?;
    let (mut done, mut claims_ms) = (0, Vec::new());
    loop {
        let asked = Instant::now();
        let rows = sqlx::query(include_str!("raw_claim.sql")).bind(batch).fetch_all(&mut *conn).await?;
        if rows.is_empty() {
            return Ok((done, claims_ms));
        }
        claims_ms.push(asked.elapsed().as_secs_f64() * 1000.0);
        let ids: Vec<i64> = rows.iter().map(|r| r.try_get(0)).collect::<Result<_, _>>()?;
        done += ids.len();
        sqlx::query(include_str!("raw_delete.sql")).bind(ids).execute(&mut *conn).await?;
    }
}
