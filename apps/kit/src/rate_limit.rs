//! Rate limits per key (an API key's owner, a client's address): 429 with `Retry-After` in the house's shape.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_balance::{Decision, KeyedLimiter, Quota};

use crate::{ApiError, Code};

/// Keys remembered per limiter; see [`KeyedLimiter`] for what happens beyond.
const MAX_KEYS: usize = 65_536;

/// A limit on each key, shared by all handlers of the process.
///
/// Each instance counts for itself: behind a balancer with N instances a client gets up to N times the rate.
#[derive(Debug)]
pub struct RateLimit<K> {
    limiter: Arc<Mutex<KeyedLimiter<K>>>,
    epoch: Instant,
}

// === impl RateLimit ===

impl<K: Hash + Eq> RateLimit<K> {
    /// `per_minute` requests a minute for each key, as many as a sixth of that at once (at least one).
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self::new(Quota::new(per_minute, Duration::from_secs(60), (per_minute / 6).max(1)))
    }

    /// Any quota for each key.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { limiter: Arc::new(Mutex::new(KeyedLimiter::new(quota, MAX_KEYS))), epoch: Instant::now() }
    }

    /// Counts one request of this key.
    ///
    /// # Errors
    /// `RATE_LIMITED` with `Retry-After` when the key is over its limit.
    pub fn check(&self, key: K) -> Result<(), ApiError> {
        let now = self.epoch.elapsed();
        // The limiter holds numbers only, so what a panicking holder left behind is still sound.
        let decision = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).check(key, now);
        match decision {
            Decision::Admit => Ok(()),
            Decision::Deny { retry_after } => {
                Err(ApiError::new(Code::RATE_LIMITED, "too many requests; see the Retry-After header")
                    .retry_after(retry_after))
            }
        }
    }
}

impl<K> Clone for RateLimit<K> {
    fn clone(&self) -> Self {
        Self { limiter: Arc::clone(&self.limiter), epoch: self.epoch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit() {
        let limit = RateLimit::per_minute(1);
        assert!(limit.check("a").is_ok());
        let refused = limit.check("a").unwrap_err();
        assert_eq!(refused.code(), Code::RATE_LIMITED);
        assert!(limit.check("b").is_ok());
    }
}
