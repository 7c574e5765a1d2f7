//! Adding jobs.

use sqlx::{Row as _, SqliteConnection};

use crate::JobsError;
use crate::clock::{Millis, millis};
use crate::driver::Result;
use crate::job::{Enqueued, Idempotency, JobId, NewJob};

/// Jobs per INSERT: bounds the text that is built at once.
const CHUNK: usize = 1000;
/// So many jobs must be alike, on average, for a statement of their own to pay.
const ALIKE: usize = 4;

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    jobs: &[NewJob],
    now_ms: Millis,
) -> Result<Vec<Enqueued>> {
    let mut done = Vec::with_capacity(jobs.len());
    for run in jobs.chunk_by(|a, b| a.is_plain() && b.is_plain()) {
        match run {
            [job] if !job.is_plain() => done.push(once(conn, job, now_ms).await?),
            run => {
                for chunk in run.chunks(CHUNK) {
                    done.extend(plainly(conn, chunk, now_ms).await?);
                }
            }
        }
    }
    Ok(done)
}

/// Jobs that differ in their payload only and are ready, as those of a batch are as a rule, become one run.
async fn plainly(conn: &mut SqliteConnection, jobs: &[NewJob], now_ms: Millis) -> Result<Vec<Enqueued>> {
    let alike: Vec<&[NewJob]> = jobs.chunk_by(NewJob::is_like).collect();
    if alike.len() > 1 && alike.len() * ALIKE > jobs.len() {
        return many(conn, jobs, now_ms).await;
    }
    let mut done = Vec::with_capacity(jobs.len());
    for jobs in alike {
        match jobs {
            [first, ..] if first.run_at(now_ms) <= now_ms => {
                done.extend(run(conn, first, jobs, now_ms).await?)
            }
            _ => done.extend(many(conn, jobs, now_ms).await?),
        }
    }
    Ok(done)
}

/// Jobs that are like the first of them.
async fn run(
    conn: &mut SqliteConnection,
    first: &NewJob,
    jobs: &[NewJob],
    now_ms: Millis,
) -> Result<Vec<Enqueued>> {
    let count = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    let payloads: Vec<&str> = jobs.iter().map(|j| j.payload.as_str()).collect();
    let inserted = sqlx::query(include_str!("sql/insert_alike.sql"))
        .bind(&first.queue)
        .bind(&first.lane)
        .bind(first.priority)
        .bind(first.run_at(now_ms))
        .bind(count)
        .bind(serde_json::to_string(&payloads)?)
        .bind(&first.owner)
        .bind(first.max_attempts)
        .bind(now_ms)
        .bind(first.deadline_ms)
        .bind(millis(first.keep))
        .execute(conn)
        .await?;
    // Of the last row with a number of its own: the others of the script have none.
    let last = inserted.last_insert_rowid();
    Ok((last - count + 1..=last).map(|id| Enqueued::New(JobId(id))).collect())
}

/// Jobs of any kinds, each written by itself.
async fn many(conn: &mut SqliteConnection, jobs: &[NewJob], now_ms: Millis) -> Result<Vec<Enqueued>> {
    let rows: Vec<_> = jobs
        .iter()
        .map(|j| {
            (
                &j.queue,
                &j.lane,
                j.payload.as_str(),
                &j.owner,
                j.priority,
                j.max_attempts,
                j.run_at(now_ms),
                j.deadline_ms,
                millis(j.keep),
            )
        })
        .collect();
    let inserted = sqlx::query(include_str!("sql/insert_jobs.sql"))
        .bind(now_ms)
        .bind(serde_json::to_string(&rows)?)
        .execute(&mut *conn)
        .await?;
    let last = inserted.last_insert_rowid();
    let first = last + 1 - i64::try_from(inserted.rows_affected()).unwrap_or(0);
    admit(conn, first, last, now_ms).await?;
    Ok((first..=last).map(|id| Enqueued::New(JobId(id))).collect())
}

/// A job that may have been enqueued before.
async fn once(conn: &mut SqliteConnection, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
    let owner = job.owner.as_deref().unwrap_or_default();
    if let Some(request) = &job.idempotency
        && let Some(there) = repeated(conn, owner, request, now_ms).await?
    {
        return Ok(Enqueued::Duplicate(there));
    }
    let added = unique(conn, job, now_ms).await?;
    if let Some(request) = &job.idempotency {
        sqlx::query(include_str!("sql/bind_request.sql"))
            .bind(owner)
            .bind(&request.key)
            .bind(added.id().0)
            .execute(conn)
            .await?;
    }
    Ok(added)
}

/// The job of an earlier request with this key, if there was one with the same body.
async fn repeated(
    conn: &mut SqliteConnection,
    owner: &str,
    request: &Idempotency,
    now_ms: Millis,
) -> Result<Option<JobId>> {
    let first = sqlx::query(include_str!("sql/remember_request.sql"))
        .bind(owner)
        .bind(&request.key)
        .bind(&request.body_sha256)
        .bind(now_ms.saturating_add(millis(request.keep)))
        .bind(now_ms)
        .fetch_optional(&mut *conn)
        .await?;
    if first.is_some() {
        return Ok(None);
    }
    let there = sqlx::query(include_str!("sql/find_request.sql"))
        .bind(owner)
        .bind(&request.key)
        .fetch_one(conn)
        .await?;
    let job = JobId(there.try_get(1)?);
    if there.try_get::<&str, _>(0)? == request.body_sha256 {
        Ok(Some(job))
    } else {
        Err(JobsError::KeyReused { job })
    }
}

async fn unique(conn: &mut SqliteConnection, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
    let inserted = sqlx::query(include_str!("sql/insert_unique_job.sql"))
        .bind(&job.queue)
        .bind(&job.lane)
        .bind(job.payload.as_str())
        .bind(&job.owner)
        .bind(&job.unique_key)
        .bind(job.priority)
        .bind(job.max_attempts)
        .bind(now_ms)
        .bind(job.run_at(now_ms))
        .bind(job.deadline_ms)
        .bind(millis(job.keep))
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = inserted {
        let id: i64 = row.try_get(0)?;
        admit(conn, id, id, now_ms).await?;
        return Ok(Enqueued::New(JobId(id)));
    }
    let there = sqlx::query(include_str!("sql/find_unique_job.sql"))
        .bind(&job.queue)
        .bind(&job.unique_key)
        .fetch_one(conn)
        .await?;
    Ok(Enqueued::Duplicate(JobId(there.try_get(0)?)))
}

async fn admit(conn: &mut SqliteConnection, first: i64, last: i64, now_ms: Millis) -> Result<()> {
    sqlx::query(include_str!("sql/admit_jobs.sql")).bind(first).bind(last).bind(now_ms).execute(conn).await?;
    Ok(())
}
