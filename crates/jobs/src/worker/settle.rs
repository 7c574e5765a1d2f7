//! Writes how attempts ended. Those that end while one transaction is being written share the next (group commit).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{DATABASE_BACKOFF, End, Ended, Shared, WorkerReport};
use crate::JobsError;
use crate::job::Claimed;

/// Most attempts that are written in one transaction.
const MAX_GROUP: usize = 500;

/// Runs until every sender is gone and everything is written.
pub(super) async fn run(shared: Arc<Shared>, mut endings: mpsc::Receiver<Ended>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while endings.recv_many(&mut group, MAX_GROUP).await > 0 {
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
        for ended in group.drain(..) {
            if held.get(&ended.job.id).is_some_and(|h| h.job.token == ended.job.token) {
                held.remove(&ended.job.id);
            }
        }
    }
}

async fn write(shared: &Shared, group: &[Ended]) -> Result<(), JobsError> {
    let by_handler = group.iter().filter(|e| matches!(e.end, End::DoneByHandler)).count() as u64;
    let done: Vec<Claimed> =
        group.iter().filter(|e| matches!(e.end, End::Done)).map(|e| e.job.clone()).collect();
    let failures: Vec<_> = group
        .iter()
        .filter_map(|e| if let End::Failed(failure) = &e.end { Some((&e.job, failure)) } else { None })
        .collect();
    let (mut cancelled, mut stopped) = (Vec::new(), 0);
    for ended in group.iter().filter(|e| matches!(e.end, End::Stopped)) {
        match shared.held().get(&ended.job.id) {
            Some(held) if held.cancelled && held.job.token == ended.job.token => cancelled.push(&ended.job),
            Some(_) => stopped += 1,
            // Released at the stop.
            None => {}
        }
    }

    let mut written = WorkerReport { completed: by_handler, ..WorkerReport::default() };
    if !(done.is_empty() && failures.is_empty() && cancelled.is_empty()) {
        let mut tx = shared.jobs.begin().await?;
        written.completed += shared.jobs.complete_many(&mut tx, &done).await?.len() as u64;
        for (job, failure) in &failures {
            match shared.jobs.fail_in(&mut tx, job, failure.class, &failure.message).await {
                Ok(_) => written.failed += 1,
                Err(e) if e.is_lease_lost() => {}
                Err(e) => return Err(e),
            }
        }
        for job in &cancelled {
            written.cancelled += u64::from(shared.jobs.cancelled_in(&mut tx, job).await?);
        }
        tx.commit().await?;
    }
    let expected = (done.len() + failures.len() + cancelled.len()) as u64 + by_handler + stopped;
    written.lost = expected - written.completed - written.failed - written.cancelled;
    shared.counts().add(written);
    Ok(())
}
