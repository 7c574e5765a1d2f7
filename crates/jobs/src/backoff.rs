//! How long to wait before the next attempt: exponential growth, a cap, full jitter. Pure.

use std::time::Duration;

/// Exponential backoff with full jitter.
///
/// After failed attempt `n` (counted from 1) the wait is drawn uniformly from `0 .. min(cap, base * factor^(n-1))`.
/// Full jitter, not a few per cent of it: jobs that failed together must not come back together
/// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). With the defaults the upper ends are
/// 1 s, 4 s, 16 s, 64 s, 256 s, then 10 min for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Upper end of the wait after the first failure.
    pub base: Duration,
    /// Growth per attempt; values below 1 count as 1.
    pub factor: f64,
    /// The upper end never exceeds this.
    pub cap: Duration,
}

// === impl Backoff ===

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), factor: 4.0, cap: Duration::from_secs(600) }
    }
}

impl Backoff {
    /// The upper end of the wait after failed attempt `attempt` (from 1).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        // Infinity and NaN (0 * infinity) end at the cap as well.
        if seconds < self.cap.as_secs_f64() { Duration::from_secs_f64(seconds) } else { self.cap }
    }

    /// The wait after failed attempt `attempt`, where `unit` is a random number in `0 .. 1`.
    pub fn delay(&self, attempt: u32, unit: f64) -> Duration {
        let unit = if unit.is_finite() { unit.clamp(0.0, 1.0) } else { 1.0 };
        self.ceiling(attempt).mul_f64(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceiling_grows_by_the_factor_up_to_the_cap() {
        let b = Backoff::default();
        let seconds: Vec<u64> = (1..=7).map(|n| b.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 4, 16, 64, 256, 600, 600]);
        assert_eq!(b.ceiling(u32::MAX), b.cap);
        assert_eq!(b.ceiling(0), b.base);
    }

    #[test]
    fn jitter_covers_the_whole_range() {
        // W39: jitter was a constant ten per cent. Every part of 0..ceiling must be reachable.
        let b = Backoff { base: Duration::from_secs(8), factor: 2.0, cap: Duration::from_secs(60) };
        assert_eq!(b.delay(1, 0.0), Duration::ZERO);
        assert_eq!(b.delay(1, 0.5), Duration::from_secs(4));
        assert_eq!(b.delay(2, 0.999_999).as_secs(), 15);
        assert_eq!(b.delay(3, f64::NAN), Duration::from_secs(32));
    }
}
