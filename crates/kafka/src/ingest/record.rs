//! A record of a topic, owned.

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::Headers;

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// When its producer made it (or, as the topic is configured, the broker took it), milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// What keeps records together and in order.
    pub key: Option<Vec<u8>>,
    /// The body; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Trace context and whatever else.
    pub headers: Headers,
}

// === impl Record ===

impl Record {
    pub(crate) fn from_message(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Headers::default, |headers| {
            Headers(headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect())
        });
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            at_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.0.iter().map(|(n, v)| n.len() + len(v)).sum();
        len(&self.key) + len(&self.value) + headers
    }
}
