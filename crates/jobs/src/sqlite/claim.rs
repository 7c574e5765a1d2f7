//! Taking jobs under leases.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::only;
use crate::clock::Millis;
use crate::driver::{Claim, Result};
use crate::job::{Claimed, JobId, Payload, Token};
use crate::lanes::{self, Lane, Lanes, Turns, WINDOW};

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
        Seen { laned: true, .. } => {
            lanes::claim(&mut Shared { conn, claim }, claim.queue, claim.limit, turns).await
        }
        _ => {
            let claimed = from_lane(conn, claim, "", claim.limit).await?;
            turns.served(claim.queue, "", claimed.len());
            Ok(claimed)
        }
    }
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
        from_lane(self.conn, self.claim, lane, limit).await
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
