//! How long things are kept.

use std::time::Duration;

use super::db::{Conn, sql};
use super::{Store, StoreError, WorkStatus};

/// Rows looked at in one go; each is deleted in a transaction of its own, for a file of many pieces takes a while.
const BATCH: i64 = 100;

/// How far a look through the old uploads has come; the default begins with the oldest.
#[derive(Debug, Clone, Default)]
pub struct UploadReader(Option<(i64, String)>);

// === impl Store ===

impl Store {
    /// Deletes some of what is older than `keep`: finished evaluations with their results, then files that no
    /// evaluation refers to. What waits or runs stays, however old, and so do its files (W37). Each call looks at a few
    /// hundred rows at most, however many there are; answers how many went, and whether everything has been looked at.
    ///
    /// # Errors
    /// When the database fails; the next call goes on from there.
    pub async fn expire(&self, keep: Duration, reader: &mut UploadReader) -> Result<(u64, bool), StoreError> {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 4);
        let before_ms = self.jobs.now_ms() - keep_ms;
        let (mut gone, mut all) = (0, true);
        for status in [WorkStatus::Completed, WorkStatus::Failed] {
            let expired = sql!(each "find_expired").bind(status.as_str()).bind(before_ms).bind(BATCH);
            let expired = self.pool.fetch_all(expired).await?;
            all &= expired.len() < BATCH as usize;
            for row in expired {
                let id: String = row.get("id")?;
                let mut tx = self.jobs.begin().await?;
                gone += Conn::of(&mut tx)?.execute(sql!("delete_finished").bind(&id)).await?;
                tx.commit().await?;
            }
        }
        // Files are looked for when no old evaluation may still hold them.
        if !all {
            return Ok((gone, false));
        }
        let (after_ms, after_id) = reader.0.clone().unwrap_or((i64::MIN, String::new()));
        let old = sql!(each "find_old_uploads").bind(before_ms).bind(after_ms).bind(&after_id).bind(BATCH);
        let old = self.pool.fetch_all(old).await?;
        for row in &old {
            let id: String = row.get("id")?;
            if row.get::<Option<i64>>("used")?.is_none() {
                gone += u64::from(self.delete_unused_upload(&id).await?);
            }
            reader.0 = Some((row.get("created_at_ms")?, id));
        }
        if old.len() < BATCH as usize {
            reader.0 = None;
        }
        Ok((gone, reader.0.is_none()))
    }

    async fn delete_unused_upload(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let mut conn = Conn::of(&mut tx)?;
        conn.fetch_optional(sql!(each "lock_upload").bind(id)).await?;
        let deleted = conn.execute(sql!("delete_unused_upload").bind(id)).await? == 1;
        if deleted {
            conn.execute(sql!("delete_chunks").bind(id)).await?;
        }
        tx.commit().await?;
        Ok(deleted)
    }
}
