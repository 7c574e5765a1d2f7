//! Writes how attempts ended. Those that end while one transaction is being written share the next (group commit).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::context::Settled;
use super::{DATABASE_BACKOFF, End, Ended, Shared, WorkerReport};
use crate::JobsError;
use crate::job::{Claimed, FailureClass};

/// Most attempts that are written in one transaction.
const MAX_GROUP: usize = 500;

/// Runs until every sender is gone and everything is written.
pub(super) async fn run(shared: Arc<Shared>, mut endings: mpsc::Receiver<Ended>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while endings.recv_many(&mut group, MAX_GROUP).await > 0 {
        gather(&mut group, &mut endings, shared.options.settle_within).await;
        let started = Instant::now();
        let mut errors = 0;
        while let Err(e) = write(&shared, &group).await {
            errors += 1;
            tracing::warn!(queue = shared.queue, error = %e, errors, "writing results failed");
            if started.elapsed() > shared.options.lease {
                // The leases are gone by now; others will run the jobs again.
                shared.counts().add(WorkerReport { lost: group.len() as u64, ..WorkerReport::default() });
                break;
            }
            tokio::time::sleep(DATABASE_BACKOFF.delay(errors, shared.jobs.unit())).await;
        }
        let mut held = shared.held();
        let mut permits: Option<OwnedSemaphorePermit> = None;
        for Ended { context, permit, .. } in group.drain(..) {
            let job = context.job();
            if held.get(&job.id).is_some_and(|h| h.context.job().token == job.token) {
                held.remove(&job.id);
            }
            // All at once, so that the next claim finds room for as many.
            match &mut permits {
                Some(permits) => permits.merge(permit),
                None => permits = Some(permit),
            }
        }
        drop(held);
        drop(permits);
    }
}

/// Waits up to `within` for more that could be written in the same transaction.
async fn gather(group: &mut Vec<Ended>, endings: &mut mpsc::Receiver<Ended>, within: Duration) {
    let until = Instant::now() + within;
    while !within.is_zero() && group.len() < MAX_GROUP {
        let left = MAX_GROUP - group.len();
        match tokio::time::timeout_at(until, endings.recv_many(group, left)).await {
            Ok(more) if more > 0 => {}
            _ => return,
        }
    }
}

async fn write(shared: &Shared, group: &[Ended]) -> Result<(), JobsError> {
    let by_handler =
        |how| group.iter().filter(|e| matches!(e.end, End::SettledByHandler(h) if h == how)).count() as u64;
    let (completed, failed) = (by_handler(Settled::Completed), by_handler(Settled::Failed));
    let ended = |end: fn(&End) -> bool| {
        group.iter().filter(move |e| end(&e.end)).map(|e| e.context.job()).collect::<Vec<&Claimed>>()
    };
    let done = ended(|e| matches!(e, End::Done));
    let unstarted = ended(|e| matches!(e, End::Unstarted));
    let failures: Vec<_> = group
        .iter()
        .filter_map(
            |e| if let End::Failed(failure) = &e.end { Some((e.context.job(), failure)) } else { None },
        )
        .collect();
    let (mut cancelled, mut stopped) = (Vec::new(), 0);
    for job in ended(|e| matches!(e, End::Stopped)) {
        match shared.held().get(&job.id) {
            Some(held) if held.cancelled && held.context.job().token == job.token => cancelled.push(job),
            Some(_) => stopped += 1,
            // Released at the stop.
            None => {}
        }
    }

    let mut written = WorkerReport { completed, failed, ..WorkerReport::default() };
    if failures.is_empty() && cancelled.is_empty() && unstarted.is_empty() {
        if !done.is_empty() {
            written.completed += shared.jobs.complete_alone(&done).await?.len() as u64;
        }
    } else {
        let mut tx = shared.jobs.begin().await?;
        written.completed += shared.jobs.complete_all(&mut tx, &done).await?.len() as u64;
        for (job, failure) in &failures {
            match shared.jobs.fail_in(&mut tx, job, failure.class, &failure.message).await {
                Ok(_) => {
                    written.failed += 1;
                    written.panicked += u64::from(failure.class == FailureClass::Panic);
                }
                Err(e) if e.is_lease_lost() => {}
                Err(e) => return Err(e),
            }
        }
        for job in &cancelled {
            written.cancelled += u64::from(shared.jobs.cancelled_in(&mut tx, job).await?);
        }
        written.released += shared.jobs.release_in(&mut tx, &unstarted).await?;
        tx.commit().await?;
    }
    let expected = (done.len() + failures.len() + cancelled.len() + unstarted.len()) as u64
        + completed
        + failed
        + stopped;
    written.lost = expected - written.completed - written.failed - written.cancelled - written.released;
    shared.counts().add(written);
    Ok(())
}
