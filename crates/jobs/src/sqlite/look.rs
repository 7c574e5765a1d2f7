//! Reading without changing anything.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use crate::QueueStats;
use crate::clock::Millis;
use crate::driver::Result;
use crate::info::{AttemptFailure, DeadCursor, DeadLetter, JobInfo, Progress};
use crate::job::{JobId, JobState, Payload};

pub(super) async fn stats(db: &SqlitePool, queue: Option<&str>, now_ms: Millis) -> Result<Vec<QueueStats>> {
    let rows = sqlx::query(include_str!("sql/stats.sql")).bind(now_ms).bind(queue).fetch_all(db).await?;
    rows.iter().map(|row| stats_of(row, now_ms)).collect()
}

fn stats_of(row: &SqliteRow, now_ms: Millis) -> Result<QueueStats> {
    let count = |column: &str| -> Result<u64> { Ok(row.try_get::<i64, _>(column)?.max(0).unsigned_abs()) };
    let time = |column: &str| -> Result<Option<Millis>> { Ok(row.try_get(column)?) };
    let (expired, due) = (count("expired")?, count("due")?);
    let oldest = [
        time("oldest_ready_ms")?,
        time("oldest_laned_ms")?,
        time("oldest_due_ms")?,
        time("oldest_expired_ms")?,
    ];
    Ok(QueueStats {
        queue: row.try_get("name")?,
        ready: count("ready")? + due + expired,
        scheduled: count("scheduled")?.saturating_sub(due),
        leased: count("leased")?.saturating_sub(expired),
        dead: count("dead")?,
        enqueued_total: count("enqueued_total")?,
        completed_total: count("completed_total")?,
        failed_attempts_total: count("failed_attempts_total")?,
        leases_lost_total: count("leases_lost_total")?,
        dead_total: count("dead_total")?,
        oldest_ready_age_ms: oldest.into_iter().flatten().min().map(|at| now_ms.saturating_sub(at).max(0)),
        at_ms: now_ms,
    })
}

/// Where a waiting job stands.
pub(super) struct Waiting {
    pub(super) at_ms: Millis,
    pub(super) attempts: i64,
    pub(super) ready: bool,
    /// The first of its run.
    pub(super) first: i64,
}

pub(super) async fn waiting(conn: &mut SqliteConnection, id: JobId) -> Result<Option<Waiting>> {
    let row = sqlx::query(include_str!("sql/find_waiting.sql")).bind(id.0).fetch_optional(conn).await?;
    let place = |r: SqliteRow| {
        Ok(Waiting {
            at_ms: r.try_get(0)?,
            attempts: r.try_get(1)?,
            ready: r.try_get(2)?,
            first: r.try_get(3)?,
        })
    };
    row.map(place).transpose()
}

pub(super) async fn find(conn: &mut SqliteConnection, id: JobId) -> Result<Option<JobInfo>> {
    let Some(row) =
        sqlx::query(include_str!("sql/find_job.sql")).bind(id.0).fetch_optional(&mut *conn).await?
    else {
        return finished(conn, id).await;
    };
    let mut info = JobInfo {
        id,
        queue: row.try_get("queue")?,
        lane: row.try_get("lane")?,
        owner: row.try_get("owner")?,
        state: JobState::Leased,
        attempts: row.try_get::<Option<u32>, _>("attempt")?.unwrap_or(0),
        enqueued_at_ms: row.try_get("enqueued_at_ms")?,
        at_ms: row.try_get::<Option<Millis>, _>("until_ms")?.unwrap_or(0),
        worker: row.try_get("worker")?,
        progress: None,
        payload: Some(Payload::from_stored(row.try_get("payload")?)),
        reason: row.try_get("reason")?,
    };
    if let Some(permille) = row.try_get("permille")? {
        info.progress = Some(Progress { permille, note: row.try_get("note")? });
    }
    if let Some(died_at_ms) = row.try_get("died_at_ms")? {
        (info.state, info.at_ms) = (JobState::Dead, died_at_ms);
        info.attempts = row.try_get("dead_attempts")?;
    } else if info.worker.is_none() {
        let Some(place) = waiting(conn, id).await? else { return Ok(None) };
        info.state = if place.ready { JobState::Ready } else { JobState::Scheduled };
        info.at_ms = place.at_ms;
        info.attempts = u32::try_from(place.attempts).unwrap_or(0);
    }
    Ok(Some(info))
}

async fn finished(conn: &mut SqliteConnection, id: JobId) -> Result<Option<JobInfo>> {
    let row = sqlx::query(include_str!("sql/find_finished.sql")).bind(id.0).fetch_optional(conn).await?;
    let info = |row: SqliteRow| {
        let completed = row.try_get::<&str, _>("state")? == "completed";
        Ok(JobInfo {
            id,
            queue: row.try_get("queue")?,
            lane: String::new(),
            owner: row.try_get("owner")?,
            state: if completed { JobState::Completed } else { JobState::Cancelled },
            attempts: row.try_get("attempts")?,
            enqueued_at_ms: row.try_get("enqueued_at_ms")?,
            at_ms: row.try_get("finished_at_ms")?,
            worker: None,
            progress: None,
            payload: None,
            reason: None,
        })
    };
    row.map(info).transpose()
}

pub(super) async fn failures(db: &SqlitePool, id: JobId) -> Result<Vec<AttemptFailure>> {
    let rows = sqlx::query(include_str!("sql/find_failures.sql")).bind(id.0).fetch_all(db).await?;
    let failure = |r: &SqliteRow| {
        Ok(AttemptFailure {
            attempt: r.try_get(0)?,
            at_ms: r.try_get(1)?,
            worker: r.try_get(2)?,
            message: r.try_get(3)?,
        })
    };
    rows.iter().map(failure).collect()
}

pub(super) async fn dead(
    db: &SqlitePool,
    queue: &str,
    after: DeadCursor,
    limit: u32,
) -> Result<Vec<DeadLetter>> {
    let rows = sqlx::query(include_str!("sql/list_dead.sql"))
        .bind(queue)
        .bind(after.died_at_ms)
        .bind(after.id.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    let letter = |r: &SqliteRow| {
        Ok(DeadLetter {
            id: JobId(r.try_get(0)?),
            queue: queue.to_owned(),
            attempts: r.try_get(1)?,
            died_at_ms: r.try_get(2)?,
            reason: r.try_get(3)?,
            payload: Payload::from_stored(r.try_get(4)?),
            owner: r.try_get(5)?,
            lane: r.try_get(6)?,
            enqueued_at_ms: r.try_get(7)?,
        })
    };
    rows.iter().map(letter).collect()
}
