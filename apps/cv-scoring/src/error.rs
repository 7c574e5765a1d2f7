//! Why a case was not scored, and whether to try again.

use std::time::Duration;

use crate::scored::Receipt;

/// Whether another attempt at the same case is worth while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Try again after the queue's own backoff.
    Retry,
    /// Try again, but not before this long: the provider asked for it.
    RetryAfter(Duration),
    /// The same case would fail the same way.
    Never,
}

/// Why a case was not scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// The case has nothing to score, or too much.
    #[error("the case cannot be scored: {why}")]
    InvalidCase {
        /// What is wrong with it.
        why: String,
    },
    /// The provider did not answer in time.
    #[error("the model provider did not answer within {waited_ms} ms")]
    UpstreamTimeout {
        /// How long the last call waited, in milliseconds.
        waited_ms: u64,
    },
    /// The provider has had enough of us for now.
    #[error("the model provider limits the rate of requests")]
    UpstreamRateLimit {
        /// How long it asked us to wait, if it said.
        retry_after: Option<Duration>,
    },
    /// The provider cannot be reached, or answers that it is broken.
    #[error("the model provider is unavailable: {why}")]
    UpstreamUnavailable {
        /// Status or transport failure.
        why: String,
        /// How long it asked us to wait, if it said.
        retry_after: Option<Duration>,
    },
    /// The provider does not accept our key.
    #[error("the model provider refuses the key (status {status}), check the configured key and account")]
    UpstreamAuth {
        /// HTTP status, 401 or 403.
        status: u16,
    },
    /// The provider does not accept the request itself: unknown model, prompt too long, ….
    #[error("the model provider refuses the request (status {status}): {why}")]
    UpstreamRejected {
        /// HTTP status.
        status: u16,
        /// The provider's message, shortened.
        why: String,
    },
    /// The model declined to answer.
    #[error("the model declined the {step} step")]
    Refused {
        /// Which step of the chain.
        step: &'static str,
    },
    /// The model's answer breaks the schema, and still does after it was asked to mend it.
    #[error("the model's answer to the {step} step breaks the schema: {why}")]
    SchemaInvalid {
        /// Which step of the chain.
        step: &'static str,
        /// The first rule it breaks.
        why: String,
    },
    /// A mistake in this crate: it stopped where it should not have.
    #[error("the scorer itself failed: {why}")]
    Internal {
        /// What it said.
        why: String,
    },
    /// The case's deadline has passed, or would before an answer can come.
    #[error("the deadline of the case has passed")]
    DeadlineExceeded,
    /// The caller asked to stop.
    #[error("scoring was cancelled")]
    Cancelled,
}

/// A case that was not scored: why, and what was done and used all the same.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct Unscored {
    /// Why.
    pub error: ScoreError,
    /// Who tried, how, and what it took. Tokens of failed calls are counted where the provider told them.
    pub receipt: Box<Receipt>,
}

/// What is wrong with the vector store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QdrantError {
    /// The collection was made for vectors of another dimension: another model, most likely.
    #[error(
        "the Qdrant collection {collection} holds vectors of {found} dimensions, the embedding model makes {wanted}: name another collection (QDRANT_COLLECTION) or the model it was made with"
    )]
    WrongDimension {
        /// The collection.
        collection: String,
        /// Its dimension.
        found: u64,
        /// The model's dimension.
        wanted: u64,
    },
    /// It does not answer, or not so that it can be understood.
    #[error("Qdrant is unavailable: {why}")]
    Unavailable {
        /// What happened.
        why: &'static str,
    },
    /// It does not take the request: a wrong key, most likely.
    #[error("Qdrant refuses the request (status {status}): {why}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its message, shortened.
        why: String,
    },
}

/// Why a scorer could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scorer configuration, {setting}: {why}")]
pub struct ConfigError {
    /// The setting that is wrong.
    pub setting: &'static str,
    /// What is wrong with it.
    pub why: String,
}

// === impl ScoreError ===

impl ScoreError {
    /// Whether another attempt at the same case is worth while.
    pub fn class(&self) -> Class {
        match self {
            Self::UpstreamRateLimit { retry_after: Some(wait) }
            | Self::UpstreamUnavailable { retry_after: Some(wait), .. } => Class::RetryAfter(*wait),
            Self::UpstreamTimeout { .. }
            | Self::UpstreamRateLimit { retry_after: None }
            | Self::UpstreamUnavailable { retry_after: None, .. }
            | Self::Cancelled => Class::Retry,
            Self::InvalidCase { .. }
            | Self::UpstreamAuth { .. }
            | Self::UpstreamRejected { .. }
            | Self::Refused { .. }
            | Self::SchemaInvalid { .. }
            | Self::Internal { .. }
            | Self::DeadlineExceeded => Class::Never,
        }
    }

    /// The stable code of the API's error body.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidCase { .. } => "INVALID_ARGUMENT",
            Self::UpstreamTimeout { .. } => "UPSTREAM_TIMEOUT",
            Self::UpstreamRateLimit { .. } => "UPSTREAM_RATE_LIMIT",
            Self::UpstreamUnavailable { .. } => "UPSTREAM_UNAVAILABLE",
            Self::UpstreamAuth { .. } => "UPSTREAM_AUTH",
            Self::UpstreamRejected { .. } => "UPSTREAM_REJECTED",
            Self::Refused { .. } => "UPSTREAM_REFUSED",
            Self::SchemaInvalid { .. } => "SCHEMA_INVALID",
            Self::Internal { .. } => "INTERNAL",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Cancelled => "CANCELLED",
        }
    }
}
