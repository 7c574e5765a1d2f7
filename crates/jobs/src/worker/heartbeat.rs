//! Keeps the leases of running jobs alive.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::{DATABASE_BACKOFF, Shared};
use crate::job::Token;

/// Extends all held leases every third of a lease, for ever. A handler whose lease is gone, or cannot be known to
/// be held any more because the database does not answer, is dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    let lease = shared.options.lease;
    let mut wait = lease / 3;
    let mut errors = 0;
    loop {
        tokio::time::sleep(wait).await;
        wait = lease / 3;
        let tokens: Vec<Token> = shared.held().keys().copied().collect();
        if tokens.is_empty() {
            continue;
        }
        let asked_at = Instant::now();
        match shared.jobs.heartbeat_many(&tokens, lease).await {
            Ok(kept) => {
                errors = 0;
                let kept: HashSet<Token> = kept.into_iter().collect();
                let mut held = shared.held();
                for token in tokens {
                    let Some(h) = held.get_mut(&token) else { continue };
                    if kept.contains(&token) {
                        h.until = asked_at + lease;
                    } else if !h.context.completed() {
                        tracing::warn!(job = %h.job.id, attempt = h.job.attempt, "lease lost, handler stopped");
                        h.stop.cancel();
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
        shared.held().values().filter(|h| h.until <= now).for_each(|h| h.stop.cancel());
    }
}
