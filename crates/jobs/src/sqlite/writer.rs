//! The one connection of this process that writes.
//!
//! Not one of a pool: a pool asks a connection twice per use whether it is alive, from a task of its own, and each question is
//! a wake-up of SQLite's thread and one of ours. Together they cost more than a small transaction.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteTransactionManager as Transactions};
use sqlx::{ConnectOptions as _, SqlSafeStr as _, Sqlite, SqliteConnection, SqlitePool};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::JobsError;
use crate::driver::Result;

/// Upper end of the wait between two tries for the write lock that another process holds.
const LOCK_WAIT: Duration = Duration::from_millis(8);

/// Where transactions begin. Writers of this process queue up for it, first come first served, instead of polling the file's lock.
#[derive(Debug, Clone)]
pub(crate) enum Writer {
    File(Arc<Mutex<SqliteConnection>>, Arc<SqliteConnectOptions>),
    /// A database in memory has one connection for everything.
    Memory(SqlitePool),
}

/// A transaction that writes, undone when dropped.
#[derive(Debug)]
pub(crate) struct Writing {
    conn: Held,
    open: bool,
}

#[derive(Debug)]
enum Held {
    Own(OwnedMutexGuard<SqliteConnection>),
    Pooled(PoolConnection<Sqlite>),
}

// === impl Writer ===

impl Writer {
    /// IMMEDIATE: a transaction that starts by reading and writes later could find that its snapshot is stale and fail at once,
    /// whatever the busy timeout.
    ///
    /// The wait for writers of other processes is ours, not SQLite's: its waits grow to 100 ms and are the same in every
    /// process, so one that commits often would lock the others out for long.
    pub(super) async fn begin(&self, busy_timeout: Duration) -> Result<Writing> {
        let deadline = Instant::now() + busy_timeout;
        // Open from now on: if this is given up half way, the transaction may have been started.
        let mut writing = Writing { conn: self.hold(busy_timeout).await?, open: true };
        loop {
            let begun = Transactions::begin(&mut writing, Some("BEGIN IMMEDIATE".into_sql_str())).await;
            match begun {
                // SQLite's thread is gone, or could not undo the last transaction, because SQLite had done so by itself (after some errors it does).
                Err(sqlx::Error::WorkerCrashed | sqlx::Error::InvalidSavePointStatement)
                    if let (Held::Own(conn), Self::File(_, options)) = (&mut writing.conn, self)
                        && Instant::now() < deadline =>
                {
                    **conn = options.connect().await?;
                }
                other => match other.map_err(JobsError::from) {
                    Err(JobsError::Busy(_)) if Instant::now() < deadline => {
                        tokio::time::sleep(LOCK_WAIT.mul_f64(rand::random::<f64>())).await;
                    }
                    other => return other.map(|()| writing),
                },
            }
        }
    }

    async fn hold(&self, busy_timeout: Duration) -> Result<Held> {
        match self {
            Self::File(conn, _) => {
                let conn = tokio::time::timeout(busy_timeout, Arc::clone(conn).lock_owned()).await;
                conn.map(Held::Own).map_err(|_| JobsError::Busy("no turn to write within the wait".into()))
            }
            Self::Memory(pool) => Ok(Held::Pooled(pool.acquire().await?)),
        }
    }
}

// === impl Writing ===

impl Writing {
    pub(crate) async fn commit(mut self) -> Result<()> {
        Transactions::commit(&mut self).await?;
        self.open = false;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> Result<()> {
        Transactions::rollback(&mut self).await?;
        self.open = false;
        Ok(())
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.conn {
            Held::Own(conn) => conn,
            Held::Pooled(conn) => conn,
        }
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.conn {
            Held::Own(conn) => conn,
            Held::Pooled(conn) => conn,
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.open {
            Transactions::start_rollback(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Jobs, JobsOptions, NewJob};

    #[tokio::test]
    async fn writes_go_on_after_a_transaction_that_was_undone_from_within() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("queue.db").display());
        let jobs = Jobs::open(&url, JobsOptions::default()).await.unwrap();
        for n in 0..2 {
            let mut tx = jobs.begin().await.unwrap();
            jobs.enqueue(&mut tx, NewJob::new("q", serde_json::json!(n))).await.unwrap();
            // As SQLite does by itself after some errors.
            sqlx::raw_sql("ROLLBACK").execute(tx.sqlite().unwrap()).await.unwrap();
            assert!(tx.commit().await.is_err());
            let mut tx = jobs.begin().await.unwrap();
            jobs.enqueue(&mut tx, NewJob::new("q", serde_json::json!(n))).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(jobs.stats(Some("q")).await.unwrap()[0].ready, 2);
    }
}
