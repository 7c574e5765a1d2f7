//! Waking the workers of other processes at once: NOTIFY and LISTEN.
//!
//! The notification is sent after the commit, on a connection of its own: within the transaction it would take a
//! lock that all notifying commits of the server queue up for. Rings that come while one is being sent share the
//! next. It may get lost (a crash in between, a pooler that does not pass LISTEN through): then the next poll
//! finds the work.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

const CHANNEL: &str = "plimsoll_jobs";
/// Wait before listening again after the connection broke.
const AGAIN: Duration = Duration::from_secs(5);

/// The ringing end.
#[derive(Debug)]
pub(crate) struct PgBell {
    rung: Arc<Notify>,
    ringer: JoinHandle<()>,
}

// === impl PgBell ===

impl PgBell {
    pub(super) fn new(pool: PgPool) -> Self {
        let rung = Arc::new(Notify::new());
        let asked = Arc::clone(&rung);
        let ringer = tokio::spawn(async move {
            loop {
                asked.notified().await;
                // In the simple protocol, which passes through poolers.
                if let Err(e) = sqlx::raw_sql(include_str!("sql/ring.sql")).execute(&pool).await {
                    tracing::debug!(error = %e, "doorbell not rung, workers will poll");
                }
            }
        });
        Self { rung, ringer }
    }

    /// Wakes the listeners of all processes.
    pub(crate) fn ring(&self) {
        self.rung.notify_one();
    }
}

impl Drop for PgBell {
    fn drop(&mut self) {
        self.ringer.abort();
    }
}

/// Counts `rung` up for every ring, by any process.
pub(super) async fn listen(pool: PgPool, rung: watch::Sender<u64>) {
    loop {
        match PgListener::connect_with(&pool).await {
            Ok(mut listener) => {
                if listener.listen(CHANNEL).await.is_ok() {
                    // Once at the start: what was committed before we listened was not heard. A lost connection is
                    // mended within; it shows as an empty answer, which wakes as well.
                    let mut heard = true;
                    while heard {
                        rung.send_modify(|n| *n = n.wrapping_add(1));
                        heard = listener.try_recv().await.is_ok();
                    }
                }
            }
            Err(e) => tracing::info!(error = %e, "no doorbell for now, workers will poll"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
