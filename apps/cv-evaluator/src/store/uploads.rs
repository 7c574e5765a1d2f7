//! Uploaded files.

use std::time::Duration;

use app_documents::Kind;

use super::counters::Counter;
use super::db::{Conn, sql};
use super::{Store, StoreError};
use crate::spool::{CHUNK_BYTES, Spooled};

/// Pieces read in one go.
const READ_PARTS: i64 = 16;
/// Most bytes of files in one transaction: a few milliseconds of the one writer.
const SHORT_BYTES: usize = 4 * CHUNK_BYTES;

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
    /// Stores files of one owner: they are there when this returns, and not before.
    ///
    /// Small ones go in one transaction. Pieces of larger ones are written before, in transactions short enough
    /// that the queue, which shares the database's one writer, does not notice.
    ///
    /// # Errors
    /// When the database or a temporary file fails; what was written before is swept later.
    pub async fn add_uploads(&self, owner: &str, mut uploads: Vec<NewUpload>) -> Result<(), StoreError> {
        let together: u64 = uploads.iter().map(|upload| upload.content.size_bytes()).sum();
        let large = together > SHORT_BYTES as u64;
        if large {
            for upload in &mut uploads {
                self.write_ahead(upload).await?;
            }
        }
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let mut conn = Conn::of(&mut tx)?;
        for upload in &mut uploads {
            let row = sql!("insert_upload")
                .bind(&upload.id)
                .bind(owner)
                .bind(upload.kind.as_str())
                .bind(format_name(upload.format))
                .bind(&upload.file_name)
                .bind(i64::try_from(upload.content.size_bytes()).unwrap_or(i64::MAX))
                .bind(upload.content.sha256())
                .bind(now_ms);
            conn.execute(row).await?;
            if large {
                conn.execute(sql!("delete_pending").bind(&upload.id)).await?;
            } else {
                let mut part = 0;
                loop {
                    let written = write_chunks(&mut conn, upload, part).await?;
                    if written == part {
                        break;
                    }
                    part = written;
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful of files")]
        Counter::Uploads.add(&mut conn, uploads.len() as f64).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes all pieces of a file that has no row yet.
    async fn write_ahead(&self, upload: &mut NewUpload) -> Result<(), StoreError> {
        let mut part = 0;
        loop {
            let mut tx = self.jobs.begin().await?;
            let mut conn = Conn::of(&mut tx)?;
            if part == 0 {
                conn.execute(sql!("insert_pending").bind(&upload.id).bind(self.jobs.now_ms())).await?;
            }
            let written = write_chunks(&mut conn, upload, part).await?;
            tx.commit().await?;
            if written == part {
                return Ok(());
            }
            part = written;
        }
    }

    /// Deletes pieces of files whose upload ended half-way, once they are older than any upload can take. Answers how
    /// many files.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_uploads(&self, older_than: Duration) -> Result<u64, StoreError> {
        let age_ms = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX / 4);
        let stale = sql!("find_stale_pending").bind(self.jobs.now_ms() - age_ms);
        let stale = self.pool.fetch_all(stale).await?;
        for row in &stale {
            let id: String = row.get("upload_id")?;
            let mut tx = self.jobs.begin().await?;
            let mut conn = Conn::of(&mut tx)?;
            // Not pending any more: the upload has its row by now.
            if conn.execute(sql!("delete_pending").bind(&id)).await? == 1 {
                conn.execute(sql!("delete_chunks").bind(&id)).await?;
            }
            tx.commit().await?;
        }
        Ok(stale.len() as u64)
    }

    /// A file's format and bytes, for the worker; None when it has been erased.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read_upload(&self, id: &str) -> Result<Option<(Kind, Vec<u8>)>, StoreError> {
        let found = self.pool.fetch_optional(sql!("upload_format").bind(id)).await?;
        let Some(row) = found else { return Ok(None) };
        let name: String = row.get("format")?;
        let format = parse_format(&name).ok_or_else(|| StoreError::Corrupt {
            what: "format",
            id: id.to_owned(),
            why: format!("`{name}` is unknown"),
        })?;
        let size = usize::try_from(row.get::<i64>("size_bytes")?).unwrap_or_default();
        let mut bytes = Vec::with_capacity(size);
        let mut next = 0;
        while bytes.len() < size {
            let chunks =
                self.pool.fetch_all(sql!("read_chunks").bind(id).bind(next).bind(READ_PARTS)).await?;
            // Erased while it was read.
            let Some(last) = chunks.last() else { return Ok(None) };
            next = last.get::<i64>("part")? + 1;
            for chunk in &chunks {
                bytes.extend(chunk.get::<Vec<u8>>("bytes")?);
            }
        }
        Ok(Some((format, bytes)))
    }
}

/// Writes pieces from number `part` on, up to [`SHORT_BYTES`]; answers the number of the next.
async fn write_chunks(conn: &mut Conn<'_>, upload: &mut NewUpload, mut part: i64) -> Result<i64, StoreError> {
    let mut bytes = 0;
    while bytes + CHUNK_BYTES <= SHORT_BYTES
        && let Some(chunk) = upload.content.next_chunk().await?
    {
        bytes += chunk.len();
        let row = sql!("insert_chunk").bind(&upload.id).bind(part).bind(chunk.as_slice());
        conn.execute(row).await?;
        part += 1;
    }
    Ok(part)
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
