//! Connecting, and migrating safely when many processes start at once.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Row as _};

use super::link::Link;
use super::{PgBell, PostgresDriver};
use crate::driver::Result;
use crate::lanes::Turns;
use crate::migrate::{Migration, hash, pending};
use crate::{JobsError, JobsOptions};

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "queue", sql: include_str!("migrations/0001_queue.sql") },
    Migration { version: 2, name: "times", sql: include_str!("migrations/0002_times.sql") },
    Migration { version: 3, name: "functions", sql: include_str!("migrations/0003_functions.sql") },
    Migration { version: 4, name: "leases", sql: include_str!("migrations/0004_leases.sql") },
    Migration { version: 5, name: "plain", sql: include_str!("migrations/0005_plain.sql") },
];

/// Connections per reading connection asked for: handlers, heartbeat, settling and the bell need some too.
const CONNECTIONS_PER_READER: u32 = 4;

/// A connection that was in use so recently is taken to be alive; after a longer rest it is asked, a round trip. One that
/// broke in between fails its next statement, as one that breaks a moment later does.
const ALIVE_FOR: Duration = Duration::from_secs(1);

/// Looks at two connections, to see whether they are one on the server's side.
const POOLER_LOOKS: usize = 4;

/// What the address says about a transaction pooler, beside what sqlx understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooler {
    /// `pooler=transaction`
    Yes,
    /// `pooler=none`
    No,
    /// Nothing: find out.
    Unknown,
}

pub(crate) async fn open(url: &str, options: &JobsOptions) -> Result<PostgresDriver> {
    let (url, pooler) = parse(url)?;
    let connect = PgConnectOptions::from_str(&url)
        .map_err(|_| wrong("expected postgres://user:password@host:port/database"))?
        // Results are binary: digits do not matter to us, but pgbouncer refuses to be asked for them.
        .extra_float_digits(None);
    let pool = PgPoolOptions::new()
        .max_connections(options.readers.max(1) * CONNECTIONS_PER_READER)
        .acquire_timeout(options.busy_timeout)
        .test_before_acquire(false)
        .before_acquire(|conn, rest| {
            Box::pin(async move { Ok(rest.idle_for < ALIVE_FOR || conn.ping().await.is_ok()) })
        })
        .connect_with(connect)
        .await?;
    let pooler = match pooler {
        Pooler::Unknown => connections_are_shared(&pool).await?,
        told => told == Pooler::Yes,
    };
    if pooler {
        tracing::info!("the database is behind a transaction pooler: no LISTEN, workers poll");
    }
    migrate(&pool, pooler, "jobs", MIGRATIONS).await?;
    let bell = Arc::new(PgBell::new(pool.clone()));
    Ok(PostgresDriver { pool, bell, pooler, turns: Turns::default(), heads: super::Heads::default() })
}

/// Takes our own parameter out of the address.
fn parse(url: &str) -> Result<(String, Pooler)> {
    let (mut pooler, mut rest) = (Pooler::Unknown, String::with_capacity(url.len()));
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    rest.push_str(address);
    let mut separator = '?';
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        match parameter.strip_prefix("pooler=") {
            Some("transaction") => pooler = Pooler::Yes,
            Some("none") => pooler = Pooler::No,
            Some(_) => {
                return Err(wrong("expected pooler=transaction or pooler=none, or neither to find out"));
            }
            None => {
                rest.push(separator);
                rest.push_str(parameter);
                separator = '&';
            }
        }
    }
    Ok((rest, pooler))
}

/// Not the address itself, which may hold a password; nor the error of the parser, which may quote it.
fn wrong(why: &str) -> JobsError {
    JobsError::Address { url: "postgres://…".to_owned(), why: why.to_owned() }
}

/// Whether one process of the server serves two open connections, or several serve one: then there is a transaction
/// pooler in between. A pooler that is busy or takes turns may need several looks; no server without one is taken for one.
async fn connections_are_shared(pool: &PgPool) -> Result<bool> {
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    let first = process(&mut one).await?;
    for _ in 0..POOLER_LOOKS {
        if process(&mut other).await? == first || process(&mut one).await? != first {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn process(conn: &mut PgConnection) -> Result<i32> {
    let row = conn.fetch_one(sqlx::raw_sql(include_str!("sql/process.sql"))).await?;
    Ok(row.try_get(0)?)
}

/// Brings the tables of `component` up to the last of `steps`.
pub(super) async fn migrate(pool: &PgPool, pooler: bool, component: &str, steps: &[Migration]) -> Result<()> {
    let mut tx = pool.begin().await?;
    let mut link = Link::new(&mut tx, pooler);
    sqlx::query(include_str!("sql/schema_lock.sql")).execute(&mut link).await?;
    sqlx::query(include_str!("sql/schema_table.sql")).execute(&mut link).await?;
    let rows = sqlx::query(include_str!("sql/schema_read.sql")).bind(component).fetch_all(&mut link).await?;
    let applied = rows.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?))).collect::<Result<Vec<_>>>()?;
    for step in pending(component, steps, &applied)? {
        sqlx::raw_sql(step.sql).execute(&mut link).await?;
        sqlx::query(include_str!("sql/schema_write.sql"))
            .bind(component)
            .bind(step.version)
            .bind(step.name)
            .bind(hash(step.sql))
            .execute(&mut link)
            .await?;
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooler_is_taken_out_of_the_address() {
        let told = |url: &str| parse(url).map_err(|e| e.to_string());
        let plain = "postgres://ann:secret@db/app";
        assert_eq!(told(plain).unwrap(), (plain.to_owned(), Pooler::Unknown));
        assert_eq!(told(&format!("{plain}?pooler=transaction")).unwrap(), (plain.to_owned(), Pooler::Yes));
        assert_eq!(
            told(&format!("{plain}?sslmode=require&pooler=none&application_name=x")).unwrap(),
            (format!("{plain}?sslmode=require&application_name=x"), Pooler::No)
        );
        let refused = told(&format!("{plain}?pooler=session")).unwrap_err();
        assert!(refused.contains("pooler=transaction") && !refused.contains("secret"), "{refused}");
    }
}
