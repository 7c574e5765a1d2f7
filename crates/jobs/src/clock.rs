//! The wall clock, injected: every time in this crate is milliseconds since the Unix epoch, read here and nowhere else.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// Where "now" comes from.
///
/// Leases are compared across processes, hence wall time and not a process's own monotonic clock.
/// Processes that share a queue must agree on the time to well within a lease: one machine does.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The present, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> Millis;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// A clock that moves only when told to: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now_ms(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at `now_ms`.
    pub fn at(now_ms: Millis) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// A duration in whole milliseconds; absurdly long ones become the longest that still adds up safely.
pub(crate) fn millis(d: Duration) -> Millis {
    // A third of the range, so that now + lease + delay cannot overflow.
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
