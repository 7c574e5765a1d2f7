//! What happens to a lease once it is held.

use sqlx::{Row as _, SqliteConnection};

use super::{Delta, only};
use crate::clock::Millis;
use crate::driver::{Extended, Next, Result};
use crate::job::{Claimed, JobId};

/// Jobs with following numbers under one lease: token, first and last.
type Run = (i64, i64, i64);

pub(super) async fn extend(
    conn: &mut SqliteConnection,
    jobs: &[&Claimed],
    now_ms: Millis,
    until_ms: Millis,
) -> Result<Vec<Extended>> {
    let rows = sqlx::query(include_str!("sql/extend_leases.sql"))
        .bind(serde_json::to_string(&runs(jobs))?)
        .bind(now_ms)
        .bind(until_ms)
        .fetch_all(conn)
        .await?;
    let kept: Vec<(JobId, u8)> = serde_json::from_str(only(&rows)?.try_get(0)?)?;
    Ok(kept.into_iter().map(|(job, cancel)| Extended { job, cancel: cancel != 0 }).collect())
}

pub(super) async fn complete(
    conn: &mut SqliteConnection,
    queue: &str,
    jobs: &[&Claimed],
    now_ms: Millis,
) -> Result<Vec<JobId>> {
    let runs = runs(jobs);
    let count: i64 = runs.iter().map(|(_, first, last)| last - first + 1).sum();
    if jobs.iter().any(|j| j.kept) {
        let sql = include_str!("sql/remember_completed.sql");
        sqlx::query(sql).bind(serde_json::to_string(&runs)?).bind(now_ms).execute(&mut *conn).await?;
    }
    let query = match runs[..] {
        [(token, first, last)] => {
            sqlx::query(include_str!("sql/complete_run.sql")).bind(token).bind(first).bind(last)
        }
        _ => sqlx::query(include_str!("sql/complete_runs.sql")).bind(serde_json::to_string(&runs)?),
    };
    let rows = query.bind(now_ms).bind(count).bind(queue).fetch_all(&mut *conn).await?;
    let live: Option<&str> = only(&rows)?.try_get(0)?;
    let all = || runs.iter().flat_map(|(_, first, last)| (*first..=*last).map(JobId)).collect();
    Ok(live.map(serde_json::from_str).transpose()?.unwrap_or_else(all))
}

/// The runs of which jobs consist: those of one claim are one, as a rule.
fn runs(jobs: &[&Claimed]) -> Vec<Run> {
    let mut held: Vec<(i64, i64)> = jobs.iter().map(|j| (j.token.0, j.id.0)).collect();
    held.sort_unstable();
    held.dedup();
    let following = |a: &(i64, i64), b: &(i64, i64)| a.0 == b.0 && a.1 + 1 == b.1;
    held.chunk_by(following).map(|run| (run[0].0, run[0].1, run[run.len() - 1].1)).collect()
}

pub(super) async fn give_up(
    conn: &mut SqliteConnection,
    job: &Claimed,
    now_ms: Millis,
    next: Next<'_>,
) -> Result<bool> {
    let id = job.id.0;
    let taken = sqlx::query(include_str!("sql/take_lease.sql"))
        .bind(job.token.0)
        .bind(id)
        .bind(now_ms)
        .fetch_all(&mut *conn)
        .await?;
    let Some(row) = taken.first() else { return Ok(false) };
    let queue: String = row.try_get(0)?;
    let worker: String = row.try_get(1)?;
    let attempt: i64 = row.try_get(2)?;
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
        .bind(job.id.0)
        .bind(job.token.0)
        .bind(now_ms)
        .bind(permille)
        .bind(note)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
