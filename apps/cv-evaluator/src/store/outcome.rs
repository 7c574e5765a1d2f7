//! How evaluations ended, for others to hear: a message in the outbox, in the transaction that ends the evaluation.
//! `plimsoll-kafka outbox` publishes it.

use cv_scoring::Scored;
use plimsoll_jobs::{Claimed, DeadLetter, JobsError, Payload, Tx};
use plimsoll_kafka::KafkaError;
use plimsoll_kafka::outbox::{Message, Outbox};
use serde_json::{Value, json};

use super::accept::JobBody;
use super::{Store, StoreError};

/// Where outcomes go.
#[derive(Debug, Clone)]
pub(super) struct Outcomes {
    outbox: Outbox,
    topic: String,
}

/// Of the job that did an evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    payload: &'a Payload,
    owner: Option<&'a str>,
}

// === impl Job ===

impl<'a> From<&'a Claimed> for Job<'a> {
    fn from(job: &'a Claimed) -> Self {
        Self { payload: &job.payload, owner: job.owner.as_deref() }
    }
}

impl<'a> From<&'a DeadLetter> for Job<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        Self { payload: &letter.payload, owner: letter.owner.as_deref() }
    }
}

// === impl Store ===

impl Store {
    /// From now on every end of an evaluation is a message for this topic, under the evaluation's id as its key.
    ///
    /// # Errors
    /// When the outbox's table cannot be made.
    pub async fn tell_outcomes(mut self, topic: String) -> Result<Self, StoreError> {
        let outbox = Outbox::open(&self.jobs).await.map_err(lift)?;
        self.outcomes = Some(Outcomes { outbox, topic });
        Ok(self)
    }

    /// Forgets what is still to be told of an owner, or of one of the owner's evaluations; answers how many messages.
    pub(super) async fn erase_outcomes(
        &self,
        tx: &mut Tx,
        owner: &str,
        id: Option<&str>,
    ) -> Result<u64, StoreError> {
        let Some(Outcomes { outbox, .. }) = &self.outcomes else { return Ok(0) };
        let erased = match id {
            Some(id) => outbox.erase_key(tx, owner, id.as_bytes()).await,
            None => outbox.erase_owner(tx, owner).await,
        };
        erased.map_err(lift)
    }

    pub(super) async fn tell_completed(
        &self,
        tx: &mut Tx,
        id: &str,
        job: Job<'_>,
        scored: &Scored,
    ) -> Result<(), StoreError> {
        let result = json!({
            "cv_match_rate": scored.cv_match_rate,
            "cv_feedback": scored.cv_feedback,
            "project_score": scored.project_score,
            "project_feedback": scored.project_feedback,
            "overall_summary": scored.overall_summary,
        });
        self.tell(tx, id, job, json!({ "id": id, "status": "completed", "result": result })).await
    }

    pub(super) async fn tell_failed(
        &self,
        tx: &mut Tx,
        id: &str,
        job: Job<'_>,
        code: &str,
        message: &str,
    ) -> Result<(), StoreError> {
        let error = json!({ "code": code, "message": message });
        self.tell(tx, id, job, json!({ "id": id, "status": "failed", "error": error })).await
    }

    /// Each end gets a message id of its own: an operator may have a failed evaluation tried again, attempts are then
    /// counted anew, and its second end is another message. That no end is told twice is this transaction's doing.
    async fn tell(&self, tx: &mut Tx, id: &str, job: Job<'_>, outcome: Value) -> Result<(), StoreError> {
        let Some(Outcomes { outbox, topic }) = &self.outcomes else { return Ok(()) };
        let mut message =
            Message::new(topic, outcome.to_string()).key(id).header("content-type", "application/json");
        let trace = job.payload.parse::<JobBody>().map(|body| body.trace).unwrap_or_default();
        for (name, value) in [("traceparent", trace.traceparent), ("x-request-id", trace.request_id)] {
            if let Some(value) = value {
                message = message.header(name, value);
            }
        }
        message.owner = job.owner.map(str::to_owned);
        outbox.put(tx, &message).await.map_err(lift)?;
        Ok(())
    }
}

/// A message that cannot be published must not undo the evaluation it tells about; it cannot be made either, as all its
/// parts are bounded.
fn lift(error: KafkaError) -> StoreError {
    match error {
        KafkaError::Jobs(error) => error.into(),
        other => JobsError::InvalidJob(other.to_string()).into(),
    }
}
