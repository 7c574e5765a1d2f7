//! Records that no job could be made of, for people to look at, take again or throw away.

use std::time::Duration;

use plimsoll_jobs::{Jobs, Tx};
use sqlx::Row as _;

use super::accept::{Accept, Accepted, Refused};
use super::position::Positions;
use super::record::Record;
use crate::schema::{on_pool, on_tx};
use crate::{Headers, KafkaError};

/// Rows that one purging transaction deletes.
const PURGE_BATCH: i64 = 500;
/// Longest reason that is kept, in bytes.
const MAX_REASON_BYTES: usize = 4096;

/// The dead letters of a consumer group.
#[derive(Debug, Clone)]
pub struct DeadRecords {
    jobs: Jobs,
    group: String,
}

/// A dead letter.
#[derive(Debug, Clone)]
pub struct DeadRecord {
    /// Its number, for [`DeadRecords::requeue`] and [`DeadRecords::discard`].
    pub id: i64,
    /// As it came.
    pub record: Record,
    /// Why no job could be made of it.
    pub reason: String,
    /// Since when, milliseconds since 1970.
    pub died_at_ms: i64,
}

/// Reads a row of either database.
macro_rules! dead_record {
    ($row:expr) => {{
        let row = $row;
        DeadRecord {
            id: row.try_get(0)?,
            record: Record {
                topic: row.try_get(1)?,
                partition: row.try_get(2)?,
                offset: row.try_get(3)?,
                at_ms: row.try_get(4)?,
                key: row.try_get(5)?,
                value: row.try_get(6)?,
                headers: Headers::from_list(row.try_get(7)?),
            },
            reason: row.try_get(8)?,
            died_at_ms: row.try_get(9)?,
        }
    }};
}

/// Writes one down, in the transaction that moves its partition on.
pub(super) async fn bury(
    tx: &mut Tx,
    positions: &Positions,
    record: &Record,
    reason: &str,
) -> Result<(), KafkaError> {
    let now_ms = positions.jobs.now_ms();
    // Text columns of Postgres hold no NUL.
    let reason = reason[..reason.floor_char_boundary(MAX_REASON_BYTES)].replace('\0', "\u{fffd}");
    on_tx!(tx, conn => {
        sqlx::query(include_str!("../sql/bury_record.sql")).persistent(false)
            .bind(&positions.group)
            .bind(&record.topic)
            .bind(record.partition)
            .bind(record.offset)
            .bind(record.at_ms)
            .bind(&record.key)
            .bind(&record.value)
            .bind(record.headers.to_list().replace("\\u0000", "\u{fffd}"))
            .bind(reason)
            .bind(now_ms)
            .execute(conn)
            .await?;
    });
    Ok(())
}

// === impl DeadRecords ===

impl DeadRecords {
    /// Those of this group.
    pub fn new(jobs: Jobs, group: impl Into<String>) -> Self {
        Self { jobs, group: group.into() }
    }

    /// The oldest after number `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, after: i64, limit: u32) -> Result<Vec<DeadRecord>, KafkaError> {
        on_pool!(self.jobs, pool => {
            let rows = sqlx::query(include_str!("../sql/list_dead_records.sql")).persistent(false)
                .bind(&self.group).bind(after).bind(i64::from(limit.min(1000))).fetch_all(pool).await?;
            rows.iter().map(|row| Ok(dead_record!(row))).collect()
        })
    }

    /// Takes one again, as if it had just come; answers whether there was such a one.
    ///
    /// # Errors
    /// When it is refused again, with the reason; it stays where it is then.
    pub async fn requeue(&self, id: i64, accept: &impl Accept) -> Result<bool, KafkaError> {
        let mut tx = self.jobs.begin().await?;
        let found = on_tx!(tx, conn => {
            let row = sqlx::query(include_str!("../sql/find_dead_record.sql")).persistent(false)
                .bind(id).bind(&self.group).fetch_optional(conn).await?;
            row.map(|row| Ok::<_, KafkaError>(dead_record!(&row))).transpose()?
        });
        let Some(found) = found else { return Ok(false) };
        match accept.accept(&mut tx, &found.record).await {
            Ok(Accepted::Done) => {}
            Ok(Accepted::Job(job)) => {
                self.jobs.enqueue(&mut tx, *job).await?;
            }
            Err(Refused::Poison(why)) => {
                return Err(KafkaError::Message { topic: found.record.topic, why });
            }
            Err(Refused::Failed(error)) => return Err(error),
        }
        self.delete(&mut tx, id).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Throws one away; answers whether there was such a one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn discard(&self, id: i64) -> Result<bool, KafkaError> {
        let mut tx = self.jobs.begin().await?;
        let gone = self.delete(&mut tx, id).await?;
        tx.commit().await?;
        Ok(gone)
    }

    async fn delete(&self, tx: &mut Tx, id: i64) -> Result<bool, KafkaError> {
        on_tx!(tx, conn => {
            let gone = sqlx::query(include_str!("../sql/discard_dead_record.sql")).persistent(false)
                .bind(id).bind(&self.group).execute(conn).await?;
            Ok(gone.rows_affected() == 1)
        })
    }

    /// Deletes those of all groups, and dead messages of the outbox, that are older than `keep`.
    ///
    /// # Errors
    /// When the database fails; what was deleted before stays deleted.
    pub async fn purge(&self, keep: Duration) -> Result<u64, KafkaError> {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let before_ms = self.jobs.now_ms().saturating_sub(keep_ms);
        let mut total = 0;
        for statement in
            [include_str!("../sql/purge_dead_records.sql"), include_str!("../sql/purge_dead_messages.sql")]
        {
            loop {
                let mut tx = self.jobs.begin().await?;
                let gone = on_tx!(tx, conn => {
                    sqlx::query(statement).persistent(false).bind(before_ms).bind(PURGE_BATCH).execute(conn).await?.rows_affected()
                });
                tx.commit().await?;
                total += gone;
                if gone < PURGE_BATCH.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(total)
    }
}
