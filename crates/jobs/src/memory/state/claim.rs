//! Adding and taking jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Lease, Place, Request, Row, State, Totals};
use crate::JobsError;
use crate::clock::{Millis, millis};
use crate::driver::{Claim, EXPIRED, EXPIRED_LAST, Result};
use crate::info::AttemptFailure;
use crate::job::{ANY_LANE, Claimed, Enqueued, JobId, NewJob, Token};
use crate::lanes::{Lane, WINDOW};

impl State {
    pub(in crate::memory) fn insert(&mut self, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
        let owner = job.owner.clone().unwrap_or_default();
        let request = job.idempotency.as_ref().map(|i| ((owner, i.key.clone()), i));
        if let Some((key, asked)) = &request
            && let Some(there) = self.requests.get(key).filter(|r| r.expires_at_ms > now_ms)
        {
            let job = there.job;
            let same = there.body_sha256 == asked.body_sha256;
            return if same { Ok(Enqueued::Duplicate(job)) } else { Err(JobsError::KeyReused { job }) };
        }
        let twin = |r: &Row| {
            job.unique_key.is_some() && r.new.unique_key == job.unique_key && r.new.queue == job.queue
        };
        let there = self.jobs.iter().find(|(_, r)| twin(r)).map(|(id, _)| *id);
        let added = there.map_or_else(|| Enqueued::New(self.add(job, now_ms)), Enqueued::Duplicate);
        if let Some((key, asked)) = request {
            let expires_at_ms = now_ms.saturating_add(millis(asked.keep));
            let body_sha256 = asked.body_sha256.clone();
            self.requests.insert(key, Request { body_sha256, job: added.id(), expires_at_ms });
        }
        Ok(added)
    }

    fn add(&mut self, job: &NewJob, now_ms: Millis) -> JobId {
        self.last_job += 1;
        let at_ms = job.run_at(now_ms);
        let place = if at_ms <= now_ms { Place::Ready { at_ms } } else { Place::Scheduled { at_ms } };
        let row = Row { new: job.clone(), enqueued_at_ms: now_ms, attempts: 0, place, failures: Vec::new() };
        self.jobs.insert(JobId(self.last_job), row);
        self.total(&job.queue).enqueued += 1;
        JobId(self.last_job)
    }

    pub(in crate::memory) fn claimable(&self, queue: &str, now_ms: Millis) -> bool {
        self.jobs.values().any(|r| r.new.queue == queue && r.claimable_since(now_ms).is_some())
    }

    /// Leases that are over: the attempt counts.
    pub(in crate::memory) fn reclaim(&mut self, queue: &str, now_ms: Millis) {
        let mut lost = Totals::default();
        for row in self.jobs.values_mut().filter(|r| r.new.queue == queue) {
            let Place::Leased(lease) = &row.place else { continue };
            if lease.until_ms > now_ms {
                continue;
            }
            let (at_ms, worker) = (lease.until_ms, lease.worker.clone());
            row.failures.push(AttemptFailure {
                attempt: row.attempts,
                at_ms,
                worker,
                message: EXPIRED.into(),
            });
            lost.leases_lost += 1;
            if row.attempts < row.new.max_attempts {
                row.place = Place::Ready { at_ms };
            } else {
                row.die(at_ms, EXPIRED_LAST);
                lost.deaths += 1;
            }
        }
        let total = self.total(queue);
        total.leases_lost += lost.leases_lost;
        total.failed_attempts += lost.leases_lost;
        total.deaths += lost.deaths;
    }

    /// Lanes with ready jobs from `from` on.
    pub(in crate::memory) fn lanes(&self, claim: &Claim<'_>, from: &str) -> Vec<Lane> {
        let ready = |r: &Row| r.new.lane.as_str() >= from && r.claimable_since(claim.now_ms).is_some();
        let names: BTreeSet<&str> =
            self.of(claim.queue).filter(|(_, r)| ready(r)).map(|(_, r)| r.new.lane.as_str()).collect();
        let lane = |name: &str| Lane { name: name.to_owned(), room: self.room(claim.queue, name) };
        names.into_iter().take(WINDOW as usize).map(lane).collect()
    }

    fn room(&self, queue: &str, lane: &str) -> u32 {
        let limit = |lane: &str| self.limits.get(&(queue.to_owned(), lane.to_owned()));
        let any = if lane.is_empty() { None } else { limit(ANY_LANE) };
        let leased = |r: &Row| r.new.lane == lane && matches!(r.place, Place::Leased(_));
        let leased = self.of(queue).filter(|(_, r)| leased(r)).count() as u32;
        limit(lane).or(any).map_or(u32::MAX, |max| max.saturating_sub(leased))
    }

    /// Claims from one lane.
    pub(in crate::memory) fn take(&mut self, claim: &Claim<'_>, lane: &str, limit: usize) -> Vec<Claimed> {
        let mut ready: Vec<_> = self
            .of(claim.queue)
            .filter(|(_, r)| r.new.lane == lane)
            .filter_map(|(id, r)| Some((r.new.priority, r.claimable_since(claim.now_ms)?, *id)))
            .collect();
        ready.sort_unstable();
        ready.truncate(limit);
        let mut claimed = Vec::with_capacity(ready.len());
        for (_, ready_at_ms, id) in ready {
            let Some(row) = self.jobs.get_mut(&id) else { continue };
            self.last_token += 1;
            row.attempts += 1;
            row.place = Place::Leased(Lease {
                token: Token(self.last_token),
                worker: claim.worker.to_owned(),
                until_ms: claim.until_ms,
                claimed_at_ms: claim.now_ms,
                ready_at_ms,
                cancel: false,
                progress: None,
            });
            claimed.push(Claimed {
                id,
                queue: claim.queue.into(),
                lane: Arc::from(lane),
                payload: row.new.payload.clone(),
                attempt: row.attempts,
                max_attempts: row.new.max_attempts,
                token: Token(self.last_token),
                lease_until_ms: claim.until_ms,
                enqueued_at_ms: row.enqueued_at_ms,
                ready_at_ms,
                deadline_ms: row.new.deadline_ms,
                owner: row.new.owner.clone(),
                kept: !row.new.keep.is_zero(),
            });
        }
        claimed
    }
}
