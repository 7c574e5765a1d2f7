//! Erasing all that is held of an owner.

use super::db::{Conn, sql};
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
    /// write no result any more. The totals since the beginning stay: they are about nobody. In SQLite freed pages are
    /// overwritten, in Postgres after the next VACUUM; the write-ahead log of either keeps older pages for a while.
    ///
    /// # Errors
    /// When the database fails or no owner can have this name.
    pub async fn erase_owner(&self, owner: &str) -> Result<Erased, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let mut conn = Conn::of(&mut tx)?;
        conn.overwrite_deleted(true).await?;
        conn.execute(sql!(each "lock_uploads_of").bind(owner)).await?;
        let jobs = self.jobs.erase_owner(&mut tx, owner).await?;
        let mut conn = Conn::of(&mut tx)?;
        // Evaluations refer to uploads, so they go first.
        let evaluations = conn.execute(sql!("erase_evaluations").bind(owner)).await?;
        conn.execute(sql!("erase_chunks").bind(owner)).await?;
        let uploads = conn.execute(sql!("erase_uploads").bind(owner)).await?;
        conn.overwrite_deleted(false).await?;
        tx.commit().await?;
        Ok(Erased { uploads, evaluations, jobs })
    }
}
