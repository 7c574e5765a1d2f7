//! What happens to a lease once it is held.

use sqlx::Row as _;

use super::link::Link;
use crate::clock::Millis;
use crate::driver::{Extended, Next, Result};
use crate::job::{Claimed, JobId};

pub(super) async fn extend(
    conn: &mut Link<'_>,
    jobs: &[&Claimed],
    now_ms: Millis,
    until_ms: Millis,
) -> Result<Vec<Extended>> {
    let rows = sqlx::query(include_str!("sql/extend_leases.sql"))
        .bind(ids(jobs))
        .bind(tokens(jobs))
        .bind(now_ms)
        .bind(until_ms)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|r| Ok(Extended { job: JobId(r.try_get(0)?), cancel: r.try_get(1)? })).collect()
}

pub(super) async fn complete(
    conn: &mut Link<'_>,
    queue: &str,
    jobs: &[&Claimed],
    now_ms: Millis,
) -> Result<Vec<JobId>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    // Many at once come from the worker's own short transaction, which may keep the lease rows tidy. One alone comes
    // from a handler's: it must not lock a row that the other handlers of the same claim will want, or they would
    // wait for one another to the end of their transactions. What it leaves behind goes when the lease ends.
    let many = jobs.len() > 1;
    let done: Vec<i64> = sqlx::query_scalar(include_str!("sql/complete_jobs.sql"))
        .bind(queue)
        .bind(ids(jobs))
        .bind(tokens(jobs))
        .bind(now_ms)
        .bind(many)
        .fetch_one(conn)
        .await?;
    Ok(done.into_iter().map(JobId).collect())
}

pub(super) async fn give_up(
    conn: &mut Link<'_>,
    job: &Claimed,
    now_ms: Millis,
    next: Next<'_>,
) -> Result<bool> {
    let sql = match next {
        Next::Release => include_str!("sql/release_job.sql"),
        Next::Retry { .. } => include_str!("sql/retry_job.sql"),
        Next::Bury { .. } => include_str!("sql/bury_job.sql"),
        Next::Cancel => include_str!("sql/cancel_leased.sql"),
    };
    let query = sqlx::query(sql).bind(job.id.0).bind(job.token.0).bind(now_ms);
    let query = match next {
        Next::Release | Next::Cancel => query,
        Next::Retry { at_ms, message } => query.bind(at_ms).bind(message),
        Next::Bury { message } => query.bind(message),
    };
    Ok(query.fetch_optional(conn).await?.is_some())
}

pub(super) async fn progress(
    conn: &mut Link<'_>,
    job: &Claimed,
    now_ms: Millis,
    permille: u16,
    note: &str,
) -> Result<bool> {
    let done = sqlx::query(include_str!("sql/report_progress.sql"))
        .bind(job.id.0)
        .bind(job.token.0)
        .bind(now_ms)
        .bind(permille.cast_signed())
        .bind(note)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn ids(jobs: &[&Claimed]) -> Vec<i64> {
    jobs.iter().map(|j| j.id.0).collect()
}

fn tokens(jobs: &[&Claimed]) -> Vec<i64> {
    jobs.iter().map(|j| j.token.0).collect()
}
