//! Requests for evaluations.

use plimsoll_jobs::{JobsError, NewJob, Payload};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection};

use super::counters::Counter;
use super::{QUEUE, Store, StoreError, WorkStatus};

/// An evaluation asked for.
#[derive(Debug, Clone)]
pub struct NewEvaluation {
    /// Who asks.
    pub owner: String,
    /// Upload of the CV.
    pub cv_id: String,
    /// Upload of the project report.
    pub project_id: String,
    /// None means the shipped default.
    pub job_description: Option<String>,
    /// None means the shipped default.
    pub study_case_brief: Option<String>,
    /// None means the shipped default.
    pub scoring_rubric: Option<String>,
    /// The client's name for this request.
    pub idempotency_key: Option<String>,
    /// Digest of what was asked, to tell a repeat from another request under the same key.
    pub body_sha256: String,
    /// Carried into the job, so that log lines of both sides can be joined.
    pub trace: Trace,
    /// Attempts before the job is dead.
    pub max_attempts: u32,
    /// Longest wait for a worker, milliseconds; none lets it wait for ever.
    pub max_wait_ms: Option<i64>,
}

/// What ties a job to the request that asked for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Trace {
    /// `X-Request-Id` of the request.
    pub request_id: Option<String>,
    /// `traceparent` of the request.
    pub traceparent: Option<String>,
}

/// Body of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobBody {
    /// Which evaluation.
    pub evaluation_id: String,
    /// Who asked.
    #[serde(flatten)]
    pub trace: Trace,
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// A new evaluation, queued.
    New(String),
    /// The key was used before with the same body: that evaluation, as it stands now.
    Repeated(String, WorkStatus),
    /// The key was used before with another body.
    KeyReused,
    /// This upload does not exist, is not this owner's, or is of the other kind.
    UnknownUpload(&'static str),
}

// === impl Store ===

impl Store {
    /// Takes a request on: the evaluation's row, its job and the totals in one transaction (W10).
    ///
    /// # Errors
    /// When the database fails; then nothing was taken on.
    pub async fn accept(&self, new: &NewEvaluation) -> Result<Accepted, StoreError> {
        let accepted = self.accept_many(&[new]).await?;
        accepted
            .into_iter()
            .next()
            .ok_or_else(|| JobsError::InvalidJob("nothing was asked for".into()).into())
    }

    /// Takes requests on in one transaction, and so with one write to the disk; answers in their order.
    ///
    /// # Errors
    /// When the database fails or one job is invalid; then none was taken on.
    pub async fn accept_many(&self, requests: &[&NewEvaluation]) -> Result<Vec<Accepted>, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let (mut accepted, mut ids, mut jobs) = (Vec::with_capacity(requests.len()), Vec::new(), Vec::new());
        for new in requests {
            let outcome = insert(tx.sqlite()?, new, now_ms).await?;
            if let Accepted::New(id) = &outcome {
                let body = JobBody { evaluation_id: id.clone(), trace: new.trace.clone() };
                jobs.push(new_job(
                    &body,
                    &new.owner,
                    new.max_attempts,
                    new.max_wait_ms.map(|wait| now_ms + wait),
                )?);
                ids.push(id.clone());
            }
            accepted.push(outcome);
        }
        if jobs.is_empty() {
            return Ok(accepted);
        }
        let enqueued = self.jobs.enqueue_many(&mut tx, &jobs).await?;
        let conn = tx.sqlite()?;
        for (id, job) in ids.iter().zip(enqueued) {
            sqlx::query(include_str!("sql/set_job.sql"))
                .bind(id)
                .bind(job.id().0)
                .execute(&mut *conn)
                .await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most a batch")]
        Counter::Evaluations.add(conn, ids.len() as f64).await?;
        tx.commit().await?;
        Ok(accepted)
    }
}

/// Writes the row of one request, unless it is a repeat or refers to what is not there.
async fn insert(
    conn: &mut SqliteConnection,
    new: &NewEvaluation,
    now_ms: i64,
) -> Result<Accepted, StoreError> {
    // A repeat is answered before anything else is checked: its uploads may be gone by now.
    if let Some(repeated) = find_repeated(conn, new).await? {
        return Ok(repeated);
    }
    for (id, kind, field) in [(&new.cv_id, "cv", "cv_id"), (&new.project_id, "project", "project_id")] {
        let found: Option<String> = sqlx::query_scalar(include_str!("sql/upload_kind.sql"))
            .bind(id)
            .bind(&new.owner)
            .fetch_optional(&mut *conn)
            .await?;
        if found.as_deref() != Some(kind) {
            return Ok(Accepted::UnknownUpload(field));
        }
    }
    let id = uuid::Uuid::now_v7().to_string();
    let inserted = sqlx::query(include_str!("sql/insert_evaluation.sql"))
        .bind(&id)
        .bind(&new.owner)
        .bind(&new.cv_id)
        .bind(&new.project_id)
        .bind(&new.job_description)
        .bind(&new.study_case_brief)
        .bind(&new.scoring_rubric)
        .bind(&new.idempotency_key)
        .bind(&new.body_sha256)
        .bind(now_ms)
        .execute(&mut *conn)
        .await?;
    if inserted.rows_affected() == 0 {
        // Another writer used the key since we looked; only a database with several writers gets here.
        return Ok(find_repeated(conn, new).await?.unwrap_or(Accepted::KeyReused));
    }
    Ok(Accepted::New(id))
}

async fn find_repeated(
    conn: &mut SqliteConnection,
    new: &NewEvaluation,
) -> Result<Option<Accepted>, StoreError> {
    let Some(key) = &new.idempotency_key else { return Ok(None) };
    let found = sqlx::query(include_str!("sql/find_idempotent.sql"))
        .bind(&new.owner)
        .bind(key)
        .fetch_optional(conn)
        .await?;
    let Some(row) = found else { return Ok(None) };
    if row.try_get::<&str, _>("body_sha256")? != new.body_sha256 {
        return Ok(Some(Accepted::KeyReused));
    }
    let id: String = row.try_get("id")?;
    let status = WorkStatus::parse(&id, row.try_get("status")?)?;
    Ok(Some(Accepted::Repeated(id, status)))
}

/// The job of an evaluation.
pub(super) fn new_job(
    body: &JobBody,
    owner: &str,
    max_attempts: u32,
    deadline_ms: Option<i64>,
) -> Result<NewJob, JobsError> {
    let mut job = NewJob::new(QUEUE, Payload::of(body)?).owner(owner).max_attempts(max_attempts);
    job.deadline_ms = deadline_ms;
    Ok(job)
}
