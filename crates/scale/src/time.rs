//! Points in time as plain numbers: this crate has no clock.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch (or since the start of a simulation: only differences matter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

// === impl Time ===

impl Time {
    /// From whole seconds.
    pub const fn from_s(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This many seconds later.
    pub const fn plus_s(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as i64 * 1000))
    }

    /// This many seconds earlier.
    pub const fn minus_s(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(seconds as i64 * 1000))
    }
}
