//! The seam between the queue's rules and a database.
//!
//! A driver moves rows and compares tokens; what to do when (backoff, deadlines, which failure is final) is
//! decided above it, once, in [`crate::Jobs`]. Methods that write work on a connection that they are given, so
//! that callers can put several together in one transaction. `tests/conformance` is what every driver must pass.

use std::future::Future;

use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo};
use crate::job::{Claimed, Enqueued, JobId, NewJob};
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};
use crate::{JobsError, QueueStats};

pub(crate) type Result<T> = std::result::Result<T, JobsError>;

/// What a lease that ran out is recorded as.
pub(crate) const EXPIRED: &str = "lease expired: the worker died, stalled or lost the database";
/// Why a job whose last lease ran out is dead.
pub(crate) const EXPIRED_LAST: &str = "lease of the last attempt expired";

/// What a claim asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) queue: &'a str,
    pub(crate) worker: &'a str,
    pub(crate) now_ms: Millis,
    pub(crate) until_ms: Millis,
    pub(crate) limit: u32,
}

/// Where a job goes when its lease is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next<'a> {
    /// Back to where it was; the attempt does not count.
    Release,
    /// Waits until `at_ms`; the attempt counts.
    Retry { at_ms: Millis, message: &'a str },
    /// Dead letter.
    Bury { message: &'a str },
    /// Withdrawn at somebody's request.
    Cancel,
}

/// A lease that was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// The job.
    pub job: JobId,
    /// Somebody wants the job to be given up: see [`crate::Jobs::cancel`].
    pub cancel: bool,
}

/// One kind of database. See the module's documentation for what belongs here.
pub(crate) trait Driver {
    /// The connection it works on.
    type Conn: Send;

    /// Adds checked jobs; answers in their order.
    fn insert(
        &self,
        conn: &mut Self::Conn,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Enqueued>>> + Send;

    /// Whether a claim at `now_ms` might find anything. Takes no lock.
    fn peek(&self, queue: &str, now_ms: Millis) -> impl Future<Output = Result<bool>> + Send;

    /// Takes jobs under leases, after moving due jobs and expired leases to where they belong.
    fn claim(
        &self,
        conn: &mut Self::Conn,
        claim: Claim<'_>,
    ) -> impl Future<Output = Result<Vec<Claimed>>> + Send;

    /// Extends those of the leases that are still live.
    fn extend(
        &self,
        conn: &mut Self::Conn,
        jobs: &[&Claimed],
        now_ms: Millis,
        until_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Extended>>> + Send;

    /// Finishes those jobs (all of one queue) whose leases are live.
    fn complete(
        &self,
        conn: &mut Self::Conn,
        queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<JobId>>> + Send;

    /// Ends a live lease otherwise; answers whether it was live.
    fn give_up(
        &self,
        conn: &mut Self::Conn,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Notes how far a job is; answers whether its lease is live.
    fn progress(
        &self,
        conn: &mut Self::Conn,
        job: &Claimed,
        now_ms: Millis,
        permille: u16,
        note: &str,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Figures of one queue, or of all.
    fn stats(
        &self,
        queue: Option<&str>,
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<QueueStats>>> + Send;

    /// Who holds live leases, by queue and worker.
    fn holders(
        &self,
        queue: Option<&str>,
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Holder>>> + Send;

    /// Ends at `now_ms` the live leases that `worker` took before `claimed_before_ms`, as if they had run out; answers
    /// how many jobs they held at most.
    fn end_leases(
        &self,
        conn: &mut Self::Conn,
        worker: &str,
        claimed_before_ms: Millis,
        now_ms: Millis,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Adds to what is known of waiting and running times.
    fn add_times(
        &self,
        conn: &mut Self::Conn,
        queue: &str,
        times: &[Timed],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Waiting and running times, by queue.
    fn times(&self, queue: Option<&str>) -> impl Future<Output = Result<Vec<QueueTimes>>> + Send;

    /// One job as it stands.
    fn find(&self, id: JobId) -> impl Future<Output = Result<Option<JobInfo>>> + Send;

    /// Why attempts of a job failed, oldest first.
    fn failures(&self, id: JobId) -> impl Future<Output = Result<Vec<AttemptFailure>>> + Send;

    /// Withdraws a waiting job, or asks the holder of a leased one to. None: there is no such live job.
    fn cancel(
        &self,
        conn: &mut Self::Conn,
        id: JobId,
        now_ms: Millis,
    ) -> impl Future<Output = Result<Option<Cancelled>>> + Send;

    /// Dead letters in the order of their death.
    fn dead(
        &self,
        queue: &str,
        after: DeadCursor,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetter>>> + Send;

    /// Makes a dead job ready again with all its attempts; answers whether it was dead.
    fn requeue(
        &self,
        conn: &mut Self::Conn,
        id: JobId,
        now_ms: Millis,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Deletes a dead job; answers whether it was dead.
    fn discard(&self, conn: &mut Self::Conn, id: JobId) -> impl Future<Output = Result<bool>> + Send;

    /// Deletes up to `limit` of each: traces and idempotency keys that have expired, jobs that died before `dead_before_ms`.
    fn purge(
        &self,
        conn: &mut Self::Conn,
        now_ms: Millis,
        dead_before_ms: Millis,
        limit: u32,
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Deletes all that is known of an owner, running jobs included; answers how many jobs that were live or dead.
    fn erase(&self, conn: &mut Self::Conn, owner: &str) -> impl Future<Output = Result<u64>> + Send;

    /// Sets or lifts the limit of a lane.
    fn limit_lane(
        &self,
        conn: &mut Self::Conn,
        queue: &str,
        lane: &str,
        max_leased: Option<u32>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Adds or changes a schedule; one that is unchanged keeps its next time.
    fn set_cron(&self, conn: &mut Self::Conn, cron: &StoredCron) -> impl Future<Output = Result<()>> + Send;

    /// Removes a schedule; answers whether it was there.
    fn drop_cron(&self, conn: &mut Self::Conn, name: &str) -> impl Future<Output = Result<bool>> + Send;

    /// The schedules that are due, or all.
    fn crons(&self, due_ms: Option<Millis>) -> impl Future<Output = Result<Vec<StoredCron>>> + Send;

    /// Moves a schedule on; answers whether it still stood at `from_ms`: of several instances, one does the work.
    fn advance_cron(
        &self,
        conn: &mut Self::Conn,
        name: &str,
        from_ms: Millis,
        to_ms: Millis,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Whatever this kind of database needs done now and then for speed; nothing depends on it.
    fn tidy(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}
