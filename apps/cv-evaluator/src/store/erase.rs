//! Erasing all that is held of an owner.

use super::{Store, StoreError};

/// What was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Files.
    pub uploads: u64,
    /// Evaluations, and with them their results.
    pub evaluations: u64,
    /// Jobs that waited, ran or had died.
    pub jobs: u64,
}

// === impl Store ===

impl Store {
    /// Erases an owner's files, evaluations, results and jobs in one transaction (W37): all of it or, when the
    /// database fails, nothing. A job that waits is withdrawn; a worker that has one loses its lease, so that it can
    /// write no result any more. The totals since the beginning stay: they are about nobody. Freed pages are
    /// overwritten; the database's write-ahead log keeps older pages until its next checkpoint.
    ///
    /// # Errors
    /// When the database fails or no owner can have this name.
    pub async fn erase_owner(&self, owner: &str) -> Result<Erased, StoreError> {
        let mut tx = self.jobs.begin().await?;
        sqlx::query(include_str!("sql/overwrite_deleted.sql")).execute(tx.sqlite()?).await?;
        let jobs = self.jobs.erase_owner(&mut tx, owner).await?;
        let conn = tx.sqlite()?;
        // Evaluations refer to uploads, so they go first.
        let evaluations =
            sqlx::query(include_str!("sql/erase_evaluations.sql")).bind(owner).execute(&mut *conn).await?;
        sqlx::query(include_str!("sql/erase_chunks.sql")).bind(owner).execute(&mut *conn).await?;
        let uploads =
            sqlx::query(include_str!("sql/erase_uploads.sql")).bind(owner).execute(&mut *conn).await?;
        sqlx::query(include_str!("sql/keep_deleted.sql")).execute(conn).await?;
        tx.commit().await?;
        Ok(Erased { uploads: uploads.rows_affected(), evaluations: evaluations.rows_affected(), jobs })
    }
}
