//! The handle that applications and workers hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::watch;

use crate::budget::RetryAccount;
use crate::clock::{Clock, Millis, SystemClock};
use crate::conn::{Conn, Inner, Kind, Tx};
use crate::driver::Driver as _;
use crate::job::{Enqueued, NewJob};
use crate::memory::MemoryDriver;
use crate::migrate::{self, Migration};
use crate::postgres::{self, PostgresDriver};
use crate::sqlite::{self, Listening, SqliteDriver};
use crate::timing::WorkerMetrics;
use crate::{Backoff, JobsError, RetryBudget};

/// How to open a queue.
#[derive(Debug, Clone)]
pub struct JobsOptions {
    /// Longest wait for the database's write lock or for a free connection. Default 10 s.
    pub busy_timeout: Duration,
    /// Connections for reading in SQLite, beside the one that writes; in Postgres, four times as many in all. Default 4.
    pub readers: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// The share of retries in the attempts of each queue; none lets an outage become a storm.
    pub retry_budget: Option<RetryBudget>,
    /// The clock. Default the operating system's.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter; none takes one from the operating system.
    pub seed: Option<u64>,
}

/// A queue in a database: a handle that is cheap to clone and to share.
#[derive(Debug, Clone)]
pub struct Jobs {
    backend: Backend,
    shared: Arc<Shared>,
}

/// The kinds of database.
#[derive(Debug, Clone)]
enum Backend {
    Sqlite(SqliteDriver),
    Postgres(PostgresDriver),
    Memory(MemoryDriver),
}

/// Calls a method of the driver, whichever it is.
macro_rules! ask {
    ($jobs:expr, $driver:ident => $call:expr) => {
        match &$jobs.backend {
            Backend::Sqlite($driver) => $call,
            Backend::Postgres($driver) => $call,
            Backend::Memory($driver) => $call,
        }
    };
}

/// Calls a method of the driver on a connection, which must be of its kind.
macro_rules! on {
    ($jobs:expr, $conn:expr, ($driver:ident, $c:ident) => $call:expr) => {
        match (&$jobs.backend, $conn.kind) {
            (Backend::Sqlite($driver), Kind::Sqlite($c)) => $call,
            (Backend::Postgres($driver), Kind::Postgres($c)) => $call,
            (Backend::Memory($driver), Kind::Memory($c)) => $call,
            _ => Err(JobsError::WrongConnection),
        }
    };
}

mod admin;
mod claim;
mod cron;
mod holders;
mod settle;

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    retry_budget: Option<RetryBudget>,
    /// Per queue.
    retries: Mutex<HashMap<Arc<str>, RetryAccount>>,
    rng: Mutex<StdRng>,
    committed: watch::Sender<u64>,
    listening: OnceLock<Option<Listening>>,
}

// === impl JobsOptions ===

impl Default for JobsOptions {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(10),
            readers: 4,
            backoff: Backoff::default(),
            retry_budget: Some(RetryBudget::default()),
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }
}

// === impl Jobs ===

impl Jobs {
    /// Opens the queue at `url`, making and migrating its tables as needed. Safe while other processes do the same.
    ///
    /// `sqlite:///absolute/path.db` (made with mode 0600), `postgres://user:password@host/database`, `sqlite::memory:`
    /// (one connection: do not hold a [`Tx`] across other calls) or `memory:` (no database at all: for tests).
    ///
    /// Postgres behind a transaction pooler (pgbouncer with `pool_mode = transaction`) is noticed, or told by
    /// `?pooler=transaction` (`?pooler=none` saves the look): then workers poll instead of listening, and no statement
    /// relies on what a session remembers. The application's own statements must keep to that too: within [`Jobs::begin`],
    /// and `.persistent(false)`.
    ///
    /// # Errors
    /// When the address is not understood, the file cannot be opened, or its schema is newer than this program.
    pub async fn open(url: &str, options: JobsOptions) -> Result<Self, JobsError> {
        let backend = match url.split_once(':') {
            Some(("sqlite", _)) => Backend::Sqlite(sqlite::open(url, &options).await?),
            Some(("postgres" | "postgresql", _)) => Backend::Postgres(postgres::open(url, &options).await?),
            Some(("memory", "")) => Backend::Memory(MemoryDriver::new(options.busy_timeout)),
            _ => {
                let why = "expected sqlite:///absolute/path.db, postgres://…, sqlite::memory: or memory:"
                    .to_owned();
                return Err(JobsError::Address { url: url.to_owned(), why });
            }
        };
        let rng = options.seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let shared = Shared {
            clock: options.clock,
            backoff: options.backoff,
            retry_budget: options.retry_budget,
            retries: Mutex::default(),
            rng: Mutex::new(rng),
            committed: watch::Sender::new(0),
            listening: OnceLock::new(),
        };
        Ok(Self { backend, shared: Arc::new(shared) })
    }

    /// Brings the application's own tables, in the same database, up to the last of `steps`.
    /// `component` is the application's name; "jobs" is taken.
    ///
    /// # Errors
    /// [`JobsError::Schema`] when the database is newer or an applied step was altered;
    /// [`JobsError::WrongConnection`] when there is no database.
    pub async fn migrate(&self, component: &str, steps: &[Migration]) -> Result<(), JobsError> {
        if component == "jobs" {
            let why = "the name belongs to the queue itself: use the application's".to_owned();
            return Err(JobsError::Schema { component: component.to_owned(), why });
        }
        match &self.backend {
            Backend::Sqlite(driver) => migrate::sqlite(driver, component, steps).await,
            Backend::Postgres(driver) => driver.migrate(component, steps).await,
            Backend::Memory(_) => Err(JobsError::WrongConnection),
        }
    }

    /// The pool for the application's reads. Write through [`Jobs::begin`] instead, which queues writers up fairly.
    ///
    /// # Errors
    /// [`JobsError::WrongConnection`] when the queue is not in SQLite.
    pub fn sqlite(&self) -> Result<&SqlitePool, JobsError> {
        match &self.backend {
            Backend::Sqlite(driver) => Ok(&driver.reader),
            _ => Err(JobsError::WrongConnection),
        }
    }

    /// The pool for the application's own statements.
    ///
    /// # Errors
    /// [`JobsError::WrongConnection`] when the queue is not in Postgres.
    pub fn postgres(&self) -> Result<&PgPool, JobsError> {
        match &self.backend {
            Backend::Postgres(driver) => Ok(&driver.pool),
            _ => Err(JobsError::WrongConnection),
        }
    }

    /// Starts a writing transaction for application and queue together.
    ///
    /// # Errors
    /// [`JobsError::Busy`] when the write lock was not free within [`JobsOptions::busy_timeout`].
    pub async fn begin(&self) -> Result<Tx, JobsError> {
        let inner = match &self.backend {
            Backend::Sqlite(driver) => Inner::Sqlite(driver.begin().await?, driver.bell.clone()),
            Backend::Postgres(driver) => Inner::Postgres(driver.begin().await?, Arc::clone(&driver.bell)),
            Backend::Memory(driver) => Inner::Memory(driver.begin().await?),
        };
        Ok(Tx::new(inner, self.shared.committed.clone()))
    }

    /// The queue's clock.
    pub fn now_ms(&self) -> Millis {
        self.shared.clock.now_ms()
    }

    /// Adds a job, in the transaction of the application's own row.
    ///
    /// On a [`Tx`], workers of this process wake upon its commit; otherwise they find the job at their next look.
    ///
    /// # Errors
    /// [`JobsError::InvalidJob`] when a field is out of bounds.
    pub async fn enqueue<'c>(&self, conn: impl Into<Conn<'c>>, job: NewJob) -> Result<Enqueued, JobsError> {
        let added = self.enqueue_many(conn, std::slice::from_ref(&job)).await?;
        added.first().copied().ok_or_else(|| JobsError::InvalidJob("nothing was added".into()))
    }

    /// Adds many jobs at once, far faster than one by one; answers in their order.
    ///
    /// # Errors
    /// [`JobsError::InvalidJob`] when a field of any is out of bounds; then none was added.
    pub async fn enqueue_many<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        jobs: &[NewJob],
    ) -> Result<Vec<Enqueued>, JobsError> {
        jobs.iter().try_for_each(NewJob::check)?;
        let mut conn = conn.into();
        conn.wake();
        let now_ms = self.now_ms();
        on!(self, conn, (d, c) => d.insert(c, jobs, now_ms).await)
    }

    /// Adds jobs in a transaction of their own: for who has nothing of the application's to write with them. Workers wake
    /// at once. In Postgres, with no more than a thousand jobs and no unique or idempotency key, one round trip.
    ///
    /// # Errors
    /// [`JobsError::InvalidJob`] when a field of any is out of bounds; then none was added.
    pub async fn enqueue_now(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, JobsError> {
        if let Some(driver) = self.unpooled() {
            jobs.iter().try_for_each(NewJob::check)?;
            if let Some(added) = driver.insert_alone(jobs, self.now_ms()).await? {
                self.shared.committed.send_modify(|n| *n = n.wrapping_add(1));
                return Ok(added);
            }
        }
        let mut tx = self.begin().await?;
        let added = self.enqueue_many(&mut tx, jobs).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// The driver, if a statement sent by itself is a transaction: not behind a transaction pooler.
    fn unpooled(&self) -> Option<&PostgresDriver> {
        match &self.backend {
            Backend::Postgres(driver) if !driver.pooler => Some(driver),
            _ => None,
        }
    }

    /// Whatever the database needs now and then for speed; workers see to it.
    pub(crate) async fn tidy(&self) -> Result<(), JobsError> {
        ask!(self, d => d.tidy().await)
    }

    /// A bell: changes when a [`Tx`] has committed new work, of this process or, where the kernel (SQLite) or the server
    /// (Postgres) can tell, of any. It may ring for nothing and, rarely, not at all: look now and then all the same.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.committed()
    }

    /// Adds a worker's waiting and running times to those of its queue; what could not be written stays with it.
    pub(crate) async fn keep_times(&self, queue: &str, unwritten: &WorkerMetrics) -> Result<(), JobsError> {
        let times = unwritten.drain();
        if times.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut tx = self.begin().await?;
            on!(self, Conn::from(&mut tx), (d, c) => d.add_times(c, queue, &times).await)?;
            tx.commit().await
        };
        written.await.inspect_err(|_| unwritten.add(&times))
    }

    /// Tells when a [`Tx`] of this process, or, where the kernel can tell, of any, has committed new work.
    pub(crate) fn committed(&self) -> watch::Receiver<u64> {
        let rung = || self.shared.committed.clone();
        match &self.backend {
            Backend::Sqlite(driver) => {
                self.shared.listening.get_or_init(|| driver.bell.as_ref()?.listen(rung()));
            }
            Backend::Postgres(driver) => {
                self.shared.listening.get_or_init(|| driver.listen(rung()));
            }
            Backend::Memory(_) => {}
        }
        self.shared.committed.subscribe()
    }

    /// A random number in `0 .. 1`.
    pub(crate) fn unit(&self) -> f64 {
        self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}
