//! What an attempt does: read both documents, score the case, put a receipt to it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_documents::{ExtractError, Limits};
use cv_scoring::{Case, Class, Receipt, ScoreError, Scored, Scorer, Unscored};
use plimsoll_jobs::FailureClass;
use tokio_util::sync::CancellationToken;

use crate::api::receipt_json;
use crate::metrics::WorkMetrics;
use crate::store::{Store, StoreError, Work};

/// Longest message kept with a failed evaluation, bytes.
const MAX_MESSAGE_BYTES: usize = 1000;

/// Everything an attempt needs.
#[derive(Debug)]
pub(crate) struct Pipeline {
    store: Store,
    scorer: Arc<Scorer>,
    extract_command: [OsString; 2],
    limits: Limits,
    metrics: WorkMetrics,
    worker: String,
}

/// A case that was scored.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The scores.
    pub(crate) scored: Scored,
    extraction: Duration,
    scoring: Duration,
    worker: String,
}

/// Why an attempt has no result.
#[derive(Debug, Clone)]
pub(crate) struct AttemptError {
    /// Whether to try again.
    pub(crate) class: FailureClass,
    /// Stable code that the client sees.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
    /// What the scorer did and used all the same, when it came to that.
    pub(crate) receipt: Option<Box<Tried>>,
}

/// The receipt of a scorer that failed, with the times it took.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) receipt: Receipt,
    extraction: Duration,
    scoring: Duration,
    worker: String,
}

// === impl Pipeline ===

impl Pipeline {
    pub(crate) fn new(
        store: Store,
        scorer: Arc<Scorer>,
        program: OsString,
        limits: Limits,
        metrics: WorkMetrics,
        worker: String,
    ) -> Self {
        let extract_command = [program, crate::work::EXTRACT_COMMAND.into()];
        Self { store, scorer, extract_command, limits, metrics, worker }
    }

    /// One attempt. Cancelling is dropping: the process that reads a document dies with it.
    pub(crate) async fn run(
        &self,
        work: &Work,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<Finished, AttemptError> {
        let started = Instant::now();
        let cv_text = self.read("cv", &work.cv_id).await?;
        let project_text = self.read("project", &work.project_id).await?;
        let extraction = started.elapsed();

        let case = Case {
            cv_text,
            project_text,
            job_description: work.job_description.clone(),
            study_case_brief: work.study_case_brief.clone(),
            scoring_rubric: work.scoring_rubric.clone(),
        };
        let started = Instant::now();
        let assessed = self.scorer.assess(&case, deadline, stop).await;
        let (scoring, worker) = (started.elapsed(), self.worker.clone());
        let receipt = assessed.as_ref().map_or_else(|unscored| &*unscored.receipt, |scored| &scored.receipt);
        self.metrics.scored(scoring.as_secs_f64(), receipt);
        match assessed {
            Ok(scored) => Ok(Finished { scored, extraction, scoring, worker }),
            Err(Unscored { error, receipt }) => {
                let tried = Tried { receipt: *receipt, extraction, scoring, worker };
                Err(AttemptError { receipt: Some(Box::new(tried)), ..AttemptError::from(error) })
            }
        }
    }

    /// The text of one document.
    async fn read(&self, which: &str, upload_id: &str) -> Result<String, AttemptError> {
        let (kind, bytes) = self.store.read_upload(upload_id).await?.ok_or_else(|| AttemptError {
            class: FailureClass::Never,
            code: "NOT_FOUND".to_owned(),
            message: format!("the {which} has been erased"),
            receipt: None,
        })?;
        let started = Instant::now();
        let extracted =
            app_documents::extract_isolated(&self.extract_command, kind, &bytes, &self.limits).await;
        self.metrics.extracted(started.elapsed().as_secs_f64());
        extracted.map(|extracted| extracted.text).map_err(|error| AttemptError::document(which, &error))
    }
}

// === impl Finished ===

impl Finished {
    /// The receipt to be stored with the scores: the scorer's, with what only the worker knows.
    pub(crate) fn receipt(&self, attempts: u32) -> serde_json::Value {
        receipt_json(&self.scored.receipt, attempts, self.extraction, self.scoring, &self.worker)
    }
}

// === impl Tried ===

impl Tried {
    /// The receipt to be stored with the failure.
    pub(crate) fn receipt(&self, attempts: u32) -> serde_json::Value {
        receipt_json(&self.receipt, attempts, self.extraction, self.scoring, &self.worker)
    }
}

// === impl AttemptError ===

impl AttemptError {
    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self {
            class: FailureClass::Retry,
            code: "DEADLINE_EXCEEDED".to_owned(),
            message: format!("one attempt took longer than {} s", limit.as_secs()),
            receipt: None,
        }
    }

    /// A mistake in this program. What the panic said is in the log and not for clients: it may quote a document.
    pub(crate) fn panicked() -> Self {
        Self {
            class: FailureClass::Panic,
            code: "INTERNAL".to_owned(),
            message: "the worker failed".to_owned(),
            receipt: None,
        }
    }

    fn document(which: &str, error: &ExtractError) -> Self {
        let class = if error.is_transient() { FailureClass::Retry } else { FailureClass::Never };
        Self {
            class,
            code: error.code().to_owned(),
            message: shorten(format!("{which}: {error}")),
            receipt: None,
        }
    }
}

impl From<ScoreError> for AttemptError {
    fn from(error: ScoreError) -> Self {
        let class = match (&error, error.class()) {
            // The deadline is the attempt's own, not the evaluation's: another attempt has another.
            (ScoreError::DeadlineExceeded, _) | (_, Class::Retry) => FailureClass::Retry,
            (_, Class::RetryAfter(wait)) => FailureClass::RetryAfter(wait),
            (_, Class::Never) => FailureClass::Never,
        };
        Self { class, code: error.code().to_owned(), message: shorten(error.to_string()), receipt: None }
    }
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the database failed during an attempt");
        Self {
            class: FailureClass::Retry,
            code: "INTERNAL".to_owned(),
            message: "the database did not answer".to_owned(),
            receipt: None,
        }
    }
}

fn shorten(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    message
}
