//! Evaluations and the queue's dead letters: failing the ones whose job died unheard, trying failed ones again.

use plimsoll_jobs::{DeadCursor, DeadLetter, JobId, JobsError};

use super::accept::{JobBody, Trace, new_job};
use super::counters::Counter;
use super::db::{Conn, sql};
use super::{QUEUE, Store, StoreError};

/// Dead letters read at a time.
const BATCH: u32 = 100;
/// How far back each round looks again, milliseconds: letters are ordered by time of death, and one that was written
/// by another process may become visible after a younger one.
const OVERLAP_MS: i64 = 60_000;

/// How far the dead letters have been read.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadReader(Option<DeadCursor>);

// === impl Store ===

impl Store {
    /// Fails evaluations whose job died without its handler having a say: a deadline that passed in the queue, a lease
    /// that ran out on the last attempt. Reads the dead letters from where the last call ended; answers how many
    /// evaluations failed.
    ///
    /// # Errors
    /// When the database fails; the next call goes on from there.
    pub async fn fail_orphans(&self, reader: &mut DeadReader) -> Result<u64, StoreError> {
        let mut failed = 0;
        loop {
            let letters = self.jobs.dead_letters(QUEUE, reader.0, BATCH).await?;
            for letter in &letters {
                failed += u64::from(self.fail_orphan(letter).await?);
                reader.0 = Some(letter.cursor());
            }
            if letters.len() < BATCH as usize {
                break;
            }
        }
        let back = self.jobs.now_ms() - OVERLAP_MS;
        reader.0 =
            reader.0.map(|cursor| DeadCursor { died_at_ms: cursor.died_at_ms.min(back), id: JobId(0) });
        Ok(failed)
    }

    async fn fail_orphan(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let Ok(body) = letter.payload.parse::<JobBody>() else { return Ok(false) };
        // Nearly all of them failed by their handler's word; those are not worth a transaction.
        let work = self.read_work(&body.evaluation_id).await?;
        if work.is_none_or(|work| work.status.is_final()) {
            return Ok(false);
        }
        let code = if letter.reason.contains("deadline") { "DEADLINE_EXCEEDED" } else { "WORKER_LOST" };
        let mut tx = self.jobs.begin().await?;
        let mut conn = Conn::of(&mut tx)?;
        let statement = sql!("fail_orphan")
            .bind(&body.evaluation_id)
            .bind(letter.id.0)
            .bind(letter.attempts)
            .bind(code)
            .bind(&letter.reason)
            .bind(self.jobs.now_ms());
        let failed = conn.execute(statement).await?;
        if failed == 1 {
            Counter::Failed.add(&mut conn, 1.0).await?;
            self.tell_failed(&mut tx, &body.evaluation_id, letter.into(), code, &letter.reason).await?;
        }
        tx.commit().await?;
        Ok(failed == 1)
    }

    /// Puts a failed evaluation back into the queue with all its attempts. False when it is not in state failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requeue(&self, id: &str, max_attempts: u32) -> Result<bool, StoreError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let mut conn = Conn::of(&mut tx)?;
        let requeued = conn.fetch_optional(sql!("requeue").bind(id).bind(now_ms)).await?;
        let Some(row) = requeued else { return Ok(false) };
        let (owner, job_id): (String, Option<i64>) = (row.get("owner")?, row.get("job_id")?);
        Counter::Failed.add(&mut conn, -1.0).await?;
        let taken_back = match job_id {
            Some(job_id) => self.jobs.requeue(&mut tx, JobId(job_id)).await,
            None => Err(JobsError::NotFound(JobId(0))),
        };
        match taken_back {
            Ok(()) => {}
            // The dead letter has been discarded meanwhile: a new job does as well.
            Err(JobsError::NotFound(_)) => {
                let body = JobBody { evaluation_id: id.to_owned(), trace: Trace::default() };
                let job = new_job(&body, &owner, max_attempts, None)?;
                let job_id = self.jobs.enqueue(&mut tx, job).await?.id();
                Conn::of(&mut tx)?.execute(sql!("set_job").bind(id).bind(job_id.0)).await?;
            }
            Err(error) => return Err(error.into()),
        }
        tx.commit().await?;
        Ok(true)
    }
}
