//! What clients poll.

use sqlx::Row as _;

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
        let found = sqlx::query(include_str!("sql/read_result.sql"))
            .bind(id)
            .fetch_optional(self.jobs.sqlite()?)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let code: Option<String> = row.try_get("error_code")?;
        let message: Option<String> = row.try_get("error_message")?;
        let rate: Option<f64> = row.try_get("cv_match_rate")?;
        let scores = match rate {
            None => None,
            Some(cv_match_rate) => Some(StoredScores {
                cv_match_rate,
                cv_feedback: row.try_get("cv_feedback")?,
                project_score: row.try_get("project_score")?,
                project_feedback: row.try_get("project_feedback")?,
                overall_summary: row.try_get("overall_summary")?,
                parameters: row.try_get("parameters")?,
                receipt: row.try_get("receipt")?,
            }),
        };
        Ok(Some(StoredResult {
            owner: row.try_get("owner")?,
            status: WorkStatus::parse(id, row.try_get("status")?)?,
            error: code.map(|code| (code, message.unwrap_or_default())),
            scores,
        }))
    }
}
