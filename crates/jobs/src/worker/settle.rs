//! Writes how attempts ended. Those that end while one transaction is being written share the next (group commit).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{DATABASE_BACKOFF, End, Ended, Shared};
use crate::JobsError;
use crate::job::{Claimed, Token};

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
                shared.counts.lost.fetch_add(group.len() as u64, Ordering::Relaxed);
                break;
            }
            tokio::time::sleep(DATABASE_BACKOFF.delay(errors, shared.jobs.unit())).await;
        }
        let mut held = shared.held();
        for ended in group.drain(..) {
            held.remove(&ended.job.token);
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
    // Those that were released at the stop are no longer in the table.
    let lost = |e: &&Ended| matches!(e.end, End::Stopped) && shared.held().contains_key(&e.job.token);
    let stopped = group.iter().filter(lost).count() as u64;

    let (mut completed, mut failed) = (by_handler, 0);
    if !(done.is_empty() && failures.is_empty()) {
        let mut tx = shared.jobs.begin().await?;
        let kept: HashSet<Token> = shared.jobs.complete_many(&mut tx, &done).await?.into_iter().collect();
        completed += kept.len() as u64;
        for (job, failure) in &failures {
            match shared.jobs.fail_in(&mut tx, job, failure.class, &failure.message).await {
                Ok(_) => failed += 1,
                Err(e) if e.is_lease_lost() => {}
                Err(e) => return Err(e),
            }
        }
        tx.commit().await?;
    }
    let expected = (done.len() + failures.len()) as u64 + by_handler;
    let counts = &shared.counts;
    counts.completed.fetch_add(completed, Ordering::Relaxed);
    counts.failed.fetch_add(failed, Ordering::Relaxed);
    counts.lost.fetch_add(stopped + expected - completed - failed, Ordering::Relaxed);
    Ok(())
}
