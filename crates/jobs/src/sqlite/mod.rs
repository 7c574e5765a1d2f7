//! The queue in a SQLite file: WAL, synchronous FULL, one writer at a time.

mod bell;
mod open;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::time::Instant;

pub(crate) use bell::{Bell, Listening};
pub(crate) use open::open;

use crate::clock::{Millis, millis};
use crate::driver::{Claim, Driver, Next, token_array};
use crate::job::{Claimed, Enqueued, JobId, NewJob, Payload, Token};
use crate::{JobsError, QueueStats};

type Result<T> = std::result::Result<T, JobsError>;

/// Jobs per INSERT: bounds the text that is built at once.
const INSERT_CHUNK: usize = 1000;

/// Upper end of the wait between two tries for the write lock that another process holds.
const LOCK_WAIT: Duration = Duration::from_millis(8);

/// One writing connection, so that writers of this process queue up fairly in the pool instead of polling the
/// file's lock, and several reading ones, which WAL lets run beside it.
#[derive(Debug, Clone)]
pub(crate) struct SqliteDriver {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
    /// None for a database in memory, which no other process shares.
    pub(crate) bell: Option<Bell>,
    pub(crate) busy_timeout: Duration,
}

// === impl SqliteDriver ===

impl SqliteDriver {
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        // IMMEDIATE: a transaction that starts by reading and writes later could find that its snapshot is
        // stale and fail at once, whatever the busy timeout.
        //
        // The wait for writers of other processes is ours, not SQLite's: its waits grow to 100 ms and are the
        // same in every process, so one that commits often would lock the others out for long.
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            match self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(JobsError::from) {
                Err(e @ JobsError::Busy(_)) if Instant::now() >= deadline => return Err(e),
                Err(JobsError::Busy(_)) => {
                    tokio::time::sleep(LOCK_WAIT.mul_f64(rand::random::<f64>())).await;
                }
                other => return other,
            }
        }
    }

    async fn insert_chunk(
        conn: &mut SqliteConnection,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> Result<Vec<Enqueued>> {
        let rows: Vec<_> = jobs
            .iter()
            .map(|j| {
                (
                    &j.queue,
                    j.payload.as_str(),
                    &j.owner,
                    j.priority,
                    j.max_attempts,
                    run_at(j, now_ms),
                    j.deadline_ms,
                )
            })
            .collect();
        let inserted = sqlx::query(include_str!("sql/insert_jobs.sql"))
            .bind(now_ms)
            .bind(serde_json::to_string(&rows)?)
            .execute(&mut *conn)
            .await?;
        let last = inserted.last_insert_rowid();
        let first = last + 1 - i64::try_from(inserted.rows_affected()).unwrap_or(0);
        Self::admit(conn, first, last, now_ms).await?;
        Ok((first..=last).map(|id| Enqueued::New(JobId(id))).collect())
    }

    async fn insert_unique(conn: &mut SqliteConnection, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
        let inserted = sqlx::query(include_str!("sql/insert_unique_job.sql"))
            .bind(&job.queue)
            .bind(job.payload.as_str())
            .bind(&job.owner)
            .bind(&job.unique_key)
            .bind(job.priority)
            .bind(job.max_attempts)
            .bind(now_ms)
            .bind(run_at(job, now_ms))
            .bind(job.deadline_ms)
            .fetch_optional(&mut *conn)
            .await?;
        if let Some(row) = inserted {
            let id: i64 = row.try_get(0)?;
            Self::admit(conn, id, id, now_ms).await?;
            return Ok(Enqueued::New(JobId(id)));
        }
        let there = sqlx::query(include_str!("sql/find_unique_job.sql"))
            .bind(&job.queue)
            .bind(&job.unique_key)
            .fetch_one(conn)
            .await?;
        Ok(Enqueued::Duplicate(JobId(there.try_get(0)?)))
    }

    async fn admit(conn: &mut SqliteConnection, first: i64, last: i64, now_ms: Millis) -> Result<()> {
        sqlx::query(include_str!("sql/admit_jobs.sql"))
            .bind(first)
            .bind(last)
            .bind(now_ms)
            .execute(conn)
            .await?;
        Ok(())
    }
}

impl Driver for SqliteDriver {
    type Conn = SqliteConnection;

    async fn insert(
        &self,
        conn: &mut SqliteConnection,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> Result<Vec<Enqueued>> {
        let mut done = Vec::with_capacity(jobs.len());
        for run in jobs.chunk_by(|a, b| a.unique_key.is_none() && b.unique_key.is_none()) {
            match run {
                [job] if job.unique_key.is_some() => done.push(Self::insert_unique(conn, job, now_ms).await?),
                run => {
                    for chunk in run.chunks(INSERT_CHUNK) {
                        done.extend(Self::insert_chunk(conn, chunk, now_ms).await?);
                    }
                }
            }
        }
        Ok(done)
    }

    async fn peek(&self, queue: &str, now_ms: Millis) -> Result<bool> {
        let row = sqlx::query(include_str!("sql/peek.sql"))
            .bind(queue)
            .bind(now_ms)
            .fetch_one(&self.reader)
            .await?;
        Ok(row.try_get::<bool, _>(0)? || row.try_get::<bool, _>(1)? || row.try_get::<bool, _>(2)?)
    }

    async fn claim(&self, conn: &mut SqliteConnection, claim: Claim<'_>) -> Result<Vec<Claimed>> {
        let row = sqlx::query(include_str!("sql/peek.sql"))
            .bind(claim.queue)
            .bind(claim.now_ms)
            .fetch_one(&mut *conn)
            .await?;
        let (expired, due): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if expired {
            let sql = include_str!("sql/reclaim_expired.sql");
            sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
        }
        if due {
            let sql = include_str!("sql/promote_due.sql");
            sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
        }
        if !(expired || due || row.try_get::<bool, _>(2)?) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(include_str!("sql/claim.sql"))
            .bind(claim.queue)
            .bind(claim.limit)
            .bind(claim.worker)
            .bind(claim.until_ms)
            .bind(claim.now_ms)
            .fetch_all(conn)
            .await?;
        claimed(only(&rows)?.try_get(0)?, &claim)
    }

    async fn extend(
        &self,
        conn: &mut SqliteConnection,
        tokens: &[Token],
        now_ms: Millis,
        until_ms: Millis,
    ) -> Result<Vec<Token>> {
        let rows = sqlx::query(include_str!("sql/extend_leases.sql"))
            .bind(token_array(tokens.iter().map(|t| t.0)))
            .bind(now_ms)
            .bind(until_ms)
            .fetch_all(conn)
            .await?;
        rows.iter().map(|r| Ok(Token(r.try_get(0)?))).collect()
    }

    async fn complete(
        &self,
        conn: &mut SqliteConnection,
        queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> Result<Vec<Token>> {
        let rows = sqlx::query(include_str!("sql/complete_jobs.sql"))
            .bind(token_array(jobs.iter().map(|j| j.token.0)))
            .bind(now_ms)
            .bind(queue)
            .fetch_all(&mut *conn)
            .await?;
        let done: HashSet<Token> = serde_json::from_str(only(&rows)?.try_get(0)?)?;
        let tried = |j: &&&Claimed| j.attempt > 1 && done.contains(&j.token);
        if jobs.iter().any(|j| tried(&j)) {
            sqlx::query(include_str!("sql/forget_failures.sql"))
                .bind(token_array(jobs.iter().filter(tried).map(|j| j.id.0)))
                .execute(conn)
                .await?;
        }
        Ok(done.into_iter().collect())
    }

    async fn give_up(
        &self,
        conn: &mut SqliteConnection,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool> {
        let taken = sqlx::query(include_str!("sql/take_lease.sql"))
            .bind(job.token.0)
            .bind(now_ms)
            .fetch_optional(&mut *conn)
            .await?;
        let Some(row) = taken else { return Ok(false) };
        let queue: String = row.try_get(0)?;
        let id: i64 = row.try_get(1)?;
        let worker: String = row.try_get(2)?;
        let attempt: i64 = row.try_get(3)?;
        if let Next::Retry { message, .. } | Next::Bury { message } = next {
            sqlx::query(include_str!("sql/record_failure.sql"))
                .bind(id)
                .bind(attempt)
                .bind(now_ms)
                .bind(worker)
                .bind(message)
                .execute(&mut *conn)
                .await?;
        }
        let (mut ready, mut scheduled, mut dead, mut failed) = (0, 0, 0, 1);
        match next {
            Next::Release { ready_at_ms } => {
                sqlx::query(include_str!("sql/ready_job.sql"))
                    .bind(id)
                    .bind(ready_at_ms)
                    .bind(attempt - 1)
                    .execute(&mut *conn)
                    .await?;
                (ready, failed) = (1, 0);
            }
            Next::Retry { at_ms, .. } => {
                sqlx::query(include_str!("sql/schedule_job.sql"))
                    .bind(&queue)
                    .bind(at_ms)
                    .bind(id)
                    .bind(attempt)
                    .execute(&mut *conn)
                    .await?;
                scheduled = 1;
            }
            Next::Bury { message } => {
                sqlx::query(include_str!("sql/bury_job.sql"))
                    .bind(id)
                    .bind(&queue)
                    .bind(attempt)
                    .bind(now_ms)
                    .bind(message)
                    .execute(&mut *conn)
                    .await?;
                sqlx::query(include_str!("sql/free_unique_key.sql")).bind(id).execute(&mut *conn).await?;
                dead = 1;
            }
        }
        sqlx::query(include_str!("sql/count_changes.sql"))
            .bind(&queue)
            .bind(ready)
            .bind(scheduled)
            .bind(-1)
            .bind(dead)
            .bind(failed)
            .execute(conn)
            .await?;
        Ok(true)
    }

    async fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<QueueStats>> {
        let rows = sqlx::query(include_str!("sql/stats.sql"))
            .bind(now_ms)
            .bind(queue)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| stats(row, now_ms)).collect()
    }
}

/// When a new job becomes claimable: never in the past, or it would look as if it had waited since then.
fn run_at(job: &NewJob, now_ms: Millis) -> Millis {
    job.run_at_ms.unwrap_or_else(|| now_ms.saturating_add(millis(job.delay))).max(now_ms)
}

/// The one row of a script. Scripts are read with `fetch_all`: `fetch_one` would stop after the statement that
/// yields the row and leave the others undone.
fn only(rows: &[SqliteRow]) -> Result<&SqliteRow> {
    rows.first().ok_or(JobsError::Database(sqlx::Error::RowNotFound))
}

/// Unpacks the answer of `claim.sql`.
fn claimed(json: &str, claim: &Claim<'_>) -> Result<Vec<Claimed>> {
    type Row = (i64, i64, String, u32, u32, Millis, Millis, Option<Millis>, Option<String>);
    let queue: Arc<str> = claim.queue.into();
    let mut rows: Vec<Row> = serde_json::from_str(json)?;
    rows.sort_unstable_by_key(|row| row.0);
    let unpack =
        |(token, id, payload, attempt, max_attempts, ready_at_ms, enqueued_at_ms, deadline_ms, owner)| {
            Claimed {
                id: JobId(id),
                queue: Arc::clone(&queue),
                payload: Payload::from_stored(payload),
                attempt,
                max_attempts,
                token: Token(token),
                lease_until_ms: claim.until_ms,
                enqueued_at_ms,
                ready_at_ms,
                deadline_ms,
                owner,
            }
        };
    Ok(rows.into_iter().map(unpack).collect())
}

fn stats(row: &SqliteRow, now_ms: Millis) -> Result<QueueStats> {
    let count = |column: &str| -> Result<u64> { Ok(row.try_get::<i64, _>(column)?.max(0).unsigned_abs()) };
    let time = |column: &str| -> Result<Option<Millis>> { Ok(row.try_get(column)?) };
    let (expired, due) = (count("expired")?, count("due")?);
    let oldest = [time("oldest_ready_ms")?, time("oldest_due_ms")?, time("oldest_expired_ms")?];
    Ok(QueueStats {
        queue: row.try_get("name")?,
        ready: count("ready")? + due + expired,
        scheduled: count("scheduled")?.saturating_sub(due),
        leased: count("leased")?.saturating_sub(expired),
        dead: count("dead")?,
        enqueued_total: count("enqueued_total")?,
        completed_total: count("completed_total")?,
        failed_attempts_total: count("failed_attempts_total")?,
        leases_lost_total: count("leases_lost_total")?,
        dead_total: count("dead_total")?,
        oldest_ready_age_ms: oldest.into_iter().flatten().min().map(|at| now_ms.saturating_sub(at).max(0)),
        at_ms: now_ms,
    })
}
