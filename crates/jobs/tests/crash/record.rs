//! What is known about one history once all work is done.

use std::collections::HashSet;

use plimsoll_jobs::{DeadLetter, Jobs, JobsError, QueueStats};
use sqlx::Row as _;

use crate::child::QUEUE;

/// Letters per page.
const PAGE: u32 = 1000;

/// Everything that the checker needs.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Requests that were told that they had been accepted.
    pub(crate) accepted: HashSet<i64>,
    pub(crate) requests: Vec<Request>,
    pub(crate) results: Vec<Outcome>,
    pub(crate) dead: HashSet<i64>,
    /// In the order in which they happened to each job.
    pub(crate) events: Vec<Event>,
    /// Jobs in no place or in several.
    pub(crate) astray: Vec<i64>,
    pub(crate) stats: Option<QueueStats>,
}

/// The application's row that asked for a job, written in the same transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) n: i64,
    pub(crate) job: i64,
    pub(crate) cancelled: Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    No,
    /// It was waiting: it must not have run.
    Waiting,
    /// A worker held it: it may have finished first.
    Held,
}

/// The application's row that a handler wrote, in the transaction that completed the job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) job: i64,
    pub(crate) token: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) what: What,
    pub(crate) job: i64,
    pub(crate) token: i64,
    pub(crate) attempt: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    New,
    Leased,
    LeaseEnded,
    Gone,
    Dead,
}

// === impl Record ===

impl Record {
    pub(crate) async fn read(jobs: &Jobs, accepted: HashSet<i64>) -> Result<Self, JobsError> {
        let requests = rows(jobs, "SELECT n, job, cancelled FROM request").await?;
        let results = rows(jobs, "SELECT job, token FROM result").await?;
        let sql = "SELECT event, job, coalesce(token, 0), coalesce(attempt, 0) FROM history ORDER BY seq";
        let events = rows(jobs, sql).await?;
        Ok(Self {
            accepted,
            requests: requests.iter().map(|r| Request::of(r)).collect(),
            results: results.iter().map(|r| Outcome { job: r[0], token: r[1] }).collect(),
            dead: dead(jobs).await?,
            events: events.iter().map(|r| Event::of(r)).collect(),
            astray: astray(jobs).await?,
            stats: jobs.stats(Some(QUEUE)).await?.pop(),
        })
    }
}

impl Request {
    fn of(row: &[i64]) -> Self {
        let cancelled = match row[2] {
            0 => Cancelled::No,
            1 => Cancelled::Waiting,
            _ => Cancelled::Held,
        };
        Self { n: row[0], job: row[1], cancelled }
    }
}

impl Event {
    fn of(row: &[i64]) -> Self {
        let what = match row[0] {
            0 => What::New,
            1 => What::Leased,
            2 => What::LeaseEnded,
            3 => What::Gone,
            _ => What::Dead,
        };
        Self { what, job: row[1], token: row[2], attempt: row[3] }
    }
}

async fn dead(jobs: &Jobs) -> Result<HashSet<i64>, JobsError> {
    let (mut all, mut after) = (HashSet::new(), None);
    loop {
        let page = jobs.dead_letters(QUEUE, after, PAGE).await?;
        all.extend(page.iter().map(|letter| letter.id.0));
        after = page.last().map(DeadLetter::cursor);
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// At any moment, seen in one snapshot: a job is ready, scheduled, leased or dead, never two of these, never none.
pub(crate) async fn astray(jobs: &Jobs) -> Result<Vec<i64>, JobsError> {
    let sql = match jobs.sqlite() {
        Ok(_) => include_str!("sql/astray_sqlite.sql"),
        Err(_) => include_str!("sql/astray_postgres.sql"),
    };
    Ok(rows(jobs, sql).await?.into_iter().map(|r| r[0]).collect())
}

/// Numbers, from whichever database it is.
async fn rows(jobs: &Jobs, sql: &'static str) -> Result<Vec<Vec<i64>>, JobsError> {
    if let Ok(db) = jobs.sqlite() {
        let rows = sqlx::query(sql).fetch_all(db).await?;
        return Ok(rows.iter().map(|r| (0..r.len()).map(|i| r.get(i)).collect()).collect());
    }
    let rows = sqlx::query(sql).fetch_all(jobs.postgres()?).await?;
    Ok(rows.iter().map(|r| (0..r.len()).map(|i| r.get(i)).collect()).collect())
}
