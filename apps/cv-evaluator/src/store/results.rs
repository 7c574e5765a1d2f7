//! What clients poll.

use super::db::{Row, sql};
use super::{Store, StoreError, WorkStatus};

/// An evaluation as its owner sees it.
#[derive(Debug, Clone)]
pub struct StoredResult {
    /// Whose it is.
    pub owner: String,
    /// Where it stands.
    pub status: WorkStatus,
    /// Code and message, when it failed.
    pub error: Option<(String, String)>,
    /// The scores, when it completed.
    pub scores: Option<StoredScores>,
    /// JSON: the receipt of the last attempt, when that failed.
    pub failure_receipt: Option<String>,
    /// What all attempts took together.
    pub spent: Spent,
}

/// What attempts took, as the provider counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests to the provider, failed ones included.
    pub calls: i64,
    /// None when it did not count.
    pub prompt_tokens: Option<i64>,
    /// None when it did not count.
    pub completion_tokens: Option<i64>,
}

/// A row of `cv_result`.
#[derive(Debug, Clone)]
pub struct StoredScores {
    /// 0 to 1.
    pub cv_match_rate: f64,
    /// For people.
    pub cv_feedback: String,
    /// 1 to 10.
    pub project_score: f64,
    /// For people.
    pub project_feedback: String,
    /// For people.
    pub overall_summary: String,
    /// JSON.
    pub parameters: String,
    /// JSON.
    pub receipt: String,
}

// === impl Store ===

impl Store {
    /// The evaluation and its result. Reads, and nothing but reads (W6).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_result(&self, id: &str) -> Result<Option<StoredResult>, StoreError> {
        let found = self.pool.fetch_optional(sql!("read_result").bind(id)).await?;
        let Some(row) = found else { return Ok(None) };
        let code: Option<String> = row.get("error_code")?;
        let message: Option<String> = row.get("error_message")?;
        let rate: Option<f64> = row.get("cv_match_rate")?;
        let scores = match rate {
            None => None,
            Some(cv_match_rate) => Some(StoredScores {
                cv_match_rate,
                cv_feedback: row.get("cv_feedback")?,
                project_score: row.get("project_score")?,
                project_feedback: row.get("project_feedback")?,
                overall_summary: row.get("overall_summary")?,
                parameters: row.get("parameters")?,
                receipt: row.get("receipt")?,
            }),
        };
        Ok(Some(StoredResult {
            owner: row.get("owner")?,
            status: WorkStatus::parse(id, &row.get::<String>("status")?)?,
            error: code.map(|code| (code, message.unwrap_or_default())),
            scores,
            failure_receipt: row.get("failure_receipt")?,
            spent: Spent::read(&row)?,
        }))
    }
}

// === impl Spent ===

impl Spent {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            calls: row.get("spent_calls")?,
            prompt_tokens: row.get("spent_prompt_tokens")?,
            completion_tokens: row.get("spent_completion_tokens")?,
        })
    }
}

impl From<&cv_scoring::Receipt> for Spent {
    fn from(receipt: &cv_scoring::Receipt) -> Self {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        Self {
            calls: receipt.calls.into(),
            prompt_tokens: receipt.prompt_tokens.map(count),
            completion_tokens: receipt.completion_tokens.map(count),
        }
    }
}
