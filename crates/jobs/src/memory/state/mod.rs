//! All jobs and what may happen to them, as plain maps.

mod admin;
mod claim;
mod look;
mod settle;

use std::collections::BTreeMap;

use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::info::{AttemptFailure, JobInfo, Progress};
use crate::job::{Claimed, JobId, NewJob, Token};
use crate::timing::Timed;

#[derive(Debug, Clone, Default)]
pub(in crate::memory) struct State {
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
    fn total(&mut self, queue: &str) -> &mut Totals {
        self.totals.entry(queue.to_owned()).or_default()
    }

    fn of(&self, queue: &str) -> impl Iterator<Item = (&JobId, &Row)> {
        self.jobs.iter().filter(move |(_, r)| r.new.queue == queue)
    }

    fn leased(&mut self, job: &Claimed, now_ms: Millis) -> Option<&mut Lease> {
        self.jobs.get_mut(&job.id)?.lease(job.token, now_ms)
    }
}
