//! How long to wait before the next attempt: growth, a cap, full jitter. Pure.

use std::time::Duration;

/// Backoff with full jitter.
///
/// After failed attempt `n` (counted from 1) the wait is drawn uniformly from `0 .. min(cap, base * growth(n))`.
/// Full jitter, not a few per cent of it: jobs that failed together must not come back together
/// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). With the defaults, `n` to the fourth power, the
/// upper ends are 1 s, 16 s, 81 s, 256 s, then 10 min for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Upper end of the wait after the first failure.
    pub base: Duration,
    /// How it grows.
    pub growth: Growth,
    /// The upper end never exceeds this.
    pub cap: Duration,
}

/// How a wait grows with the number of the attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Growth {
    /// To this power of the number: soon again at first, and without a doubling for ever.
    Power(u8),
    /// By this factor each time; values below 1 count as 1.
    Factor(f64),
}

// === impl Growth ===

impl Growth {
    /// What the wait after the first failure is multiplied with; infinity is possible.
    fn of(self, attempt: u32) -> f64 {
        match self {
            Self::Power(n) => f64::from(attempt.max(1)).powi(n.into()),
            Self::Factor(factor) => {
                let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
                factor.max(1.0).powi(exponent)
            }
        }
    }
}

// === impl Backoff ===

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), growth: Growth::Power(4), cap: Duration::from_secs(600) }
    }
}

impl Backoff {
    /// The upper end of the wait after failed attempt `attempt` (from 1).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let seconds = self.base.as_secs_f64() * self.growth.of(attempt);
        // Infinity and NaN (0 * infinity) end at the cap as well.
        if seconds < self.cap.as_secs_f64() { Duration::from_secs_f64(seconds) } else { self.cap }
    }

    /// The wait after failed attempt `attempt`, where `unit` is a random number in `0 .. 1`.
    pub fn delay(&self, attempt: u32, unit: f64) -> Duration {
        self.ceiling(attempt).mul_f64(bounded(unit))
    }

    /// The same when the other side named a time: never less than `named`, and so much more that those whom it told the
    /// same do not all come back at once. What is added is drawn uniformly from `0 .. min(named, ceiling(attempt))`.
    pub fn delay_after(&self, named: Duration, attempt: u32, unit: f64) -> Duration {
        named.saturating_add(self.ceiling(attempt).min(named).mul_f64(bounded(unit)))
    }
}

fn bounded(unit: f64) -> f64 {
    if unit.is_finite() { unit.clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceiling_grows_up_to_the_cap() {
        let by_power = Backoff::default();
        let by_factor = Backoff { growth: Growth::Factor(4.0), ..by_power };
        let seconds = |b: Backoff| (1..=7).map(|n| b.ceiling(n).as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(by_power), [1, 16, 81, 256, 600, 600, 600]);
        assert_eq!(seconds(by_factor), [1, 4, 16, 64, 256, 600, 600]);
        for b in [by_power, by_factor, Backoff { growth: Growth::Power(u8::MAX), ..by_power }] {
            assert_eq!((b.ceiling(0), b.ceiling(u32::MAX)), (b.base, b.cap));
        }
    }

    #[test]
    fn w39_jitter_covers_the_whole_range() {
        // W39: jitter was a constant ten per cent. Every part of 0..ceiling must be reachable.
        let b = Backoff {
            base: Duration::from_secs(8),
            growth: Growth::Factor(2.0),
            cap: Duration::from_secs(60),
        };
        assert_eq!(b.delay(1, 0.0), Duration::ZERO);
        assert_eq!(b.delay(1, 0.5), Duration::from_secs(4));
        assert_eq!(b.delay(2, 0.999_999).as_secs(), 15);
        assert_eq!(b.delay(3, f64::NAN), Duration::from_secs(32));
    }

    #[test]
    fn named_wait_is_kept_and_spread() {
        let (b, s) = (Backoff::default(), Duration::from_secs);
        assert_eq!(b.delay_after(s(20), 1, 0.0), s(20));
        assert_eq!(b.delay_after(s(20), 1, 1.0), s(21), "by the backoff");
        assert_eq!(b.delay_after(s(20), 3, 1.0), s(40), "by the wait itself");
        assert_eq!(b.delay_after(Duration::ZERO, 9, 1.0), Duration::ZERO, "now is now");
        assert_eq!(b.delay_after(Duration::MAX, 9, f64::NAN), Duration::MAX);
    }
}
