//! The live feed: one task takes snapshots while somebody watches, everybody who watches gets the newest one.
//!
//! A slow watcher skips snapshots instead of piling them up: the channel holds one.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use http::StatusCode;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{error::ApiError, operator::Operator};

/// Watchers at one time.
pub(crate) const MAX_WATCHERS: usize = 64;
/// Shortest time between two snapshots: four in a second is as much as an eye can follow.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// Longest time between two snapshots, so that CPU and memory move although nothing happens.
const MAX_INTERVAL: Duration = Duration::from_secs(2);
/// A comment line when there was nothing to send, so that a dead connection is found out.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Where watchers get their snapshots.
pub(crate) struct Feed {
    operator: Arc<dyn Operator>,
    frames: watch::Sender<Arc<str>>,
    /// Wakes the task that sleeps while nobody watches.
    watched: Notify,
    slots: Arc<Semaphore>,
    closing: CancellationToken,
}

struct Watcher {
    first: Option<Arc<str>>,
    frames: watch::Receiver<Arc<str>>,
    closing: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

// === impl Feed ===

impl Feed {
    pub(crate) fn new(operator: Arc<dyn Operator>, closing: CancellationToken) -> Self {
        Self {
            operator,
            frames: watch::Sender::new(Arc::from("")),
            watched: Notify::new(),
            slots: Arc::new(Semaphore::new(MAX_WATCHERS)),
            closing,
        }
    }

    /// Takes snapshots until the console closes: upon a change, but at most every [`MIN_INTERVAL`], and at least
    /// every [`MAX_INTERVAL`]; none while nobody watches.
    pub(crate) async fn run(self: Arc<Self>) {
        let closing = self.closing.clone();
        closing.run_until_cancelled(self.take_snapshots()).await;
    }

    async fn take_snapshots(&self) {
        let mut changes = self.operator.changes();
        loop {
            while self.frames.receiver_count() == 0 {
                self.watched.notified().await;
            }
            let last = Instant::now();
            let changed = async {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await; // the operator is gone: only the period is left
                }
            };
            tokio::select! {
                () = changed => tokio::time::sleep_until(last + MIN_INTERVAL).await,
                () = tokio::time::sleep_until(last + MAX_INTERVAL) => {}
            }
            changes.mark_unchanged(); // what happened during the pause is in this snapshot
            if let Some(frame) = self.snapshot() {
                self.frames.send_replace(frame);
            }
        }
    }

    fn snapshot(&self) -> Option<Arc<str>> {
        match serde_json::to_string(&self.operator.view()) {
            Ok(json) => Some(Arc::from(json)),
            Err(error) => {
                tracing::error!(%error, "a snapshot cannot be written as JSON");
                None
            }
        }
    }

    /// A stream of `stack` events, the first at once; ends when the console closes.
    ///
    /// # Errors
    /// 503 when [`MAX_WATCHERS`] watch already.
    pub(crate) fn subscribe(
        &self,
    ) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, ApiError> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_watchers",
                format!("{MAX_WATCHERS} clients already follow the stream"),
            )
            .hint("close a page, or poll /api/v1/stack"));
        };
        // Subscribed before the first snapshot is taken: a change between the two is then sent again, never lost.
        let frames = self.frames.subscribe();
        self.watched.notify_one();
        let watcher = Watcher { first: self.snapshot(), frames, closing: self.closing.clone(), _slot: slot };
        let events = stream::unfold(watcher, |mut watcher| async move {
            let frame = watcher.next().await?;
            Some((Ok(Event::default().event("stack").data(&*frame)), watcher))
        });
        Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")))
    }
}

// === impl Watcher ===

impl Watcher {
    async fn next(&mut self) -> Option<Arc<str>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.closing.run_until_cancelled(self.frames.changed()).await?.ok()?;
        Some(Arc::clone(&self.frames.borrow_and_update()))
    }
}
