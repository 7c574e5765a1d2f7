//! What a handler gets and what it answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FailureClass, Shared};
use crate::conn::Conn;
use crate::job::{Claimed, Outcome};
use crate::{Jobs, JobsError};

/// A job in a handler's hands.
#[derive(Debug, Clone)]
pub struct JobContext(Arc<Attempt>);

#[derive(Debug)]
struct Attempt {
    shared: Arc<Shared>,
    job: Claimed,
    stop: CancellationToken,
    settled: Mutex<Option<Settled>>,
}

/// How a handler ended its job in its own transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Completed,
    Failed,
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
    pub(super) fn new(shared: Arc<Shared>, job: Claimed) -> Self {
        Self(Arc::new(Attempt { shared, job, stop: CancellationToken::new(), settled: Mutex::new(None) }))
    }

    /// The job.
    pub fn job(&self) -> &Claimed {
        &self.0.job
    }

    /// The queue it came from: for [`Jobs::begin`], among others.
    pub fn jobs(&self) -> &Jobs {
        &self.0.shared.jobs
    }

    /// Fires when the lease is lost, the job is cancelled or the worker stops. The handler's future is dropped then anyway; pass this
    /// to work that runs outside it (threads, child processes).
    pub fn stopped(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Completes the job in the transaction that holds the result; commit it and return `Ok`. Both are durable, or
    /// neither: should the transaction be dropped, return an error to have the job tried again.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll back, the job belongs to somebody else.
    pub async fn complete<'c>(&self, conn: impl Into<Conn<'c>>) -> Result<(), JobsError> {
        self.jobs().complete(conn, self.job()).await?;
        self.settle(Settled::Completed);
        Ok(())
    }

    /// Ends the attempt in failure in the transaction that holds the application's own account of it; commit it and
    /// return `Ok`. Both are durable, or neither.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll back, the job belongs to somebody else.
    pub async fn fail<'c>(&self, conn: impl Into<Conn<'c>>, failure: &Failure) -> Result<Outcome, JobsError> {
        let outcome = self.jobs().fail_in(conn, self.job(), failure.class, &failure.message).await?;
        self.settle(Settled::Failed);
        Ok(outcome)
    }

    /// Notes how far the job is, in thousandths and words, for [`Jobs::find`].
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: stop working on it.
    pub async fn progress(&self, permille: u16, note: &str) -> Result<(), JobsError> {
        self.jobs().progress(self.job(), permille, note).await
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// How the handler ended the job by itself, if it did; whether its transaction was committed is not known.
    pub(super) fn settled(&self) -> Option<Settled> {
        *self.0.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, how: Settled) {
        *self.0.settled.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
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

    /// The handler panicked.
    pub(super) fn panic(message: String) -> Self {
        Self { class: FailureClass::Panic, message }
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
