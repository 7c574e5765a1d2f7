//! What people and housekeeping do: look, cancel, mend dead letters, erase, limit.

use std::time::Duration;

use super::{Backend, Jobs};
use crate::clock::{Millis, millis};
use crate::conn::{Conn, Kind};
use crate::driver::{Driver as _, Next};
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo};
use crate::job::{ANY_LANE, Claimed, JobId, JobState, check_name};
use crate::{JobsError, job};

/// Rows that one purging transaction deletes of each kind, so that it holds up writers for milliseconds only.
const PURGE_BATCH: u32 = 500;

impl Jobs {
    /// One job as it stands; none when it never existed, or is finished and no longer (or never was) remembered.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: JobId) -> Result<Option<JobInfo>, JobsError> {
        let now_ms = self.now_ms();
        let mut found = ask!(self, d => d.find(id).await)?;
        // What the next claim will do is told as done: a time that has come, a lease that has run out.
        if let Some(info) = &mut found
            && matches!(info.state, JobState::Scheduled | JobState::Leased)
            && info.at_ms <= now_ms
        {
            info.state = JobState::Ready;
            (info.worker, info.progress) = (None, None);
        }
        Ok(found)
    }

    /// Why attempts of a live or dead job failed, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failures(&self, id: JobId) -> Result<Vec<AttemptFailure>, JobsError> {
        ask!(self, d => d.failures(id).await)
    }

    /// Withdraws a job. A waiting one will not run; the holder of a leased one is told with its next heartbeat,
    /// and its handler is dropped.
    ///
    /// # Errors
    /// [`JobsError::NotFound`] when there is no such job or it has ended.
    pub async fn cancel<'c>(&self, conn: impl Into<Conn<'c>>, id: JobId) -> Result<Cancelled, JobsError> {
        let now_ms = self.now_ms();
        let done = on!(self, conn.into(), (d, c) => d.cancel(c, id, now_ms).await)?;
        done.ok_or(JobsError::NotFound(id))
    }

    /// Ends a job in this worker's hands as cancelled.
    pub(crate) async fn cancelled_in<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        job: &Claimed,
    ) -> Result<bool, JobsError> {
        self.give_up(conn.into(), job, self.now_ms(), Next::Cancel).await
    }

    /// Notes how far a job in this worker's hands is, in thousandths and words.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: stop working on it.
    pub async fn progress(&self, job: &Claimed, permille: u16, note: &str) -> Result<(), JobsError> {
        let mut tx = self.begin().await?;
        let (now_ms, note) = (self.now_ms(), super::settle::shorten(note));
        let permille = permille.min(1000);
        let held =
            on!(self, Conn::from(&mut tx), (d, c) => d.progress(c, job, now_ms, permille, note).await)?;
        tx.commit().await?;
        if held { Ok(()) } else { Err(JobsError::LeaseLost(job.id)) }
    }

    /// Dead letters of a queue in the order of their death; go on with [`DeadLetter::cursor`] of the last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_letters(
        &self,
        queue: &str,
        after: Option<DeadCursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, JobsError> {
        let after = after.unwrap_or(DeadCursor { died_at_ms: Millis::MIN, id: JobId(0) });
        ask!(self, d => d.dead(queue, after, limit.min(1000)).await)
    }

    /// Makes a dead job ready again, with all its attempts before it. Its unique key stays given up.
    ///
    /// # Errors
    /// [`JobsError::NotFound`] when there is no such dead letter.
    pub async fn requeue<'c>(&self, conn: impl Into<Conn<'c>>, id: JobId) -> Result<(), JobsError> {
        let mut conn = conn.into();
        conn.wake();
        let now_ms = self.now_ms();
        let done = on!(self, conn, (d, c) => d.requeue(c, id, now_ms).await)?;
        if done { Ok(()) } else { Err(JobsError::NotFound(id)) }
    }

    /// Deletes a dead letter.
    ///
    /// # Errors
    /// [`JobsError::NotFound`] when there is no such dead letter.
    pub async fn discard<'c>(&self, conn: impl Into<Conn<'c>>, id: JobId) -> Result<(), JobsError> {
        let done = on!(self, conn.into(), (d, c) => d.discard(c, id).await)?;
        if done { Ok(()) } else { Err(JobsError::NotFound(id)) }
    }

    /// Deletes what is past its time: outcomes and idempotency keys as asked for when they were made, dead letters
    /// older than `keep_dead`. Waiting and running jobs are never touched. Works in short transactions; answers how
    /// many rows went.
    ///
    /// # Errors
    /// When the database fails; what was deleted before stays deleted.
    pub async fn purge(&self, keep_dead: Duration) -> Result<u64, JobsError> {
        let mut total = 0;
        loop {
            let mut tx = self.begin().await?;
            let now_ms = self.now_ms();
            let dead_before_ms = now_ms.saturating_sub(millis(keep_dead));
            let purged = on!(self, Conn::from(&mut tx), (d, c) => d.purge(c, now_ms, dead_before_ms, PURGE_BATCH).await)?;
            tx.commit().await?;
            total += purged;
            if purged < u64::from(PURGE_BATCH) {
                return Ok(total);
            }
        }
    }

    /// Deletes all that the queue knows of an owner: waiting, running and dead jobs with their payloads, outcomes
    /// and idempotency keys. A worker that holds one of the jobs loses its lease. Answers how many jobs went.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase_owner<'c>(&self, conn: impl Into<Conn<'c>>, owner: &str) -> Result<u64, JobsError> {
        check_name("owner", owner)?;
        on!(self, conn.into(), (d, c) => d.erase(c, owner).await)
    }

    /// Lets at most `max_leased` jobs of a lane be leased at a time; none lifts the limit. Lane "*" means every lane
    /// that has no limit of its own, "" the jobs without a lane.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn limit_lane<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        queue: &str,
        lane: &str,
        max_leased: Option<u32>,
    ) -> Result<(), JobsError> {
        check_name("queue", queue)?;
        if !lane.is_empty() && lane != ANY_LANE {
            job::check_name("lane", lane)?;
        }
        let mut conn = conn.into();
        conn.wake();
        on!(self, conn, (d, c) => d.limit_lane(c, queue, lane, max_leased).await)
    }
}
