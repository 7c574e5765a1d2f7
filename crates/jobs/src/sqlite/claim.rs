//! Taking jobs under leases.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::only;
use crate::JobsError;
use crate::clock::Millis;
use crate::driver::{Claim, Result};
use crate::job::{Claimed, JobId, Payload, Token};
use crate::lanes::{self, Lane, Lanes, Turns, WINDOW};

/// Runs of ready jobs that a claim reads at first. A batch is one run, so that there are seldom more; and where each job is one,
/// those that are not needed are few.
const RUNS: u32 = 8;

/// Jobs with following numbers that became ready together.
#[derive(Debug, Clone, Copy)]
struct Run {
    priority: i64,
    ready_at_ms: Millis,
    first: i64,
    last: i64,
    /// Already used, by each of them.
    attempts: i64,
}

/// What a queue holds.
pub(super) struct Seen {
    pub(super) expired: bool,
    pub(super) due: bool,
    pub(super) ready: bool,
    laned: bool,
}

pub(super) async fn peek(conn: &mut SqliteConnection, queue: &str, now_ms: Millis) -> Result<Seen> {
    let row = sqlx::query(include_str!("sql/peek.sql")).bind(queue).bind(now_ms).fetch_one(conn).await?;
    seen(&row)
}

pub(super) async fn claim(
    conn: &mut SqliteConnection,
    claim: Claim<'_>,
    turns: &Turns,
) -> Result<Vec<Claimed>> {
    let (mut seen, mut runs) = look(conn, claim).await?;
    if seen.expired {
        let sql = include_str!("sql/reclaim_expired.sql");
        sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
    }
    if seen.due {
        let sql = include_str!("sql/promote_due.sql");
        sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
    }
    if seen.expired || seen.due {
        (seen, runs) = look(conn, claim).await?;
    }
    match seen {
        Seen { ready: false, .. } => Ok(Vec::new()),
        Seen { laned: true, .. } => {
            lanes::claim(&mut Shared { conn, claim }, claim.queue, claim.limit, turns).await
        }
        _ => {
            let claimed = from_lane(conn, claim, "", claim.limit, runs).await?;
            turns.served(claim.queue, "", claimed.len());
            Ok(claimed)
        }
    }
}

/// What there is, and the first runs of the jobs without a lane, in one look.
async fn look(conn: &mut SqliteConnection, claim: Claim<'_>) -> Result<(Seen, Vec<Run>)> {
    let sql = include_str!("sql/look.sql");
    let row = sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).bind(RUNS).fetch_one(conn).await?;
    Ok((seen(&row)?, runs_of(&row, 4)?))
}

fn seen(row: &SqliteRow) -> Result<Seen> {
    Ok(Seen {
        expired: row.try_get(0)?,
        due: row.try_get(1)?,
        ready: row.try_get(2)?,
        laned: row.try_get(3)?,
    })
}

fn runs_of(row: &SqliteRow, column: usize) -> Result<Vec<Run>> {
    let rows: Vec<(i64, Millis, i64, i64, i64)> = serde_json::from_str(row.try_get(column)?)?;
    let run =
        |(priority, ready_at_ms, first, last, attempts)| Run { priority, ready_at_ms, first, last, attempts };
    Ok(rows.into_iter().map(run).collect())
}

async fn first_runs(conn: &mut SqliteConnection, queue: &str, lane: &str, limit: u32) -> Result<Vec<Run>> {
    let row =
        sqlx::query(include_str!("sql/runs.sql")).bind(queue).bind(lane).bind(limit).fetch_one(conn).await?;
    runs_of(&row, 0)
}

/// The lanes, which nobody else can claim from meanwhile.
struct Shared<'a> {
    conn: &'a mut SqliteConnection,
    claim: Claim<'a>,
}

impl Lanes for Shared<'_> {
    async fn open(&mut self, from: &str) -> Result<Vec<Lane>> {
        let rows = sqlx::query(include_str!("sql/lanes.sql"))
            .bind(self.claim.queue)
            .bind(from)
            .bind(WINDOW)
            .fetch_all(&mut *self.conn)
            .await?;
        let lane = |row: &SqliteRow| {
            let room: Option<i64> = row.try_get(1)?;
            let room = room.map_or(u32::MAX, |n| u32::try_from(n.max(0)).unwrap_or(u32::MAX));
            Ok(Lane { name: row.try_get(0)?, room })
        };
        rows.iter().map(lane).collect()
    }

    async fn take(&mut self, lane: &str, limit: u32) -> Result<Vec<Claimed>> {
        let runs = first_runs(self.conn, self.claim.queue, lane, limit.min(RUNS)).await?;
        from_lane(self.conn, self.claim, lane, limit, runs).await
    }
}

/// Claims up to `limit` jobs of a lane, of which `runs` are the first.
async fn from_lane(
    conn: &mut SqliteConnection,
    claim: Claim<'_>,
    lane: &str,
    limit: u32,
    mut runs: Vec<Run>,
) -> Result<Vec<Claimed>> {
    if runs.len() == RUNS as usize && runs.iter().map(Run::len).sum::<i64>() < i64::from(limit) {
        runs = first_runs(conn, claim.queue, lane, limit).await?;
    }
    let Some((last, rest)) = cut(&mut runs, i64::from(limit)) else { return Ok(Vec::new()) };
    let taken: Vec<_> = runs.iter().map(|r| (r.first, r.last, r.attempts + 1)).collect();
    let rows = sqlx::query(include_str!("sql/claim.sql"))
        .bind(serde_json::to_string(&taken)?)
        .bind(claim.queue)
        .bind(lane)
        .bind(last.priority)
        .bind(last.ready_at_ms)
        .bind(last.first)
        .bind(rest.map(|r| r.first))
        .bind(rest.map(|r| r.last))
        .bind(rest.map(|r| r.attempts))
        .bind(claim.worker)
        .bind(claim.until_ms)
        .bind(claim.now_ms)
        .bind(runs.iter().map(|r| r.first).min())
        .bind(runs.iter().map(|r| r.last).max())
        .fetch_all(conn)
        .await?;
    unpack(only(&rows)?, &claim, lane, &runs)
}

/// Shortens runs to their first `limit` jobs; answers with the last of them, and with what remains of that.
fn cut(runs: &mut Vec<Run>, limit: i64) -> Option<(Run, Option<Run>)> {
    let (mut left, mut whole) = (limit, 0);
    while let Some(run) = runs.get(whole).filter(|_| left > 0) {
        left -= run.len();
        whole += 1;
    }
    runs.truncate(whole);
    let last = runs.last_mut()?;
    let rest = (left < 0).then(|| Run { first: last.last + left + 1, ..*last });
    if let Some(rest) = rest {
        last.last = rest.first - 1;
    }
    Some((*last, rest))
}

/// Reads the answer of `claim.sql`.
fn unpack(row: &SqliteRow, claim: &Claim<'_>, lane: &str, runs: &[Run]) -> Result<Vec<Claimed>> {
    /// The number of a job with its deadline, its owner and how long its outcome is kept.
    type Special = (i64, Option<Millis>, Option<String>, Millis);
    let (queue, lane): (Arc<str>, Arc<str>) = (claim.queue.into(), lane.into());
    let token = Token(row.try_get(0)?);
    let ids: Vec<i64> = serde_json::from_str(row.try_get(1)?)?;
    let payloads: Vec<String> = serde_json::from_str(row.try_get(2)?)?;
    let max_attempts: Vec<u32> = serde_json::from_str(row.try_get(3)?)?;
    let enqueued_ms: Vec<Millis> = serde_json::from_str(row.try_get(4)?)?;
    let special: Vec<Special> = serde_json::from_str(row.try_get(5)?)?;
    let mut special: HashMap<i64, Special> = special.into_iter().map(|row| (row.0, row)).collect();
    let mut rows = ids.into_iter().zip(payloads).zip(max_attempts.into_iter().zip(enqueued_ms));
    let mut jobs = Vec::with_capacity(rows.len());
    for run in runs {
        let attempt = u32::try_from(run.attempts + 1).unwrap_or(u32::MAX);
        for id in run.first..=run.last {
            // The statement reads them in the order of the runs. Should it ever not, nobody must get another job's payload.
            let Some(((_, payload), (max_attempts, enqueued_at_ms))) = rows.next().filter(|r| r.0.0 == id)
            else {
                return Err(JobsError::Database(sqlx::Error::RowNotFound));
            };
            let (_, deadline_ms, owner, keep_ms) = special.remove(&id).unwrap_or_default();
            jobs.push(Claimed {
                id: JobId(id),
                queue: Arc::clone(&queue),
                lane: Arc::clone(&lane),
                payload: Payload::from_stored(payload),
                attempt,
                max_attempts,
                token,
                lease_until_ms: claim.until_ms,
                enqueued_at_ms,
                ready_at_ms: run.ready_at_ms,
                deadline_ms,
                owner,
                kept: keep_ms > 0,
            });
        }
    }
    Ok(jobs)
}

// === impl Run ===

impl Run {
    fn len(&self) -> i64 {
        self.last - self.first + 1
    }
}
