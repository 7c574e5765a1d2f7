//! Claims jobs as far as there is room for them and runs the handler, in tasks of their own.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::{Failure, JobContext};
use super::{DATABASE_BACKOFF, End, Ended, Held, InHand, Permits, Shared};
use crate::job::Claimed;

/// Most jobs that one claim takes.
const MAX_CLAIM: usize = 500;

/// Claims and starts jobs until the shutdown.
pub(super) async fn run<H, F>(
    shared: &Arc<Shared>,
    permits: &Permits,
    handler: &Arc<H>,
    ended: &mpsc::Sender<Ended>,
    running: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) where
    H: Fn(JobContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut committed = shared.jobs.committed();
    // Whether the last claim got as much as it asked for.
    let mut full = false;
    let mut errors = 0;
    let mut left = shared.options.recycle_after.unwrap_or(u64::MAX);
    // Once half of what may be ahead is used up, not one by one.
    let at_least = u32::try_from(shared.options.ahead.div_ceil(2).clamp(1, MAX_CLAIM)).unwrap_or(1);
    while left > 0 {
        let permit = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            permit = Arc::clone(&permits.in_hand).acquire_many_owned(at_least) => permit,
        };
        let Ok(mut free) = permit else { return };
        while running.try_join_next().is_some() {}
        // From here on a commit of this process is noticed, also one that comes before the wait below.
        committed.mark_unchanged();
        let most = MAX_CLAIM.min(usize::try_from(left).unwrap_or(usize::MAX));
        let more = most.saturating_sub(free.num_permits()).min(permits.in_hand.available_permits());
        if let Ok(more) =
            Arc::clone(&permits.in_hand).try_acquire_many_owned(u32::try_from(more).unwrap_or(0))
        {
            free.merge(more);
        }
        let limit = most.min(free.num_permits());
        // Not inside a select: a claim that is dropped half-way may have been committed, and its jobs would
        // wait for their leases to end.
        let asked_at = Instant::now();
        let wait = match shared.claim(limit, full).await {
            Ok(jobs) => {
                errors = 0;
                full = jobs.len() == limit;
                if shutdown.is_cancelled() {
                    shared.give_back(&jobs).await;
                    return;
                }
                left = left.saturating_sub(jobs.len() as u64);
                for job in jobs {
                    let Some(permit) = free.split(1) else { break };
                    let job = hold(shared, job, permit, asked_at);
                    start(shared, handler, ended, running, &permits.slots, job);
                }
                if full {
                    continue;
                }
                drop(free);
                // Half of the wait at least, so that an idle worker stays cheap; the rest is jitter.
                shared.options.poll.mul_f64(0.5 + 0.5 * shared.jobs.unit())
            }
            Err(e) => {
                errors += 1;
                full = false;
                drop(free);
                tracing::warn!(queue = shared.queue, error = %e, errors, "claim failed");
                DATABASE_BACKOFF.delay(errors, shared.jobs.unit())
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = committed.changed(), if errors == 0 => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Notes the lease, so that it is kept alive from now on.
fn hold(shared: &Arc<Shared>, job: Claimed, permit: OwnedSemaphorePermit, asked_at: Instant) -> InHand {
    let id = job.id;
    let context = JobContext::new(Arc::clone(shared), job);
    let held = Held { until: asked_at + shared.options.lease, cancelled: false, context: context.clone() };
    if let Some(earlier) = shared.held().insert(id, held) {
        // A lease that this worker lost without having noticed yet.
        earlier.context.stopped().cancel();
    }
    (context, permit)
}

/// Runs the job in a task of its own, or, when all slots are taken, leaves it to the first that becomes free.
fn start<H, F>(
    shared: &Arc<Shared>,
    handler: &Arc<H>,
    ended: &mpsc::Sender<Ended>,
    running: &mut JoinSet<()>,
    slots: &Arc<Semaphore>,
    job: InHand,
) where
    H: Fn(JobContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let slot = {
        let mut waiting = shared.waiting();
        match Arc::clone(slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => return waiting.push_back(job),
        }
    };
    let (shared, handler, ended) = (Arc::clone(shared), Arc::clone(handler), ended.clone());
    running.spawn(async move {
        let (mut slot, mut next) = (Some(slot), Some(job));
        while let Some((context, permit)) = next {
            let end = match context.stopped().is_cancelled() {
                true => End::Stopped,
                false => attempt(&context, &*handler).await,
            };
            // Fails only when the worker is gone, and then the lease runs out.
            drop(ended.send(Ended { context, end, permit }).await);
            next = shared.next(&mut slot);
        }
    });
}

/// Runs the handler to its end, which may come early.
async fn attempt<H, F>(context: &JobContext, handler: &H) -> End
where
    H: Fn(JobContext) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let (shared, job) = (context.shared(), context.job());
    let started_ms = shared.jobs.now_ms();
    shared.waited(started_ms - job.ready_at_ms);
    let deadline = job.deadline_ms.map(|d| d.saturating_sub(started_ms).max(0).unsigned_abs());
    let attempt = AssertUnwindSafe(async { handler(context.clone()).await }).catch_unwind();
    let end = tokio::select! {
        biased;
        result = attempt => match result {
            Ok(Ok(())) => context.settled().map_or(End::Done, End::SettledByHandler),
            Ok(Err(failure)) => End::Failed(failure),
            Err(panic) => {
                let message = format!("handler panicked: {}", text_of(&*panic));
                tracing::error!(job = %job.id, attempt = job.attempt, "{message}");
                End::Failed(Failure::panic(message))
            }
        },
        () = context.stopped().cancelled() => End::Stopped,
        () = after(deadline) => End::Failed(Failure::never("deadline passed while the job was running")),
    };
    shared.ran(shared.jobs.now_ms() - started_ms);
    end
}

/// Waits that long; for ever when there is no deadline.
async fn after(wait_ms: Option<u64>) {
    match wait_ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
