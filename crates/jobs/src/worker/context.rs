//! What a handler gets and what it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::FailureClass;
use crate::conn::Conn;
use crate::job::Claimed;
use crate::{Jobs, JobsError};

/// A job in a handler's hands.
#[derive(Debug, Clone)]
pub struct JobContext {
    jobs: Jobs,
    job: Arc<Claimed>,
    stop: CancellationToken,
    completed: Arc<AtomicBool>,
}

/// Why a handler could not do its job. Any error converts into one that is to be retried.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What kind.
    pub class: FailureClass,
    /// For the record and the dead letter; no secrets, no personal data.
    pub message: String,
}

// === impl JobContext ===

impl JobContext {
    pub(super) fn new(jobs: Jobs, job: Claimed, stop: CancellationToken) -> Self {
        Self { jobs, job: Arc::new(job), stop, completed: Arc::default() }
    }

    /// The job.
    pub fn job(&self) -> &Claimed {
        &self.job
    }

    /// The queue it came from: for [`Jobs::begin`], among others.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Fires when the lease is lost, the job is cancelled or the worker stops. The handler's future is dropped then anyway; pass this
    /// to work that runs outside it (threads, child processes).
    pub fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    /// Completes the job in the transaction that holds the result; commit it and return `Ok`.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll back, the job belongs to somebody else.
    pub async fn complete<'c>(&self, conn: impl Into<Conn<'c>>) -> Result<(), JobsError> {
        self.jobs.complete(conn, &self.job).await?;
        self.completed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Notes how far the job is, in thousandths and words, for [`Jobs::find`].
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: stop working on it.
    pub async fn progress(&self, permille: u16, note: &str) -> Result<(), JobsError> {
        self.jobs.progress(&self.job, permille, note).await
    }

    pub(super) fn completed(&self) -> bool {
        self.completed.load(Ordering::SeqCst)
    }
}

// === impl Failure ===

impl Failure {
    /// May succeed later.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Retry, message: message.into() }
    }

    /// May succeed after the time that the other side named.
    pub fn retry_after(wait: Duration, message: impl Into<String>) -> Self {
        Self { class: FailureClass::RetryAfter(wait), message: message.into() }
    }

    /// Will never succeed.
    pub fn never(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Never, message: message.into() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::retry(e.to_string())
    }
}
