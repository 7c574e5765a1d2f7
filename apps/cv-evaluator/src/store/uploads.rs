//! Uploaded files.

use app_documents::Kind;
use futures::TryStreamExt as _;
use sqlx::Row as _;

use super::counters::Counter;
use super::{Store, StoreError};
use crate::spool::Spooled;

/// Which of the two documents a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadKind {
    /// The CV.
    Cv,
    /// The project report.
    Project,
}

/// A file to be stored.
#[derive(Debug)]
pub struct NewUpload {
    /// Its id.
    pub id: String,
    /// Which of the two it is.
    pub kind: UploadKind,
    /// The format its content shows.
    pub format: Kind,
    /// What the client called it; shown to people, trusted by nobody.
    pub file_name: String,
    /// Its bytes.
    pub content: Spooled,
}

// === impl UploadKind ===

impl UploadKind {
    /// Name in the form and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cv => "cv",
            Self::Project => "project",
        }
    }
}

// === impl Store ===

impl Store {
    /// Stores files of one owner, all or none.
    ///
    /// # Errors
    /// When the database or a temporary file fails.
    pub async fn add_uploads(&self, owner: &str, uploads: Vec<NewUpload>) -> Result<(), StoreError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let conn = tx.sqlite()?;
        let count = uploads.len();
        for mut upload in uploads {
            sqlx::query(include_str!("sql/insert_upload.sql"))
                .bind(&upload.id)
                .bind(owner)
                .bind(upload.kind.as_str())
                .bind(format_name(upload.format))
                .bind(&upload.file_name)
                .bind(i64::try_from(upload.content.size_bytes()).unwrap_or(i64::MAX))
                .bind(upload.content.sha256())
                .bind(now_ms)
                .execute(&mut *conn)
                .await?;
            let mut part = 0_i64;
            while let Some(chunk) = upload.content.next_chunk().await? {
                sqlx::query(include_str!("sql/insert_chunk.sql"))
                    .bind(&upload.id)
                    .bind(part)
                    .bind(chunk)
                    .execute(&mut *conn)
                    .await?;
                part += 1;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of files")]
        Counter::Uploads.add(conn, count as f64).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A file's format and bytes, for the worker; None when it has been erased.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_upload(&self, id: &str) -> Result<Option<(Kind, Vec<u8>)>, StoreError> {
        let pool = self.jobs.sqlite()?;
        let found = sqlx::query(include_str!("sql/upload_format.sql")).bind(id).fetch_optional(pool).await?;
        let Some(row) = found else { return Ok(None) };
        let name: String = row.try_get("format")?;
        let format = parse_format(&name).ok_or_else(|| StoreError::Corrupt {
            what: "format",
            id: id.to_owned(),
            why: format!("`{name}` is unknown"),
        })?;
        let size = usize::try_from(row.try_get::<i64, _>("size_bytes")?).unwrap_or_default();
        let mut bytes = Vec::with_capacity(size);
        let mut chunks = sqlx::query(include_str!("sql/read_chunks.sql")).bind(id).fetch(pool);
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(chunk.try_get::<&[u8], _>("bytes")?);
        }
        Ok(Some((format, bytes)))
    }
}

fn format_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Pdf => "pdf",
        Kind::Docx => "docx",
        Kind::Txt => "txt",
    }
}

fn parse_format(name: &str) -> Option<Kind> {
    [Kind::Pdf, Kind::Docx, Kind::Txt].into_iter().find(|kind| format_name(*kind) == name)
}
