//! What people and housekeeping do to jobs, lanes and schedules.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::link::Link;
use crate::clock::Millis;
use crate::cron::StoredCron;
use crate::driver::Result;
use crate::info::Cancelled;
use crate::job::JobId;

/// Below this many rows the tally is not worth adding up.
const TALLY_ROWS: i64 = 200;

pub(super) async fn cancel(conn: &mut Link<'_>, id: JobId, now_ms: Millis) -> Result<Option<Cancelled>> {
    let row = sqlx::query(include_str!("sql/lock_job.sql")).bind(id.0).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<i16, _>(1)? == 2 {
        return Ok(None);
    }
    let held = row.try_get::<i64, _>(2)? != 0;
    if held && row.try_get::<Option<Millis>, _>(3)?.is_some_and(|until| until > now_ms) {
        sqlx::query(include_str!("sql/request_cancel.sql")).bind(id.0).execute(conn).await?;
        return Ok(Some(Cancelled::Requested));
    }
    sqlx::query(include_str!("sql/cancel_waiting.sql")).bind(id.0).bind(now_ms).execute(conn).await?;
    Ok(Some(Cancelled::Now))
}

pub(super) async fn requeue(conn: &mut Link<'_>, id: JobId, now_ms: Millis) -> Result<bool> {
    let sql = include_str!("sql/requeue_job.sql");
    Ok(sqlx::query(sql).bind(id.0).bind(now_ms).fetch_optional(conn).await?.is_some())
}

pub(super) async fn discard(conn: &mut Link<'_>, ids: &[i64]) -> Result<u64> {
    let gone = sqlx::query(include_str!("sql/discard_jobs.sql")).bind(ids).fetch_all(conn).await?;
    Ok(gone.len() as u64)
}

pub(super) async fn purge(
    conn: &mut Link<'_>,
    now_ms: Millis,
    dead_before_ms: Millis,
    limit: u32,
) -> Result<u64> {
    let mut purged = 0;
    for sql in [include_str!("sql/purge_finished.sql"), include_str!("sql/purge_requests.sql")] {
        let done = sqlx::query(sql).bind(now_ms).bind(i64::from(limit)).execute(&mut *conn).await?;
        purged += done.rows_affected();
    }
    let dead: Vec<i64> = sqlx::query_scalar(include_str!("sql/expired_dead.sql"))
        .bind(dead_before_ms)
        .bind(i64::from(limit))
        .fetch_all(&mut *conn)
        .await?;
    Ok(purged + discard(conn, &dead).await?)
}

pub(super) async fn erase(conn: &mut Link<'_>, owner: &str) -> Result<u64> {
    let gone: i64 =
        sqlx::query_scalar(include_str!("sql/erase_owner.sql")).bind(owner).fetch_one(conn).await?;
    Ok(gone.unsigned_abs())
}

pub(super) async fn limit_lane(
    conn: &mut Link<'_>,
    queue: &str,
    lane: &str,
    max_leased: Option<u32>,
) -> Result<()> {
    let query = match max_leased {
        Some(max) => {
            let max = i32::try_from(max).unwrap_or(i32::MAX);
            sqlx::query(include_str!("sql/set_lane_limit.sql")).bind(queue).bind(lane).bind(max)
        }
        None => sqlx::query(include_str!("sql/drop_lane_limit.sql")).bind(queue).bind(lane),
    };
    query.execute(conn).await?;
    Ok(())
}

pub(super) async fn set_cron(conn: &mut Link<'_>, cron: &StoredCron) -> Result<()> {
    sqlx::query(include_str!("sql/set_cron.sql"))
        .bind(&cron.name)
        .bind(&cron.schedule)
        .bind(&cron.job)
        .bind(cron.next_at_ms)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn drop_cron(conn: &mut Link<'_>, name: &str) -> Result<bool> {
    let dropped = sqlx::query(include_str!("sql/drop_cron.sql")).bind(name).execute(conn).await?;
    Ok(dropped.rows_affected() == 1)
}

pub(super) async fn crons(link: &mut Link<'_>, due_ms: Option<Millis>) -> Result<Vec<StoredCron>> {
    let rows = sqlx::query(include_str!("sql/list_cron.sql")).bind(due_ms).fetch_all(link).await?;
    let cron = |r: &PgRow| {
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
    conn: &mut Link<'_>,
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

/// Adds up the rows of the tally when there are many.
pub(super) async fn compact(link: &mut Link<'_>) -> Result<()> {
    let rows: i64 = sqlx::query_scalar(include_str!("sql/count_tally.sql")).fetch_one(&mut *link).await?;
    if rows >= TALLY_ROWS {
        sqlx::query(include_str!("sql/compact_tally.sql")).execute(link).await?;
    }
    Ok(())
}
