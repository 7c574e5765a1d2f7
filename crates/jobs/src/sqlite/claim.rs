//! Taking jobs under leases.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::only;
use crate::clock::Millis;
use crate::driver::{Claim, LANES_PER_CLAIM, Result, Turns, quantum};
use crate::job::{Claimed, JobId, Payload, Token};

/// What a queue holds.
pub(super) struct Seen {
    pub(super) expired: bool,
    pub(super) due: bool,
    pub(super) ready: bool,
    laned: bool,
}

pub(super) async fn peek(conn: &mut SqliteConnection, queue: &str, now_ms: Millis) -> Result<Seen> {
    let row = sqlx::query(include_str!("sql/peek.sql")).bind(queue).bind(now_ms).fetch_one(conn).await?;
    Ok(Seen {
        expired: row.try_get(0)?,
        due: row.try_get(1)?,
        ready: row.try_get(2)?,
        laned: row.try_get(3)?,
    })
}

pub(super) async fn claim(
    conn: &mut SqliteConnection,
    claim: Claim<'_>,
    turns: &Turns,
) -> Result<Vec<Claimed>> {
    let mut seen = peek(conn, claim.queue, claim.now_ms).await?;
    if seen.expired {
        let sql = include_str!("sql/reclaim_expired.sql");
        sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
    }
    if seen.due {
        let sql = include_str!("sql/promote_due.sql");
        sqlx::query(sql).bind(claim.queue).bind(claim.now_ms).execute(&mut *conn).await?;
    }
    if seen.expired || seen.due {
        seen = peek(conn, claim.queue, claim.now_ms).await?;
    }
    match seen {
        Seen { ready: false, .. } => Ok(Vec::new()),
        Seen { laned: true, .. } => from_lanes(conn, claim, turns).await,
        _ => {
            turns.served(claim.queue, "");
            from_lane(conn, claim, "", claim.limit).await
        }
    }
}

/// Serves the lanes in turn, each with an equal share of the claim; what some cannot use goes to the others.
async fn from_lanes(conn: &mut SqliteConnection, claim: Claim<'_>, turns: &Turns) -> Result<Vec<Claimed>> {
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
        serve(conn, claim, turns, window, &mut claimed).await?;
        if !more || claimed.len() >= claim.limit as usize {
            return Ok(claimed);
        }
    }
}

/// Drops the lanes from `start` on; answers whether there were none.
fn before(lanes: &mut Vec<(String, u32)>, start: &str) -> bool {
    let all = lanes.len();
    lanes.retain(|(lane, _)| start.is_empty() || lane.as_str() < start);
    lanes.len() == all
}

/// Lanes from `from` on, each with how many jobs it may still have leased.
async fn lanes(conn: &mut SqliteConnection, queue: &str, from: &str) -> Result<Vec<(String, u32)>> {
    let rows = sqlx::query(include_str!("sql/lanes.sql"))
        .bind(queue)
        .bind(from)
        .bind(LANES_PER_CLAIM)
        .fetch_all(conn)
        .await?;
    let lane = |row: &SqliteRow| {
        let room: Option<i64> = row.try_get(1)?;
        Ok((row.try_get(0)?, room.map_or(u32::MAX, |n| u32::try_from(n.max(0)).unwrap_or(u32::MAX))))
    };
    rows.iter().map(lane).collect()
}

async fn serve(
    conn: &mut SqliteConnection,
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
            let got = from_lane(conn, claim, lane, take).await?;
            if !got.is_empty() {
                turns.served(claim.queue, lane);
            }
            // Fewer than asked for: the lane is empty.
            *room = if got.len() < take as usize { 0 } else { *room - take };
            claimed.extend(got);
        }
    }
}

async fn from_lane(
    conn: &mut SqliteConnection,
    claim: Claim<'_>,
    lane: &str,
    limit: u32,
) -> Result<Vec<Claimed>> {
    let rows = sqlx::query(include_str!("sql/claim.sql"))
        .bind(claim.queue)
        .bind(lane)
        .bind(limit)
        .bind(claim.worker)
        .bind(claim.until_ms)
        .bind(claim.now_ms)
        .fetch_all(conn)
        .await?;
    unpack(only(&rows)?.try_get(0)?, &claim, lane)
}

/// Reads the answer of `claim.sql`.
fn unpack(json: &str, claim: &Claim<'_>, lane: &str) -> Result<Vec<Claimed>> {
    type Row = (i64, i64, String, u32, u32, Millis, Millis, Option<Millis>, Option<String>, Millis);
    let (queue, lane): (Arc<str>, Arc<str>) = (claim.queue.into(), lane.into());
    let mut rows: Vec<Row> = serde_json::from_str(json)?;
    rows.sort_unstable_by_key(|row| row.0);
    let job = |(
        token,
        id,
        payload,
        attempt,
        max_attempts,
        ready_at_ms,
        enqueued_at_ms,
        deadline_ms,
        owner,
        keep_ms,
    )| {
        Claimed {
            id: JobId(id),
            queue: Arc::clone(&queue),
            lane: Arc::clone(&lane),
            payload: Payload::from_stored(payload),
            attempt,
            max_attempts,
            token: Token(token),
            lease_until_ms: claim.until_ms,
            enqueued_at_ms,
            ready_at_ms,
            deadline_ms,
            owner,
            kept: keep_ms > 0,
        }
    };
    Ok(rows.into_iter().map(job).collect())
}
