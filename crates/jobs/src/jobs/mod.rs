//! The handle that applications and workers hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::watch;

use crate::budget::RetryAccount;
use crate::clock::{Clock, Millis, SystemClock, millis};
use crate::conn::{Conn, Inner, Kind, Tx};
use crate::driver::{Claim, Driver as _, Extended, Next};
use crate::job::{Claimed, Enqueued, FailureClass, JobId, MAX_MESSAGE_BYTES, NewJob, Outcome, check_name};
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
mod cron;
mod holders;

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

    /// Takes up to `limit` ready jobs under leases of length `lease`, first moving expired leases and due jobs to
    /// where they belong. Jobs whose deadline has passed are buried instead of handed out.
    ///
    /// # Errors
    /// When the database fails; then nothing was claimed.
    pub async fn claim(
        &self,
        queue: &str,
        worker: &str,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>, JobsError> {
        check_name("queue", queue)?;
        check_name("worker", worker)?;
        let claim = |now_ms: Millis| Claim {
            queue,
            worker,
            now_ms,
            until_ms: now_ms.saturating_add(millis(lease)),
            limit,
        };
        if let Some(driver) = self.unpooled() {
            let mut conn = driver.pool.acquire().await?;
            let now_ms = self.now_ms();
            if let Some(claimed) = driver.claim_alone(&mut conn, claim(now_ms)).await? {
                drop(conn);
                self.pay_for_retries(&claimed);
                return Ok(self.without_late(claimed, now_ms).await);
            }
        }
        let mut tx = self.begin().await?;
        // Read after the wait for the lock: a lease must not start in the past.
        let now_ms = self.now_ms();
        let mut claimed = on!(self, Conn::from(&mut tx), (d, c) => d.claim(c, claim(now_ms)).await)?;
        for late in claimed.extract_if(.., |j| is_late(j, now_ms)) {
            self.give_up(Conn::from(&mut tx), &late, now_ms, LATE).await?;
        }
        tx.commit().await?;
        self.pay_for_retries(&claimed);
        Ok(claimed)
    }

    /// Buries those of jobs already claimed whose deadline has passed. Should that fail, their leases run out.
    async fn without_late(&self, mut claimed: Vec<Claimed>, now_ms: Millis) -> Vec<Claimed> {
        let late: Vec<Claimed> = claimed.extract_if(.., |j| is_late(j, now_ms)).collect();
        if late.is_empty() {
            return claimed;
        }
        let buried = async {
            let mut tx = self.begin().await?;
            for job in &late {
                self.give_up(Conn::from(&mut tx), job, now_ms, LATE).await?;
            }
            tx.commit().await
        };
        if let Err(e) = buried.await {
            tracing::warn!(error = %e, jobs = late.len(), "jobs past their deadline were not buried, leases run out instead");
        }
        claimed
    }

    /// Whether [`Jobs::claim`] would find anything now: cheap, takes no lock.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_work(&self, queue: &str) -> Result<bool, JobsError> {
        ask!(self, d => d.peek(queue, self.now_ms()).await)
    }

    /// Whether a claim that finds nothing holds nobody up, so that looking first would be a waste.
    pub(crate) fn claims_freely(&self) -> bool {
        self.unpooled().is_some()
    }

    /// The driver, if a statement sent by itself is a transaction: not behind a transaction pooler.
    fn unpooled(&self) -> Option<&PostgresDriver> {
        match &self.backend {
            Backend::Postgres(driver) if !driver.pooler => Some(driver),
            _ => None,
        }
    }

    /// Extends the lease of one job to `lease` from now.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: stop working on it.
    pub async fn heartbeat(&self, job: &Claimed, lease: Duration) -> Result<Extended, JobsError> {
        let kept = self.heartbeat_many(&[job], lease).await?;
        kept.first().copied().ok_or(JobsError::LeaseLost(job.id))
    }

    /// Extends many leases at once; answers with those that are still held.
    ///
    /// # Errors
    /// When the database fails; the leases then run on unextended.
    pub async fn heartbeat_many(
        &self,
        jobs: &[&Claimed],
        lease: Duration,
    ) -> Result<Vec<Extended>, JobsError> {
        let mut tx = self.begin().await?;
        let now_ms = self.now_ms();
        let until_ms = now_ms.saturating_add(millis(lease));
        let kept = on!(self, Conn::from(&mut tx), (d, c) => d.extend(c, jobs, now_ms, until_ms).await)?;
        tx.commit().await?;
        Ok(kept)
    }

    /// Finishes a job, in the transaction of the application's result row.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll the transaction back, the result is no longer wanted.
    pub async fn complete<'c>(&self, conn: impl Into<Conn<'c>>, job: &Claimed) -> Result<(), JobsError> {
        let done = self.complete_many(conn, std::slice::from_ref(job)).await?;
        if done.contains(&job.id) { Ok(()) } else { Err(JobsError::LeaseLost(job.id)) }
    }

    /// Finishes many jobs at once; answers with those whose lease was still held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_many<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        jobs: &[Claimed],
    ) -> Result<Vec<JobId>, JobsError> {
        self.complete_all(conn, &jobs.iter().collect::<Vec<_>>()).await
    }

    pub(crate) async fn complete_all<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        jobs: &[&Claimed],
    ) -> Result<Vec<JobId>, JobsError> {
        let mut conn = conn.into();
        let now_ms = self.now_ms();
        let mut jobs = jobs.to_vec();
        jobs.sort_by(|a, b| a.queue.cmp(&b.queue));
        // A lane with a limit may have room now.
        if jobs.iter().any(|j| !j.lane.is_empty()) {
            conn.wake();
        }
        on!(self, conn, (d, c) => {
            let mut done = Vec::with_capacity(jobs.len());
            for of_queue in jobs.chunk_by(|a, b| a.queue == b.queue) {
                done.extend(d.complete(c, &of_queue[0].queue, of_queue, now_ms).await?);
            }
            Ok(done)
        })
    }

    /// As [`Jobs::complete_many`], in a transaction of its own.
    pub(crate) async fn complete_alone(&self, jobs: &[&Claimed]) -> Result<Vec<JobId>, JobsError> {
        // Where one statement is a transaction; a lane's room rings the bell at the commit of ours.
        if let (Some(driver), [first, ..]) = (self.unpooled(), jobs)
            && jobs.iter().all(|j| j.lane.is_empty() && j.queue == first.queue)
        {
            let mut conn = driver.pool.acquire().await?;
            let now_ms = self.now_ms();
            return driver.complete(&mut conn, &first.queue, jobs, now_ms).await;
        }
        let mut tx = self.begin().await?;
        let done = self.complete_all(&mut tx, jobs).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Ends an attempt in failure, in a transaction of its own.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: somebody else has the job by now; nothing was changed.
    pub async fn fail(
        &self,
        job: &Claimed,
        class: FailureClass,
        message: &str,
    ) -> Result<Outcome, JobsError> {
        let mut tx = self.begin().await?;
        let outcome = self.fail_in(&mut tx, job, class, message).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Ends an attempt in failure, in the application's transaction (to record the failure with its own row).
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: roll the transaction back.
    pub async fn fail_in<'c>(
        &self,
        conn: impl Into<Conn<'c>>,
        job: &Claimed,
        class: FailureClass,
        message: &str,
    ) -> Result<Outcome, JobsError> {
        let now_ms = self.now_ms();
        let message = shorten(message);
        let outcome = self.outcome(job, class, now_ms);
        let next = match outcome {
            Outcome::Retried { at_ms } => Next::Retry { at_ms, message },
            Outcome::Dead => Next::Bury { message },
        };
        if self.give_up(conn.into(), job, now_ms, next).await? {
            Ok(outcome)
        } else {
            Err(JobsError::LeaseLost(job.id))
        }
    }

    /// Gives a job back unfinished, as if it had never been claimed: no attempt is counted, and it keeps its place.
    ///
    /// # Errors
    /// [`JobsError::LeaseLost`]: it is no longer the caller's to give back.
    pub async fn release(&self, job: &Claimed) -> Result<(), JobsError> {
        match self.release_many(std::slice::from_ref(job)).await? {
            1 => Ok(()),
            _ => Err(JobsError::LeaseLost(job.id)),
        }
    }

    /// Gives many jobs back in one transaction; answers how many leases were still held.
    ///
    /// # Errors
    /// When the database fails; the leases then run out by themselves.
    pub async fn release_many(&self, jobs: &[Claimed]) -> Result<usize, JobsError> {
        let mut tx = self.begin().await?;
        let released = self.release_in(&mut tx, &jobs.iter().collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(usize::try_from(released).unwrap_or(usize::MAX))
    }

    pub(crate) async fn release_in(&self, tx: &mut Tx, jobs: &[&Claimed]) -> Result<u64, JobsError> {
        let now_ms = self.now_ms();
        let mut released = 0;
        for job in jobs {
            let mut conn = Conn::from(&mut *tx);
            conn.wake();
            released += u64::from(self.give_up(conn, job, now_ms, Next::Release).await?);
        }
        Ok(released)
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

    async fn give_up(
        &self,
        conn: Conn<'_>,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> Result<bool, JobsError> {
        on!(self, conn, (d, c) => d.give_up(c, job, now_ms, next).await)
    }

    fn outcome(&self, job: &Claimed, class: FailureClass, now_ms: Millis) -> Outcome {
        let wait = match class {
            FailureClass::Never => return Outcome::Dead,
            _ if job.attempt >= job.max_attempts => return Outcome::Dead,
            FailureClass::Retry | FailureClass::Panic => self.shared.backoff.delay(job.attempt, self.unit()),
            FailureClass::RetryAfter(wait) => wait,
        };
        let at_ms = now_ms.saturating_add(millis(wait));
        let paid_ms = self.retries(Some(job), |budget, account| account.take(budget, now_ms));
        Outcome::Retried { at_ms: paid_ms.map_or(at_ms, |paid_ms| at_ms.max(paid_ms)) }
    }

    /// First attempts pay for the retries of their queue, of which all of these are.
    fn pay_for_retries(&self, claimed: &[Claimed]) {
        let first_attempts = claimed.iter().filter(|job| job.attempt == 1).count() as u64;
        self.retries(claimed.first(), |budget, account| account.pay_in(budget, first_attempts));
    }

    /// Looks into the retry account of a job's queue, if there are such accounts.
    fn retries<T>(
        &self,
        job: Option<&Claimed>,
        look: impl FnOnce(&RetryBudget, &mut RetryAccount) -> T,
    ) -> Option<T> {
        let budget = self.shared.retry_budget.as_ref()?;
        let mut accounts = self.shared.retries.lock().unwrap_or_else(PoisonError::into_inner);
        Some(look(budget, accounts.entry(Arc::clone(&job?.queue)).or_default()))
    }
}

/// What becomes of a job whose deadline has passed when it is claimed.
const LATE: Next<'_> = Next::Bury { message: "deadline passed before the job was started" };

fn is_late(job: &Claimed, now_ms: Millis) -> bool {
    job.deadline_ms.is_some_and(|d| d <= now_ms)
}

/// Cuts a message to what is kept, at a character's edge.
fn shorten(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}
