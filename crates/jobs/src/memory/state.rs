//! All jobs and what may happen to them, as plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{Millis, millis};
use crate::cron::StoredCron;
use crate::driver::{Claim, EXPIRED, EXPIRED_LAST, Extended, Next, Result};
use crate::info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo, Progress};
use crate::job::{ANY_LANE, Claimed, Enqueued, JobId, JobState, NewJob, Token};
use crate::lanes::{Lane, WINDOW};
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};
use crate::{JobsError, QueueStats};

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    jobs: BTreeMap<JobId, Row>,
    finished: BTreeMap<JobId, (JobInfo, Millis)>,
    requests: BTreeMap<(String, String), Request>,
    limits: BTreeMap<(String, String), u32>,
    crons: BTreeMap<String, StoredCron>,
    totals: BTreeMap<String, Totals>,
    times: BTreeMap<String, Vec<Timed>>,
    last_job: i64,
    last_token: i64,
}

#[derive(Debug, Clone)]
struct Row {
    new: NewJob,
    enqueued_at_ms: Millis,
    attempts: u32,
    place: Place,
    failures: Vec<AttemptFailure>,
}

#[derive(Debug, Clone)]
enum Place {
    Ready { at_ms: Millis },
    Scheduled { at_ms: Millis },
    Leased(Lease),
    Dead { at_ms: Millis, reason: String },
}

#[derive(Debug, Clone)]
struct Lease {
    token: Token,
    worker: String,
    until_ms: Millis,
    claimed_at_ms: Millis,
    ready_at_ms: Millis,
    cancel: bool,
    progress: Option<Progress>,
}

#[derive(Debug, Clone)]
struct Request {
    body_sha256: String,
    job: JobId,
    expires_at_ms: Millis,
}

#[derive(Debug, Clone, Default)]
struct Totals {
    enqueued: u64,
    completed: u64,
    failed_attempts: u64,
    leases_lost: u64,
    deaths: u64,
}

// === impl Row ===

impl Row {
    /// Since when the job could be claimed, if it could be claimed at `now_ms`.
    fn claimable_since(&self, now_ms: Millis) -> Option<Millis> {
        match &self.place {
            Place::Ready { at_ms } | Place::Scheduled { at_ms } if *at_ms <= now_ms => Some(*at_ms),
            Place::Leased(lease) if lease.until_ms <= now_ms => Some(lease.until_ms),
            _ => None,
        }
    }

    fn lease(&mut self, token: Token, now_ms: Millis) -> Option<&mut Lease> {
        match &mut self.place {
            Place::Leased(lease) if lease.token == token && lease.until_ms > now_ms => Some(lease),
            _ => None,
        }
    }

    fn die(&mut self, at_ms: Millis, reason: &str) {
        self.place = Place::Dead { at_ms, reason: reason.to_owned() };
        self.new.unique_key = None;
    }
}

// === impl State ===

impl State {
    pub(super) fn insert(&mut self, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
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

    fn total(&mut self, queue: &str) -> &mut Totals {
        self.totals.entry(queue.to_owned()).or_default()
    }

    pub(super) fn claimable(&self, queue: &str, now_ms: Millis) -> bool {
        self.jobs.values().any(|r| r.new.queue == queue && r.claimable_since(now_ms).is_some())
    }

    /// Leases that are over: the attempt counts.
    pub(super) fn reclaim(&mut self, queue: &str, now_ms: Millis) {
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
    pub(super) fn lanes(&self, claim: &Claim<'_>, from: &str) -> Vec<Lane> {
        let ready = |r: &Row| r.new.lane.as_str() >= from && r.claimable_since(claim.now_ms).is_some();
        let names: BTreeSet<&str> =
            self.of(claim.queue).filter(|(_, r)| ready(r)).map(|(_, r)| r.new.lane.as_str()).collect();
        let lane = |name: &str| Lane { name: name.to_owned(), room: self.room(claim.queue, name) };
        names.into_iter().take(WINDOW as usize).map(lane).collect()
    }

    fn of(&self, queue: &str) -> impl Iterator<Item = (&JobId, &Row)> {
        self.jobs.iter().filter(move |(_, r)| r.new.queue == queue)
    }

    fn room(&self, queue: &str, lane: &str) -> u32 {
        let limit = |lane: &str| self.limits.get(&(queue.to_owned(), lane.to_owned()));
        let any = if lane.is_empty() { None } else { limit(ANY_LANE) };
        let leased = |r: &Row| r.new.lane == lane && matches!(r.place, Place::Leased(_));
        let leased = self.of(queue).filter(|(_, r)| leased(r)).count() as u32;
        limit(lane).or(any).map_or(u32::MAX, |max| max.saturating_sub(leased))
    }

    /// Claims from one lane.
    pub(super) fn take(&mut self, claim: &Claim<'_>, lane: &str, limit: usize) -> Vec<Claimed> {
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

    fn leased(&mut self, job: &Claimed, now_ms: Millis) -> Option<&mut Lease> {
        self.jobs.get_mut(&job.id)?.lease(job.token, now_ms)
    }

    pub(super) fn extend(&mut self, job: &Claimed, now_ms: Millis, until_ms: Millis) -> Option<Extended> {
        let lease = self.leased(job, now_ms)?;
        lease.until_ms = until_ms;
        Some(Extended { job: job.id, cancel: lease.cancel })
    }

    pub(super) fn progress(&mut self, job: &Claimed, now_ms: Millis, permille: u16, note: &str) -> bool {
        let Some(lease) = self.leased(job, now_ms) else { return false };
        lease.progress = Some(Progress { permille, note: note.to_owned() });
        true
    }

    pub(super) fn complete(&mut self, job: &Claimed, now_ms: Millis) -> bool {
        if self.leased(job, now_ms).is_none() {
            return false;
        }
        self.finish(job.id, JobState::Completed, now_ms);
        self.total(&job.queue).completed += 1;
        true
    }

    /// Removes a job; a trace remains if it asked for one.
    fn finish(&mut self, id: JobId, state: JobState, now_ms: Millis) {
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

    pub(super) fn give_up(&mut self, job: &Claimed, now_ms: Millis, next: Next<'_>) -> bool {
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

    pub(super) fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Vec<QueueStats> {
        let named = |name: &&String| queue.is_none_or(|q| q == name.as_str());
        let one = |name: &String| {
            let total = self.totals.get(name).cloned().unwrap_or_default();
            let mut stats = QueueStats {
                queue: name.clone(),
                ready: 0,
                scheduled: 0,
                leased: 0,
                dead: 0,
                enqueued_total: total.enqueued,
                completed_total: total.completed,
                failed_attempts_total: total.failed_attempts,
                leases_lost_total: total.leases_lost,
                dead_total: total.deaths,
                oldest_ready_age_ms: None,
                at_ms: now_ms,
            };
            for (_, row) in self.of(name) {
                if let Some(since) = row.claimable_since(now_ms) {
                    stats.ready += 1;
                    stats.oldest_ready_age_ms = stats.oldest_ready_age_ms.max(Some(now_ms - since));
                    continue;
                }
                match row.place {
                    Place::Ready { .. } => stats.ready += 1,
                    Place::Scheduled { .. } => stats.scheduled += 1,
                    Place::Leased(_) => stats.leased += 1,
                    Place::Dead { .. } => stats.dead += 1,
                }
            }
            stats
        };
        self.totals.keys().filter(named).map(one).collect()
    }

    pub(super) fn holders(&self, queue: Option<&str>, now_ms: Millis) -> Vec<Holder> {
        let mut holders: BTreeMap<(&str, &str), (u64, Millis)> = BTreeMap::new();
        for row in self.jobs.values().filter(|r| queue.is_none_or(|q| q == r.new.queue)) {
            if let Place::Leased(lease) = &row.place
                && lease.until_ms > now_ms
            {
                let key = (row.new.queue.as_str(), lease.worker.as_str());
                let (jobs, oldest) = holders.entry(key).or_insert((0, lease.claimed_at_ms));
                *jobs += 1;
                *oldest = lease.claimed_at_ms.min(*oldest);
            }
        }
        let holder = |((queue, worker), (jobs, oldest_claim_ms)): ((&str, &str), _)| Holder {
            queue: queue.to_owned(),
            worker: worker.to_owned(),
            jobs,
            oldest_claim_ms,
        };
        holders.into_iter().map(holder).collect()
    }

    pub(super) fn end_leases(&mut self, worker: &str, claimed_before_ms: Millis, now_ms: Millis) -> u64 {
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

    pub(super) fn add_times(&mut self, queue: &str, times: &[Timed]) {
        let known = self.times.entry(queue.to_owned()).or_default();
        for new in times {
            match known.iter_mut().find(|k| (k.kind, k.le_ms) == (new.kind, new.le_ms)) {
                Some(there) => {
                    (there.count, there.sum_ms) = (there.count + new.count, there.sum_ms + new.sum_ms)
                }
                None => known.push(*new),
            }
        }
    }

    pub(super) fn times(&self, queue: Option<&str>) -> Vec<QueueTimes> {
        let named = self.times.iter().filter(|(name, _)| queue.is_none_or(|q| q == name.as_str()));
        QueueTimes::from_rows(named.flat_map(|(name, times)| times.iter().map(|t| (name.clone(), *t))))
    }

    pub(super) fn find(&self, id: JobId) -> Option<JobInfo> {
        let live = self.jobs.get(&id).map(|row| info(id, row));
        live.or_else(|| self.finished.get(&id).map(|(info, _)| info.clone()))
    }

    pub(super) fn failures(&self, id: JobId) -> Vec<AttemptFailure> {
        self.jobs.get(&id).map_or_else(Vec::new, |row| row.failures.clone())
    }

    pub(super) fn cancel(&mut self, id: JobId, now_ms: Millis) -> Option<Cancelled> {
        match &mut self.jobs.get_mut(&id)?.place {
            Place::Dead { .. } => return None,
            Place::Leased(lease) if lease.until_ms > now_ms => {
                lease.cancel = true;
                return Some(Cancelled::Requested);
            }
            _ => {}
        }
        self.finish(id, JobState::Cancelled, now_ms);
        Some(Cancelled::Now)
    }

    pub(super) fn dead(&self, queue: &str, after: DeadCursor, limit: u32) -> Vec<DeadLetter> {
        let letter = |(id, row): (&JobId, &Row)| {
            let Place::Dead { at_ms, reason } = &row.place else { return None };
            Some(DeadLetter {
                id: *id,
                queue: row.new.queue.clone(),
                lane: row.new.lane.clone(),
                owner: row.new.owner.clone(),
                payload: row.new.payload.clone(),
                attempts: row.attempts,
                enqueued_at_ms: row.enqueued_at_ms,
                died_at_ms: *at_ms,
                reason: reason.clone(),
            })
        };
        let mut letters: Vec<_> = self.of(queue).filter_map(letter).collect();
        letters.sort_by_key(|l| (l.died_at_ms, l.id));
        letters.retain(|l| (l.died_at_ms, l.id) > (after.died_at_ms, after.id));
        letters.truncate(limit as usize);
        letters
    }

    fn is_dead(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|r| matches!(r.place, Place::Dead { .. }))
    }

    pub(super) fn requeue(&mut self, id: JobId, now_ms: Millis) -> bool {
        let dead = self.is_dead(id);
        if let Some(row) = self.jobs.get_mut(&id).filter(|_| dead) {
            (row.place, row.attempts) = (Place::Ready { at_ms: now_ms }, 0);
        }
        dead
    }

    pub(super) fn discard(&mut self, id: JobId) -> bool {
        self.is_dead(id) && self.jobs.remove(&id).is_some()
    }

    pub(super) fn purge(&mut self, now_ms: Millis, dead_before_ms: Millis, limit: usize) -> u64 {
        let died_before = |r: &Row| matches!(r.place, Place::Dead { at_ms, .. } if at_ms < dead_before_ms);
        let dead: Vec<_> =
            self.jobs.iter().filter(|(_, r)| died_before(r)).map(|(id, _)| *id).take(limit).collect();
        let finished: Vec<_> =
            self.finished.iter().filter(|(_, f)| f.1 <= now_ms).map(|(id, _)| *id).take(limit).collect();
        let expired = |r: &Request| r.expires_at_ms <= now_ms;
        let requests: Vec<_> =
            self.requests.iter().filter(|(_, r)| expired(r)).map(|(k, _)| k.clone()).take(limit).collect();
        dead.iter().for_each(|id| drop(self.jobs.remove(id)));
        finished.iter().for_each(|id| drop(self.finished.remove(id)));
        requests.iter().for_each(|key| drop(self.requests.remove(key)));
        (dead.len() + finished.len() + requests.len()) as u64
    }

    pub(super) fn erase(&mut self, owner: &str) -> u64 {
        let before = self.jobs.len();
        self.jobs.retain(|_, r| r.new.owner.as_deref() != Some(owner));
        self.finished.retain(|_, f| f.0.owner.as_deref() != Some(owner));
        self.requests.retain(|key, _| key.0 != owner);
        (before - self.jobs.len()) as u64
    }

    pub(super) fn limit_lane(&mut self, queue: &str, lane: &str, max_leased: Option<u32>) {
        let key = (queue.to_owned(), lane.to_owned());
        match max_leased {
            Some(max) => self.limits.insert(key, max),
            None => self.limits.remove(&key),
        };
    }

    pub(super) fn set_cron(&mut self, cron: &StoredCron) {
        let mut cron = cron.clone();
        if let Some(there) = self.crons.get(&cron.name).filter(|c| c.schedule == cron.schedule) {
            cron.next_at_ms = there.next_at_ms;
        }
        self.crons.insert(cron.name.clone(), cron);
    }

    pub(super) fn drop_cron(&mut self, name: &str) -> bool {
        self.crons.remove(name).is_some()
    }

    pub(super) fn crons(&self, due_ms: Option<Millis>) -> Vec<StoredCron> {
        self.crons.values().filter(|c| due_ms.is_none_or(|due| c.next_at_ms <= due)).cloned().collect()
    }

    pub(super) fn advance_cron(&mut self, name: &str, from_ms: Millis, to_ms: Millis) -> bool {
        let Some(cron) = self.crons.get_mut(name).filter(|c| c.next_at_ms == from_ms) else { return false };
        cron.next_at_ms = to_ms;
        true
    }
}

fn info(id: JobId, row: &Row) -> JobInfo {
    let mut info = JobInfo {
        id,
        queue: row.new.queue.clone(),
        lane: row.new.lane.clone(),
        owner: row.new.owner.clone(),
        state: JobState::Ready,
        attempts: row.attempts,
        enqueued_at_ms: row.enqueued_at_ms,
        at_ms: 0,
        worker: None,
        progress: None,
        payload: Some(row.new.payload.clone()),
        reason: None,
    };
    match &row.place {
        Place::Ready { at_ms } => info.at_ms = *at_ms,
        Place::Scheduled { at_ms } => (info.state, info.at_ms) = (JobState::Scheduled, *at_ms),
        Place::Leased(lease) => {
            (info.state, info.at_ms) = (JobState::Leased, lease.until_ms);
            (info.worker, info.progress) = (Some(lease.worker.clone()), lease.progress.clone());
        }
        Place::Dead { at_ms, reason } => {
            (info.state, info.at_ms, info.reason) = (JobState::Dead, *at_ms, Some(reason.clone()));
        }
    }
    info
}
