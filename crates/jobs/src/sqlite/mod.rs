//! The queue in a SQLite file: WAL, synchronous FULL, one writer at a time.

mod admin;
mod bell;
mod claim;
mod enqueue;
mod holders;
mod look;
#[cfg(test)]
mod older;
mod open;
#[cfg(test)]
mod plans;
mod settle;
mod writer;

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

pub(crate) use bell::{Bell, Listening};
pub(crate) use open::open;
pub(crate) use writer::Writing;

use self::writer::Writer;
use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::driver::{Claim, Driver, Extended, Next, Result};
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo};
use crate::job::{Claimed, Enqueued, JobId, NewJob};
use crate::lanes::Turns;
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};
use crate::{JobsError, QueueStats};

/// One writing connection, and several reading ones, which WAL lets run beside it.
#[derive(Debug, Clone)]
pub(crate) struct SqliteDriver {
    writer: Writer,
    pub(crate) reader: SqlitePool,
    /// None for a database in memory, which no other process shares.
    pub(crate) bell: Option<Bell>,
    busy_timeout: Duration,
    turns: Turns,
}

// === impl SqliteDriver ===

impl SqliteDriver {
    pub(crate) async fn begin(&self) -> Result<Writing> {
        self.writer.begin(self.busy_timeout).await
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
        enqueue::insert(conn, jobs, now_ms).await
    }

    async fn peek(&self, queue: &str, now_ms: Millis) -> Result<bool> {
        let mut conn = self.reader.acquire().await?;
        let seen = claim::peek(&mut conn, queue, now_ms).await?;
        Ok(seen.expired || seen.due || seen.ready)
    }

    async fn claim(&self, conn: &mut SqliteConnection, claim: Claim<'_>) -> Result<Vec<Claimed>> {
        claim::claim(conn, claim, &self.turns).await
    }

    async fn extend(
        &self,
        conn: &mut SqliteConnection,
        jobs: &[&Claimed],
        now_ms: Millis,
        until_ms: Millis,
    ) -> Result<Vec<Extended>> {
        settle::extend(conn, jobs, now_ms, until_ms).await
    }

    async fn complete(
        &self,
        conn: &mut SqliteConnection,
        queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> Result<Vec<JobId>> {
        settle::complete(conn, queue, jobs, now_ms).await
    }

    async fn give_up(
        &self,
        conn: &mut SqliteConnection,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool> {
        settle::give_up(conn, job, now_ms, next).await
    }

    async fn progress(
        &self,
        conn: &mut SqliteConnection,
        job: &Claimed,
        now_ms: Millis,
        permille: u16,
        note: &str,
    ) -> Result<bool> {
        settle::progress(conn, job, now_ms, permille, note).await
    }

    async fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<QueueStats>> {
        look::stats(&self.reader, queue, now_ms).await
    }

    async fn holders(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<Holder>> {
        holders::holders(&self.reader, queue, now_ms).await
    }

    async fn end_leases(
        &self,
        conn: &mut SqliteConnection,
        worker: &str,
        claimed_before_ms: Millis,
        now_ms: Millis,
    ) -> Result<u64> {
        holders::end_leases(conn, worker, claimed_before_ms, now_ms).await
    }

    async fn add_times(&self, conn: &mut SqliteConnection, queue: &str, times: &[Timed]) -> Result<()> {
        holders::add_times(conn, queue, times).await
    }

    async fn times(&self, queue: Option<&str>) -> Result<Vec<QueueTimes>> {
        holders::times(&self.reader, queue).await
    }

    async fn find(&self, id: JobId) -> Result<Option<JobInfo>> {
        let mut conn = self.reader.acquire().await?;
        look::find(&mut conn, id).await
    }

    async fn failures(&self, id: JobId) -> Result<Vec<AttemptFailure>> {
        look::failures(&self.reader, id).await
    }

    async fn cancel(
        &self,
        conn: &mut SqliteConnection,
        id: JobId,
        now_ms: Millis,
    ) -> Result<Option<Cancelled>> {
        admin::cancel(conn, id, now_ms).await
    }

    async fn dead(&self, queue: &str, after: DeadCursor, limit: u32) -> Result<Vec<DeadLetter>> {
        look::dead(&self.reader, queue, after, limit).await
    }

    async fn requeue(&self, conn: &mut SqliteConnection, id: JobId, now_ms: Millis) -> Result<bool> {
        admin::requeue(conn, id, now_ms).await
    }

    async fn discard(&self, conn: &mut SqliteConnection, id: JobId) -> Result<bool> {
        admin::discard(conn, id).await
    }

    async fn purge(
        &self,
        conn: &mut SqliteConnection,
        now_ms: Millis,
        dead_before_ms: Millis,
        limit: u32,
    ) -> Result<u64> {
        admin::purge(conn, now_ms, dead_before_ms, limit).await
    }

    async fn erase(&self, conn: &mut SqliteConnection, owner: &str) -> Result<u64> {
        admin::erase(conn, owner).await
    }

    async fn limit_lane(
        &self,
        conn: &mut SqliteConnection,
        queue: &str,
        lane: &str,
        max_leased: Option<u32>,
    ) -> Result<()> {
        admin::limit_lane(conn, queue, lane, max_leased).await
    }

    async fn set_cron(&self, conn: &mut SqliteConnection, cron: &StoredCron) -> Result<()> {
        admin::set_cron(conn, cron).await
    }

    async fn drop_cron(&self, conn: &mut SqliteConnection, name: &str) -> Result<bool> {
        admin::drop_cron(conn, name).await
    }

    async fn crons(&self, due_ms: Option<Millis>) -> Result<Vec<StoredCron>> {
        admin::crons(&self.reader, due_ms).await
    }

    async fn advance_cron(
        &self,
        conn: &mut SqliteConnection,
        name: &str,
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<bool> {
        admin::advance_cron(conn, name, from_ms, to_ms).await
    }
}

/// The one row of a script. Scripts are read with `fetch_all`: `fetch_one` would stop after the statement that
/// yields the row and leave the others undone.
fn only(rows: &[SqliteRow]) -> Result<&SqliteRow> {
    rows.first().ok_or(JobsError::Database(sqlx::Error::RowNotFound))
}

/// Differences to a queue's counts.
#[derive(Debug, Clone, Copy, Default)]
struct Delta {
    ready: i32,
    scheduled: i32,
    leased: i32,
    dead: i32,
    failed_attempts: i32,
    deaths: i32,
}

impl Delta {
    async fn add_to(self, conn: &mut SqliteConnection, queue: &str) -> Result<()> {
        sqlx::query(include_str!("sql/count_changes.sql"))
            .bind(queue)
            .bind(self.ready)
            .bind(self.scheduled)
            .bind(self.leased)
            .bind(self.dead)
            .bind(self.failed_attempts)
            .bind(self.deaths)
            .execute(conn)
            .await?;
        Ok(())
    }
}
