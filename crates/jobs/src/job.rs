//! What goes into the queue and what comes out of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::JobsError;
use crate::clock::Millis;

/// Longest payload in bytes of JSON. Larger things belong in a table of the application, with their id in the payload.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// Longest queue name, owner, lane, key or worker name in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest failure message that is kept, in bytes; the rest is cut off.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// A job's number: unique within a database, rising, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// The fencing token of one lease: unique within a database and rising, so a later lease always has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Token(pub i64);

/// The body of a job, as JSON text.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

/// A job to be enqueued. Make one with [`NewJob::new`], then set what differs from the defaults.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which queue: the name under which workers claim, and the label of its metrics.
    pub queue: String,
    /// What to do.
    pub payload: Payload,
    /// How often the job may be started before it is dead (at least 1). Default 5.
    pub max_attempts: u32,
    /// Not before now plus this. Default zero. Ignored when `run_at_ms` is set.
    pub delay: Duration,
    /// Not before this time.
    pub run_at_ms: Option<Millis>,
    /// Pointless after this time: a job still waiting then is moved to the dead letters instead of being
    /// started, and a running one is cancelled. Default none: a backlog never kills itself.
    pub deadline_ms: Option<Millis>,
    /// Lower runs first; jobs of equal priority run in the order in which they became ready. Default 0.
    pub priority: i16,
    /// At most one live (not finished, not dead) job of a queue has this key; see [`Enqueued::Duplicate`].
    pub unique_key: Option<String>,
    /// Whose job it is: for erasure and for lookups by owner.
    pub owner: Option<String>,
}

/// What enqueueing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// A live job with the same unique key was there already; this is it, and nothing was added.
    Duplicate(JobId),
}

/// A job in a worker's hands, under a lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: Arc<str>,
    /// What to do.
    pub payload: Payload,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The last attempt that will be made.
    pub max_attempts: u32,
    /// Proof of the lease; every write about the job is fenced with it.
    pub token: Token,
    /// When the lease ends unless a heartbeat extends it.
    pub lease_until_ms: Millis,
    /// When the job was enqueued.
    pub enqueued_at_ms: Millis,
    /// When it became claimable (for the wait-time histogram: claim time minus this).
    pub ready_at_ms: Millis,
    /// After this time the result is pointless.
    pub deadline_ms: Option<Millis>,
    /// Whose job it is.
    pub owner: Option<String>,
}

/// What kind of failure an attempt ended with. The handler knows; no text is searched for words (W5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// May succeed later: try again after the backoff.
    Retry,
    /// May succeed after this time, which the other side named (429, 503 with Retry-After).
    RetryAfter(Duration),
    /// Will never succeed: dead letter at once.
    Never,
}

/// What became of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Will be tried again, not before this time.
    Retried {
        /// When it becomes claimable again.
        at_ms: Millis,
    },
    /// Moved to the dead letters.
    Dead,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobState {
    /// Waits for its time (a delay, or the backoff after a failure).
    Scheduled,
    /// Can be claimed.
    Ready,
    /// A worker holds it.
    Leased,
    /// All attempts failed, or one failed for good.
    Dead,
}

// === impl JobId, Token, JobState ===

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Dead => "dead",
        })
    }
}

// === impl Payload ===

impl Payload {
    /// Writes `value` as JSON.
    ///
    /// # Errors
    /// [`JobsError::Payload`] when the value has no JSON form.
    pub fn of(value: &impl Serialize) -> Result<Self, JobsError> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// Reads the payload as a `T`.
    ///
    /// # Errors
    /// [`JobsError::Payload`] when it is not one.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, JobsError> {
        Ok(serde_json::from_str(&self.0)?)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Text that came out of the database, where only checked payloads go in.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text.into())
    }
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Debug for Payload {
    /// Length only: payloads carry people's data, which does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

// === impl NewJob ===

impl NewJob {
    /// A job for `queue` with the defaults named at each field.
    pub fn new(queue: impl Into<String>, payload: impl Into<Payload>) -> Self {
        Self {
            queue: queue.into(),
            payload: payload.into(),
            max_attempts: 5,
            delay: Duration::ZERO,
            run_at_ms: None,
            deadline_ms: None,
            priority: 0,
            unique_key: None,
            owner: None,
        }
    }

    /// Sets [`NewJob::max_attempts`].
    #[must_use]
    pub fn max_attempts(mut self, n: u32) -> Self {
        self.max_attempts = n;
        self
    }

    /// Sets [`NewJob::delay`].
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets [`NewJob::run_at_ms`].
    #[must_use]
    pub fn run_at_ms(mut self, at: Millis) -> Self {
        self.run_at_ms = Some(at);
        self
    }

    /// Sets [`NewJob::deadline_ms`].
    #[must_use]
    pub fn deadline_ms(mut self, at: Millis) -> Self {
        self.deadline_ms = Some(at);
        self
    }

    /// Sets [`NewJob::priority`].
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Sets [`NewJob::unique_key`].
    #[must_use]
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// Sets [`NewJob::owner`].
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Refuses what no backend could hold.
    pub(crate) fn check(&self) -> Result<(), JobsError> {
        check_name("queue", &self.queue)?;
        for (what, text) in [("unique key", &self.unique_key), ("owner", &self.owner)] {
            if let Some(text) = text {
                check_name(what, text)?;
            }
        }
        if self.max_attempts == 0 || self.max_attempts > i32::MAX as u32 {
            return Err(JobsError::InvalidJob(format!(
                "max_attempts is {}, must be 1 to {}",
                self.max_attempts,
                i32::MAX
            )));
        }
        if self.payload.0.len() > MAX_PAYLOAD_BYTES {
            return Err(JobsError::InvalidJob(format!(
                "payload has {} bytes, at most {MAX_PAYLOAD_BYTES} are allowed: store it in a table and enqueue its id",
                self.payload.0.len()
            )));
        }
        // Text columns of Postgres cannot hold it, not even escaped in jsonb; refuse it on every backend alike.
        if self.payload.0.contains('\0') {
            return Err(JobsError::InvalidJob("payload contains a NUL byte".into()));
        }
        Ok(())
    }
}

/// Refuses names that are empty, too long or hold control characters.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), JobsError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(JobsError::InvalidJob(format!(
            "{what} must have 1 to {MAX_NAME_BYTES} bytes without control characters"
        )));
    }
    Ok(())
}

// === impl Enqueued ===

impl Enqueued {
    /// The job's number, new or not.
    pub fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Duplicate(id) => id,
        }
    }
}
