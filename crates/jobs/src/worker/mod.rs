//! The runtime that claims jobs, keeps their leases alive, runs a handler and writes down how it ended.
//!
//! Three tasks share a table of held leases: *intake* (claims and starts), *heartbeat* (extends all leases with one
//! statement every third of a lease, cancels the handler of a lost one) and *settle* (writes the ends of all
//! attempts that finished meanwhile in one transaction). A handler is a future: cancelling it means dropping it.

mod context;
mod duties;
mod heartbeat;
mod intake;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use context::Settled;
pub use context::{Failure, JobContext};

use crate::clock::Millis;
use crate::job::{Claimed, FailureClass, JobId};
use crate::timing::WorkerMetrics;
use crate::{Backoff, Growth, Jobs};

/// How long a worker that stops may take to write down what it still has to say.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Waits after errors of the database.
const DATABASE_BACKOFF: Backoff =
    Backoff { base: Duration::from_millis(50), growth: Growth::Factor(2.0), cap: Duration::from_secs(5) };

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Who claims, as recorded with leases and failures: `PLIMSOLL_INSTANCE`, for example.
    pub name: String,
    /// Handlers at work at most. Default 4 per CPU (FEATURES Q2).
    pub concurrency: usize,
    /// Jobs claimed ahead of the handlers at most, under leases that are kept alive, so that short jobs are fetched and
    /// finished many at a time. Another worker that is free cannot have them, and a more urgent job comes after them:
    /// leave it at 0, the default, where jobs take longer than a look into the database, and try 500 where they take
    /// less. At the stop they are released at once.
    pub ahead: usize,
    /// How long a finished job may wait to be written down together with others. Those that end while the last ones are
    /// being written share a transaction anyway; a few milliseconds spare a busy database some more. Default 0.
    pub settle_within: Duration,
    /// How long a lease lasts without a heartbeat: how long a dead worker's job waits for another. Default 30 s.
    pub lease: Duration,
    /// Longest wait between two looks into an idle queue. Default 100 ms.
    pub poll: Duration,
    /// How long unfinished jobs may go on after the stop; then they are released. Default 20 s.
    pub drain: Duration,
    /// Stop by itself, as if shut down, after so many jobs were started: for handlers that leak. Whoever runs the
    /// process starts a fresh one. Default never.
    pub recycle_after: Option<u64>,
    /// Dead letters older than this are deleted. Default 30 days.
    pub keep_dead: Duration,
}

/// What a worker did between its start and its stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Jobs completed.
    pub completed: u64,
    /// Attempts that ended in failure.
    pub failed: u64,
    /// Of the failed ones, those whose handlers panicked.
    pub panicked: u64,
    /// Leases lost; nothing was written for those.
    pub lost: u64,
    /// Jobs given back at the stop.
    pub released: u64,
    /// Jobs withdrawn by [`Jobs::cancel`] while they ran.
    pub cancelled: u64,
}

/// Runs jobs of one queue.
#[derive(Debug, Clone)]
pub struct Worker {
    jobs: Jobs,
    queue: String,
    options: WorkerOptions,
    metrics: Arc<WorkerMetrics>,
}

/// What the tasks of one worker share.
#[derive(Debug)]
struct Shared {
    jobs: Jobs,
    queue: String,
    options: WorkerOptions,
    held: Mutex<HashMap<JobId, Held>>,
    counts: Mutex<WorkerReport>,
    metrics: Arc<WorkerMetrics>,
    /// Of the metrics, what the database does not have yet.
    unwritten: WorkerMetrics,
    /// What was claimed ahead, in the order of the queue.
    waiting: Mutex<VecDeque<InHand>>,
    shutdown: CancellationToken,
}

/// A claimed job, with the permit that it holds until its end is written.
type InHand = (JobContext, OwnedSemaphorePermit);

/// What bounds a worker.
#[derive(Debug)]
struct Permits {
    /// One for each job from its claim until its end is written.
    in_hand: Arc<Semaphore>,
    /// One for each handler at work.
    slots: Arc<Semaphore>,
}

/// A lease in this worker's hands.
#[derive(Debug)]
struct Held {
    /// When the lease ends as far as this process knows, on its own clock: later than this it must not go on.
    until: Instant,
    /// Somebody withdrew the job.
    cancelled: bool,
    /// The job, and what drops its handler.
    context: JobContext,
}

/// An attempt that ended, on its way to the database.
#[derive(Debug)]
struct Ended {
    context: JobContext,
    end: End,
    /// Kept until it is written, so that what waits for the database is bounded too.
    permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum End {
    /// The handler is done; the runtime completes the job.
    Done,
    /// The handler completed the job, or failed it, in its own transaction.
    SettledByHandler(Settled),
    Failed(Failure),
    /// The worker stops, and the job had not been started.
    Unstarted,
    /// The lease was lost or the job was released meanwhile: nothing to write.
    Stopped,
}

// === impl WorkerOptions ===

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            // Not like the name of an instance, which would be taken for dead where there is none.
            name: format!("pid:{}", std::process::id()),
            concurrency: 4 * std::thread::available_parallelism().map_or(1, usize::from),
            ahead: 0,
            settle_within: Duration::ZERO,
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(100),
            drain: Duration::from_secs(20),
            recycle_after: None,
            keep_dead: Duration::from_secs(30 * 86_400),
        }
    }
}

// === impl Worker ===

impl Worker {
    /// A worker for `queue`.
    pub fn new(jobs: Jobs, queue: impl Into<String>, options: WorkerOptions) -> Self {
        Self { jobs, queue: queue.into(), options, metrics: Arc::default() }
    }

    /// What it measures while it runs.
    pub fn metrics(&self) -> Arc<WorkerMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Claims and runs jobs until `shutdown`, then drains: intake stops at once, running jobs have
    /// [`WorkerOptions::drain`] to finish, the rest is released without counting an attempt.
    ///
    /// A handler that returns `Ok` has its job completed for it, unless it did so itself with
    /// [`JobContext::complete`] in the transaction of its result. A panic counts as a failure to be retried.
    /// Errors of the database are waited out with backoff and full jitter; they never end the worker.
    pub async fn run<H, F>(self, handler: H, shutdown: CancellationToken) -> WorkerReport
    where
        H: Fn(JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let Self { jobs, queue, options, metrics } = self;
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize) / 2;
        let concurrency = options.concurrency.clamp(1, most);
        let in_hand = concurrency + options.ahead.min(most);
        let permits = Permits {
            in_hand: Arc::new(Semaphore::new(in_hand)),
            slots: Arc::new(Semaphore::new(concurrency)),
        };
        let (held, counts) = (Mutex::default(), Mutex::default());
        let unwritten = WorkerMetrics::default();
        let shared = Arc::new(Shared {
            jobs,
            queue,
            options,
            held,
            counts,
            metrics,
            unwritten,
            waiting: Mutex::default(),
            shutdown: shutdown.clone(),
        });

        // Room for every permit: sending never waits.
        let (ended, endings) = mpsc::channel(in_hand);
        let settle = tokio::spawn(settle::run(Arc::clone(&shared), endings));
        let heartbeat = tokio::spawn(heartbeat::run(Arc::clone(&shared)));
        let stop_duties = CancellationToken::new();
        let duties = tokio::spawn(duties::run(Arc::clone(&shared), stop_duties.clone()));
        let mut running = JoinSet::new();

        intake::run(&shared, &permits, &Arc::new(handler), &ended, &mut running, &shutdown).await;
        stop_duties.cancel();

        // After a recycle the stop may still be to come.
        let stopped = async {
            shutdown.cancelled().await;
            // What was claimed ahead does not start any more. There is room for every permit.
            for (context, permit) in shared.waiting().drain(..) {
                drop(ended.try_send(Ended { context, end: End::Unstarted, permit }));
            }
            std::future::pending::<()>().await;
        };
        let all = u32::try_from(in_hand).unwrap_or(u32::MAX);
        let drained = async {
            tokio::select! {
                biased;
                () = stopped => {}
                _ = permits.in_hand.acquire_many(all) => {}
            }
        };
        if tokio::time::timeout(shared.options.drain, drained).await.is_err() {
            shared.release_all().await;
        }
        drop(ended);
        running.abort_all();
        heartbeat.abort();
        // A handler that blocks its thread cannot be dropped; its job is released, so do not wait for it.
        drop(tokio::time::timeout(LAST_WORDS, settle).await);
        let times = async {
            // One that is writing its own goes first: what it cannot write comes back.
            drop(duties.await);
            shared.keep_times().await;
        };
        drop(tokio::time::timeout(LAST_WORDS, times).await);
        // Whatever was not written down; contexts refer back to the table.
        shared.waiting().clear();
        shared.held().clear();
        *shared.counts()
    }
}

// === impl Shared ===

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashMap<JobId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<InHand>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next of the jobs that wait, if the worker is to go on; gives the slot back otherwise.
    fn next(&self, slot: &mut Option<OwnedSemaphorePermit>) -> Option<InHand> {
        // To the end of this function, or a job could be left waiting beside a free slot.
        let mut waiting = self.waiting();
        let next = if self.shutdown.is_cancelled() { None } else { waiting.pop_front() };
        if next.is_none() {
            drop(slot.take());
        }
        next
    }

    fn waited(&self, ms: Millis) {
        self.metrics.wait.record_ms(ms);
        self.unwritten.wait.record_ms(ms);
    }

    fn ran(&self, ms: Millis) {
        self.metrics.run.record_ms(ms);
        self.unwritten.run.record_ms(ms);
    }

    async fn keep_times(&self) {
        if let Err(e) = self.jobs.keep_times(&self.queue, &self.unwritten).await {
            tracing::warn!(queue = self.queue, error = %e, "times were not written, trying again");
        }
    }

    fn counts(&self) -> MutexGuard<'_, WorkerReport> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims, but unless there is likely something, or a claim in vain locks nothing, looks first: an idle worker must
    /// not hold up those that write.
    async fn claim(&self, limit: usize, likely: bool) -> Result<Vec<Claimed>, crate::JobsError> {
        if !likely && !self.jobs.claims_freely() && !self.jobs.has_work(&self.queue).await? {
            return Ok(Vec::new());
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.jobs.claim(&self.queue, &self.options.name, self.options.lease, limit).await
    }

    /// The drain is over: whatever still runs is dropped and given back.
    async fn release_all(&self) {
        let held: Vec<Held> = self.held().drain().map(|(_, held)| held).collect();
        for h in &held {
            h.context.stopped().cancel();
        }
        let (settled, open): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|h| h.context.settled().is_some());
        let jobs = |held: Vec<Held>| held.into_iter().map(|h| h.context.job().clone()).collect::<Vec<_>>();
        self.give_back(&jobs(open)).await;
        // A transaction that ends such a job may be open still, and goes with its handler: after that the job is
        // released, or was finished. A handler that blocks its thread is not waited for.
        drop(tokio::time::timeout(Duration::from_secs(1), self.give_back(&jobs(settled))).await);
    }

    async fn give_back(&self, jobs: &[Claimed]) {
        if jobs.is_empty() {
            return;
        }
        match self.jobs.release_many(jobs).await {
            Ok(n) => self.counts().released += n as u64,
            Err(e) => {
                tracing::warn!(queue = self.queue, error = %e, "release failed, leases run out instead")
            }
        }
    }
}

// === impl WorkerReport ===

impl WorkerReport {
    fn add(&mut self, more: Self) {
        self.completed += more.completed;
        self.failed += more.failed;
        self.panicked += more.panicked;
        self.lost += more.lost;
        self.released += more.released;
        self.cancelled += more.cancelled;
    }
}
