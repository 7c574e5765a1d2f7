//! Reading without changing anything; and the times that workers report.

use std::collections::BTreeMap;

use super::{Place, Row, State};
use crate::QueueStats;
use crate::clock::Millis;
use crate::info::{AttemptFailure, DeadCursor, DeadLetter, JobInfo};
use crate::job::{JobId, JobState};
use crate::stats::Holder;
use crate::timing::{QueueTimes, Timed};

impl State {
    pub(in crate::memory) fn stats(&self, queue: Option<&str>, now_ms: Millis) -> Vec<QueueStats> {
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

    pub(in crate::memory) fn holders(&self, queue: Option<&str>, now_ms: Millis) -> Vec<Holder> {
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

    pub(in crate::memory) fn add_times(&mut self, queue: &str, times: &[Timed]) {
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

    pub(in crate::memory) fn times(&self, queue: Option<&str>) -> Vec<QueueTimes> {
        let named = self.times.iter().filter(|(name, _)| queue.is_none_or(|q| q == name.as_str()));
        QueueTimes::from_rows(named.flat_map(|(name, times)| times.iter().map(|t| (name.clone(), *t))))
    }

    pub(in crate::memory) fn find(&self, id: JobId) -> Option<JobInfo> {
        let live = self.jobs.get(&id).map(|row| info(id, row));
        live.or_else(|| self.finished.get(&id).map(|(info, _)| info.clone()))
    }

    pub(in crate::memory) fn failures(&self, id: JobId) -> Vec<AttemptFailure> {
        self.jobs.get(&id).map_or_else(Vec::new, |row| row.failures.clone())
    }

    pub(in crate::memory) fn dead(&self, queue: &str, after: DeadCursor, limit: u32) -> Vec<DeadLetter> {
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
}

pub(super) fn info(id: JobId, row: &Row) -> JobInfo {
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
