//! What people and housekeeping do to jobs, lanes and schedules.

use super::{Place, Request, Row, State};
use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::info::Cancelled;
use crate::job::{JobId, JobState};

impl State {
    pub(in crate::memory) fn cancel(&mut self, id: JobId, now_ms: Millis) -> Option<Cancelled> {
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

    pub(super) fn is_dead(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|r| matches!(r.place, Place::Dead { .. }))
    }

    pub(in crate::memory) fn requeue(&mut self, id: JobId, now_ms: Millis) -> bool {
        let dead = self.is_dead(id);
        if let Some(row) = self.jobs.get_mut(&id).filter(|_| dead) {
            (row.place, row.attempts) = (Place::Ready { at_ms: now_ms }, 0);
        }
        dead
    }

    pub(in crate::memory) fn discard(&mut self, id: JobId) -> bool {
        self.is_dead(id) && self.jobs.remove(&id).is_some()
    }

    pub(in crate::memory) fn purge(&mut self, now_ms: Millis, dead_before_ms: Millis, limit: usize) -> u64 {
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

    pub(in crate::memory) fn erase(&mut self, owner: &str) -> u64 {
        let before = self.jobs.len();
        self.jobs.retain(|_, r| r.new.owner.as_deref() != Some(owner));
        self.finished.retain(|_, f| f.0.owner.as_deref() != Some(owner));
        self.requests.retain(|key, _| key.0 != owner);
        (before - self.jobs.len()) as u64
    }

    pub(in crate::memory) fn limit_lane(&mut self, queue: &str, lane: &str, max_leased: Option<u32>) {
        let key = (queue.to_owned(), lane.to_owned());
        match max_leased {
            Some(max) => self.limits.insert(key, max),
            None => self.limits.remove(&key),
        };
    }

    pub(in crate::memory) fn set_cron(&mut self, cron: &StoredCron) {
        let mut cron = cron.clone();
        if let Some(there) = self.crons.get(&cron.name).filter(|c| c.schedule == cron.schedule) {
            cron.next_at_ms = there.next_at_ms;
        }
        self.crons.insert(cron.name.clone(), cron);
    }

    pub(in crate::memory) fn drop_cron(&mut self, name: &str) -> bool {
        self.crons.remove(name).is_some()
    }

    pub(in crate::memory) fn crons(&self, due_ms: Option<Millis>) -> Vec<StoredCron> {
        self.crons.values().filter(|c| due_ms.is_none_or(|due| c.next_at_ms <= due)).cloned().collect()
    }

    pub(in crate::memory) fn advance_cron(&mut self, name: &str, from_ms: Millis, to_ms: Millis) -> bool {
        let Some(cron) = self.crons.get_mut(name).filter(|c| c.next_at_ms == from_ms) else { return false };
        cron.next_at_ms = to_ms;
        true
    }
}
