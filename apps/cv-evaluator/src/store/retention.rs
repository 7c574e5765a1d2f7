//! How long things are kept.

use std::time::Duration;

use super::{Store, StoreError, WorkStatus};

/// Rows looked for at a time; each is deleted in a transaction of its own, for a file of many pieces takes a while.
const BATCH: i64 = 100;

// === impl Store ===

impl Store {
    /// Deletes some of what is older than `keep`: finished evaluations with their results, then files that no
    /// evaluation refers to. What waits or runs stays, however old, and so do its files (W37). Answers how many rows
    /// went; call again until that is 0.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire(&self, keep: Duration) -> Result<u64, StoreError> {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 4);
        let before_ms = self.jobs.now_ms() - keep_ms;
        let mut gone = 0;
        for status in [WorkStatus::Completed, WorkStatus::Failed] {
            let expired: Vec<String> = sqlx::query_scalar(include_str!("sql/find_expired.sql"))
                .bind(status.as_str())
                .bind(before_ms)
                .bind(BATCH)
                .fetch_all(self.jobs.sqlite()?)
                .await?;
            for id in expired {
                let mut tx = self.jobs.begin().await?;
                let deleted =
                    sqlx::query(include_str!("sql/delete_finished.sql")).bind(&id).execute(tx.sqlite()?);
                gone += deleted.await?.rows_affected();
                tx.commit().await?;
            }
        }
        let unused: Vec<String> = sqlx::query_scalar(include_str!("sql/find_unused_uploads.sql"))
            .bind(before_ms)
            .bind(BATCH)
            .fetch_all(self.jobs.sqlite()?)
            .await?;
        for id in unused {
            gone += u64::from(self.delete_unused_upload(&id).await?);
        }
        Ok(gone)
    }

    async fn delete_unused_upload(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let conn = tx.sqlite()?;
        let deleted =
            sqlx::query(include_str!("sql/delete_unused_upload.sql")).bind(id).execute(&mut *conn).await?;
        let deleted = deleted.rows_affected() == 1;
        if deleted {
            sqlx::query(include_str!("sql/delete_chunks.sql")).bind(id).execute(conn).await?;
        }
        tx.commit().await?;
        Ok(deleted)
    }
}
