//! What has to be done now and then by somebody: every worker does it, the database decides whose turn counts.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Shared;

/// Between two looks at the recurring jobs.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two purges.
const PURGE_EVERY: u32 = 60;

/// Enqueues recurring jobs that are due and adds up times, every second, and deletes what is past its time, about every
/// minute.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    // Not all instances at the same second.
    let mut ticks = (shared.jobs.unit() * f64::from(PURGE_EVERY)) as u32;
    while !stop.is_cancelled() {
        if let Err(e) = shared.jobs.enqueue_due().await {
            tracing::warn!(error = %e, "recurring jobs were not enqueued, trying again");
        }
        if let Err(e) = shared.jobs.tidy().await {
            tracing::warn!(error = %e, "tidying failed, trying again");
        }
        shared.keep_times().await;
        ticks += 1;
        if ticks.is_multiple_of(PURGE_EVERY)
            && let Err(e) = shared.jobs.purge(shared.options.keep_dead).await
        {
            tracing::warn!(error = %e, "purge failed, trying again in a minute");
        }
        let pause = tokio::time::sleep(TICK.mul_f64(0.5 + 0.5 * shared.jobs.unit()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = pause => {}
        }
    }
}
