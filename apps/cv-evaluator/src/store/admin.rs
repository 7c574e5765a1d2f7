//! What operators see.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, WorkStatus};

/// One page of evaluations, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Continue after this row; none starts at the newest.
    pub after: Option<Cursor>,
    /// Only of this status.
    pub status: Option<WorkStatus>,
    /// Only those whose own id, or an upload's, begins with this.
    pub search: Option<String>,
    /// Rows at most.
    pub limit: u32,
}

/// A place in the list: time of creation, then id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// The id, to tell rows of the same millisecond apart.
    pub id: String,
}

/// An evaluation as an operator sees it: never the texts.
#[derive(Debug, Clone)]
pub struct EvaluationRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Where it stands.
    pub status: WorkStatus,
    /// Upload of the CV.
    pub cv_id: String,
    /// Upload of the project report.
    pub project_id: String,
    /// Attempts begun.
    pub attempts: u32,
    /// Code and message, when it failed.
    pub error: Option<(String, String)>,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_at_ms: i64,
}

// === impl Store ===

impl Store {
    /// A page of the list; each page costs the same however deep it is (W38).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, query: &ListQuery) -> Result<Vec<EvaluationRow>, StoreError> {
        let (before_ms, before_id) = match &query.after {
            Some(cursor) => (cursor.created_at_ms, cursor.id.as_str()),
            None => (i64::MAX, ""),
        };
        let sql = match (&query.search, query.status) {
            (Some(_), _) => include_str!("sql/search_evaluations.sql"),
            (None, Some(_)) => include_str!("sql/list_evaluations_by_status.sql"),
            (None, None) => include_str!("sql/list_evaluations.sql"),
        };
        let status = query.status.map(WorkStatus::as_str);
        let mut statement = sqlx::query(sql).bind(before_ms).bind(before_id).bind(query.limit);
        if let Some(search) = &query.search {
            // Ids are ASCII, so the highest character ends the range of all texts with this beginning.
            statement = statement.bind(search).bind(format!("{search}\u{10FFFF}")).bind(status.unwrap_or(""));
        } else if let Some(status) = status {
            statement = statement.bind(status);
        }
        statement.fetch_all(self.jobs.sqlite()?).await?.iter().map(row).collect()
    }

    /// One evaluation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_evaluation(&self, id: &str) -> Result<Option<EvaluationRow>, StoreError> {
        let found = sqlx::query(include_str!("sql/read_evaluation.sql"))
            .bind(id)
            .fetch_optional(self.jobs.sqlite()?)
            .await?;
        found.as_ref().map(row).transpose()
    }
}

fn row(row: &SqliteRow) -> Result<EvaluationRow, StoreError> {
    let id: String = row.try_get("id")?;
    let code: Option<String> = row.try_get("error_code")?;
    let message: Option<String> = row.try_get("error_message")?;
    Ok(EvaluationRow {
        owner: row.try_get("owner")?,
        status: WorkStatus::parse(&id, row.try_get("status")?)?,
        cv_id: row.try_get("cv_id")?,
        project_id: row.try_get("project_id")?,
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or_default(),
        error: code.map(|code| (code, message.unwrap_or_default())),
        created_at_ms: row.try_get("created_at_ms")?,
        updated_at_ms: row.try_get("updated_at_ms")?,
        id,
    })
}
