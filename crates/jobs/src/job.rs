//! What goes into the queue and what comes out of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::JobsError;
use crate::clock::{Millis, millis};

/// Longest payload in bytes of JSON. Larger things belong in a table of the application, with their id in the payload.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// Longest queue name, owner, lane, key or worker name in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest failure message that is kept, in bytes; the rest is cut off.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// In limits, the lanes that have none of their own.
pub(crate) const ANY_LANE: &str = "*";

/// A job's number: unique within a database, rising, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// The fencing token of one lease: unique within a database and rising, so a later lease always has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Token(pub i64);

/// The body of a job, as JSON text.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Payload(Arc<str>);

/// A job to be enqueued. Make one with [`NewJob::new`], then set what differs from the defaults.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
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
    /// Within the lane, lower runs first; jobs of equal priority run in the order in which they became ready.
    /// Default 0.
    pub priority: i16,
    /// Whose turn it is: lanes (tenants, projects) of a queue are served in turn, however many jobs each has
    /// waiting, and each may have a limit, see [`crate::Jobs::limit_lane`]. Default "", the lane of those without.
    pub lane: String,
    /// At most one live (not finished, not dead) job of a queue has this key; see [`Enqueued::Duplicate`].
    pub unique_key: Option<String>,
    /// Whose job it is: for erasure, and the scope of idempotency keys.
    pub owner: Option<String>,
    /// The request that asks for this job, if it carried an idempotency key.
    pub idempotency: Option<Idempotency>,
    /// How long the outcome stays visible to [`crate::Jobs::find`] after the end. Default zero: a completed job
    /// leaves nothing behind but the application's own result.
    pub keep: Duration,
}

/// A client's promise that requests with the same key and body are the same request.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Idempotency {
    /// The client's key, unique per [`NewJob::owner`].
    pub key: String,
    /// SHA-256 of the request's body, in hexadecimal.
    pub body_sha256: String,
    /// How long the key is remembered.
    pub keep: Duration,
}

/// What enqueueing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// A live job with the same unique key, or the job of the same request, was there already; this is it, and
    /// nothing was added.
    Duplicate(JobId),
}

/// A job in a worker's hands, under a lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: Arc<str>,
    /// Its lane.
    pub lane: Arc<str>,
    /// What to do.
    pub payload: Payload,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The last attempt that will be made.
    pub max_attempts: u32,
    /// Proof of the lease; every write about the job is fenced with it. Jobs of one claim may share it.
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
    /// Whether the outcome is kept.
    pub(crate) kept: bool,
}

/// What kind of failure an attempt ended with. The handler knows; no text is searched for words (W5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// May succeed later: try again after the backoff.
    Retry,
    /// May succeed after this time, which the other side named (429, 503 with Retry-After). Never tried again before it, and
    /// not by all at once ([`Backoff::delay_after`](crate::Backoff::delay_after)).
    RetryAfter(Duration),
    /// Will never succeed: dead letter at once.
    Never,
    /// The handler panicked: tried again like [`FailureClass::Retry`], because it may have been the moment's fault.
    Panic,
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
    /// Done; visible as long as [`NewJob::keep`] asked for.
    Completed,
    /// Withdrawn before it was done; visible as long as [`NewJob::keep`] asked for.
    Cancelled,
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
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
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
            lane: String::new(),
            unique_key: None,
            owner: None,
            idempotency: None,
            keep: Duration::ZERO,
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

    /// Sets [`NewJob::lane`].
    #[must_use]
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = lane.into();
        self
    }

    /// Sets [`NewJob::keep`].
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Binds the job to the request with this key and body: the same request sent again answers
    /// [`Enqueued::Duplicate`], another body under the same key is refused with [`JobsError::KeyReused`].
    #[must_use]
    pub fn idempotent(mut self, key: impl Into<String>, body: &[u8], keep: Duration) -> Self {
        let body_sha256 = hex::encode(Sha256::digest(body));
        self.idempotency = Some(Idempotency { key: key.into(), body_sha256, keep });
        self
    }

    /// Whether nothing can stand in its way: no key by which it may be there already.
    pub(crate) fn is_plain(&self) -> bool {
        self.unique_key.is_none() && self.idempotency.is_none()
    }

    /// Whether another plain job differs in nothing but its payload.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let key = |j: &Self| (j.priority, j.max_attempts, j.delay, j.run_at_ms, j.deadline_ms, j.keep);
        key(self) == key(other)
            && self.queue == other.queue
            && self.lane == other.lane
            && self.owner == other.owner
    }

    /// When it becomes claimable: never in the past, or it would look as if it had waited since then.
    pub(crate) fn run_at(&self, now_ms: Millis) -> Millis {
        self.run_at_ms.unwrap_or_else(|| now_ms.saturating_add(millis(self.delay))).max(now_ms)
    }

    /// Refuses what no backend could hold; enqueueing does the same. For those who must know before: of many jobs
    /// enqueued at once, one bad one stops all.
    ///
    /// # Errors
    /// [`JobsError::InvalidJob`] when a field is out of bounds.
    pub fn check(&self) -> Result<(), JobsError> {
        check_name("queue", &self.queue)?;
        let key = self.idempotency.as_ref().map(|i| &i.key);
        let lane = Some(&self.lane).filter(|lane| !lane.is_empty());
        for (what, text) in [
            ("unique key", self.unique_key.as_ref()),
            ("owner", self.owner.as_ref()),
            ("idempotency key", key),
            ("lane", lane),
        ] {
            if let Some(text) = text {
                check_name(what, text)?;
            }
        }
        if self.lane == ANY_LANE {
            return Err(JobsError::InvalidJob("lane '*' stands for all others: use another name".into()));
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
