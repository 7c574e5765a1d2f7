//! Connecting, and migrating safely when many processes start at once.

use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row as _};

use super::{PgBell, PostgresDriver};
use crate::driver::{Result, Turns};
use crate::migrate::{Migration, hash, pending};
use crate::{JobsError, JobsOptions};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "queue", sql: include_str!("migrations/0001_queue.sql") },
    Migration { version: 2, name: "times", sql: include_str!("migrations/0002_times.sql") },
];

/// Connections per reading connection asked for: handlers, heartbeat, settling and the bell need some too.
const CONNECTIONS_PER_READER: u32 = 4;

pub(crate) async fn open(url: &str, options: &JobsOptions) -> Result<PostgresDriver> {
    let connect = PgConnectOptions::from_str(url).map_err(|_| JobsError::Address {
        // Not the address itself, which may hold a password; nor the error, which may quote it.
        url: "postgres://…".to_owned(),
        why: "expected postgres://user:password@host:port/database".to_owned(),
    })?;
    let pool = PgPoolOptions::new()
        .max_connections(options.readers.max(1) * CONNECTIONS_PER_READER)
        .acquire_timeout(options.busy_timeout)
        .connect_with(connect)
        .await?;
    migrate(&pool, "jobs", MIGRATIONS).await?;
    let bell = Arc::new(PgBell::new(pool.clone()));
    Ok(PostgresDriver { pool, bell, turns: Turns::default(), heads: super::Heads::default() })
}

/// Brings the tables of `component` up to the last of `steps`.
pub(crate) async fn migrate(pool: &PgPool, component: &str, steps: &[Migration]) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(include_str!("sql/schema_lock.sql")).execute(&mut *tx).await?;
    sqlx::query(include_str!("sql/schema_table.sql")).execute(&mut *tx).await?;
    let rows = sqlx::query(include_str!("sql/schema_read.sql")).bind(component).fetch_all(&mut *tx).await?;
    let applied = rows.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?))).collect::<Result<Vec<_>>>()?;
    for step in pending(component, steps, &applied)? {
        sqlx::raw_sql(step.sql).execute(&mut *tx).await?;
        sqlx::query(include_str!("sql/schema_write.sql"))
            .bind(component)
            .bind(step.version)
            .bind(step.name)
            .bind(hash(step.sql))
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}
