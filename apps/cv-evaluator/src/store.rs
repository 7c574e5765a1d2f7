//! The application's tables, in the same database as its queue: a row and the job that goes with it are written in
//! one transaction, and so are a result and the end of its job.

mod accept;
mod admin;
mod counters;
mod db;
mod dead;
mod erase;
mod evaluations;
mod intake;
mod outcome;
mod results;
mod retention;
mod uploads;

use std::sync::Arc;

use plimsoll_jobs::{Jobs, JobsError, Migration};
use rand::RngExt as _;

use db::Pool;

pub use accept::{Accepted, JobBody, NewEvaluation, Trace};
pub use admin::{Cursor, EvaluationRow, ListQuery};
pub use counters::Totals;
pub use dead::DeadReader;
pub use erase::Erased;
pub use evaluations::{FailedAttempt, Lease, Work, WorkStatus};
pub use intake::Intake;
pub use results::{Spent, StoredResult, StoredScores};
pub use retention::UploadReader;
pub use uploads::{NewUpload, UploadKind};

/// Queue of the evaluations.
pub const QUEUE: &str = "evaluate";

const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "cv", sql: include_str!("store/migrations/sqlite/0001_cv.sql") },
    Migration { version: 2, name: "erase", sql: include_str!("store/migrations/sqlite/0002_erase.sql") },
    Migration { version: 3, name: "pages", sql: include_str!("store/migrations/sqlite/0003_pages.sql") },
];
const POSTGRES: &[Migration] =
    &[Migration { version: 1, name: "cv", sql: include_str!("store/migrations/postgres/0001_cv.sql") }];

/// Rows over which each counter is spread; see `cv_counter` in the migration.
const COUNTER_SHARDS: i64 = 8;

/// Handle of the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    jobs: Jobs,
    pool: Pool,
    outcomes: Option<outcome::Outcomes>,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the queue in it.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// A row holds what no version of this program writes.
    #[error("{what} of {id} cannot be read: {why}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// Which row.
        id: String,
        /// What the parser said.
        why: String,
    },
    /// The transaction that this request shared with others failed.
    #[error("{0}")]
    Group(Arc<StoreError>),
    /// The task that writes has ended.
    #[error("the server is stopping")]
    Stopped,
    /// The upload's temporary file.
    #[error("temporary file: {0}")]
    Spool(#[from] std::io::Error),
}

// === impl Store ===

impl Store {
    /// Makes or updates the application's tables in the queue's database, SQLite or Postgres. Safe while other processes do
    /// the same.
    ///
    /// # Errors
    /// When the database fails or was written by a newer version.
    pub async fn open(jobs: Jobs) -> Result<Self, StoreError> {
        let pool = Pool::of(&jobs)?;
        let migrations = match &pool {
            Pool::Sqlite(_) => SQLITE,
            Pool::Postgres(_) => POSTGRES,
        };
        jobs.migrate("cv-evaluator", migrations).await?;
        Ok(Self { jobs, pool, outcomes: None })
    }

    /// The queue in the same database.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.fetch_optional(db::PING.query()).await?;
        Ok(())
    }

    fn shard() -> i64 {
        rand::rng().random_range(0..COUNTER_SHARDS)
    }
}

// === impl StoreError ===

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Jobs(error) => error.is_transient(),
            Self::Group(error) => error.is_transient(),
            Self::Stopped => true,
            Self::Corrupt { .. } | Self::Spool(_) => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Jobs(error.into())
    }
}

impl From<StoreError> for app_kit::ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::unavailable(error) } else { Self::internal(error) }
    }
}
