//! What happens to a lease once it is held.

use std::collections::HashMap;

use sqlx::{Row as _, SqliteConnection};

use super::{Delta, only};
use crate::clock::Millis;
use crate::driver::{Extended, Next, Result, array};
use crate::job::{Claimed, JobId};

pub(super) async fn extend(
    conn: &mut SqliteConnection,
    jobs: &[&Claimed],
    now_ms: Millis,
    until_ms: Millis,
) -> Result<Vec<Extended>> {
    let rows = sqlx::query(include_str!("sql/extend_leases.sql"))
        .bind(array(jobs.iter().map(|j| j.token.0)))
        .bind(now_ms)
        .bind(until_ms)
        .fetch_all(conn)
        .await?;
    let job_of: HashMap<i64, JobId> = jobs.iter().map(|j| (j.token.0, j.id)).collect();
    let mut kept = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(job) = job_of.get(&row.try_get(0)?) {
            kept.push(Extended { job: *job, cancel: row.try_get(1)? });
        }
    }
    Ok(kept)
}

pub(super) async fn complete(
    conn: &mut SqliteConnection,
    queue: &str,
    jobs: &[&Claimed],
    now_ms: Millis,
) -> Result<Vec<JobId>> {
    let tokens = array(jobs.iter().map(|j| j.token.0));
    if jobs.iter().any(|j| j.kept) {
        let sql = include_str!("sql/remember_completed.sql");
        sqlx::query(sql).bind(&tokens).bind(now_ms).execute(&mut *conn).await?;
    }
    let query = match range(jobs) {
        Some((first, last)) => sqlx::query(include_str!("sql/complete_range.sql")).bind(first).bind(last),
        None => sqlx::query(include_str!("sql/complete_jobs.sql")).bind(tokens),
    };
    let rows = query.bind(now_ms).bind(queue).fetch_all(&mut *conn).await?;
    let live: Vec<i64> = serde_json::from_str(only(&rows)?.try_get(0)?)?;
    let job_of: HashMap<i64, JobId> = jobs.iter().map(|j| (j.token.0, j.id)).collect();
    Ok(live.iter().filter_map(|token| job_of.get(token).copied()).collect())
}

/// The first and the last token, if there is no other in between: those of one claim, as a rule.
fn range(jobs: &[&Claimed]) -> Option<(i64, i64)> {
    let mut tokens: Vec<i64> = jobs.iter().map(|j| j.token.0).collect();
    tokens.sort_unstable();
    let whole = tokens.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    Some((*tokens.first()?, *tokens.last()?)).filter(|_| whole)
}

pub(super) async fn give_up(
    conn: &mut SqliteConnection,
    job: &Claimed,
    now_ms: Millis,
    next: Next<'_>,
) -> Result<bool> {
    let taken = sqlx::query(include_str!("sql/take_lease.sql"))
        .bind(job.token.0)
        .bind(now_ms)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = taken else { return Ok(false) };
    let queue: String = row.try_get(0)?;
    let id: i64 = row.try_get(1)?;
    let worker: String = row.try_get(2)?;
    let attempt: i64 = row.try_get(3)?;
    let mut delta = Delta { leased: -1, ..Delta::default() };
    if let Next::Retry { message, .. } | Next::Bury { message } = next {
        delta.failed_attempts = 1;
        sqlx::query(include_str!("sql/record_failure.sql"))
            .bind(id)
            .bind(attempt)
            .bind(now_ms)
            .bind(worker)
            .bind(message)
            .execute(&mut *conn)
            .await?;
    }
    match next {
        Next::Release => {
            delta.ready = 1;
            sqlx::query(include_str!("sql/ready_job.sql"))
                .bind(id)
                .bind(job.ready_at_ms)
                .bind(attempt - 1)
                .execute(&mut *conn)
                .await?;
        }
        Next::Retry { at_ms, .. } => {
            delta.scheduled = 1;
            sqlx::query(include_str!("sql/schedule_job.sql"))
                .bind(&queue)
                .bind(at_ms)
                .bind(id)
                .bind(attempt)
                .execute(&mut *conn)
                .await?;
        }
        Next::Bury { message } => {
            (delta.dead, delta.deaths) = (1, 1);
            sqlx::query(include_str!("sql/bury_job.sql"))
                .bind(id)
                .bind(&queue)
                .bind(attempt)
                .bind(now_ms)
                .bind(message)
                .execute(&mut *conn)
                .await?;
            sqlx::query(include_str!("sql/free_unique_key.sql")).bind(id).execute(&mut *conn).await?;
        }
        Next::Cancel => finish(conn, JobId(id), "cancelled", now_ms, attempt).await?,
    }
    delta.add_to(conn, &queue).await?;
    Ok(true)
}

/// Ends a job without completion: its row and its failures go, a trace remains if it asked for one.
pub(super) async fn finish(
    conn: &mut SqliteConnection,
    id: JobId,
    state: &str,
    now_ms: Millis,
    attempts: i64,
) -> Result<()> {
    sqlx::query(include_str!("sql/finish_job.sql"))
        .bind(id.0)
        .bind(state)
        .bind(now_ms)
        .bind(attempts)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn progress(
    conn: &mut SqliteConnection,
    job: &Claimed,
    now_ms: Millis,
    permille: u16,
    note: &str,
) -> Result<bool> {
    let done = sqlx::query(include_str!("sql/report_progress.sql"))
        .bind(job.token.0)
        .bind(now_ms)
        .bind(permille)
        .bind(note)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
