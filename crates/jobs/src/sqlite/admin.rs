//! What people do to jobs, lanes and schedules.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{Delta, look, settle};
use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::driver::Result;
use crate::info::Cancelled;
use crate::job::JobId;

pub(super) async fn cancel(
    conn: &mut SqliteConnection,
    id: JobId,
    now_ms: Millis,
) -> Result<Option<Cancelled>> {
    let asked = sqlx::query(include_str!("sql/request_cancel.sql"))
        .bind(id.0)
        .bind(now_ms)
        .execute(&mut *conn)
        .await?;
    if asked.rows_affected() > 0 {
        return Ok(Some(Cancelled::Requested));
    }
    let Some((queue, delta, attempts)) = withdraw(conn, id).await? else { return Ok(None) };
    settle::finish(conn, id, "cancelled", now_ms, attempts).await?;
    delta.add_to(conn, &queue).await?;
    Ok(Some(Cancelled::Now))
}

/// Takes a job that is not dead from wherever it is: its queue, the change to the counts, its attempts.
async fn withdraw(conn: &mut SqliteConnection, id: JobId) -> Result<Option<(String, Delta, i64)>> {
    let Some(info) = look::find(conn, id).await? else { return Ok(None) };
    let ended = sqlx::query(include_str!("sql/end_lease_of.sql")).bind(id.0).fetch_all(&mut *conn).await?;
    if let Some(row) = ended.first() {
        return Ok(Some((info.queue, Delta { leased: -1, ..Delta::default() }, row.try_get(0)?)));
    }
    let Some(place) = look::waiting(conn, id).await? else { return Ok(None) };
    let (sql, delta) = if place.ready {
        (include_str!("sql/take_ready.sql"), Delta { ready: -1, ..Delta::default() })
    } else {
        (include_str!("sql/take_scheduled.sql"), Delta { scheduled: -1, ..Delta::default() })
    };
    sqlx::query(sql).bind(id.0).bind(place.at_ms).bind(place.first).execute(conn).await?;
    Ok(Some((info.queue, delta, place.attempts)))
}

/// Takes a dead letter out of the list; its queue, if it was there.
async fn take_dead(conn: &mut SqliteConnection, id: JobId) -> Result<Option<String>> {
    let row = sqlx::query(include_str!("sql/take_dead.sql")).bind(id.0).fetch_optional(conn).await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?)
}

pub(super) async fn requeue(conn: &mut SqliteConnection, id: JobId, now_ms: Millis) -> Result<bool> {
    let Some(queue) = take_dead(conn, id).await? else { return Ok(false) };
    sqlx::query(include_str!("sql/ready_job.sql"))
        .bind(id.0)
        .bind(now_ms)
        .bind(0)
        .execute(&mut *conn)
        .await?;
    Delta { dead: -1, ready: 1, ..Delta::default() }.add_to(conn, &queue).await?;
    Ok(true)
}

pub(super) async fn discard(conn: &mut SqliteConnection, id: JobId) -> Result<bool> {
    let Some(queue) = take_dead(conn, id).await? else { return Ok(false) };
    forget(conn, id).await?;
    Delta { dead: -1, ..Delta::default() }.add_to(conn, &queue).await?;
    Ok(true)
}

/// Deletes a job's row and failures without a trace.
async fn forget(conn: &mut SqliteConnection, id: JobId) -> Result<()> {
    sqlx::query(include_str!("sql/forget_job.sql")).bind(id.0).execute(conn).await?;
    Ok(())
}

pub(super) async fn purge(
    conn: &mut SqliteConnection,
    now_ms: Millis,
    dead_before_ms: Millis,
    limit: u32,
) -> Result<u64> {
    let mut purged = 0;
    for sql in [include_str!("sql/purge_finished.sql"), include_str!("sql/purge_requests.sql")] {
        purged += sqlx::query(sql).bind(now_ms).bind(limit).execute(&mut *conn).await?.rows_affected();
    }
    let dead = sqlx::query(include_str!("sql/expired_dead.sql"))
        .bind(dead_before_ms)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
    for row in &dead {
        purged += u64::from(discard(conn, JobId(row.try_get(0)?)).await?);
    }
    Ok(purged)
}

pub(super) async fn erase(conn: &mut SqliteConnection, owner: &str) -> Result<u64> {
    let rows = sqlx::query(include_str!("sql/owned_jobs.sql")).bind(owner).fetch_all(&mut *conn).await?;
    for row in &rows {
        let id = JobId(row.try_get(0)?);
        if discard(conn, id).await? {
            continue;
        }
        if let Some((queue, delta, _)) = withdraw(conn, id).await? {
            forget(conn, id).await?;
            delta.add_to(conn, &queue).await?;
        }
    }
    sqlx::query(include_str!("sql/erase_owner.sql")).bind(owner).execute(conn).await?;
    Ok(rows.len() as u64)
}

pub(super) async fn limit_lane(
    conn: &mut SqliteConnection,
    queue: &str,
    lane: &str,
    max_leased: Option<u32>,
) -> Result<()> {
    let query = match max_leased {
        Some(max) => sqlx::query(include_str!("sql/set_lane_limit.sql")).bind(queue).bind(lane).bind(max),
        None => sqlx::query(include_str!("sql/drop_lane_limit.sql")).bind(queue).bind(lane),
    };
    query.execute(conn).await?;
    Ok(())
}

pub(super) async fn set_cron(conn: &mut SqliteConnection, cron: &StoredCron) -> Result<()> {
    sqlx::query(include_str!("sql/set_cron.sql"))
        .bind(&cron.name)
        .bind(&cron.schedule)
        .bind(&cron.job)
        .bind(cron.next_at_ms)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn drop_cron(conn: &mut SqliteConnection, name: &str) -> Result<bool> {
    let dropped = sqlx::query(include_str!("sql/drop_cron.sql")).bind(name).execute(conn).await?;
    Ok(dropped.rows_affected() == 1)
}

pub(super) async fn crons(db: &SqlitePool, due_ms: Option<Millis>) -> Result<Vec<StoredCron>> {
    let rows = sqlx::query(include_str!("sql/list_cron.sql")).bind(due_ms).fetch_all(db).await?;
    let cron = |r: &SqliteRow| {
        Ok(StoredCron {
            name: r.try_get(0)?,
            schedule: r.try_get(1)?,
            job: r.try_get(2)?,
            next_at_ms: r.try_get(3)?,
        })
    };
    rows.iter().map(cron).collect()
}

pub(super) async fn advance_cron(
    conn: &mut SqliteConnection,
    name: &str,
    from_ms: Millis,
    to_ms: Millis,
) -> Result<bool> {
    let moved = sqlx::query(include_str!("sql/advance_cron.sql"))
        .bind(name)
        .bind(from_ms)
        .bind(to_ms)
        .execute(conn)
        .await?;
    Ok(moved.rows_affected() == 1)
}
