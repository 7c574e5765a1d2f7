//! How long to wait before a crashed instance is started again: exponential cap, full jitter.
//!
//! Wanted properties, each with its test below:
//! (A) the wait is uniform in `[0, cap)`, so instances that crashed together do not come back together;
//! (B) the cap doubles with each failure in a row and never exceeds the maximum, whatever the count;
//! (C) one instance that stayed ready long enough starts from the base again.

use std::time::Duration;

/// Failures in a row of one instance, and the rule made of them.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    max: Duration,
    reset_after: Duration,
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) fn new(base: Duration, max: Duration, reset_after: Duration) -> Self {
        Self { base, max, reset_after, failures: 0 }
    }

    /// Counts a failure of a process that had been ready for `ready_for` and returns the wait before the
    /// next start. `random` is uniform in `[0, 1)`; anything outside is clamped.
    pub(crate) fn failed(&mut self, ready_for: Duration, random: f64) -> Duration {
        if ready_for >= self.reset_after {
            self.failures = 0;
        }
        let cap = self.cap();
        self.failures = self.failures.saturating_add(1);
        let share = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.0 };
        cap.mul_f64(share)
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    fn cap(&self) -> Duration {
        let factor = 2u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        self.base.checked_mul(factor).map_or(self.max, |cap| cap.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_secs(1), Duration::from_secs(60), Duration::from_secs(30))
    }

    #[test]
    fn cap_doubles_up_to_the_maximum() {
        let mut backoff = backoff();
        let caps: Vec<u64> = (0..8).map(|_| backoff.failed(Duration::ZERO, 1.0).as_secs()).collect();
        assert_eq!(caps, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.failures(), 8);
    }

    #[test]
    fn long_readiness_forgives_earlier_failures() {
        let mut backoff = backoff();
        for _ in 0..5 {
            backoff.failed(Duration::from_secs(29), 0.5);
        }
        assert_eq!(backoff.failed(Duration::from_secs(30), 1.0), Duration::from_secs(1));
        assert_eq!(backoff.failures(), 1);
    }

    proptest! {
        #[test]
        fn wait_is_a_share_of_the_cap(random in 0.0f64..1.0, earlier in 0u32..200) {
            let mut backoff = backoff();
            for _ in 0..earlier {
                backoff.failed(Duration::ZERO, 0.0);
            }
            let cap = backoff.clone().failed(Duration::ZERO, 1.0);
            let wait = backoff.failed(Duration::ZERO, random);
            prop_assert!(cap <= Duration::from_secs(60));
            prop_assert!(wait <= cap);
            prop_assert!((wait.as_secs_f64() - cap.as_secs_f64() * random).abs() < 1e-6);
        }
    }
}
