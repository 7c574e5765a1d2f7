//! What operators see.

use super::db::{Row, sql};
use super::{Store, StoreError, WorkStatus};

/// Ids at most that a search looks at, of each kind: the newest of those that begin with the text.
const MAX_MATCHES: i64 = 1000;

/// One page of evaluations, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Continue after this row; none starts at the newest.
    pub after: Option<Cursor>,
    /// Only of this status.
    pub status: Option<WorkStatus>,
    /// Only those whose own id, or an upload's, begins with this; of very many the newest thousand.
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
        let status = query.status.map(WorkStatus::as_str);
        let page = |sql: super::db::Sql| sql.bind(before_ms).bind(before_id).bind(query.limit);
        // Ids are ASCII, so the highest character ends the range of all texts with this beginning.
        let end = query.search.as_ref().map(|search| format!("{search}\u{10FFFF}"));
        let statement = match (query.search.as_deref().zip(end.as_deref()), status) {
            (Some((search, end)), status) => page(sql!("search_evaluations"))
                .bind(search)
                .bind(end)
                .bind(status.unwrap_or_default())
                .bind(MAX_MATCHES),
            (None, Some(status)) => page(sql!("list_evaluations_by_status")).bind(status),
            (None, None) => page(sql!("list_evaluations")),
        };
        self.pool.fetch_all(statement).await?.iter().map(row).collect()
    }

    /// One evaluation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_evaluation(&self, id: &str) -> Result<Option<EvaluationRow>, StoreError> {
        let found = self.pool.fetch_optional(sql!("read_evaluation").bind(id)).await?;
        found.as_ref().map(row).transpose()
    }
}

fn row(row: &Row) -> Result<EvaluationRow, StoreError> {
    let id: String = row.get("id")?;
    let code: Option<String> = row.get("error_code")?;
    let message: Option<String> = row.get("error_message")?;
    Ok(EvaluationRow {
        owner: row.get("owner")?,
        status: WorkStatus::parse(&id, &row.get::<String>("status")?)?,
        cv_id: row.get("cv_id")?,
        project_id: row.get("project_id")?,
        attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or_default(),
        error: code.map(|code| (code, message.unwrap_or_default())),
        created_at_ms: row.get("created_at_ms")?,
        updated_at_ms: row.get("updated_at_ms")?,
        id,
    })
}
