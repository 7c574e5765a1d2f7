//! Who holds jobs, and what becomes of those that a dead worker held.

use super::{Backend, Jobs};
use crate::clock::Millis;
use crate::conn::{Conn, Kind};
use crate::driver::Driver as _;
use crate::job::check_name;
use crate::stats::Holder;
use crate::timing::QueueTimes;
use crate::{JobsError, QueueStats};

impl Jobs {
    /// Figures of `queue`, or of every queue that ever held a job. Cheap: meant to be read every second.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stats(&self, queue: Option<&str>) -> Result<Vec<QueueStats>, JobsError> {
        ask!(self, d => d.stats(queue, self.now_ms()).await)
    }

    /// How long jobs of `queue`, or of every queue, have waited and run. Counts are up to a second old, and those of the
    /// last second of a worker that was killed are missing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn times(&self, queue: Option<&str>) -> Result<Vec<QueueTimes>, JobsError> {
        ask!(self, d => d.times(queue).await)
    }

    /// Who holds jobs of `queue`, or of any, under live leases; in order of queue and worker. Costs one look at every
    /// lease.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holders(&self, queue: Option<&str>) -> Result<Vec<Holder>, JobsError> {
        ask!(self, d => d.holders(queue, self.now_ms()).await)
    }

    /// Ends the leases that `worker` took before `claimed_before_ms`, as if they had run out now: the attempts count as
    /// lost, others get the jobs at once. For whoever knows for certain that the worker of that name which lived until
    /// then is dead, so that nobody waits for its leases. Should it live all the same, it is fenced like one that lost its
    /// lease. Answers how many jobs it held at most.
    ///
    /// # Errors
    /// When the database fails; the leases then run out by themselves.
    pub async fn end_leases_of(&self, worker: &str, claimed_before_ms: Millis) -> Result<u64, JobsError> {
        check_name("worker", worker)?;
        let mut tx = self.begin().await?;
        let now_ms = self.now_ms();
        let mut conn = Conn::from(&mut tx);
        conn.wake();
        let ended = on!(self, conn, (d, c) => d.end_leases(c, worker, claimed_before_ms, now_ms).await)?;
        tx.commit().await?;
        Ok(ended)
    }
}
