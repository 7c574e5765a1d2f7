//! The one error type of this crate.

use plimsoll_jobs::JobsError;

/// Why something between Kafka and the queue did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// The queue or its database.
    #[error(transparent)]
    Jobs(#[from] JobsError),

    /// The broker, or the client library that speaks to it.
    #[cfg(feature = "broker")]
    #[error("kafka: {0}")]
    Broker(#[from] rdkafka::error::KafkaError),

    /// An option cannot be used.
    #[error("{option}: {why}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong and what is expected.
        why: String,
    },

    /// A message for the outbox is out of its bounds.
    #[error("message for topic {topic}: {why}")]
    Message {
        /// Where it should go.
        topic: String,
        /// What is wrong.
        why: String,
    },

    /// A broker said no to a request about topics.
    #[error("topic {topic}: {why}")]
    Topic {
        /// Which.
        topic: String,
        /// What the broker said.
        why: String,
    },

    /// A thread of ours panicked: a bug.
    #[error("a thread ended unexpectedly: {0}")]
    Thread(String),
}

// === impl KafkaError ===

impl KafkaError {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Jobs(error) if error.is_transient())
    }
}

impl From<sqlx::Error> for KafkaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Jobs(error.into())
    }
}

impl From<serde_json::Error> for KafkaError {
    fn from(error: serde_json::Error) -> Self {
        Self::Jobs(error.into())
    }
}
