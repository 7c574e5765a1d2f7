//! Evaluations from request to end.

use std::time::Duration;

use cv_scoring::Scored;
use plimsoll_jobs::{Claimed, FailureClass, JobContext, JobsError, NewJob, Outcome, Payload, Tx};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection};

use super::counters::Counter;
use super::{QUEUE, Store, StoreError};

/// Where an evaluation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkStatus {
    /// Waits for a worker, for the first time or again.
    Queued,
    /// A worker has it.
    Processing,
    /// There is a result.
    Completed,
    /// There will be no result; the error says why.
    Failed,
}

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

/// Proof that an attempt may write: the worker runtime's context, which also needs to know that the job ended, or the
/// claim alone.
#[derive(Debug, Clone, Copy)]
pub enum Lease<'a> {
    /// Inside a handler.
    Handler(&'a JobContext),
    /// Outside one.
    Claim(&'a Claimed),
}

/// What a worker needs to know of an evaluation.
#[derive(Debug, Clone)]
pub struct Work {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: WorkStatus,
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
    /// When it was asked for.
    pub created_at_ms: i64,
}

// === impl WorkStatus ===

impl WorkStatus {
    /// Name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing will change any more (but by an operator's hand).
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    pub(super) fn parse(id: &str, name: &str) -> Result<Self, StoreError> {
        [Self::Queued, Self::Processing, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| StoreError::Corrupt {
                what: "status",
                id: id.to_owned(),
                why: format!("`{name}`"),
            })
    }
}

// === impl Lease ===

impl Lease<'_> {
    fn job(&self) -> &Claimed {
        match self {
            Self::Handler(context) => context.job(),
            Self::Claim(job) => job,
        }
    }

    async fn complete(&self, store: &Store, tx: &mut Tx) -> Result<(), JobsError> {
        match self {
            Self::Handler(context) => context.complete(tx).await,
            Self::Claim(job) => store.jobs.complete(tx, job).await,
        }
    }
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

    /// What the worker needs; None when the evaluation has been erased.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_work(&self, id: &str) -> Result<Option<Work>, StoreError> {
        let found = sqlx::query(include_str!("sql/read_work.sql"))
            .bind(id)
            .fetch_optional(self.jobs.sqlite()?)
            .await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(Work {
            id: row.try_get("id")?,
            status: WorkStatus::parse(id, row.try_get("status")?)?,
            cv_id: row.try_get("cv_id")?,
            project_id: row.try_get("project_id")?,
            job_description: row.try_get("job_description")?,
            study_case_brief: row.try_get("study_case_brief")?,
            scoring_rubric: row.try_get("scoring_rubric")?,
            created_at_ms: row.try_get("created_at_ms")?,
        }))
    }

    /// Notes that an attempt has begun. Answers false when the evaluation is finished or gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self, id: &str, job: &Claimed) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let started = sqlx::query(include_str!("sql/start.sql"))
            .bind(id)
            .bind(i64::from(job.attempt))
            .bind(self.jobs.now_ms())
            .execute(tx.sqlite()?)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(started == 1)
    }

    /// Begins a failed evaluation again whose own job was taken back from the dead letters, which only an operator
    /// does. Answers false when that is not so.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`] when another worker has the job: it may have failed the evaluation just now.
    pub async fn restart(&self, id: &str, job: &Claimed, lease: Duration) -> Result<bool, StoreError> {
        self.jobs.heartbeat(job, lease).await?;
        let mut tx = self.jobs.begin().await?;
        let conn = tx.sqlite()?;
        let started = sqlx::query(include_str!("sql/restart.sql"))
            .bind(id)
            .bind(i64::from(job.attempt))
            .bind(self.jobs.now_ms())
            .bind(job.id.0)
            .execute(&mut *conn)
            .await?
            .rows_affected();
        if started == 1 {
            Counter::Failed.add(conn, -1.0).await?;
        }
        tx.commit().await?;
        Ok(started == 1)
    }

    /// Ends an attempt with a result: result, status, totals and the end of the job in one transaction, fenced by
    /// the lease (W8, W9). Answers whether this call wrote the result.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`] when another worker has the job; then nothing was written.
    pub async fn complete(
        &self,
        lease: Lease<'_>,
        work: &Work,
        scored: &Scored,
        receipt: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        let parameters = serde_json::to_string(&scored.parameters).map_err(JobsError::from)?;
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        lease.complete(self, &mut tx).await?;
        let conn = tx.sqlite()?;
        let attempt = lease.job().attempt;
        let finished = finish(conn, &work.id, WorkStatus::Completed, attempt, None, now_ms).await?;
        if finished {
            sqlx::query(include_str!("sql/insert_result.sql"))
                .bind(&work.id)
                .bind(scored.cv_match_rate)
                .bind(&scored.cv_feedback)
                .bind(scored.project_score)
                .bind(&scored.project_feedback)
                .bind(&scored.overall_summary)
                .bind(parameters)
                .bind(receipt.to_string())
                .bind(now_ms)
                .execute(&mut *conn)
                .await?;
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of one evaluation")]
            let seconds = (now_ms - work.created_at_ms).max(0) as f64 / 1000.0;
            Counter::Completed.add(conn, 1.0).await?;
            Counter::CompletedSeconds.add(conn, seconds).await?;
        }
        tx.commit().await?;
        Ok(finished)
    }

    /// Ends an attempt without a result: the queue decides between another attempt and the dead letters, and the
    /// evaluation follows in the same transaction.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`] when another worker has the job; then nothing was written.
    pub async fn fail(
        &self,
        job: &Claimed,
        id: &str,
        class: FailureClass,
        code: &str,
        message: &str,
    ) -> Result<Outcome, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let outcome = self.jobs.fail_in(&mut tx, job, class, &format!("{code}: {message}")).await?;
        let conn = tx.sqlite()?;
        match outcome {
            Outcome::Retried { .. } => {
                sqlx::query(include_str!("sql/back_to_queue.sql"))
                    .bind(id)
                    .bind(now_ms)
                    .execute(conn)
                    .await?;
            }
            Outcome::Dead => {
                if finish(conn, id, WorkStatus::Failed, job.attempt, Some((code, message)), now_ms).await? {
                    Counter::Failed.add(conn, 1.0).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(outcome)
    }

    /// Ends the job of an evaluation that is already finished or gone.
    ///
    /// # Errors
    /// When the database fails or the lease is lost.
    pub async fn discard(&self, lease: Lease<'_>) -> Result<(), StoreError> {
        let mut tx = self.jobs.begin().await?;
        lease.complete(self, &mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Fails evaluations whose job died without its handler having a say: a deadline that passed in the queue, a lease
    /// that ran out on the last attempt. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_orphans(&self) -> Result<u64, StoreError> {
        let orphans =
            sqlx::query(include_str!("sql/find_orphans.sql")).fetch_all(self.jobs.sqlite()?).await?;
        let mut failed = 0;
        for orphan in orphans {
            let (id, job_id): (String, i64) = (orphan.try_get("id")?, orphan.try_get("job_id")?);
            let (attempts, reason): (u32, String) = (orphan.try_get("attempts")?, orphan.try_get("reason")?);
            let code = if reason.contains("deadline") { "DEADLINE_EXCEEDED" } else { "WORKER_LOST" };
            let mut tx = self.jobs.begin().await?;
            let now_ms = self.jobs.now_ms();
            let conn = tx.sqlite()?;
            let buried = sqlx::query(include_str!("sql/fail_orphan.sql"))
                .bind(&id)
                .bind(job_id)
                .bind(i64::from(attempts))
                .bind(code)
                .bind(&reason)
                .bind(now_ms)
                .execute(&mut *conn)
                .await?
                .rows_affected();
            if buried == 1 {
                Counter::Failed.add(conn, 1.0).await?;
                failed += 1;
            }
            tx.commit().await?;
        }
        Ok(failed)
    }

    /// Puts a failed evaluation back into the queue with all its attempts. False when it is not in state failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requeue(&self, id: &str, max_attempts: u32) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let conn = tx.sqlite()?;
        let owner: Option<String> = sqlx::query_scalar(include_str!("sql/requeue.sql"))
            .bind(id)
            .bind(now_ms)
            .fetch_optional(&mut *conn)
            .await?;
        let Some(owner) = owner else { return Ok(false) };
        Counter::Failed.add(conn, -1.0).await?;
        let body = JobBody { evaluation_id: id.to_owned(), trace: Trace::default() };
        let job_id = self.jobs.enqueue(&mut tx, new_job(&body, &owner, max_attempts, None)?).await?.id();
        let conn = tx.sqlite()?;
        sqlx::query(include_str!("sql/set_job.sql")).bind(id).bind(job_id.0).execute(conn).await?;
        tx.commit().await?;
        Ok(true)
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

/// Moves an unfinished evaluation to its end; false when it was finished before.
pub(super) async fn finish(
    conn: &mut SqliteConnection,
    id: &str,
    status: WorkStatus,
    attempts: u32,
    error: Option<(&str, &str)>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let finished = sqlx::query(include_str!("sql/finish.sql"))
        .bind(id)
        .bind(status.as_str())
        .bind(i64::from(attempts))
        .bind(error.map(|(code, _)| code))
        .bind(error.map(|(_, message)| message))
        .bind(now_ms)
        .execute(conn)
        .await?;
    Ok(finished.rows_affected() == 1)
}

fn new_job(
    body: &JobBody,
    owner: &str,
    max_attempts: u32,
    deadline_ms: Option<i64>,
) -> Result<NewJob, JobsError> {
    let mut job = NewJob::new(QUEUE, Payload::of(body)?).owner(owner).max_attempts(max_attempts);
    job.deadline_ms = deadline_ms;
    Ok(job)
}
