//! Opening the file: private to its owner, WAL, migrated, with many processes doing the same at the same moment.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::writer::Writer;
use super::{Bell, SqliteDriver};
use crate::lanes::Turns;
use crate::migrate::{self, Migration};
use crate::{JobsError, JobsOptions};

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "queue", sql: include_str!("migrations/0001_queue.sql") },
    Migration { version: 2, name: "times", sql: include_str!("migrations/0002_times.sql") },
    Migration { version: 3, name: "runs", sql: include_str!("migrations/0003_runs.sql") },
];

/// How long SQLite itself waits for another process's write lock; [`Writer::begin`] does the rest.
const WRITER_SPIN: Duration = Duration::from_millis(3);

/// Where the database is.
enum Place {
    Memory,
    File(PathBuf),
}

/// Opens (and makes, if absent) the database at `url`.
pub(crate) async fn open(url: &str, options: &JobsOptions) -> Result<SqliteDriver, JobsError> {
    let place = parse(url)?;
    let connect = SqliteConnectOptions::new()
        .busy_timeout(options.busy_timeout)
        .foreign_keys(true)
        .pragma("temp_store", "memory")
        .statement_cache_capacity(200);
    let driver = match &place {
        // Each connection to ":memory:" is a database of its own, hence exactly one, for ever.
        Place::Memory => {
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(options.busy_timeout)
                .connect_with(connect.in_memory(true).filename(":memory:"))
                .await?;
            SqliteDriver {
                writer: Writer::Memory(pool.clone()),
                reader: pool,
                bell: None,
                busy_timeout: options.busy_timeout,
                turns: Turns::default(),
            }
        }
        Place::File(path) => {
            create_private(path)?;
            let connect = connect
                .filename(path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            // The switch to WAL does not honour any busy timeout while other processes start too.
            let deadline = Instant::now() + options.busy_timeout;
            let writes = connect.clone().busy_timeout(WRITER_SPIN);
            let writer = loop {
                match writes.connect().await.map_err(JobsError::from) {
                    Ok(conn) => break Writer::File(Arc::new(Mutex::new(conn)), Arc::new(writes)),
                    Err(e) if e.is_transient() && Instant::now() < deadline => {
                        tokio::time::sleep(Duration::from_millis(rand::random_range(1..40))).await;
                    }
                    Err(e) => return Err(e),
                }
            };
            let reader = SqlitePoolOptions::new()
                .max_connections(options.readers.max(1))
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(options.busy_timeout)
                // A file does not hang up.
                .test_before_acquire(false)
                .connect_with(connect)
                .await?;
            let bell = Bell::beside(path)
                .inspect_err(|e| tracing::info!(error = %e, "no doorbell, workers will poll"))
                .ok();
            SqliteDriver { writer, reader, bell, busy_timeout: options.busy_timeout, turns: Turns::default() }
        }
    };
    migrate::sqlite(&driver, "jobs", MIGRATIONS).await?;
    Ok(driver)
}

fn parse(url: &str) -> Result<Place, JobsError> {
    let wrong = |why: &str| JobsError::Address { url: url.to_owned(), why: why.to_owned() };
    let rest = url
        .strip_prefix("sqlite:")
        .ok_or_else(|| wrong("expected sqlite:///absolute/path.db or sqlite::memory:"))?;
    if rest == ":memory:" {
        return Ok(Place::Memory);
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains('?') {
        return Err(wrong("expected a path after sqlite://, without parameters"));
    }
    Ok(Place::File(path.into()))
}

/// Makes the file readable by its owner only: it holds people's data. SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<(), JobsError> {
    let file = |source| JobsError::File { path: path.display().to_string(), source };
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop).map_err(file)
}
