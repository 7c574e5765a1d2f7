//! The queue in this process's memory: for tests, and the plainest statement of what a driver must do.
//!
//! Nothing survives the process. A transaction works on a copy of the state that takes its place upon the commit,
//! so readers see the last committed state and a dropped transaction leaves no trace. Every look-up reads all jobs.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::driver::{Claim, Driver, Extended, Next, Result};
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo};
use crate::job::{Claimed, Enqueued, JobId, NewJob};
use crate::lanes::{self, Lane, Lanes, Turns};
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};
use crate::{JobsError, QueueStats};
use state::State;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct MemoryDriver {
    committed: Arc<Mutex<Arc<State>>>,
    writer: Arc<tokio::sync::Mutex<()>>,
    busy_timeout: Duration,
    turns: Turns,
}

/// A writing transaction on a queue in memory; there is one at a time.
#[derive(Debug)]
pub(crate) struct MemoryTx {
    committed: Arc<Mutex<Arc<State>>>,
    state: Arc<State>,
    _writer: OwnedMutexGuard<()>,
}

// === impl MemoryTx ===

impl MemoryTx {
    pub(crate) fn commit(self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = self.state;
    }

    fn state(&mut self) -> &mut State {
        Arc::make_mut(&mut self.state)
    }
}

// === impl MemoryDriver ===

impl MemoryDriver {
    pub(crate) fn new(busy_timeout: Duration) -> Self {
        Self { committed: Arc::default(), writer: Arc::default(), busy_timeout, turns: Turns::default() }
    }

    pub(crate) async fn begin(&self) -> Result<MemoryTx> {
        let writer = tokio::time::timeout(self.busy_timeout, Arc::clone(&self.writer).lock_owned())
            .await
            .map_err(|_| JobsError::Busy("another transaction is open".into()))?;
        let state = Arc::clone(&self.committed());
        Ok(MemoryTx { committed: Arc::clone(&self.committed), state, _writer: writer })
    }

    fn committed(&self) -> MutexGuard<'_, Arc<State>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes, in the hands of the one transaction that there is.
struct Shared<'a> {
    state: &'a mut State,
    claim: Claim<'a>,
}

impl Lanes for Shared<'_> {
    async fn open(&mut self, from: &str) -> Result<Vec<Lane>> {
        Ok(self.state.lanes(&self.claim, from))
    }

    async fn take(&mut self, lane: &str, limit: u32) -> Result<Vec<Claimed>> {
        Ok(self.state.take(&self.claim, lane, limit as usize))
    }
}

impl Driver for MemoryDriver {
    type Conn = MemoryTx;

    async fn insert(&self, tx: &mut MemoryTx, jobs: &[NewJob], now_ms: Millis) -> Result<Vec<Enqueued>> {
        jobs.iter().map(|job| tx.state().insert(job, now_ms)).collect()
    }

    async fn peek(&self, queue: &str, now_ms: Millis) -> Result<bool> {
        Ok(self.committed().claimable(queue, now_ms))
    }

    async fn claim(&self, tx: &mut MemoryTx, claim: Claim<'_>) -> Result<Vec<Claimed>> {
        if !tx.state().claimable(claim.queue, claim.now_ms) {
            return Ok(Vec::new());
        }
        tx.state().reclaim(claim.queue, claim.now_ms);
        lanes::claim(&mut Shared { state: tx.state(), claim }, claim.queue, claim.limit, &self.turns).await
    }

    async fn extend(
        &self,
        tx: &mut MemoryTx,
        jobs: &[&Claimed],
        now_ms: Millis,
        until_ms: Millis,
    ) -> Result<Vec<Extended>> {
        Ok(jobs.iter().filter_map(|job| tx.state().extend(job, now_ms, until_ms)).collect())
    }

    async fn complete(
        &self,
        tx: &mut MemoryTx,
        _queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> Result<Vec<JobId>> {
        Ok(jobs.iter().filter(|job| tx.state().complete(job, now_ms)).map(|job| job.id).collect())
    }

    async fn give_up(
        &self,
        tx: &mut MemoryTx,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool> {
        Ok(tx.state().give_up(job, now_ms, next))
    }

    async fn progress(
        &self,
        tx: &mut MemoryTx,
        job: &Claimed,
        now_ms: Millis,
        permille: u16,
        note: &str,
    ) -> Result<bool> {
        Ok(tx.state().progress(job, now_ms, permille, note))
    }

    async fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<QueueStats>> {
        Ok(self.committed().stats(queue, now_ms))
    }

    async fn holders(&self, queue: Option<&str>, now_ms: Millis) -> Result<Vec<Holder>> {
        Ok(self.committed().holders(queue, now_ms))
    }

    async fn end_leases(
        &self,
        tx: &mut MemoryTx,
        worker: &str,
        claimed_before_ms: Millis,
        now_ms: Millis,
    ) -> Result<u64> {
        Ok(tx.state().end_leases(worker, claimed_before_ms, now_ms))
    }

    async fn add_times(&self, tx: &mut MemoryTx, queue: &str, times: &[Timed]) -> Result<()> {
        tx.state().add_times(queue, times);
        Ok(())
    }

    async fn times(&self, queue: Option<&str>) -> Result<Vec<QueueTimes>> {
        Ok(self.committed().times(queue))
    }

    async fn find(&self, id: JobId) -> Result<Option<JobInfo>> {
        Ok(self.committed().find(id))
    }

    async fn failures(&self, id: JobId) -> Result<Vec<AttemptFailure>> {
        Ok(self.committed().failures(id))
    }

    async fn cancel(&self, tx: &mut MemoryTx, id: JobId, now_ms: Millis) -> Result<Option<Cancelled>> {
        Ok(tx.state().cancel(id, now_ms))
    }

    async fn dead(&self, queue: &str, after: DeadCursor, limit: u32) -> Result<Vec<DeadLetter>> {
        Ok(self.committed().dead(queue, after, limit))
    }

    async fn requeue(&self, tx: &mut MemoryTx, id: JobId, now_ms: Millis) -> Result<bool> {
        Ok(tx.state().requeue(id, now_ms))
    }

    async fn discard(&self, tx: &mut MemoryTx, id: JobId) -> Result<bool> {
        Ok(tx.state().discard(id))
    }

    async fn purge(
        &self,
        tx: &mut MemoryTx,
        now_ms: Millis,
        dead_before_ms: Millis,
        limit: u32,
    ) -> Result<u64> {
        Ok(tx.state().purge(now_ms, dead_before_ms, limit as usize))
    }

    async fn erase(&self, tx: &mut MemoryTx, owner: &str) -> Result<u64> {
        Ok(tx.state().erase(owner))
    }

    async fn limit_lane(
        &self,
        tx: &mut MemoryTx,
        queue: &str,
        lane: &str,
        max_leased: Option<u32>,
    ) -> Result<()> {
        tx.state().limit_lane(queue, lane, max_leased);
        Ok(())
    }

    async fn set_cron(&self, tx: &mut MemoryTx, cron: &StoredCron) -> Result<()> {
        tx.state().set_cron(cron);
        Ok(())
    }

    async fn drop_cron(&self, tx: &mut MemoryTx, name: &str) -> Result<bool> {
        Ok(tx.state().drop_cron(name))
    }

    async fn crons(&self, due_ms: Option<Millis>) -> Result<Vec<StoredCron>> {
        Ok(self.committed().crons(due_ms))
    }

    async fn advance_cron(
        &self,
        tx: &mut MemoryTx,
        name: &str,
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<bool> {
        Ok(tx.state().advance_cron(name, from_ms, to_ms))
    }
}
