//! Evaluations from the queue to their end.

use std::time::Duration;

use cv_scoring::Scored;
use plimsoll_jobs::{Claimed, Failure, FailureClass, JobContext, JobsError, Outcome, Tx};
use serde::{Deserialize, Serialize};

use super::counters::Counter;
use super::db::{Conn, sql};
use super::results::Spent;
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

/// An attempt that came to nothing.
#[derive(Debug, Clone, Copy)]
pub struct FailedAttempt<'a> {
    /// Whether to try again.
    pub class: FailureClass,
    /// Stable code that the client sees.
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// Who tried to score, how, and what it took; none when it did not come to that.
    pub receipt: Option<&'a serde_json::Value>,
    /// What it took of the provider.
    pub spent: Spent,
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

    async fn fail(&self, store: &Store, tx: &mut Tx, failure: &Failure) -> Result<Outcome, JobsError> {
        match self {
            Self::Handler(context) => context.fail(tx, failure).await,
            Self::Claim(job) => store.jobs.fail_in(tx, job, failure.class, &failure.message).await,
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
        let found = self.pool.fetch_optional(sql!("read_work").bind(id)).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(Work {
            id: row.get("id")?,
            status: WorkStatus::parse(id, &row.get::<String>("status")?)?,
            cv_id: row.get("cv_id")?,
            project_id: row.get("project_id")?,
            job_description: row.get("job_description")?,
            study_case_brief: row.get("study_case_brief")?,
            scoring_rubric: row.get("scoring_rubric")?,
            created_at_ms: row.get("created_at_ms")?,
        }))
    }

    /// Notes that an attempt has begun. Answers false when the evaluation is finished or gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self, id: &str, job: &Claimed) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let statement = sql!("start").bind(id).bind(job.attempt).bind(self.jobs.now_ms());
        let started = Conn::of(&mut tx)?.execute(statement).await?;
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
        let mut conn = Conn::of(&mut tx)?;
        let statement = sql!("restart").bind(id).bind(job.attempt).bind(self.jobs.now_ms()).bind(job.id.0);
        let started = conn.execute(statement).await?;
        if started == 1 {
            Counter::Failed.add(&mut conn, -1.0).await?;
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
        let mut conn = Conn::of(&mut tx)?;
        let attempt = lease.job().attempt;
        let finished = conn.execute(sql!("complete").bind(&work.id).bind(attempt).bind(now_ms)).await? == 1;
        if finished {
            let (parameters, receipt) = (parameters.as_str(), receipt.to_string());
            let row = sql!("insert_result")
                .bind(&work.id)
                .bind(scored.cv_match_rate)
                .bind(&scored.cv_feedback)
                .bind(scored.project_score)
                .bind(&scored.project_feedback)
                .bind(&scored.overall_summary)
                .bind(parameters)
                .bind(&receipt)
                .bind(now_ms);
            conn.execute(row).await?;
            spend(&mut conn, &work.id, Spent::from(&scored.receipt)).await?;
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of one evaluation")]
            let seconds = (now_ms - work.created_at_ms).max(0) as f64 / 1000.0;
            Counter::Completed.add(&mut conn, 1.0).await?;
            Counter::CompletedSeconds.add(&mut conn, seconds).await?;
            self.tell_completed(&mut tx, &work.id, lease.job().into(), scored).await?;
        }
        tx.commit().await?;
        Ok(finished)
    }

    /// Ends an attempt without a result: the queue decides between another attempt and the dead letters, and the
    /// evaluation, with what the attempt took, follows in the same transaction.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`] when another worker has the job; then nothing was written.
    pub async fn fail(
        &self,
        lease: Lease<'_>,
        id: &str,
        failed: &FailedAttempt<'_>,
    ) -> Result<Outcome, StoreError> {
        let FailedAttempt { class, code, message, receipt, spent } = *failed;
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let failure = Failure { class, message: format!("{code}: {message}") };
        let outcome = lease.fail(self, &mut tx, &failure).await?;
        let mut conn = Conn::of(&mut tx)?;
        match outcome {
            Outcome::Retried { .. } => {
                conn.execute(sql!("back_to_queue").bind(id).bind(now_ms)).await?;
            }
            Outcome::Dead => {
                let receipt = receipt.map(ToString::to_string);
                let statement = sql!("fail").bind(id).bind(lease.job().attempt).bind(code).bind(message);
                if conn.execute(statement.bind(&receipt).bind(now_ms)).await? == 1 {
                    Counter::Failed.add(&mut conn, 1.0).await?;
                    self.tell_failed(&mut tx, id, lease.job().into(), code, message).await?;
                }
            }
        }
        spend(&mut Conn::of(&mut tx)?, id, spent).await?;
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

/// Adds to what all attempts of an evaluation took.
async fn spend(conn: &mut Conn<'_>, id: &str, spent: Spent) -> Result<(), StoreError> {
    let Spent { calls, prompt_tokens, completion_tokens } = spent;
    if spent != Spent::default() {
        conn.execute(sql!("spend").bind(id).bind(calls).bind(prompt_tokens).bind(completion_tokens)).await?;
    }
    Ok(())
}
