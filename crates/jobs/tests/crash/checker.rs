//! Proves from a record that nothing was lost, doubled or moved illegally. Looks at nothing else.

use std::collections::{HashMap, HashSet};

use crate::record::{Cancelled, Event, Record, What};

/// What a history that stands the test amounted to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) accepted: usize,
    pub(crate) done: usize,
    pub(crate) dead: usize,
    pub(crate) cancelled: usize,
    pub(crate) leases_lost: u64,
    pub(crate) events: usize,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("request {n} was accepted and is lost")]
    Lost { n: i64 },
    #[error("job {job} has {results} results, dead: {dead}")]
    FinishedTwice { job: i64, results: usize, dead: bool },
    #[error("job {job} has neither a result nor a dead letter")]
    Unfinished { job: i64 },
    #[error("job {job} was cancelled before it ran, and has an outcome")]
    RanThoughCancelled { job: i64 },
    #[error("job {job} is dead without a reason")]
    DeadWithoutReason { job: i64 },
    #[error("job {job} belongs to no request")]
    Stranger { job: i64 },
    #[error("job {job} was finished under lease {token}, its last one was {last}")]
    FinishedByAnotherLease { job: i64, token: i64, last: i64 },
    #[error("job {job}: {what:?} {why}")]
    IllegalMove { job: i64, what: What, why: &'static str },
    #[error("job {job} did not end as it should have")]
    WrongEnd { job: i64 },
    #[error("jobs in no place or in several: {jobs:?}")]
    Astray { jobs: Vec<i64> },
    #[error("{count} is counted as {counted}, but is {rows}")]
    Miscounted { count: &'static str, counted: u64, rows: u64 },
}

/// What is known of a job while its events are read.
#[derive(Debug, Default)]
struct Seen {
    lease: Option<i64>,
    token: i64,
    attempt: i64,
    end: Option<What>,
}

/// After all work is done.
pub(crate) fn check(record: &Record) -> Result<Sums, Violation> {
    if !record.astray.is_empty() {
        return Err(Violation::Astray { jobs: record.astray.clone() });
    }
    let known: HashSet<i64> = record.requests.iter().map(|r| r.n).collect();
    if let Some(n) = record.accepted.iter().find(|n| !known.contains(n)) {
        return Err(Violation::Lost { n: *n });
    }
    let seen = moves(&record.events)?;
    outcomes(record, &seen)?;
    let sums = Sums {
        accepted: record.accepted.len(),
        done: record.results.len(),
        dead: record.dead.len(),
        cancelled: record.requests.len() - record.results.len() - record.dead.len(),
        leases_lost: record.stats.as_ref().map_or(0, |s| s.leases_lost_total),
        events: record.events.len(),
    };
    counts(record, &sums)?;
    Ok(sums)
}

/// Each request has the one outcome that it should have, from the lease that held the job last.
fn outcomes(record: &Record, seen: &HashMap<i64, Seen>) -> Result<(), Violation> {
    let mut results: HashMap<i64, Vec<i64>> = HashMap::new();
    for result in &record.results {
        results.entry(result.job).or_default().push(result.token);
    }
    for request in &record.requests {
        let job = request.job;
        let (tokens, dead) = (results.remove(&job).unwrap_or_default(), record.dead.contains(&job));
        match (tokens.len() + usize::from(dead), request.cancelled) {
            (0, Cancelled::No) => return Err(Violation::Unfinished { job }),
            (1, Cancelled::Waiting) => return Err(Violation::RanThoughCancelled { job }),
            (0 | 1, _) => {}
            _ => return Err(Violation::FinishedTwice { job, results: tokens.len(), dead }),
        }
        if dead && !may_die(request.n) {
            return Err(Violation::DeadWithoutReason { job });
        }
        let end = if dead { What::Dead } else { What::Gone };
        let Some(seen) = seen.get(&job).filter(|s| s.end == Some(end) && s.lease.is_none()) else {
            return Err(Violation::WrongEnd { job });
        };
        if let Some(token) = tokens.first().filter(|t| **t != seen.token) {
            return Err(Violation::FinishedByAnotherLease { job, token: *token, last: seen.token });
        }
    }
    let asked: HashSet<i64> = record.requests.iter().map(|r| r.job).collect();
    let all = results.keys().chain(&record.dead).chain(seen.keys());
    match all.into_iter().find(|job| !asked.contains(job)) {
        Some(job) => Err(Violation::Stranger { job: *job }),
        None => Ok(()),
    }
}

/// Requests whose jobs have two attempts only, or a handler that gives up for good.
pub(crate) fn may_die(n: i64) -> bool {
    n % 10 == 3 || n % 17 == 5
}

/// Every change of state was a legal one.
fn moves(events: &[Event]) -> Result<HashMap<i64, Seen>, Violation> {
    let mut jobs: HashMap<i64, Seen> = HashMap::new();
    for &Event { what, job, token, attempt } in events {
        let illegal = |why| Err(Violation::IllegalMove { job, what, why });
        if what == What::New {
            if jobs.insert(job, Seen::default()).is_some() {
                return illegal("twice");
            }
            continue;
        }
        let Some(seen) = jobs.get_mut(&job) else { return illegal("before it was new") };
        // A lease may end in the statement after the one that ended the job.
        if seen.end.is_some() && what != What::LeaseEnded {
            return illegal("after the job had ended");
        }
        match what {
            What::Leased if seen.lease.is_some() => return illegal("while leased"),
            What::Leased if token <= seen.token => return illegal("with a token that did not rise"),
            // Only a released job is leased again under the same number.
            What::Leased if attempt != seen.attempt && attempt != seen.attempt + 1 => {
                return illegal("with an attempt that was skipped");
            }
            What::Leased => (seen.lease, seen.token, seen.attempt) = (Some(token), token, attempt),
            What::LeaseEnded if seen.lease.take() != Some(token) => return illegal("that was not held"),
            What::LeaseEnded => {}
            What::New | What::Gone | What::Dead => seen.end = Some(what),
        }
    }
    Ok(jobs)
}

/// The figures that were kept along the way agree with what happened.
fn counts(record: &Record, sums: &Sums) -> Result<(), Violation> {
    let Some(stats) = &record.stats else { return Ok(()) };
    let happened = |what| record.events.iter().filter(|e| e.what == what).count() as u64;
    let figures = [
        ("ready", stats.ready, 0),
        ("scheduled", stats.scheduled, 0),
        ("leased", stats.leased, 0),
        ("dead", stats.dead, sums.dead as u64),
        ("ever dead", stats.dead_total, happened(What::Dead)),
        ("ever enqueued", stats.enqueued_total, happened(What::New)),
        ("ever completed", stats.completed_total, sums.done as u64),
    ];
    match figures.into_iter().find(|(_, counted, rows)| counted != rows) {
        Some((count, counted, rows)) => Err(Violation::Miscounted { count, counted, rows }),
        None => Ok(()),
    }
}
