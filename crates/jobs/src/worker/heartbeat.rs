//! Keeps the leases of running jobs alive.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::{DATABASE_BACKOFF, Shared};
use crate::job::{Claimed, JobId};

/// Extends all held leases every third of a lease, for ever. A handler whose lease is gone, or cannot be known to
/// be held any more because the database does not answer, is dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    let lease = shared.options.lease;
    let mut wait = lease / 3;
    let mut errors = 0;
    loop {
        tokio::time::sleep(wait).await;
        wait = lease / 3;
        let jobs: Vec<Claimed> = shared.held().values().map(|h| h.context.job().clone()).collect();
        if jobs.is_empty() {
            continue;
        }
        let asked_at = Instant::now();
        match shared.jobs.heartbeat_many(&jobs.iter().collect::<Vec<_>>(), lease).await {
            Ok(kept) => {
                errors = 0;
                let kept: HashMap<JobId, bool> = kept.into_iter().map(|k| (k.job, k.cancel)).collect();
                let mut held = shared.held();
                for job in &jobs {
                    // Not one that was settled meanwhile, nor the next lease of the same job.
                    let Some(h) = held.get_mut(&job.id).filter(|h| h.context.job().token == job.token) else {
                        continue;
                    };
                    match kept.get(&job.id) {
                        Some(false) => h.until = asked_at + lease,
                        Some(true) => {
                            h.until = asked_at + lease;
                            h.cancelled = true;
                            h.context.stopped().cancel();
                        }
                        None if h.context.settled().is_some() => {}
                        None => {
                            tracing::warn!(job = %job.id, attempt = job.attempt, "lease lost, handler stopped");
                            h.context.stopped().cancel();
                        }
                    }
                }
            }
            Err(e) => {
                errors += 1;
                tracing::warn!(queue = shared.queue, error = %e, errors, "heartbeat failed");
                wait = DATABASE_BACKOFF.delay(errors, shared.jobs.unit()).min(lease / 10);
            }
        }
        let now = Instant::now();
        shared.held().values().filter(|h| h.until <= now).for_each(|h| h.context.stopped().cancel());
    }
}
