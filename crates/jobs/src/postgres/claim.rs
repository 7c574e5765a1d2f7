//! Taking jobs under leases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::{Duration, Instant};

use super::link::Link;
use crate::clock::Millis;
use crate::driver::{Claim, EXPIRED, EXPIRED_LAST, LANES_PER_CLAIM, Result, Turns, quantum};
use crate::job::{Claimed, JobId, NewJob, Payload, Token};

/// How far behind the last claimed job a claim still looks: transactions that enqueue commit out of order.
const MARGIN_MS: Millis = 1000;
/// At least this often a claim that found something looks from the very beginning all the same.
const FULL_LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the first ready job of each queue is thought to be (among those without a lane).
///
/// The index holds finished jobs until a vacuum: starting each claim at its beginning would walk over all that
/// were finished since. A hint that is wrong costs at most [`FULL_LOOK_EVERY`]: what this process puts in front of it
/// moves it back, and a claim that finds nothing behind it looks from the beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<Mutex<HashMap<String, Head>>>);

#[derive(Debug, Clone, Copy)]
struct Head {
    from: Place,
    /// When the last look from the beginning was.
    full_look: Instant,
}

/// Priority and age, in the order of the index.
type Place = (i16, Millis);

const BEGINNING: Place = (i16::MIN, Millis::MIN);

/// What a queue holds.
pub(super) struct Seen {
    pub(super) expired: bool,
    pub(super) due: bool,
    pub(super) ready: bool,
    laned: bool,
}

// === impl Heads ===

impl Heads {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Head>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New jobs may come before the head.
    pub(super) fn added(&self, jobs: &[NewJob], now_ms: Millis) {
        let mut all = self.all();
        if all.is_empty() {
            return;
        }
        for job in jobs.iter().filter(|j| j.lane.is_empty()) {
            if let Some(head) = all.get_mut(&job.queue) {
                head.from = head.from.min((job.priority, job.run_at(now_ms)));
            }
        }
    }

    /// Something of the queue may have moved to anywhere.
    pub(super) fn forget(&self, queue: &str) {
        self.all().remove(queue);
    }

    pub(super) fn forget_all(&self) {
        self.all().clear();
    }

    /// Where to look first.
    fn of(&self, queue: &str) -> Place {
        let recent = |h: &&Head| h.full_look.elapsed() < FULL_LOOK_EVERY;
        self.all().get(queue).filter(recent).map_or(BEGINNING, |h| h.from)
    }

    /// The last job that a claim took, and whether it had looked from the beginning.
    fn moved(&self, queue: &str, last: Place, full: bool) {
        let from = (last.0, last.1.saturating_sub(MARGIN_MS));
        let mut all = self.all();
        match all.get_mut(queue) {
            Some(head) => {
                head.from = from;
                if full {
                    head.full_look = Instant::now();
                }
            }
            None if full => drop(all.insert(queue.to_owned(), Head { from, full_look: Instant::now() })),
            // Forgotten meanwhile.
            None => {}
        }
    }
}

pub(super) async fn peek(conn: &mut Link<'_>, queue: &str, now_ms: Millis) -> Result<Seen> {
    let row = sqlx::query(include_str!("sql/peek.sql")).bind(queue).bind(now_ms).fetch_one(conn).await?;
    Ok(Seen {
        expired: row.try_get(0)?,
        due: row.try_get(1)?,
        ready: row.try_get(2)?,
        laned: row.try_get(3)?,
    })
}

pub(super) async fn claim(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    turns: &Turns,
    heads: &Heads,
) -> Result<Vec<Claimed>> {
    let seen = peek(conn, claim.queue, claim.now_ms).await?;
    if seen.expired {
        sqlx::query(include_str!("sql/reclaim_expired.sql"))
            .bind(claim.queue)
            .bind(claim.now_ms)
            .bind(EXPIRED)
            .bind(EXPIRED_LAST)
            .execute(&mut *conn)
            .await?;
    }
    if seen.due {
        let sql = include_str!("sql/promote_due.sql");
        sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
    }
    if seen.expired || seen.due {
        heads.forget(claim.queue);
    }
    // Lanes may have come with those that were due.
    let laned = seen.laned || (seen.due && peek(conn, claim.queue, claim.now_ms).await?.laned);
    if laned {
        return from_lanes(conn, claim, turns).await;
    }
    let from = heads.of(claim.queue);
    let (mut claimed, mut last) = from_lane(conn, claim, "", claim.limit, from).await?;
    let mut full = from == BEGINNING;
    if claimed.is_empty() && !full {
        (claimed, last) = from_lane(conn, claim, "", claim.limit, BEGINNING).await?;
        full = true;
    }
    match last {
        Some(last) => {
            turns.served(claim.queue, "");
            heads.moved(claim.queue, last, full);
        }
        None => heads.forget(claim.queue),
    }
    Ok(claimed)
}

/// Serves the lanes in turn, each with an equal share of the claim; what some cannot use goes to the others.
async fn from_lanes(conn: &mut Link<'_>, claim: Claim<'_>, turns: &Turns) -> Result<Vec<Claimed>> {
    let mut claimed = Vec::new();
    // Once around: from the lane after the last served one to the last, then from the first to where it began.
    let start = turns.next(claim.queue);
    let (mut from, mut wrapped) = (start.clone(), start.is_empty());
    loop {
        let mut window = lanes(conn, claim.queue, &from).await?;
        let mut more = window.len() == LANES_PER_CLAIM as usize;
        if wrapped {
            more &= before(&mut window, &start);
        } else if !more {
            let mut first = lanes(conn, claim.queue, "").await?;
            more = first.len() == LANES_PER_CLAIM as usize;
            more &= before(&mut first, &start);
            window.extend(first);
            wrapped = true;
        }
        from = window.last().map_or_else(String::new, |(lane, _)| format!("{lane}\u{1}"));
        let mut open = Vec::with_capacity(window.len());
        for (lane, max_leased) in window {
            let room = room(conn, claim.queue, &lane, max_leased).await?;
            open.push((lane, room));
        }
        serve(conn, claim, turns, open, &mut claimed).await?;
        if !more || claimed.len() >= claim.limit as usize {
            return Ok(claimed);
        }
    }
}

/// Drops the lanes from `start` on; answers whether there were none.
fn before(lanes: &mut Vec<(String, Option<i32>)>, start: &str) -> bool {
    let all = lanes.len();
    lanes.retain(|(lane, _)| start.is_empty() || lane.as_str() < start);
    lanes.len() == all
}

/// Lanes from `from` on, each with its limit.
async fn lanes(conn: &mut Link<'_>, queue: &str, from: &str) -> Result<Vec<(String, Option<i32>)>> {
    let rows = sqlx::query(include_str!("sql/lanes.sql"))
        .bind(queue)
        .bind(from)
        .bind(LANES_PER_CLAIM.cast_signed())
        .fetch_all(conn)
        .await?;
    rows.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?))).collect()
}

/// How many jobs of a lane may still be leased; none while another claimer counts them.
async fn room(conn: &mut Link<'_>, queue: &str, lane: &str, max_leased: Option<i32>) -> Result<u32> {
    let Some(max_leased) = max_leased else { return Ok(u32::MAX) };
    let locked: bool = sqlx::query_scalar(include_str!("sql/lock_lane.sql"))
        .bind(queue)
        .bind(lane)
        .fetch_one(&mut *conn)
        .await?;
    if !locked {
        return Ok(0);
    }
    // A statement of its own, so that it sees what the claimer before us has committed.
    let leased: i64 = sqlx::query_scalar(include_str!("sql/count_leased.sql"))
        .bind(queue)
        .bind(lane)
        .fetch_one(conn)
        .await?;
    Ok(u32::try_from(i64::from(max_leased) - leased).unwrap_or(0))
}

async fn serve(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    turns: &Turns,
    mut lanes: Vec<(String, u32)>,
    claimed: &mut Vec<Claimed>,
) -> Result<()> {
    let left = |claimed: &[Claimed]| claim.limit - u32::try_from(claimed.len()).unwrap_or(claim.limit);
    loop {
        lanes.retain(|(_, room)| *room > 0);
        let share = quantum(left(claimed), lanes.len());
        if lanes.is_empty() {
            return Ok(());
        }
        for (lane, room) in &mut lanes {
            let take = share.min(*room).min(left(claimed));
            if take == 0 {
                return Ok(());
            }
            let (got, _) = from_lane(conn, claim, lane, take, BEGINNING).await?;
            if !got.is_empty() {
                turns.served(claim.queue, lane);
            }
            // Fewer than asked for: the lane is empty, or others are taking from it.
            *room = if got.len() < take as usize { 0 } else { *room - take };
            claimed.extend(got);
        }
    }
}

/// Claims from one lane; answers also where the last job stood.
async fn from_lane(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    lane: &str,
    limit: u32,
    from: Place,
) -> Result<(Vec<Claimed>, Option<Place>)> {
    let rows = sqlx::query(include_str!("sql/claim.sql"))
        .bind(claim.queue)
        .bind(lane)
        .bind(i64::from(limit))
        .bind(claim.worker)
        .bind(claim.until_ms)
        .bind(claim.now_ms)
        .bind(from.0)
        .bind(from.1)
        .fetch_all(conn)
        .await?;
    let (queue, lane): (Arc<str>, Arc<str>) = (claim.queue.into(), lane.into());
    let job = |row: &PgRow| {
        Ok(Claimed {
            id: JobId(row.try_get(0)?),
            queue: Arc::clone(&queue),
            lane: Arc::clone(&lane),
            token: Token(row.try_get(1)?),
            payload: Payload::from_stored(row.try_get(2)?),
            attempt: row.try_get::<i32, _>(3)?.unsigned_abs(),
            max_attempts: row.try_get::<i32, _>(4)?.unsigned_abs(),
            lease_until_ms: claim.until_ms,
            ready_at_ms: row.try_get(6)?,
            enqueued_at_ms: row.try_get(7)?,
            deadline_ms: row.try_get(8)?,
            owner: row.try_get(9)?,
            kept: row.try_get::<i64, _>(10)? > 0,
        })
    };
    let last = rows.last().map(|r| Ok::<_, sqlx::Error>((r.try_get(5)?, r.try_get(6)?))).transpose()?;
    Ok((rows.iter().map(job).collect::<Result<_>>()?, last))
}
