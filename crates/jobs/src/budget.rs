//! How many retries a queue may carry, so that an outage does not become a storm. Pure.
//!
//! While the other side of a queue's jobs is down, every first attempt would be followed by all its retries: the load
//! grows to a multiple of what it was, exactly when it cannot be borne. So retries come out of an account that first
//! attempts pay into. What the account does not cover is not refused, it is postponed: a job is never lost to the budget.

use std::time::Duration;

use crate::clock::{Millis, millis};

/// The share of retries in the attempts of a queue.
///
/// Until any moment, the retries that one process has let a queue start are at most `percent` of the first attempts that
/// it has claimed, plus `burst`, plus `per_s` for every second; each of several processes adds its own. Attempts that
/// end because a worker died (a lost lease) are neither counted nor postponed: they are as rare as deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries per hundred first attempts. Default 20.
    pub percent: u32,
    /// Retries per second whatever the traffic, so that what was postponed comes back; 0 counts as 1. Default 10.
    pub per_s: u32,
    /// Retries at once that a quiet queue may have, and the most that first attempts can save up. Default 100.
    pub burst: u32,
    /// No retry is postponed by more than this, beyond its own backoff. Default an hour.
    pub longest: Duration,
}

/// The account of one queue in one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryAccount {
    /// Saved by first attempts, in hundredths of a retry.
    saved: u64,
    /// From when on time alone pays for a retry.
    paid_from_ms: Millis,
}

// === impl RetryBudget ===

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, per_s: 10, burst: 100, longest: Duration::from_secs(3600) }
    }
}

// === impl RetryAccount ===

impl RetryAccount {
    /// Counts first attempts.
    pub(crate) fn pay_in(&mut self, budget: &RetryBudget, first_attempts: u64) {
        let earned = first_attempts.saturating_mul(budget.percent.into());
        self.saved = self.saved.saturating_add(earned).min(u64::from(budget.burst) * 100);
    }

    /// The earliest time for one more retry; that time is then taken.
    pub(crate) fn take(&mut self, budget: &RetryBudget, now_ms: Millis) -> Millis {
        if self.saved >= 100 {
            self.saved -= 100;
            return now_ms;
        }
        let every_ms = 1000 / Millis::from(budget.per_s.clamp(1, 1000));
        // What time has paid for and nobody used is kept up to the burst.
        let kept_ms = every_ms.saturating_mul(budget.burst.into());
        let slot_ms = self.paid_from_ms.max(now_ms.saturating_sub(kept_ms));
        let last_ms = now_ms.saturating_add(millis(budget.longest));
        self.paid_from_ms = slot_ms.saturating_add(every_ms).min(last_ms);
        slot_ms.clamp(now_ms, last_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: RetryBudget =
        RetryBudget { percent: 50, per_s: 2, burst: 3, longest: Duration::from_secs(60) };

    fn times(account: &mut RetryAccount, n: usize, now_ms: Millis) -> Vec<Millis> {
        (0..n).map(|_| account.take(&BUDGET, now_ms) - now_ms).collect()
    }

    #[test]
    fn burst_is_free_and_the_rest_waits_for_time() {
        let mut account = RetryAccount::default();
        assert_eq!(times(&mut account, 6, 100_000), [0, 0, 0, 0, 500, 1000]);
        // A second pays for two, and nothing is forgiven.
        assert_eq!(times(&mut account, 1, 101_000), [500]);
        assert_eq!(times(&mut account, 5, 200_000), [0, 0, 0, 0, 500]);
    }

    #[test]
    fn first_attempts_pay_for_their_share_and_save_no_more_than_the_burst() {
        let mut account = RetryAccount::default();
        times(&mut account, 4, 100_000);
        account.pay_in(&BUDGET, 3);
        assert_eq!(times(&mut account, 2, 100_000), [0, 500]);
        account.pay_in(&BUDGET, 1_000_000);
        assert_eq!(times(&mut account, 4, 100_000), [0, 0, 0, 1000]);
    }

    #[test]
    fn nothing_is_postponed_by_more_than_the_longest() {
        let mut account = RetryAccount::default();
        let all = times(&mut account, 1000, 100_000);
        assert_eq!((all[123], all[124], all[999]), (59_500 + 500, 60_000, 60_000));
    }
}
