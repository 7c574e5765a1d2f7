//! Messages that wait in the application's database until a broker has them.
//!
//! ```no_run
//! # async fn example(jobs: plimsoll_jobs::Jobs, context: plimsoll_jobs::JobContext) -> Result<(), plimsoll_kafka::KafkaError> {
//! use plimsoll_kafka::outbox::{Message, Outbox};
//! let outbox = Outbox::open(&jobs).await?;
//! let mut tx = jobs.begin().await?;
//! // … the application's result …
//! outbox.put(&mut tx, &Message::new("results", "{\"score\":7}").key("job-7")).await?;
//! context.complete(&mut tx).await?;
//! tx.commit().await?; // result, message and completion: all or nothing
//! # Ok(()) }
//! ```

#[cfg(feature = "broker")]
pub(crate) mod rows;

use plimsoll_jobs::{Jobs, Tx};
use uuid::Uuid;

use crate::schema::{migrate, on_tx};
use crate::{Headers, KafkaError};

/// The header that names a message: the same in every repetition of it.
pub const MESSAGE_ID: &str = "message-id";
/// Longest value in bytes; brokers take 1 MiB with everything around it unless told otherwise.
pub const MAX_VALUE_BYTES: usize = 1_000_000;
/// Longest name of a topic that Kafka takes.
const MAX_TOPIC_BYTES: usize = 249;
/// Longest message id, key and all headers together, in bytes.
const MAX_REST_BYTES: usize = 64 << 10;

/// The outbox of a queue's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    jobs: Jobs,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which message this is; a reader drops those whose id it has seen. Default a new UUID. Name it after its cause
    /// (`job-7-done`) where the application may put the same message twice.
    pub id: String,
    /// Where to.
    pub topic: String,
    /// Messages of one key go to one partition and keep their order. Default none: any partition.
    pub key: Option<Vec<u8>>,
    /// The body; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Further headers: `traceparent`, for example. [`MESSAGE_ID`] is added by the publisher.
    pub headers: Headers,
    /// Whose data it carries, see [`Outbox::erase_owner`]. Stays in the database.
    pub owner: Option<String>,
}

// === impl Message ===

impl Message {
    /// A message without a key, under a new id.
    pub fn new(topic: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            topic: topic.into(),
            key: None,
            value: Some(value.into()),
            headers: Headers::default(),
            owner: None,
        }
    }

    /// Sets [`Message::id`].
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets [`Message::key`].
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets [`Message::owner`].
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(name, value);
        self
    }

    fn bytes(&self) -> usize {
        self.rest_bytes() + self.value.as_ref().map_or(0, Vec::len)
    }

    fn rest_bytes(&self) -> usize {
        let headers: usize =
            self.headers.0.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len)).sum();
        self.id.len() + self.key.as_ref().map_or(0, Vec::len) + headers
    }

    /// Refuses what no broker would take, while the application can still do something about it.
    fn check(&self) -> Result<(), KafkaError> {
        let wrong = |why: String| Err(KafkaError::Message { topic: self.topic.clone(), why });
        if !is_topic(&self.topic) {
            return wrong(format!(
                "a topic's name has 1 to {MAX_TOPIC_BYTES} letters, digits, dots, dashes and underscores"
            ));
        }
        let value = self.value.as_ref().map_or(0, Vec::len);
        if value > MAX_VALUE_BYTES {
            return wrong(format!("value has {value} bytes, at most {MAX_VALUE_BYTES} are allowed"));
        }
        if self.id.is_empty() || self.id.contains('\0') {
            return wrong("the message id is empty or holds a NUL".to_owned());
        }
        if self.rest_bytes() > MAX_REST_BYTES {
            return wrong(format!("id, key and headers have more than {MAX_REST_BYTES} bytes"));
        }
        if self.headers.0.iter().any(|(name, _)| name.contains('\0')) {
            return wrong("the name of a header holds a NUL".to_owned());
        }
        Ok(())
    }
}

/// Whether Kafka takes this as the name of a topic.
#[must_use]
pub fn is_topic(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=MAX_TOPIC_BYTES).contains(&name.len()) && name.chars().all(known) && name != "." && name != ".."
}

// === impl Outbox ===

impl Outbox {
    /// Opens the outbox in the database of `jobs`, making its table as needed.
    ///
    /// # Errors
    /// When there is no database, or its schema is newer than this program.
    pub async fn open(jobs: &Jobs) -> Result<Self, KafkaError> {
        migrate(jobs).await?;
        Ok(Self { jobs: jobs.clone() })
    }

    /// The outbox where its table is known to be there.
    #[cfg(feature = "broker")]
    pub(crate) fn open_unmigrated(jobs: &Jobs) -> Self {
        Self { jobs: jobs.clone() }
    }

    /// Adds a message in the application's transaction: it will be published if and only if that commits. Answers
    /// whether it was added; a message that waits under the same id already is left alone.
    ///
    /// # Errors
    /// [`KafkaError::Message`] when no broker would take it.
    pub async fn put(&self, tx: &mut Tx, message: &Message) -> Result<bool, KafkaError> {
        message.check()?;
        let now_ms = self.jobs.now_ms();
        let bytes = i64::try_from(message.bytes()).unwrap_or(i64::MAX);
        let added = on_tx!(tx, conn => {
            sqlx::query(include_str!("../sql/put_message.sql")).persistent(false)
                .bind(&message.id)
                .bind(&message.topic)
                .bind(&message.key)
                .bind(&message.value)
                .bind(message.headers.to_list())
                .bind(bytes)
                .bind(now_ms)
                .bind(&message.owner)
                .execute(conn)
                .await?
                .rows_affected()
        });
        Ok(added == 1)
    }

    /// Deletes an owner's messages, those that wait and those that no broker took; answers how many. What a publisher
    /// has read already may still go out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase_owner(&self, tx: &mut Tx, owner: &str) -> Result<u64, KafkaError> {
        Self::erase(tx, owner, None).await
    }

    /// The same of an owner's messages under one key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase_key(&self, tx: &mut Tx, owner: &str, key: &[u8]) -> Result<u64, KafkaError> {
        Self::erase(tx, owner, Some(key)).await
    }

    async fn erase(tx: &mut Tx, owner: &str, key: Option<&[u8]>) -> Result<u64, KafkaError> {
        let mut erased = 0;
        for sql in [include_str!("../sql/erase_messages.sql"), include_str!("../sql/erase_dead_messages.sql")]
        {
            erased += on_tx!(tx, conn => {
                sqlx::query(sql).persistent(false).bind(owner).bind(key).execute(conn).await?.rows_affected()
            });
        }
        Ok(erased)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_no_broker_would_take_is_refused() {
        for (what, message) in [
            ("topic", Message::new("no spaces", "x")),
            ("topic", Message::new("", "x")),
            ("value", Message::new("t", vec![b'x'; MAX_VALUE_BYTES + 1])),
            ("id", Message::new("t", "x").id("")),
            ("bytes", Message::new("t", "x").key(vec![0; MAX_REST_BYTES])),
        ] {
            let error = message.check().unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        Message::new("results.v1", "x").key("k").header("traceparent", "00").check().unwrap();
    }
}
