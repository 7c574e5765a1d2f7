//! Erasing all that is held of an owner.

use plimsoll_jobs::{JobId, JobsError, Tx};

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
        self.erase_outcomes(&mut tx, owner, None).await?;
        let mut conn = Conn::of(&mut tx)?;
        // Evaluations refer to uploads, so they go first.
        let evaluations = conn.execute(sql!("erase_evaluations").bind(owner)).await?;
        conn.execute(sql!("erase_chunks").bind(owner)).await?;
        let uploads = conn.execute(sql!("erase_uploads").bind(owner)).await?;
        conn.overwrite_deleted(false).await?;
        tx.commit().await?;
        Ok(Erased { uploads, evaluations, jobs })
    }

    /// Erases one evaluation with its result, its job and those of its files that no other evaluation refers to, in one
    /// transaction: what one candidate may ask for. A worker that runs it finds nothing left to write to. Answers whose it
    /// was; none when there is no such evaluation, or it is not of this owner. Without an owner it may be anybody's.
    ///
    /// # Errors
    /// When the database fails; then nothing was erased.
    pub async fn erase_evaluation(
        &self,
        id: &str,
        owner: Option<&str>,
    ) -> Result<Option<(String, Erased)>, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let mut conn = Conn::of(&mut tx)?;
        let Some(row) = conn.fetch_optional(sql!("find_erasable").bind(id)).await? else { return Ok(None) };
        let found: String = row.get("owner")?;
        if owner.is_some_and(|owner| owner != found) {
            return Ok(None);
        }
        let mut files: [String; 2] = [row.get("cv_id")?, row.get("project_id")?];
        // Always in the same order, so that two that erase do not wait for each other.
        files.sort();
        let job_id: Option<i64> = row.get("job_id")?;
        conn.overwrite_deleted(true).await?;
        for file in &files {
            conn.fetch_optional(sql!(each "lock_upload").bind(file)).await?;
        }
        let jobs = match job_id {
            Some(job_id) => self.withdraw(&mut tx, JobId(job_id)).await?,
            None => 0,
        };
        self.erase_outcomes(&mut tx, &found, Some(id)).await?;
        let mut conn = Conn::of(&mut tx)?;
        let evaluations = conn.execute(sql!("erase_evaluation").bind(id)).await?;
        let mut uploads = 0;
        for file in &files {
            if conn.execute(sql!("delete_unused_upload").bind(file)).await? == 1 {
                conn.execute(sql!("delete_chunks").bind(file)).await?;
                uploads += 1;
            }
        }
        conn.overwrite_deleted(false).await?;
        tx.commit().await?;
        // Another request may have erased it while this one waited for the files.
        Ok((evaluations > 0).then_some((found, Erased { uploads, evaluations, jobs })))
    }

    /// Takes a job out of the queue, or out of the dead letters; answers how many were there: one or none.
    async fn withdraw(&self, tx: &mut Tx, id: JobId) -> Result<u64, StoreError> {
        let withdrawn = match self.jobs.cancel(&mut *tx, id).await {
            Err(JobsError::NotFound(_)) => self.jobs.discard(tx, id).await,
            other => other.map(drop),
        };
        match withdrawn {
            Ok(()) => Ok(1),
            Err(JobsError::NotFound(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
