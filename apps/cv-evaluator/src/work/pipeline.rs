//! What an attempt does: read both documents, score the case, put a receipt to it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use app_documents::{ExtractError, Limits};
use cv_scoring::{Case, Class, ScoreError, Scored, Scorer};
use plimsoll_jobs::FailureClass;
use tokio_util::sync::CancellationToken;

use crate::api::receipt_json;
use crate::metrics::WorkMetrics;
use crate::store::{Store, StoreError, Work};

/// Longest message kept with a failed evaluation, bytes.
const MAX_MESSAGE_BYTES: usize = 1000;

/// Everything an attempt needs.
#[derive(Debug)]
pub(super) struct Pipeline {
    store: Store,
    scorer: Scorer,
    extract_command: [OsString; 2],
    limits: Limits,
    metrics: WorkMetrics,
    worker: String,
}

/// A case that was scored.
#[derive(Debug)]
pub(super) struct Finished {
    /// The scores.
    pub(super) scored: Scored,
    extraction: Duration,
    scoring: Duration,
    worker: String,
}

/// Why an attempt has no result.
#[derive(Debug, Clone)]
pub(super) struct AttemptError {
    /// Whether to try again.
    pub(super) class: FailureClass,
    /// Stable code that the client sees.
    pub(super) code: String,
    /// For people.
    pub(super) message: String,
}

// === impl Pipeline ===

impl Pipeline {
    pub(super) fn new(
        store: Store,
        scorer: Scorer,
        program: OsString,
        limits: Limits,
        metrics: WorkMetrics,
        worker: String,
    ) -> Self {
        let extract_command = [program, super::EXTRACT_COMMAND.into()];
        Self { store, scorer, extract_command, limits, metrics, worker }
    }

    /// One attempt. Cancelling is dropping: the process that reads a document dies with it.
    pub(super) async fn run(
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
        let scored = self.scorer.score(&case, deadline, stop).await?;
        let scoring = started.elapsed();
        self.metrics.scored(scoring.as_secs_f64(), &scored.receipt);
        Ok(Finished { scored, extraction, scoring, worker: self.worker.clone() })
    }

    /// The text of one document.
    async fn read(&self, which: &str, upload_id: &str) -> Result<String, AttemptError> {
        let (kind, bytes) = self.store.read_upload(upload_id).await?.ok_or_else(|| AttemptError {
            class: FailureClass::Never,
            code: "NOT_FOUND".to_owned(),
            message: format!("the {which} has been erased"),
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
    pub(super) fn receipt(&self, attempts: u32) -> serde_json::Value {
        receipt_json(&self.scored.receipt, attempts, self.extraction, self.scoring, &self.worker)
    }
}

// === impl AttemptError ===

impl AttemptError {
    pub(super) fn timed_out(limit: Duration) -> Self {
        Self {
            class: FailureClass::Retry,
            code: "DEADLINE_EXCEEDED".to_owned(),
            message: format!("one attempt took longer than {} s", limit.as_secs()),
        }
    }

    fn document(which: &str, error: &ExtractError) -> Self {
        let class = if error.is_transient() { FailureClass::Retry } else { FailureClass::Never };
        Self { class, code: error.code().to_owned(), message: shorten(format!("{which}: {error}")) }
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
        Self { class, code: error.code().to_owned(), message: shorten(error.to_string()) }
    }
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the database failed during an attempt");
        Self {
            class: FailureClass::Retry,
            code: "INTERNAL".to_owned(),
            message: "the database did not answer".to_owned(),
        }
    }
}

fn shorten(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    message
}
