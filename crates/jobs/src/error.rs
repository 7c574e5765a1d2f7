//! The one error type of this crate.

use crate::JobId;

/// Why a call on the queue did not do what was asked.
///
/// [`JobsError::LeaseLost`] is not a fault: it is the fence doing its work. A worker that sees it must
/// throw its result away, because the job belongs to somebody else by now (or is already finished).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobsError {
    /// The lease of this job is no longer held by the caller: it expired, was taken over, or the job is finished.
    #[error("job {0} is no longer leased by this worker: its lease expired or the job is already finished")]
    LeaseLost(JobId),

    /// No job with this id is known (any more).
    #[error("job {0} does not exist")]
    NotFound(JobId),

    /// The job exists, but its state does not allow the request.
    #[error("job {job} is {state}: {what}")]
    WrongState {
        /// The job asked about.
        job: JobId,
        /// The state it is in.
        state: crate::JobState,
        /// What cannot be done, and what can.
        what: &'static str,
    },

    /// The idempotency key was used before with another body (an HTTP API answers 422).
    #[error("idempotency key was used before with another request body (job {job})")]
    KeyReused {
        /// The job that the first request made.
        job: JobId,
    },

    /// A field of a new job is out of its bounds.
    #[error("invalid job: {0}")]
    InvalidJob(String),

    /// The payload could not be written as, or read from, JSON.
    #[error("payload: {0}")]
    Payload(#[from] serde_json::Error),

    /// The address of the queue is not one that this crate understands.
    #[error("queue address {url:?}: {why}")]
    Address {
        /// The address, without any password.
        url: String,
        /// What is wrong and what is expected.
        why: String,
    },

    /// The database was written by a newer version of this crate, or a migration of it was altered.
    #[error("schema of {component}: {why}")]
    Schema {
        /// Whose tables: `jobs`, or the application's own name.
        component: String,
        /// What is wrong and how to mend it.
        why: String,
    },

    /// A connection of another kind than the queue's own database was passed in.
    #[error("the connection belongs to another kind of database than the queue: pass one of the queue's own")]
    WrongConnection,

    /// The database stayed locked or unreachable for longer than the configured wait; trying again later is sound.
    #[error("database is busy: {0}")]
    Busy(String),

    /// The file of the database could not be made or opened.
    #[error("cannot open {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// Any other failure of the database.
    #[error("database: {0}")]
    Database(sqlx::Error),
}

// === impl JobsError ===

impl JobsError {
    /// Whether the caller has lost the lease (see [`JobsError::LeaseLost`]).
    pub fn is_lease_lost(&self) -> bool {
        matches!(self, Self::LeaseLost(_))
    }

    /// Whether the same call may succeed later without any change by the caller.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Database(e) => {
                matches!(
                    e,
                    sqlx::Error::Io(_)
                        | sqlx::Error::PoolTimedOut
                        | sqlx::Error::WorkerCrashed
                        | sqlx::Error::Protocol(_)
                )
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for JobsError {
    fn from(e: sqlx::Error) -> Self {
        match &e {
            sqlx::Error::PoolTimedOut => Self::Busy("no free connection within the wait".into()),
            sqlx::Error::Database(db) => match db.code().as_deref() {
                // SQLITE_BUSY and its extended codes; SQLITE_LOCKED (shared cache).
                Some("5" | "261" | "517" | "773" | "6" | "262") => Self::Busy(db.message().to_owned()),
                // Postgres: serialisation failure, deadlock, lock timeout, server going down, too many clients.
                Some("40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300") => {
                    Self::Busy(db.message().to_owned())
                }
                _ => Self::Database(e),
            },
            _ => Self::Database(e),
        }
    }
}
