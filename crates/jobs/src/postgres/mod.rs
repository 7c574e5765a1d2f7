//! The queue in Postgres. See the first migration for why the tables look different from those in SQLite.

mod admin;
mod bell;
mod claim;
mod enqueue;
mod holders;
mod link;
mod look;
mod open;
mod settle;
#[cfg(test)]
mod upgraded;

use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::watch;

pub(crate) use bell::PgBell;
pub(crate) use open::open;

use crate::QueueStats;
use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::driver::{Claim, Driver, Extended, Next, Result};
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo};
use crate::job::{Claimed, Enqueued, JobId, NewJob};
use crate::lanes::Turns;
use crate::migrate::Migration;
use crate::sqlite::Listening;
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};
use claim::Heads;
use link::{Link, Reading};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct PostgresDriver {
    pub(crate) pool: PgPool,
    pub(crate) bell: Arc<PgBell>,
    /// Connections lead through a transaction pooler.
    pub(crate) pooler: bool,
    turns: Turns,
    heads: Heads,
}

// === impl PostgresDriver ===

impl PostgresDriver {
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    /// Brings the tables of `component` up to the last of `steps`.
    pub(crate) async fn migrate(&self, component: &str, steps: &[Migration]) -> Result<()> {
        open::migrate(&self.pool, self.pooler, component, steps).await
    }

    /// Counts `rung` up for every ring, by any process. None behind a pooler, through which no LISTEN gets.
    pub(crate) fn listen(&self, rung: watch::Sender<u64>) -> Option<Listening> {
        if self.pooler { None } else { Some(Listening::to(bell::listen(self.pool.clone(), rung))) }
    }

    /// Adds jobs in a transaction of its own, which one statement is, and wakes other processes. None: nothing was done,
    /// open one.
    pub(crate) async fn insert_alone(
        &self,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> Result<Option<Vec<Enqueued>>> {
        if !enqueue::at_once(jobs) {
            return Ok(None);
        }
        let mut conn = self.pool.acquire().await?;
        let added = self.insert(&mut conn, jobs, now_ms).await?;
        self.bell.ring();
        Ok(Some(added))
    }

    fn link<'c>(&self, conn: &'c mut PgConnection) -> Link<'c> {
        Link::new(conn, self.pooler)
    }

    async fn read(&self) -> Result<Reading> {
        Reading::from(&self.pool, self.pooler).await
    }

    /// As [`Driver::claim`], in a transaction of its own, which one statement is. None: nothing was done, open one.
    pub(crate) async fn claim_alone(
        &self,
        conn: &mut PgConnection,
        claim: Claim<'_>,
    ) -> Result<Option<Vec<Claimed>>> {
        claim::claim_alone(&mut self.link(conn), claim, &self.turns, &self.heads).await
    }
}

impl Driver for PostgresDriver {
    type Conn = PgConnection;

    async fn insert(
        &self,
        conn: &mut PgConnection,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> Result<Vec<Enqueued>> {
        self.heads.added(jobs, now_ms);
        enqueue::insert(&mut self.link(conn), jobs, now_ms).await
    }

    async fn peek(&self, queue: &str, now_ms: Millis) -> Result<bool> {
        let seen = claim::peek(&mut self.read().await?.link(), queue, now_ms).await?;
        Ok(seen.expired || seen.due || seen.ready)
    }

    async fn claim(&self, conn: &mut PgConnection, claim: Claim<'_>) -> Result<Vec<Claimed>> {
        claim::claim(&mut self.link(conn), claim, &self.turns, &self.heads).await
    }

    async fn extend(
        &self,
        conn: &mut PgConnection,
        jobs: &[&Claimed],
        now_ms: Millis,
        until_ms: Millis,
    ) -> Result<Vec<Extended>> {
        settle::extend(&mut self.link(conn), jobs, now_ms, until_ms).await
    }

    async fn complete(
        &self,
        conn: &mut PgConnection,
        queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> Result<Vec<JobId>> {
        settle::complete(&mut self.link(conn), queue, jobs, now_ms).await
    }

    async fn give_up(
        &self,
        conn: &mut PgConnection,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool> {
        if matches!(next, Next::Release) {
            self.heads.forget(&job.queue);
        }
        settle::give_up(&mut self.link(conn), job, now_ms, next).await
    }

    async fn progress(
        &self,
        conn: &mut PgConnection,
        job: &Claimed,
        now_ms: Millis,
        permille: u16,
        note: &str,
    ) -> Result<bool> {
        settle::progress(&mut self.link(conn), job, now_ms, permille, note).await
    }

    async fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<QueueStats>> {
        look::stats(&mut self.read().await?.link(), queue, now_ms).await
    }

    async fn holders(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<Holder>> {
        holders::holders(&mut self.read().await?.link(), queue, now_ms).await
    }

    async fn end_leases(
        &self,
        conn: &mut PgConnection,
        worker: &str,
        claimed_before_ms: Millis,
        now_ms: Millis,
    ) -> Result<u64> {
        holders::end_leases(&mut self.link(conn), worker, claimed_before_ms, now_ms).await
    }

    async fn add_times(&self, conn: &mut PgConnection, queue: &str, times: &[Timed]) -> Result<()> {
        holders::add_times(&mut self.link(conn), queue, times).await
    }

    async fn times(&self, queue: Option<&str>) -> Result<Vec<QueueTimes>> {
        holders::times(&mut self.read().await?.link(), queue).await
    }

    async fn find(&self, id: JobId) -> Result<Option<JobInfo>> {
        look::find(&mut self.read().await?.link(), id).await
    }

    async fn failures(&self, id: JobId) -> Result<Vec<AttemptFailure>> {
        look::failures(&mut self.read().await?.link(), id).await
    }

    async fn cancel(&self, conn: &mut PgConnection, id: JobId, now_ms: Millis) -> Result<Option<Cancelled>> {
        admin::cancel(&mut self.link(conn), id, now_ms).await
    }

    async fn dead(&self, queue: &str, after: DeadCursor, limit: u32) -> Result<Vec<DeadLetter>> {
        look::dead(&mut self.read().await?.link(), queue, after, limit).await
    }

    async fn requeue(&self, conn: &mut PgConnection, id: JobId, now_ms: Millis) -> Result<bool> {
        self.heads.forget_all();
        admin::requeue(&mut self.link(conn), id, now_ms).await
    }

    async fn discard(&self, conn: &mut PgConnection, id: JobId) -> Result<bool> {
        Ok(admin::discard(&mut self.link(conn), &[id.0]).await? == 1)
    }

    async fn purge(
        &self,
        conn: &mut PgConnection,
        now_ms: Millis,
        dead_before_ms: Millis,
        limit: u32,
    ) -> Result<u64> {
        admin::purge(&mut self.link(conn), now_ms, dead_before_ms, limit).await
    }

    async fn erase(&self, conn: &mut PgConnection, owner: &str) -> Result<u64> {
        admin::erase(&mut self.link(conn), owner).await
    }

    async fn limit_lane(
        &self,
        conn: &mut PgConnection,
        queue: &str,
        lane: &str,
        max_leased: Option<u32>,
    ) -> Result<()> {
        admin::limit_lane(&mut self.link(conn), queue, lane, max_leased).await
    }

    async fn set_cron(&self, conn: &mut PgConnection, cron: &StoredCron) -> Result<()> {
        admin::set_cron(&mut self.link(conn), cron).await
    }

    async fn drop_cron(&self, conn: &mut PgConnection, name: &str) -> Result<bool> {
        admin::drop_cron(&mut self.link(conn), name).await
    }

    async fn crons(&self, due_ms: Option<Millis>) -> Result<Vec<StoredCron>> {
        admin::crons(&mut self.read().await?.link(), due_ms).await
    }

    async fn advance_cron(
        &self,
        conn: &mut PgConnection,
        name: &str,
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<bool> {
        admin::advance_cron(&mut self.link(conn), name, from_ms, to_ms).await
    }

    async fn tidy(&self) -> Result<()> {
        admin::compact(&mut self.read().await?.link()).await
    }
}
