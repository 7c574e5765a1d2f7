//! What a record becomes.

use std::future::Future;
use std::time::Duration;

use plimsoll_jobs::{JobsError, MAX_NAME_BYTES, NewJob, Payload, Tx};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Record;
use crate::KafkaError;
use crate::headers::bytes_to_json;

/// What is done with a record. Implement it where a record needs rows of the application beside its job;
/// [`Mapping`] does for the rest.
pub trait Accept: Send + Sync + 'static {
    /// Turns a record into a job, in the transaction that also moves the offset: whatever it writes on `tx` happens
    /// exactly once. It may run more often (the transaction is repeated after an error), so no effects elsewhere.
    fn accept(&self, tx: &mut Tx, record: &Record) -> impl Future<Output = Result<Accepted, Refused>> + Send;
}

/// What became of a record.
#[derive(Debug)]
pub enum Accepted {
    /// This job is to be enqueued; the ingest does it, many at once.
    Job(Box<NewJob>),
    /// Everything is done already.
    Done,
}

/// Why a record was not taken.
#[derive(Debug)]
pub enum Refused {
    /// It will never be any good: dead letter, with this reason.
    Poison(String),
    /// Something failed; the record is fine for all we know.
    Failed(KafkaError),
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The record's key.
    Key,
    /// The header of this name.
    Header(String),
}

/// What the job's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `{"kafka":{"topic","partition","offset","timestamp_ms","key","headers":{…}},"value":…}`: nothing is lost.
    #[default]
    Envelope,
    /// The record's value and nothing else.
    Value,
}

/// Turns JSON records into jobs of one queue.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The queue.
    pub queue: String,
    /// What the payload is.
    pub form: Form,
    /// At most one live job has the key found here; a record whose key has one already adds nothing.
    pub unique: Option<Source>,
    /// The name of each message and how long it is remembered: a message that its producer sent twice makes one job.
    /// The same name with another value is a dead letter.
    pub dedupe: Option<(Source, Duration)>,
    /// Jobs are served in turn by lanes found here, see [`NewJob::lane`].
    pub lane: Option<Source>,
    /// Whose job it is, see [`NewJob::owner`]; names of messages are then remembered for each owner.
    pub owner: Option<Source>,
    /// See [`NewJob::priority`].
    pub priority: i16,
    /// See [`NewJob::max_attempts`].
    pub max_attempts: u32,
}

// === impl Source ===

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            _ => Err("expected `key` or `header:NAME`".to_owned()),
        }
    }
}

impl Source {
    /// The bytes as a name that the queue takes: themselves where they are short text, else their digest.
    fn name(&self, record: &Record) -> Option<String> {
        let bytes = match self {
            Self::Key => record.key.as_deref(),
            Self::Header(name) => record.headers.last(name),
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
        match std::str::from_utf8(bytes) {
            // The star means all other lanes.
            Ok(text)
                if text.len() <= MAX_NAME_BYTES && text != "*" && !text.chars().any(char::is_control) =>
            {
                Some(text.to_owned())
            }
            _ => Some(format!("sha256:{}", hex::encode(Sha256::digest(bytes)))),
        }
    }
}

// === impl Mapping ===

impl Mapping {
    /// Envelopes for `queue`, with the queue's own defaults.
    pub fn new(queue: impl Into<String>) -> Self {
        let queue = queue.into();
        Self {
            queue,
            form: Form::Envelope,
            unique: None,
            dedupe: None,
            lane: None,
            owner: None,
            priority: 0,
            max_attempts: 5,
        }
    }

    /// The job of a record.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn job(&self, record: &Record) -> Result<NewJob, String> {
        let bytes = record.value.as_deref().ok_or("record has no value (a tombstone)")?;
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("value is not JSON: {error}"))?;
        let payload = match self.form {
            Form::Value => value,
            Form::Envelope => json!({ "kafka": provenance(record), "value": value }),
        };
        let mut job = NewJob::new(&self.queue, Payload::from(payload));
        job.priority = self.priority;
        job.max_attempts = self.max_attempts;
        job.unique_key = self.unique.as_ref().and_then(|source| source.name(record));
        job.owner = self.owner.as_ref().and_then(|source| source.name(record));
        job.lane = self.lane.as_ref().and_then(|source| source.name(record)).unwrap_or_default();
        if let Some((source, keep)) = &self.dedupe
            && let Some(name) = source.name(record)
        {
            job = job.idempotent(name, bytes, *keep);
        }
        Ok(job)
    }
}

impl Accept for Mapping {
    async fn accept(&self, _tx: &mut Tx, record: &Record) -> Result<Accepted, Refused> {
        let job = self.job(record).map_err(Refused::Poison)?;
        Ok(Accepted::Job(Box::new(job)))
    }
}

/// Where a record came from and what it carried beside its value.
fn provenance(record: &Record) -> Value {
    json!({
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.at_ms,
        "key": bytes_to_json(record.key.as_deref()),
        "headers": record.headers.to_object(),
    })
}

// === impl Refused ===

impl From<JobsError> for Refused {
    fn from(error: JobsError) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;

    fn record(key: &[u8], value: &[u8]) -> Record {
        let mut headers = Headers::default();
        headers.push("traceparent", "00-a-b-01");
        headers.push("message-id", "m-1");
        Record {
            topic: "t".to_owned(),
            partition: 3,
            offset: 42,
            at_ms: Some(7),
            key: Some(key.to_vec()),
            value: Some(value.to_vec()),
            headers,
        }
    }

    #[test]
    fn envelope_carries_key_headers_and_place() {
        let job = Mapping::new("q").job(&record(b"k", b"{\"a\":1}")).unwrap();
        let payload: Value = job.payload.parse().unwrap();
        assert_eq!(
            payload,
            json!({
                "kafka": {
                    "topic": "t", "partition": 3, "offset": 42, "timestamp_ms": 7, "key": "k",
                    "headers": { "traceparent": "00-a-b-01", "message-id": "m-1" },
                },
                "value": { "a": 1 },
            })
        );
    }

    #[test]
    fn keys_become_names_the_queue_takes() {
        let mapping = Mapping {
            form: Form::Value,
            unique: Some(Source::Key),
            lane: Some("key".parse().unwrap()),
            owner: Some(Source::Key),
            dedupe: Some(("header:message-id".parse().unwrap(), Duration::from_secs(60))),
            ..Mapping::new("q")
        };
        let job = mapping.job(&record(b"tenant-1", b"7")).unwrap();
        assert_eq!((job.unique_key.as_deref(), job.lane.as_str()), (Some("tenant-1"), "tenant-1"));
        assert_eq!(job.owner.as_deref(), Some("tenant-1"));
        assert_eq!(job.idempotency.unwrap().key, "m-1");
        assert_eq!(job.payload.as_str(), "7");
        for key in [b"*".as_slice(), b"\xff\xfe", b"a\nb", &[b'x'; 300]] {
            let lane = mapping.job(&record(key, b"7")).unwrap().lane;
            assert!(lane.starts_with("sha256:"), "{lane}");
        }
        assert_eq!(mapping.job(&record(b"", b"7")).unwrap().lane, "");
    }

    #[test]
    fn records_that_make_no_job_say_why() {
        let mapping = Mapping::new("q");
        assert!(mapping.job(&record(b"k", b"no json")).unwrap_err().contains("not JSON"));
        let tombstone = Record { value: None, ..record(b"k", b"") };
        assert!(mapping.job(&tombstone).unwrap_err().contains("no value"));
        assert!("headers:x".parse::<Source>().is_err());
    }
}
