//! A durable queue with leases that an application embeds.
//!
//! Jobs live in the application's own database, so a job and the application's row that asked for it are
//! written in one transaction, and so are a job's completion and the row that holds its result. A worker
//! holds a job under a *lease*; it renews the lease while it works, and every write about the job is fenced by
//! the lease's token. A worker that dies, stalls or loses the database loses the lease, the job goes to
//! another worker, and the first one can no longer complete it.
//!
//! ```no_run
//! # async fn example() -> Result<(), plimsoll_jobs::JobsError> {
//! use plimsoll_jobs::{Jobs, JobsOptions, NewJob};
//! let jobs = Jobs::open("sqlite:///var/lib/app/queue.db", JobsOptions::default()).await?;
//! let mut tx = jobs.begin().await?;
//! // … the application's own statements on tx.sqlite()? …
//! jobs.enqueue(&mut tx, NewJob::new("evaluate", serde_json::json!({ "id": 7 }))).await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```
//!
//! Each guarantee and the test that proves it: `README.md` of this crate.

mod backoff;
mod budget;
mod clock;
mod conn;
mod cron;
mod driver;
mod error;
mod info;
mod job;
mod jobs;
mod lanes;
mod memory;
mod migrate;
mod postgres;
mod sqlite;
mod stats;
mod timing;
mod worker;

pub use backoff::{Backoff, Growth};
pub use budget::RetryBudget;
pub use clock::{Clock, ManualClock, Millis, SystemClock};
pub use conn::{Conn, Tx};
pub use cron::{Cron, Schedule};
pub use driver::Extended;
pub use error::JobsError;
pub use info::{AttemptFailure, Cancelled, DeadCursor, DeadLetter, JobInfo, Progress};
pub use job::{
    Claimed, Enqueued, FailureClass, Idempotency, JobId, JobState, MAX_MESSAGE_BYTES, MAX_NAME_BYTES,
    MAX_PAYLOAD_BYTES, NewJob, Outcome, Payload, Token,
};
pub use jobs::{Jobs, JobsOptions};
pub use migrate::Migration;
pub use stats::{Holder, QueueStats};
pub use timing::{Histogram, HistogramSnapshot, QueueTimes, WorkerMetrics};
pub use worker::{Failure, JobContext, Worker, WorkerOptions, WorkerReport};
