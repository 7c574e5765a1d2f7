//! How an attempt ends: completed, failed, or given back.

use std::sync::{Arc, PoisonError};

use super::{Backend, Jobs};
use crate::budget::RetryAccount;
use crate::clock::{Millis, millis};
use crate::conn::{Conn, Kind, Tx};
use crate::driver::{Driver as _, Next};
use crate::job::{Claimed, FailureClass, JobId, MAX_MESSAGE_BYTES, Outcome};
use crate::{JobsError, RetryBudget};

impl Jobs {
    /// Finishes a job, in the transaction of the application's result row.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll the transaction back, the result is no longer wanted.
    pub async fn complete<'c>(&self, conn: impl Into<Conn<'c>>, job: &Claimed) -> Result<(), JobsError> {
        let done = self.complete_many(conn, std::slice::from_ref(job)).await?;
        if done.contains(&job.id) { Ok(()) } else { Err(JobsError::LeaseLost(job.id)) }
    }

    /// Finishes many jobs at once; answers with those whose lease was still held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_many<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        jobs: &[Claimed],
    ) -> Result<Vec<JobId>, JobsError> {
        self.complete_all(conn, &jobs.iter().collect::<Vec<_>>()).await
    }

    pub(crate) async fn complete_all<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        jobs: &[&Claimed],
    ) -> Result<Vec<JobId>, JobsError> {
        let mut conn = conn.into();
        let now_ms = self.now_ms();
        let mut jobs = jobs.to_vec();
        jobs.sort_by(|a, b| a.queue.cmp(&b.queue));
        // A lane with a limit may have room now.
        if jobs.iter().any(|j| !j.lane.is_empty()) {
            conn.wake();
        }
        on!(self, conn, (d, c) => {
            let mut done = Vec::with_capacity(jobs.len());
            for of_queue in jobs.chunk_by(|a, b| a.queue == b.queue) {
                done.extend(d.complete(c, &of_queue[0].queue, of_queue, now_ms).await?);
            }
            Ok(done)
        })
    }

    /// As [`Jobs::complete_many`], in a transaction of its own.
    pub(crate) async fn complete_alone(&self, jobs: &[&Claimed]) -> Result<Vec<JobId>, JobsError> {
        // Where one statement is a transaction; a lane's room rings the bell at the commit of ours.
        if let (Some(driver), [first, ..]) = (self.unpooled(), jobs)
            && jobs.iter().all(|j| j.lane.is_empty() && j.queue == first.queue)
        {
            let mut conn = driver.pool.acquire().await?;
            let now_ms = self.now_ms();
            return driver.complete(&mut conn, &first.queue, jobs, now_ms).await;
        }
        let mut tx = self.begin().await?;
        let done = self.complete_all(&mut tx, jobs).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Ends an attempt in failure, in a transaction of its own.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: somebody else has the job by now; nothing was changed.
    pub async fn fail(
        &self,
        job: &Claimed,
        class: FailureClass,
        message: &str,
    ) -> Result<Outcome, JobsError> {
        let mut tx = self.begin().await?;
        let outcome = self.fail_in(&mut tx, job, class, message).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Ends an attempt in failure, in the application's transaction (to record the failure with its own row).
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll the transaction back.
    pub async fn fail_in<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        job: &Claimed,
        class: FailureClass,
        message: &str,
    ) -> Result<Outcome, JobsError> {
        let now_ms = self.now_ms();
        let message = shorten(message);
        let outcome = self.outcome(job, class, now_ms);
        let next = match outcome {
            Outcome::Retried { at_ms } => Next::Retry { at_ms, message },
            Outcome::Dead => Next::Bury { message },
        };
        if self.give_up(conn.into(), job, now_ms, next).await? {
            Ok(outcome)
        } else {
            Err(JobsError::LeaseLost(job.id))
        }
    }

    /// Gives a job back unfinished, as if it had never been claimed: no attempt is counted, and it keeps its place.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: it is no longer the caller's to give back.
    pub async fn release(&self, job: &Claimed) -> Result<(), JobsError> {
        match self.release_many(std::slice::from_ref(job)).await? {
            1 => Ok(()),
            _ => Err(JobsError::LeaseLost(job.id)),
        }
    }

    /// Gives many jobs back in one transaction; answers how many leases were still held.
    ///
    /// # Errors
    /// When the database fails; the leases then run out by themselves.
    pub async fn release_many(&self, jobs: &[Claimed]) -> Result<usize, JobsError> {
        let mut tx = self.begin().await?;
        let released = self.release_in(&mut tx, &jobs.iter().collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(usize::try_from(released).unwrap_or(usize::MAX))
    }

    pub(crate) async fn release_in(&self, tx: &mut Tx, jobs: &[&Claimed]) -> Result<u64, JobsError> {
        let now_ms = self.now_ms();
        let mut released = 0;
        for job in jobs {
            let mut conn = Conn::from(&mut *tx);
            conn.wake();
            released += u64::from(self.give_up(conn, job, now_ms, Next::Release).await?);
        }
        Ok(released)
    }

    pub(super) async fn give_up(
        &self,
        conn: Conn<'_>,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool, JobsError> {
        on!(self, conn, (d, c) => d.give_up(c, job, now_ms, next).await)
    }

    fn outcome(&self, job: &Claimed, class: FailureClass, now_ms: Millis) -> Outcome {
        let wait = match class {
            FailureClass::Never => return Outcome::Dead,
            _ if job.attempt >= job.max_attempts => return Outcome::Dead,
            FailureClass::Retry | FailureClass::Panic => self.shared.backoff.delay(job.attempt, self.unit()),
            FailureClass::RetryAfter(named) => {
                self.shared.backoff.delay_after(named, job.attempt, self.unit())
            }
        };
        let at_ms = now_ms.saturating_add(millis(wait));
        let paid_ms = self.retries(Some(job), |budget, account| account.take(budget, now_ms));
        Outcome::Retried { at_ms: paid_ms.map_or(at_ms, |paid_ms| at_ms.max(paid_ms)) }
    }

    /// Looks into the retry account of a job's queue, if there are such accounts.
    pub(super) fn retries<T>(
        &self,
        job: Option<&Claimed>,
        look: impl FnOnce(&RetryBudget, &mut RetryAccount) -> T,
    ) -> Option<T> {
        let budget = self.shared.retry_budget.as_ref()?;
        let mut accounts = self.shared.retries.lock().unwrap_or_else(PoisonError::into_inner);
        Some(look(budget, accounts.entry(Arc::clone(&job?.queue)).or_default()))
    }
}

/// Cuts a message to what is kept, at a character's edge.
pub(super) fn shorten(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}
