//! Reading without changing anything.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::link::Link;
use crate::QueueStats;
use crate::clock::Millis;
use crate::driver::Result;
use crate::info::{AttemptFailure, DeadCursor, DeadLetter, JobInfo, Progress};
use crate::job::{JobId, JobState, Payload};

pub(super) async fn stats(
    link: &mut Link<'_>,
    queue: Option<&str>,
    now_ms: Millis,
) -> Result<Vec<QueueStats>> {
    let rows = sqlx::query(include_str!("sql/stats.sql")).bind(now_ms).bind(queue).fetch_all(link).await?;
    rows.iter().map(|row| stats_of(row, now_ms)).collect()
}

fn stats_of(row: &PgRow, now_ms: Millis) -> Result<QueueStats> {
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

pub(super) async fn find(link: &mut Link<'_>, id: JobId) -> Result<Option<JobInfo>> {
    let Some(row) =
        sqlx::query(include_str!("sql/find_job.sql")).bind(id.0).fetch_optional(&mut *link).await?
    else {
        return finished(link, id).await;
    };
    let at_ms: Millis = row.try_get("ready_at_ms")?;
    let leased = row.try_get::<i64, _>("token")? != 0;
    let (state, at_ms) = match row.try_get::<i16, _>("state")? {
        _ if leased => (JobState::Leased, row.try_get::<Option<Millis>, _>("until_ms")?.unwrap_or(0)),
        0 => (JobState::Ready, at_ms),
        1 => (JobState::Scheduled, at_ms),
        _ => (JobState::Dead, at_ms),
    };
    let progress = match row.try_get::<Option<i16>, _>("permille")? {
        Some(permille) if leased => {
            Some(Progress { permille: permille.unsigned_abs(), note: row.try_get("note")? })
        }
        _ => None,
    };
    Ok(Some(JobInfo {
        id,
        queue: row.try_get("queue")?,
        lane: row.try_get("lane")?,
        owner: row.try_get("owner")?,
        state,
        attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
        enqueued_at_ms: row.try_get("enqueued_at_ms")?,
        at_ms,
        worker: row.try_get("worker")?,
        progress,
        payload: Some(Payload::from_stored(row.try_get("payload")?)),
        reason: row.try_get("reason")?,
    }))
}

async fn finished(link: &mut Link<'_>, id: JobId) -> Result<Option<JobInfo>> {
    let row = sqlx::query(include_str!("sql/find_finished.sql")).bind(id.0).fetch_optional(link).await?;
    let info = |row: PgRow| {
        let completed = row.try_get::<&str, _>("state")? == "completed";
        Ok(JobInfo {
            id,
            queue: row.try_get("queue")?,
            lane: String::new(),
            owner: row.try_get("owner")?,
            state: if completed { JobState::Completed } else { JobState::Cancelled },
            attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
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

pub(super) async fn failures(link: &mut Link<'_>, id: JobId) -> Result<Vec<AttemptFailure>> {
    let rows = sqlx::query(include_str!("sql/find_failures.sql")).bind(id.0).fetch_all(link).await?;
    let failure = |r: &PgRow| {
        Ok(AttemptFailure {
            attempt: r.try_get::<i32, _>(0)?.unsigned_abs(),
            at_ms: r.try_get(1)?,
            worker: r.try_get(2)?,
            message: r.try_get(3)?,
        })
    };
    rows.iter().map(failure).collect()
}

pub(super) async fn dead(
    link: &mut Link<'_>,
    queue: &str,
    after: DeadCursor,
    limit: u32,
) -> Result<Vec<DeadLetter>> {
    let rows = sqlx::query(include_str!("sql/list_dead.sql"))
        .bind(queue)
        .bind(after.died_at_ms)
        .bind(after.id.0)
        .bind(i64::from(limit))
        .fetch_all(link)
        .await?;
    let letter = |r: &PgRow| {
        Ok(DeadLetter {
            id: JobId(r.try_get(0)?),
            queue: queue.to_owned(),
            attempts: r.try_get::<i32, _>(1)?.unsigned_abs(),
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
