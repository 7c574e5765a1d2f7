//! Jobs are taken under leases, and leases are kept.

use std::time::Duration;

use super::{Backend, Jobs};
use crate::JobsError;
use crate::clock::{Millis, millis};
use crate::conn::{Conn, Kind};
use crate::driver::{Claim, Driver as _, Extended, Next};
use crate::job::{Claimed, check_name};

/// What becomes of a job whose deadline has passed when it is claimed.
const LATE: Next<'_> = Next::Bury { message: "deadline passed before the job was started" };

fn is_late(job: &Claimed, now_ms: Millis) -> bool {
    job.deadline_ms.is_some_and(|d| d <= now_ms)
}

impl Jobs {
    /// Takes up to `limit` ready jobs under leases of length `lease`, first moving expired leases and due jobs to
    /// where they belong. Jobs whose deadline has passed are buried instead of handed out.
    ///
    /// # Errors
    /// When the database fails; then nothing was claimed.
    pub async fn claim(
        &self,
        queue: &str,
        worker: &str,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>, JobsError> {
        check_name("queue", queue)?;
        check_name("worker", worker)?;
        let claim = |now_ms: Millis| Claim {
            queue,
            worker,
            now_ms,
            until_ms: now_ms.saturating_add(millis(lease)),
            limit,
        };
        if let Some(driver) = self.unpooled() {
            let mut conn = driver.pool.acquire().await?;
            let now_ms = self.now_ms();
            if let Some(claimed) = driver.claim_alone(&mut conn, claim(now_ms)).await? {
                drop(conn);
                self.pay_for_retries(&claimed);
                return Ok(self.without_late(claimed, now_ms).await);
            }
        }
        let mut tx = self.begin().await?;
        // Read after the wait for the lock: a lease must not start in the past.
        let now_ms = self.now_ms();
        let mut claimed = on!(self, Conn::from(&mut tx), (d, c) => d.claim(c, claim(now_ms)).await)?;
        for late in claimed.extract_if(.., |j| is_late(j, now_ms)) {
            self.give_up(Conn::from(&mut tx), &late, now_ms, LATE).await?;
        }
        tx.commit().await?;
        self.pay_for_retries(&claimed);
        Ok(claimed)
    }

    /// Buries those of jobs already claimed whose deadline has passed. Should that fail, their leases run out.
    async fn without_late(&self, mut claimed: Vec<Claimed>, now_ms: Millis) -> Vec<Claimed> {
        let late: Vec<Claimed> = claimed.extract_if(.., |j| is_late(j, now_ms)).collect();
        if late.is_empty() {
            return claimed;
        }
        let buried = async {
            let mut tx = self.begin().await?;
            for job in &late {
                self.give_up(Conn::from(&mut tx), job, now_ms, LATE).await?;
            }
            tx.commit().await
        };
        if let Err(e) = buried.await {
            tracing::warn!(error = %e, jobs = late.len(), "jobs past their deadline were not buried, leases run out instead");
        }
        claimed
    }

    /// Whether [`Jobs::claim`] would find anything now: cheap, takes no lock.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_work(&self, queue: &str) -> Result<bool, JobsError> {
        ask!(self, d => d.peek(queue, self.now_ms()).await)
    }

    /// Whether a claim that finds nothing holds nobody up, so that looking first would be a waste.
    pub(crate) fn claims_freely(&self) -> bool {
        self.unpooled().is_some()
    }

    /// Extends the lease of one job to `lease` from now.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: stop working on it.
    pub async fn heartbeat(&self, job: &Claimed, lease: Duration) -> Result<Extended, JobsError> {
        let kept = self.heartbeat_many(&[job], lease).await?;
        kept.first().copied().ok_or(JobsError::LeaseLost(job.id))
    }

    /// Extends many leases at once; answers with those that are still held.
    ///
    /// # Errors
    /// When the database fails; the leases then run on unextended.
    pub async fn heartbeat_many(
        &self,
        jobs: &[&Claimed],
        lease: Duration,
    ) -> Result<Vec<Extended>, JobsError> {
        let mut tx = self.begin().await?;
        let now_ms = self.now_ms();
        let until_ms = now_ms.saturating_add(millis(lease));
        let kept = on!(self, Conn::from(&mut tx), (d, c) => d.extend(c, jobs, now_ms, until_ms).await)?;
        tx.commit().await?;
        Ok(kept)
    }

    /// First attempts pay for the retries of their queue, of which all of these are.
    fn pay_for_retries(&self, claimed: &[Claimed]) {
        let first_attempts = claimed.iter().filter(|job| job.attempt == 1).count() as u64;
        self.retries(claimed.first(), |budget, account| account.pay_in(budget, first_attempts));
    }
}
