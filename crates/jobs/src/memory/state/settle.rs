//! What happens to a lease once it is held.

use super::look::info;
use super::{Place, State};
use crate::clock::{Millis, millis};
use crate::driver::{Extended, Next};
use crate::info::{AttemptFailure, Progress};
use crate::job::{Claimed, JobId, JobState};

impl State {
    pub(in crate::memory) fn extend(
        &mut self,
        job: &Claimed,
        now_ms: Millis,
        until_ms: Millis,
    ) -> Option<Extended> {
        let lease = self.leased(job, now_ms)?;
        lease.until_ms = until_ms;
        Some(Extended { job: job.id, cancel: lease.cancel })
    }

    pub(in crate::memory) fn progress(
        &mut self,
        job: &Claimed,
        now_ms: Millis,
        permille: u16,
        note: &str,
    ) -> bool {
        let Some(lease) = self.leased(job, now_ms) else { return false };
        lease.progress = Some(Progress { permille, note: note.to_owned() });
        true
    }

    pub(in crate::memory) fn complete(&mut self, job: &Claimed, now_ms: Millis) -> bool {
        if self.leased(job, now_ms).is_none() {
            return false;
        }
        self.finish(job.id, JobState::Completed, now_ms);
        self.total(&job.queue).completed += 1;
        true
    }

    /// Removes a job; a trace remains if it asked for one.
    pub(super) fn finish(&mut self, id: JobId, state: JobState, now_ms: Millis) {
        let Some(row) = self.jobs.remove(&id) else { return };
        if !row.new.keep.is_zero() {
            let expires = now_ms.saturating_add(millis(row.new.keep));
            let mut info = info(id, &row);
            info.lane = String::new();
            (info.state, info.at_ms) = (state, now_ms);
            (info.worker, info.progress, info.payload, info.reason) = (None, None, None, None);
            self.finished.insert(id, (info, expires));
        }
    }

    pub(in crate::memory) fn give_up(&mut self, job: &Claimed, now_ms: Millis, next: Next<'_>) -> bool {
        let Some(row) = self.jobs.get_mut(&job.id) else { return false };
        let Some(lease) = row.lease(job.token, now_ms) else { return false };
        let (worker, ready_at_ms) = (lease.worker.clone(), lease.ready_at_ms);
        if let Next::Retry { message, .. } | Next::Bury { message } = next {
            let message = message.to_owned();
            row.failures.push(AttemptFailure { attempt: row.attempts, at_ms: now_ms, worker, message });
        }
        let (mut failed, mut died) = (0, 0);
        match next {
            Next::Release => {
                row.attempts -= 1;
                row.place = Place::Ready { at_ms: ready_at_ms };
            }
            Next::Retry { at_ms, .. } => {
                row.place = Place::Scheduled { at_ms };
                failed = 1;
            }
            Next::Bury { message } => {
                row.die(now_ms, message);
                (failed, died) = (1, 1);
            }
            Next::Cancel => self.finish(job.id, JobState::Cancelled, now_ms),
        }
        let total = self.total(&job.queue);
        total.failed_attempts += failed;
        total.deaths += died;
        true
    }

    pub(in crate::memory) fn end_leases(
        &mut self,
        worker: &str,
        claimed_before_ms: Millis,
        now_ms: Millis,
    ) -> u64 {
        let mut ended = 0;
        for row in self.jobs.values_mut() {
            if let Place::Leased(lease) = &mut row.place
                && lease.worker == worker
                && lease.claimed_at_ms < claimed_before_ms
                && lease.until_ms > now_ms
            {
                lease.until_ms = now_ms;
                ended += 1;
            }
        }
        ended
    }
}
