//! How a result looks to clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Spent, StoreError, StoredResult, StoredScores, WorkStatus};

/// An evaluation and, once there is one, its result or error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResultView {
    /// Its id.
    id: String,
    /// Where it stands.
    status: WorkStatus,
    /// The scores, when completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<Scores>,
    /// How they came about, when completed; what was tried and used, when the scorer failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    receipt: Option<ReceiptView>,
    /// What all attempts together took of the provider, failed ones included; absent before the first request to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    spent: Option<SpentView>,
    /// Why there are none, when failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<FailureView>,
}

/// The scores.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Scores {
    /// How well the CV matches the job.
    #[schema(minimum = 0, maximum = 1)]
    cv_match_rate: f64,
    /// What speaks for and against the CV.
    cv_feedback: String,
    /// How good the project is.
    #[schema(minimum = 1, maximum = 10)]
    project_score: f64,
    /// What speaks for and against the project.
    project_feedback: String,
    /// Both together.
    overall_summary: String,
    /// Who scored: `baseline` or `openai`.
    scored_by: String,
    /// The lines of the rubric from which both scores were computed.
    parameters: Vec<ParameterView>,
}

/// One line of the rubric.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ParameterView {
    /// `cv` or `project`.
    section: String,
    /// Name of the parameter.
    name: String,
    /// Weight within its section, percent.
    weight: u32,
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    score: f64,
    /// What led to the score.
    evidence: Vec<String>,
}

/// Who scored, how, and what it took.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct ReceiptView {
    /// `baseline` or `openai`.
    scored_by: String,
    /// The model as the provider named it; null for the baseline.
    model: Option<String>,
    /// Version of the prompts or formulas; scores of different versions do not compare.
    prompt_version: String,
    /// SHA-256 over the five texts that were scored.
    case_sha256: String,
    /// Attempts of the job, this one included.
    attempts: u32,
    /// Requests to the provider.
    calls: u32,
    /// Of these, repeated after a failure.
    retries: u32,
    /// Of these, to mend an answer that broke the schema.
    repairs: u32,
    /// As counted by the provider; null when it did not count.
    prompt_tokens: Option<u64>,
    /// As counted by the provider; null when it did not count.
    completion_tokens: Option<u64>,
    /// Sentences of the documents that try to steer the scorer; a person should look at them.
    injection_suspected: Vec<String>,
    /// What an auditor should know.
    notes: Vec<String>,
    /// Time to read both documents, milliseconds.
    extraction_ms: u64,
    /// Time to score, milliseconds.
    scoring_ms: u64,
    /// The instance that did it.
    worker: String,
}

/// What attempts took, as the provider counted it.
#[derive(Debug, Serialize, ToSchema)]
struct SpentView {
    /// Requests, failed ones included.
    #[schema(minimum = 1)]
    calls: i64,
    /// Null when it did not count.
    prompt_tokens: Option<i64>,
    /// Null when it did not count.
    completion_tokens: Option<i64>,
}

/// Why an evaluation failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailureView {
    /// Stable code, e.g. `DOCUMENT_ENCRYPTED`, `UPSTREAM_TIMEOUT`, `SCHEMA_INVALID`, `DEADLINE_EXCEEDED`.
    code: String,
    /// For people.
    message: String,
}

// === impl ResultView ===

impl ResultView {
    /// The view of a stored evaluation.
    ///
    /// # Errors
    /// When a JSON column cannot be read.
    pub(super) fn new(id: String, stored: StoredResult) -> Result<Self, StoreError> {
        let (mut result, mut receipt) = (None, None);
        if let Some(scores) = stored.scores {
            let read: ReceiptView = parse("receipt", &id, &scores.receipt)?;
            result = Some(Scores::new(&id, scores, read.scored_by.clone())?);
            receipt = Some(read);
        }
        if let Some(json) = &stored.failure_receipt {
            receipt = Some(parse("failure receipt", &id, json)?);
        }
        let error = stored.error.map(|(code, message)| FailureView { code, message });
        Ok(Self { id, status: stored.status, result, receipt, spent: SpentView::new(stored.spent), error })
    }
}

// === impl SpentView ===

impl SpentView {
    fn new(spent: Spent) -> Option<Self> {
        let Spent { calls, prompt_tokens, completion_tokens } = spent;
        (calls > 0).then_some(Self { calls, prompt_tokens, completion_tokens })
    }
}

// === impl Scores ===

impl Scores {
    fn new(id: &str, stored: StoredScores, scored_by: String) -> Result<Self, StoreError> {
        Ok(Self {
            parameters: parse("parameters", id, &stored.parameters)?,
            cv_match_rate: stored.cv_match_rate,
            cv_feedback: stored.cv_feedback,
            project_score: stored.project_score,
            project_feedback: stored.project_feedback,
            overall_summary: stored.overall_summary,
            scored_by,
        })
    }
}

fn parse<T: for<'de> Deserialize<'de>>(what: &'static str, id: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt {
        what,
        id: id.to_owned(),
        why: error.to_string(),
    })
}

/// The receipt as it is stored: the scorer's, with what only the worker knows.
#[must_use]
pub fn receipt_json(
    receipt: &cv_scoring::Receipt,
    attempts: u32,
    extraction: Duration,
    scoring: Duration,
    worker: &str,
) -> serde_json::Value {
    let view = ReceiptView {
        scored_by: receipt.scored_by.as_str().to_owned(),
        model: receipt.model.clone(),
        prompt_version: receipt.prompt_version.clone(),
        case_sha256: receipt.case_sha256.clone(),
        attempts,
        calls: receipt.calls,
        retries: receipt.retries,
        repairs: receipt.repairs,
        prompt_tokens: receipt.prompt_tokens,
        completion_tokens: receipt.completion_tokens,
        injection_suspected: receipt.injection_suspected.clone(),
        notes: receipt.notes.clone(),
        extraction_ms: millis(extraction),
        scoring_ms: millis(scoring),
        worker: worker.to_owned(),
    };
    // A struct of texts and numbers always has a JSON form.
    serde_json::to_value(view).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
