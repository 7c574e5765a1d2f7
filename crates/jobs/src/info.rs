//! What can be looked up about a job.

use crate::clock::Millis;
use crate::job::{JobId, JobState, Payload};

/// One job as it stands.
#[derive(Debug, Clone)]
pub struct JobInfo {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// Its lane, "" if none.
    pub lane: String,
    /// Whose job it is.
    pub owner: Option<String>,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts started.
    pub attempts: u32,
    /// When it was enqueued.
    pub enqueued_at_ms: Millis,
    /// Ready or leased: since when it could be claimed or until when the lease lasts. Scheduled: when it becomes
    /// ready. Otherwise: when it ended.
    pub at_ms: Millis,
    /// Who holds it.
    pub worker: Option<String>,
    /// How far its handler says it is.
    pub progress: Option<Progress>,
    /// What it is to do; not kept of finished jobs.
    pub payload: Option<Payload>,
    /// Why it is dead.
    pub reason: Option<String>,
}

/// How far a handler says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Thousandths done.
    pub permille: u16,
    /// In words.
    pub note: String,
}

/// A job that nobody will try again unless told to.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// Its lane, "" if none.
    pub lane: String,
    /// Whose job it is.
    pub owner: Option<String>,
    /// What it was to do.
    pub payload: Payload,
    /// Attempts started.
    pub attempts: u32,
    /// When it was enqueued.
    pub enqueued_at_ms: Millis,
    /// When it died.
    pub died_at_ms: Millis,
    /// Why.
    pub reason: String,
}

/// Why one attempt of a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// Which one, from 1.
    pub attempt: u32,
    /// When.
    pub at_ms: Millis,
    /// In whose hands.
    pub worker: String,
    /// What the handler said.
    pub message: String,
}

/// What [`crate::Jobs::cancel`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The job was waiting and will not run.
    Now,
    /// A worker holds it and is told with its next heartbeat; should it complete the job before that, the job counts
    /// as completed.
    Requested,
}

/// A place in the list of dead letters, to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadCursor {
    /// Time of death of the last letter seen.
    pub died_at_ms: Millis,
    /// Its number.
    pub id: JobId,
}

// === impl DeadLetter ===

impl DeadLetter {
    /// Where the list goes on after this letter.
    pub fn cursor(&self) -> DeadCursor {
        DeadCursor { died_at_ms: self.died_at_ms, id: self.id }
    }
}
