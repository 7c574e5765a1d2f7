//! Tells one listener that requests came, began to wait or ended, at next to no cost while it does not listen.
//!
//! Requests read one flag, on a cache line that is written a few times a second only. The first one that finds it set clears it
//! and rings; the listener sets it again when it is about to look at the numbers, so nothing that happens after that
//! look is missed and a thousand requests before the next one ring once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// The ringing end.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Bell {
    is_armed: AtomicBool,
    rung_at: Mutex<Option<Instant>>,
    rung: Notify,
}

/// The listening end; see [`crate::Gateway::changes`].
#[derive(Clone, Debug)]
pub struct Changes(pub(crate) Arc<Bell>);

// === impl Bell ===

impl Bell {
    /// To be called after the numbers have changed.
    pub(crate) fn ring(&self) {
        if self.is_armed.load(Ordering::Relaxed) && self.is_armed.swap(false, Ordering::AcqRel) {
            *self.rung_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.rung.notify_one();
        }
    }
}

// === impl Changes ===

impl Changes {
    /// Listens for the next change; call it before reading the numbers.
    pub fn arm(&self) {
        self.0.is_armed.store(true, Ordering::Release);
    }

    /// Resolves when something has changed since the latest [`Changes::arm`], with the time of the first change. Safe to drop
    /// and to call again.
    pub async fn rung(&self) -> Instant {
        self.0.rung.notified().await;
        let rung_at = self.0.rung_at.lock().unwrap_or_else(PoisonError::into_inner).take();
        rung_at.unwrap_or_else(Instant::now)
    }
}
