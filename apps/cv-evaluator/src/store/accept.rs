//! Requests for evaluations.

use std::collections::{BTreeSet, HashMap};

use plimsoll_jobs::{JobsError, NewJob, Payload, Tx};
use serde::{Deserialize, Serialize};

use super::counters::Counter;
use super::db::{Conn, sql};
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

/// Owner and kind by id.
type Uploads = HashMap<String, (String, String)>;

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
        let accepted = self.accept_in(&mut tx, requests).await?;
        if accepted.iter().any(|accepted| matches!(accepted, Accepted::New(_))) {
            tx.commit().await?;
        }
        Ok(accepted)
    }

    /// The same in the caller's transaction.
    ///
    /// # Errors
    /// When the database fails or one job is invalid; then the transaction is to be rolled back.
    pub async fn accept_in(
        &self,
        tx: &mut Tx,
        requests: &[&NewEvaluation],
    ) -> Result<Vec<Accepted>, StoreError> {
        let now_ms = self.jobs.now_ms();
        let (mut accepted, mut ids, mut jobs) =
            (vec![Accepted::KeyReused; requests.len()], Vec::new(), Vec::new());
        let uploads = find_uploads(&mut Conn::of(tx)?, requests).await?;
        // Always in the same order: two groups that both wait for the other's keys would have to be parted by force.
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|index| (&requests[*index].owner, &requests[*index].idempotency_key));
        for index in order {
            let new = requests[index];
            let outcome = insert(&mut Conn::of(tx)?, new, &uploads, now_ms).await?;
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
            accepted[index] = outcome;
        }
        if jobs.is_empty() {
            return Ok(accepted);
        }
        let enqueued = self.jobs.enqueue_many(&mut *tx, &jobs).await?;
        let mut conn = Conn::of(tx)?;
        for (id, job) in ids.iter().zip(enqueued) {
            conn.execute(sql!("set_job").bind(id).bind(job.id().0)).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most a batch")]
        Counter::Evaluations.add(&mut conn, ids.len() as f64).await?;
        Ok(accepted)
    }
}

/// Writes the row of one request, unless it is a repeat or refers to what is not there.
async fn insert(
    conn: &mut Conn<'_>,
    new: &NewEvaluation,
    uploads: &Uploads,
    now_ms: i64,
) -> Result<Accepted, StoreError> {
    // A repeat is answered before anything else is checked: its uploads may be gone by now.
    if let Some(repeated) = find_repeated(conn, new).await? {
        return Ok(repeated);
    }
    for (id, kind, field) in [(&new.cv_id, "cv", "cv_id"), (&new.project_id, "project", "project_id")] {
        let known = uploads.get(id).is_some_and(|(owner, found)| *owner == new.owner && found == kind);
        if !known {
            return Ok(Accepted::UnknownUpload(field));
        }
    }
    let id = uuid::Uuid::now_v7().to_string();
    let row = sql!("insert_evaluation")
        .bind(&id)
        .bind(&new.owner)
        .bind(&new.cv_id)
        .bind(&new.project_id)
        .bind(&new.job_description)
        .bind(&new.study_case_brief)
        .bind(&new.scoring_rubric)
        .bind(&new.idempotency_key)
        .bind(&new.body_sha256)
        .bind(now_ms);
    if conn.execute(row).await? == 0 {
        // Another writer used the key since we looked; only a database with several writers gets here.
        return Ok(find_repeated(conn, new).await?.unwrap_or(Accepted::KeyReused));
    }
    Ok(Accepted::New(id))
}

/// Owner and kind of all uploads that are referred to, kept from being deleted until the transaction ends.
async fn find_uploads(conn: &mut Conn<'_>, requests: &[&NewEvaluation]) -> Result<Uploads, StoreError> {
    let ids: BTreeSet<&str> =
        requests.iter().flat_map(|new| [new.cv_id.as_str(), new.project_id.as_str()]).collect();
    let ids = serde_json::to_string(&ids).map_err(JobsError::from)?;
    let rows = conn.fetch_all(sql!(each "find_uploads").bind(&ids)).await?;
    rows.iter().map(|row| Ok((row.get("id")?, (row.get("owner")?, row.get("kind")?)))).collect()
}

async fn find_repeated(conn: &mut Conn<'_>, new: &NewEvaluation) -> Result<Option<Accepted>, StoreError> {
    let Some(key) = &new.idempotency_key else { return Ok(None) };
    let found = conn.fetch_optional(sql!("find_idempotent").bind(&new.owner).bind(key)).await?;
    let Some(row) = found else { return Ok(None) };
    if row.get::<String>("body_sha256")? != new.body_sha256 {
        return Ok(Some(Accepted::KeyReused));
    }
    let id: String = row.get("id")?;
    let status = WorkStatus::parse(&id, &row.get::<String>("status")?)?;
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
