//! Evaluations from the queue to their end.

use std::time::Duration;

use cv_scoring::Scored;
use plimsoll_jobs::{Claimed, FailureClass, JobContext, JobsError, Outcome, Tx};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection};

use super::counters::Counter;
use super::{Store, StoreError};

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
