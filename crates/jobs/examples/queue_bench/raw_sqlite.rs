//! The ceiling of SQLite: insert, claim and delete in batches from one connection, each batch durable.

use std::time::Instant;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::{Failed, Settings};

pub(crate) async fn batches(url: &str, settings: &Settings) -> Result<Value, Failed> {
    let (total, batch) = (settings.get("jobs", 100_000), settings.get("batch", 100));
    let options: SqliteConnectOptions = url.parse()?;
    let mut conn = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    sqlx::query(include_str!("raw_sqlite_table.sql")).execute(&mut conn).await?;
    let payloads: Vec<Value> = (0..batch).map(|n| Value::from(json!({ "n": n }).to_string())).collect();
    let payloads = Value::from(payloads).to_string();
    let started = Instant::now();
    let mut done = 0;
    while done < total {
        sqlx::query(include_str!("raw_sqlite_insert.sql")).bind(&payloads).execute(&mut conn).await?;
        done += round(&mut conn, i64::try_from(batch)?).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    conn.close().await?;
    Ok(json!({ "jobs": done, "seconds": seconds }))
}

/// Claims a batch and deletes it.
async fn round(conn: &mut SqliteConnection, batch: i64) -> Result<usize, Failed> {
    let rows = sqlx::query(include_str!("raw_sqlite_claim.sql")).bind(batch).fetch_all(&mut *conn).await?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, _payload): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        ids.push(id);
    }
    let ids = serde_json::to_string(&ids)?;
    sqlx::query(include_str!("raw_sqlite_delete.sql")).bind(ids).execute(conn).await?;
    Ok(rows.len())
}
