//! How many retries the traffic may carry: a share of the requests plus a small allowance per second.
//!
//! Without a budget, retries multiply the load exactly when the endpoints cannot bear it.

use std::time::Duration;

/// Size of a retry budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// Retries per hundred requests.
    pub percent: u32,
    /// Retries per second that are allowed whatever the traffic, so that a quiet service can retry at all.
    pub min_per_s: u32,
    /// The allowance can be saved up over this time, and is full at the start.
    pub reserve: Duration,
    /// Most retries that requests can save up, so that a quiet day does not pay for a storm.
    pub max_saved: u32,
}

/// The account of one service.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    policy: BudgetPolicy,
    /// Saved by requests, in hundredths of a retry.
    saved_percent: u64,
    /// Saved by time, in retry-nanoseconds (a retry costs 10^9 of them).
    reserve_ns: u64,
    refilled_at: Duration,
}

const NS_PER_S: u64 = 1_000_000_000;

// === impl BudgetPolicy ===

impl Default for BudgetPolicy {
    /// 20 % of the requests and 10 per second, the defaults of linkerd and finagle.
    fn default() -> Self {
        Self { percent: 20, min_per_s: 10, reserve: Duration::from_secs(10), max_saved: 1_000 }
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// A full reserve and no savings, as of `now`.
    pub fn new(policy: BudgetPolicy, now: Duration) -> Self {
        Self { policy, saved_percent: 0, reserve_ns: Self::reserve_cap_ns(&policy), refilled_at: now }
    }

    /// Counts one request (not a retry).
    pub fn deposit(&mut self) {
        let cap = u64::from(self.policy.max_saved) * 100;
        self.saved_percent = (self.saved_percent + u64::from(self.policy.percent)).min(cap);
    }

    /// Takes one retry out; false when the account is empty.
    pub fn try_withdraw(&mut self, now: Duration) -> bool {
        self.refill(now);
        if self.saved_percent >= 100 {
            self.saved_percent -= 100;
            return true;
        }
        if self.reserve_ns >= NS_PER_S {
            self.reserve_ns -= NS_PER_S;
            return true;
        }
        false
    }

    fn refill(&mut self, now: Duration) {
        let elapsed_ns = saturating_ns(now.saturating_sub(self.refilled_at));
        let earned_ns = elapsed_ns.saturating_mul(u64::from(self.policy.min_per_s));
        self.reserve_ns = self.reserve_ns.saturating_add(earned_ns).min(Self::reserve_cap_ns(&self.policy));
        self.refilled_at = self.refilled_at.max(now);
    }

    fn reserve_cap_ns(policy: &BudgetPolicy) -> u64 {
        saturating_ns(policy.reserve).saturating_mul(u64::from(policy.min_per_s))
    }
}

fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
