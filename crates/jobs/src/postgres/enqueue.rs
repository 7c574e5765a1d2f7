//! Adding jobs.

use sqlx::Row as _;

use super::link::Link;
use crate::JobsError;
use crate::clock::{Millis, millis};
use crate::driver::Result;
use crate::job::{Enqueued, Idempotency, JobId, NewJob};

/// Jobs per INSERT: bounds the arrays that are built at once.
const CHUNK: usize = 1000;
/// How often the holder of a unique key may vanish between our INSERT and our look before we give up.
const UNIQUE_TRIES: u32 = 10;

pub(super) async fn insert(conn: &mut Link<'_>, jobs: &[NewJob], now_ms: Millis) -> Result<Vec<Enqueued>> {
    let mut done = Vec::with_capacity(jobs.len());
    for run in jobs.chunk_by(|a, b| a.is_plain() && b.is_plain()) {
        match run {
            [job] if !job.is_plain() => done.push(once(conn, job, now_ms).await?),
            run => {
                for chunk in run.chunks(CHUNK) {
                    done.extend(many(conn, chunk, now_ms).await?);
                }
            }
        }
    }
    Ok(done)
}

/// Whether one statement adds them all.
pub(super) fn at_once(jobs: &[NewJob]) -> bool {
    !jobs.is_empty() && jobs.len() <= CHUNK && jobs.iter().all(NewJob::is_plain)
}

async fn many(conn: &mut Link<'_>, jobs: &[NewJob], now_ms: Millis) -> Result<Vec<Enqueued>> {
    let column = |of: fn(&NewJob) -> &str| jobs.iter().map(of).collect::<Vec<_>>();
    let payloads = column(|j| j.payload.as_str());
    let query = match jobs {
        [first, rest @ ..] if rest.iter().all(|j| first.is_like(j)) => {
            sqlx::query(include_str!("sql/insert_alike.sql"))
                .bind(now_ms)
                .bind(payloads)
                .bind(&first.queue)
                .bind(&first.lane)
                .bind(&first.owner)
                .bind(first.priority)
                .bind(first.max_attempts.cast_signed())
                .bind(first.run_at(now_ms))
                .bind(first.deadline_ms)
                .bind(millis(first.keep))
        }
        _ => sqlx::query(include_str!("sql/insert_jobs.sql"))
            .bind(now_ms)
            .bind(column(|j| &j.queue))
            .bind(column(|j| &j.lane))
            .bind(payloads)
            .bind(jobs.iter().map(|j| j.owner.as_deref()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|j| j.priority).collect::<Vec<_>>())
            .bind(jobs.iter().map(|j| j.max_attempts.cast_signed()).collect::<Vec<_>>())
            .bind(jobs.iter().map(|j| j.run_at(now_ms)).collect::<Vec<_>>())
            .bind(jobs.iter().map(|j| j.deadline_ms).collect::<Vec<_>>())
            .bind(jobs.iter().map(|j| millis(j.keep)).collect::<Vec<_>>()),
    };
    let mut ids: Vec<i64> = query.fetch_one(conn).await?.try_get(0)?;
    ids.sort_unstable();
    Ok(ids.into_iter().map(|id| Enqueued::New(JobId(id))).collect())
}

/// A job that may have been enqueued before.
async fn once(conn: &mut Link<'_>, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
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
    conn: &mut Link<'_>,
    owner: &str,
    request: &Idempotency,
    now_ms: Millis,
) -> Result<Option<JobId>> {
    for _ in 0..UNIQUE_TRIES {
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
            .fetch_optional(&mut *conn)
            .await?;
        // Purged or erased in between: try again.
        let Some(there) = there else { continue };
        let job = JobId(there.try_get(1)?);
        let same = there.try_get::<&str, _>(0)? == request.body_sha256;
        return if same { Ok(Some(job)) } else { Err(JobsError::KeyReused { job }) };
    }
    Err(JobsError::Busy("an idempotency key comes and goes".into()))
}

async fn unique(conn: &mut Link<'_>, job: &NewJob, now_ms: Millis) -> Result<Enqueued> {
    for _ in 0..UNIQUE_TRIES {
        let inserted = sqlx::query(include_str!("sql/insert_unique_job.sql"))
            .bind(now_ms)
            .bind(&job.queue)
            .bind(&job.lane)
            .bind(job.payload.as_str())
            .bind(&job.owner)
            .bind(&job.unique_key)
            .bind(job.priority)
            .bind(job.max_attempts.cast_signed())
            .bind(job.run_at(now_ms))
            .bind(job.deadline_ms)
            .bind(millis(job.keep))
            .fetch_optional(&mut *conn)
            .await?;
        if let Some(row) = inserted {
            return Ok(Enqueued::New(JobId(row.try_get(0)?)));
        }
        let there = sqlx::query(include_str!("sql/find_unique_job.sql"))
            .bind(&job.queue)
            .bind(&job.unique_key)
            .fetch_optional(&mut *conn)
            .await?;
        // Finished in between: the key is free again.
        if let Some(there) = there {
            return Ok(Enqueued::Duplicate(JobId(there.try_get(0)?)));
        }
    }
    Err(JobsError::Busy("a unique key comes and goes".into()))
}
