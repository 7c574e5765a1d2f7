//! The generic cell rate algorithm: a rate limit that keeps one time per client and nothing else.
//!
//! Requests are taken to be due every `1/rate`; a client may be ahead of its schedule by `burst - 1` requests. The one
//! number kept is the time at which the next request would be exactly on schedule (the theoretical arrival time).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// A limit: so many per period, so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Time between two requests at the sustained rate, in nanoseconds.
    interval_ns: u64,
    /// How far a client may be ahead of its schedule, in nanoseconds.
    tolerance_ns: u64,
}

/// What a limiter says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Go on.
    Admit,
    /// Refused; the same request is admitted after this time if nothing else is.
    Deny {
        /// For the `Retry-After` header (round up to whole seconds there).
        retry_after: Duration,
    },
}

/// A limiter for one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimiter {
    /// Theoretical arrival time, in nanoseconds since the caller's epoch.
    due_ns: u64,
}

/// Limiters for many clients in bounded memory.
///
/// Keys live in two generations. A key that is used moves to the young one; when that holds `capacity` keys the old
/// one is forgotten. So at most `2 × capacity` keys are kept, every operation is O(1) amortised, and what is forgotten
/// under a flood of new keys is the longest unused. A forgotten client starts with a full burst: with more than
/// `capacity` keys active at once the limiter errs on the side of admitting.
#[derive(Clone, Debug)]
pub struct KeyedLimiter<K> {
    quota: Quota,
    capacity: usize,
    young: HashMap<K, RateLimiter>,
    old: HashMap<K, RateLimiter>,
}

// === impl Quota ===

impl Quota {
    /// `count` requests per `period` with at most `burst` at once. Zeroes count as one, so a quota always admits
    /// something; an interval under a nanosecond is rounded up to it.
    pub fn new(count: u32, period: Duration, burst: u32) -> Self {
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval_ns = (period_ns / u64::from(count.max(1))).max(1);
        Self { interval_ns, tolerance_ns: interval_ns.saturating_mul(u64::from(burst.max(1)) - 1) }
    }

    /// `rate_per_s` requests per second with at most `burst` at once.
    pub fn per_second(rate_per_s: u32, burst: u32) -> Self {
        Self::new(rate_per_s, Duration::from_secs(1), burst)
    }
}

// === impl RateLimiter ===

impl RateLimiter {
    /// Decides one request and, when it is admitted, counts it.
    pub fn check(&mut self, quota: &Quota, now: Duration) -> Decision {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let due_ns = self.due_ns.max(now_ns);
        let ahead_ns = due_ns - now_ns;
        if ahead_ns > quota.tolerance_ns {
            return Decision::Deny { retry_after: Duration::from_nanos(ahead_ns - quota.tolerance_ns) };
        }
        self.due_ns = due_ns.saturating_add(quota.interval_ns);
        Decision::Admit
    }
}

// === impl KeyedLimiter ===

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// A limiter that remembers at least the `capacity` most recently used keys (0 counts as 1).
    pub fn new(quota: Quota, capacity: usize) -> Self {
        Self { quota, capacity: capacity.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Decides one request of `key`.
    pub fn check(&mut self, key: K, now: Duration) -> Decision {
        if let Some(limiter) = self.young.get_mut(&key) {
            return limiter.check(&self.quota, now);
        }
        let mut limiter = self.old.remove(&key).unwrap_or_default();
        let decision = limiter.check(&self.quota, now);
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, limiter);
        decision
    }

    /// Keys in memory, at most twice the capacity.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// True when no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
