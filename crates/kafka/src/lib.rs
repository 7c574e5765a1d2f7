//! Kafka (or Redpanda) in front of the queue and behind it.
//!
//! *Ingest* moves the records of topics into the queue, each exactly once: how far a partition has been read is
//! written in the transaction that holds the jobs, never in the broker. *Outbox* is a table in the same database that
//! an application writes to in the transaction of its own result, and a publisher that sends its rows to the broker,
//! in order for each key and at least once, each under a message id by which a reader tells a repetition.
//!
//! What is promised and which test proves it, options, and how a stack turns it on: `README.md` of this crate.

mod error;
mod headers;
pub mod outbox;
mod schema;

#[cfg(feature = "broker")]
pub mod client;
#[cfg(feature = "broker")]
pub mod ingest;
#[cfg(feature = "broker")]
pub mod metrics;
#[cfg(feature = "broker")]
pub mod program;
#[cfg(feature = "broker")]
pub mod publish;
#[cfg(feature = "broker")]
pub mod topics;

pub use error::KafkaError;
pub use headers::Headers;
pub use schema::migrate;
