//! Taking jobs under leases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::{Duration, Instant};

use super::link::Link;
use crate::clock::Millis;
use crate::driver::{Claim, EXPIRED, EXPIRED_LAST, Result};
use crate::job::{Claimed, JobId, NewJob, Payload, Token};
use crate::lanes::{self, Lane, Lanes, Turns, WINDOW};

/// How far behind the last claimed job a claim still looks: transactions that enqueue commit out of order.
const MARGIN_MS: Millis = 50;
/// How often a claim of a backlog looks that far behind: the index still holds whatever was finished there, thousands of
/// jobs after a large batch.
const MARGIN_EVERY: Duration = Duration::from_millis(20);
/// How far behind the last look for ended leases and due jobs the next one begins.
const QUIET_MARGIN_MS: Millis = 1000;
/// At least this often a claim that found something looks from the very beginning all the same, unless that takes long.
const FULL_LOOK_EVERY: Duration = Duration::from_millis(100);
/// A look from the beginning may take one part in so many of the time, at most.
const FULL_LOOK_SHARE: u32 = 20;
/// The longest that somebody else's late job of a busy queue may have to wait to be seen.
const FULL_LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// Where the first ready job of each queue is thought to be (among those without a lane).
///
/// The index holds finished jobs until a vacuum: starting each claim at its beginning would walk over all that
/// were finished since. A hint that is wrong costs [`MARGIN_EVERY`] or [`FULL_LOOK_EVERY`], or more where the walk has become long: what
/// this process puts in front of it moves it back, and a claim that finds nothing behind it looks from the beginning.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<Mutex<HashMap<String, Head>>>);

#[derive(Debug, Clone, Copy)]
struct Head {
    /// The last job claimed, or what was put in front of it since.
    from: Place,
    /// When the last look behind it was.
    margin_look: Instant,
    /// The last claim got as much as it asked for.
    backlog: bool,
    /// Until when nothing but plain jobs was there to be seen.
    quiet_ms: Millis,
    /// When the last look from the beginning was.
    full_look: Instant,
    /// How long until the next one.
    pause: Duration,
}

/// Priority and age, in the order of the index.
type Place = (i16, Millis);

const BEGINNING: Place = (i16::MIN, Millis::MIN);

/// Where a claim looks.
#[derive(Debug, Clone, Copy)]
struct Look {
    from: Place,
    /// From when on for what else there may be.
    quiet_ms: Millis,
    reach: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// From the very beginning.
    All,
    /// From somewhat behind the last job claimed.
    Margin,
    /// From the last job claimed.
    Head,
}

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

    /// Jobs that were aside are claimable now, the first of them from there on.
    fn promoted(&self, queue: &str, first: Place) {
        if let Some(head) = self.all().get_mut(queue) {
            head.from = head.from.min(first);
        }
    }

    /// Where to look first.
    fn of(&self, queue: &str) -> Look {
        let recent = |h: &&Head| h.full_look.elapsed() < h.pause;
        match self.all().get(queue).filter(recent) {
            None => Look::all(),
            Some(h) if h.backlog && h.margin_look.elapsed() < MARGIN_EVERY => {
                Look { from: h.from, quiet_ms: h.quiet_ms, reach: Reach::Head }
            }
            Some(h) => {
                let from = (h.from.0, h.from.1.saturating_sub(MARGIN_MS));
                Look { from, quiet_ms: h.quiet_ms, reach: Reach::Margin }
            }
        }
    }

    /// Whether a look from the beginning is cheap.
    fn short(&self, queue: &str) -> bool {
        self.all().get(queue).is_none_or(|h| h.pause <= FULL_LOOK_EVERY)
    }

    /// A claim looked there since `asked`, and the last job that it took, if any, stood at `last`.
    fn moved(&self, claim: &Claim<'_>, look: Look, asked: Instant, last: Option<Place>, taken: usize) {
        let quiet_ms = claim.now_ms.saturating_sub(QUIET_MARGIN_MS);
        let backlog = taken == usize::try_from(claim.limit).unwrap_or(usize::MAX);
        let now = Instant::now();
        let mut all = self.all();
        let head = match (all.get_mut(claim.queue), look.reach) {
            (Some(head), _) => head,
            (None, Reach::All) => {
                let from = last.unwrap_or(BEGINNING);
                let pause = FULL_LOOK_EVERY;
                let head = Head { from, margin_look: now, backlog, quiet_ms, full_look: now, pause };
                all.entry(claim.queue.to_owned()).or_insert(head)
            }
            // Forgotten meanwhile.
            (None, _) => return,
        };
        (head.quiet_ms, head.backlog) = (quiet_ms, backlog);
        head.from = last.unwrap_or(head.from);
        if look.reach != Reach::Head {
            head.margin_look = now;
        }
        if look.reach == Reach::All {
            head.full_look = now;
            let pause = (now - asked) * FULL_LOOK_SHARE;
            head.pause = pause.clamp(FULL_LOOK_EVERY, FULL_LOOK_AT_LEAST_EVERY);
        }
    }
}

// === impl Look ===

impl Look {
    fn all() -> Self {
        Self { from: BEGINNING, quiet_ms: Millis::MIN, reach: Reach::All }
    }
}

/// A claim on a connection without a transaction: one statement, if plain jobs are all that there is. None, and nothing
/// done, when there is more to see to.
pub(super) async fn claim_alone(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    turns: &Turns,
    heads: &Heads,
) -> Result<Option<Vec<Claimed>>> {
    let mut look = heads.of(claim.queue);
    let mut asked = Instant::now();
    let mut taken = take(conn, claim, "", claim.limit, look.from, Some(look.quiet_ms)).await?;
    let nothing = matches!(&taken, Taken::Jobs(jobs, _) if jobs.is_empty());
    if nothing && look.reach != Reach::All && heads.short(claim.queue) {
        look = Look::all();
        asked = Instant::now();
        taken = take(conn, claim, "", claim.limit, look.from, Some(look.quiet_ms)).await?;
    }
    match taken {
        Taken::Jobs(jobs, last) => {
            turns.served(claim.queue, "", jobs.len());
            heads.moved(&claim, look, asked, last, jobs.len());
            Ok(Some(jobs))
        }
        Taken::Not => Ok(None),
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
        let first = sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).fetch_one(&mut *conn).await?;
        if let (Some(priority), Some(ready_at_ms)) = (first.try_get(0)?, first.try_get(1)?) {
            heads.promoted(claim.queue, (priority, ready_at_ms));
        }
    }
    if seen.expired {
        heads.forget(claim.queue);
    }
    // Lanes may have come with those that were due.
    let laned = seen.laned || (seen.due && peek(conn, claim.queue, claim.now_ms).await?.laned);
    if laned {
        return lanes::claim(&mut Shared { link: conn, claim }, claim.queue, claim.limit, turns).await;
    }
    let look = heads.of(claim.queue);
    let mut claimed = from_lane(conn, claim, "", claim.limit, look.from).await?;
    if claimed.is_empty() && look.reach != Reach::All {
        claimed = from_lane(conn, claim, "", claim.limit, BEGINNING).await?;
    }
    turns.served(claim.queue, "", claimed.len());
    Ok(claimed)
}

/// The lanes that several claimers share.
struct Shared<'a, 'c> {
    link: &'a mut Link<'c>,
    claim: Claim<'a>,
}

impl Lanes for Shared<'_, '_> {
    async fn open(&mut self, from: &str) -> Result<Vec<Lane>> {
        let rows = sqlx::query(include_str!("sql/lanes.sql"))
            .bind(self.claim.queue)
            .bind(from)
            .bind(WINDOW.cast_signed())
            .fetch_all(&mut *self.link)
            .await?;
        let mut lanes = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = row.try_get(0)?;
            let room = room(self.link, self.claim.queue, &name, row.try_get(1)?).await?;
            lanes.push(Lane { name, room });
        }
        Ok(lanes)
    }

    async fn take(&mut self, lane: &str, limit: u32) -> Result<Vec<Claimed>> {
        from_lane(self.link, self.claim, lane, limit, BEGINNING).await
    }
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

/// Claims from one lane.
async fn from_lane(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    lane: &str,
    limit: u32,
    from: Place,
) -> Result<Vec<Claimed>> {
    match take(conn, claim, lane, limit, from, None).await? {
        Taken::Jobs(jobs, _) => Ok(jobs),
        Taken::Not => Ok(Vec::new()),
    }
}

/// What one call of `plimsoll_claim` did.
enum Taken {
    /// Took these, in the order of the queue; and where the last of them stood.
    Jobs(Vec<Claimed>, Option<Place>),
    /// Nothing: leases have ended, jobs are due, or there are lanes.
    Not,
}

async fn take(
    conn: &mut Link<'_>,
    claim: Claim<'_>,
    lane: &str,
    limit: u32,
    from: Place,
    quiet_ms: Option<Millis>,
) -> Result<Taken> {
    let row = sqlx::query(include_str!("sql/claim.sql"))
        .bind(claim.queue)
        .bind(lane)
        .bind(i64::from(limit))
        .bind(claim.worker)
        .bind(claim.until_ms)
        .bind(claim.now_ms)
        .bind(from.0)
        .bind(from.1)
        .bind(quiet_ms.is_some())
        .bind(quiet_ms)
        .fetch_one(conn)
        .await?;
    for i in 0..3 {
        if row.try_get::<Option<bool>, _>(i)? == Some(true) {
            return Ok(Taken::Not);
        }
    }
    let Some(token) = row.try_get(3)? else { return Ok(Taken::Jobs(Vec::new(), None)) };
    unpack(&row, Token(token), &claim, lane)
}

/// Reads the columns of `plimsoll_claim`: an array each, because a row for each job would cost both sides more.
fn unpack(row: &PgRow, token: Token, claim: &Claim<'_>, lane: &str) -> Result<Taken> {
    let (queue, lane): (Arc<str>, Arc<str>) = (claim.queue.into(), lane.into());
    let ids: Vec<i64> = row.try_get(4)?;
    let payloads: Vec<String> = row.try_get(5)?;
    let attempts: Vec<i32> = row.try_get(6)?;
    let max_attempts: Vec<i32> = row.try_get(7)?;
    let priorities: Vec<i16> = row.try_get(8)?;
    let ready_ms: Vec<Millis> = row.try_get(9)?;
    let enqueued_ms: Vec<Millis> = row.try_get(10)?;
    let deadlines_ms: Vec<Option<Millis>> = row.try_get(11)?;
    let owners: Vec<Option<String>> = row.try_get(12)?;
    let keeps_ms: Vec<Millis> = row.try_get(13)?;
    let texts = payloads.into_iter().zip(owners);
    let numbers = attempts.into_iter().zip(max_attempts).zip(keeps_ms).zip(deadlines_ms);
    let places = priorities.into_iter().zip(ready_ms).zip(enqueued_ms);
    let mut jobs: Vec<(i16, Claimed)> = ids
        .into_iter()
        .zip(texts)
        .zip(numbers)
        .zip(places)
        .map(
            |(
                ((id, (payload, owner)), (((attempt, max), keep_ms), deadline_ms)),
                ((priority, ready), enqueued),
            )| {
                let job = Claimed {
                    id: JobId(id),
                    queue: Arc::clone(&queue),
                    lane: Arc::clone(&lane),
                    token,
                    payload: Payload::from_stored(payload),
                    attempt: attempt.unsigned_abs(),
                    max_attempts: max.unsigned_abs(),
                    lease_until_ms: claim.until_ms,
                    ready_at_ms: ready,
                    enqueued_at_ms: enqueued,
                    deadline_ms,
                    owner,
                    kept: keep_ms > 0,
                };
                (priority, job)
            },
        )
        .collect();
    jobs.sort_unstable_by_key(|(priority, job)| (*priority, job.ready_at_ms, job.id));
    let last = jobs.last().map(|(priority, job)| (*priority, job.ready_at_ms));
    Ok(Taken::Jobs(jobs.into_iter().map(|(_, job)| job).collect(), last))
}
