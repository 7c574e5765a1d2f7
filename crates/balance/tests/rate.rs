//! The rate limiter against the vectors and its bounds.

use std::time::Duration;

use plimsoll_balance::{Decision, KeyedLimiter, Quota, RateLimiter};
use proptest::prelude::*;

const EPOCH: Duration = Duration::from_secs(1_000_000);

#[test]
fn gcra_matches_the_vectors() {
    #[derive(serde::Deserialize)]
    struct Vector {
        rate_per_s: u32,
        burst: u32,
        decisions: Vec<Expected>,
    }
    #[derive(serde::Deserialize)]
    struct Expected {
        t: f64,
        ok: bool,
        retry_after: Option<f64>,
    }
    fn seconds(value: f64) -> Duration {
        Duration::from_micros((value * 1e6).round() as u64)
    }
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/gcra.json")).expect("vectors");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let quota = Quota::per_second(vector.rate_per_s, vector.burst);
        let mut limiter = RateLimiter::default();
        for (index, expected) in vector.decisions.iter().enumerate() {
            let wanted = match expected.retry_after {
                None => Decision::Admit,
                Some(retry_after) => Decision::Deny { retry_after: seconds(retry_after) },
            };
            assert_eq!(expected.ok, wanted == Decision::Admit);
            let case = format!("{}/s burst {} decision {index}", vector.rate_per_s, vector.burst);
            assert_eq!(limiter.check(&quota, EPOCH + seconds(expected.t)), wanted, "{case}");
        }
    }
}

#[test]
fn keys_do_not_share_a_quota() {
    let mut limiter = KeyedLimiter::new(Quota::per_second(1, 30), 100);
    assert!((0..30).all(|_| limiter.check("a", EPOCH) == Decision::Admit));
    assert_ne!(limiter.check("a", EPOCH), Decision::Admit, "the 31st at limit 30");
    assert_eq!(limiter.check("b", EPOCH), Decision::Admit);
}

#[test]
fn an_active_key_keeps_its_debt_while_new_keys_flood_in() {
    let mut limiter = KeyedLimiter::new(Quota::new(1, Duration::from_secs(3600), 1), 64);
    assert_eq!(limiter.check(0, EPOCH), Decision::Admit);
    for key in 1..10_000 {
        assert_eq!(limiter.check(key, EPOCH), Decision::Admit);
        assert_ne!(limiter.check(0, EPOCH), Decision::Admit);
        assert!(limiter.len() <= 128);
    }
}

#[test]
fn extreme_quotas_do_not_overflow() {
    for quota in [
        Quota::new(0, Duration::ZERO, 0),
        Quota::new(1, Duration::MAX, u32::MAX),
        Quota::new(u32::MAX, Duration::from_nanos(1), u32::MAX),
    ] {
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.check(&quota, Duration::ZERO), Decision::Admit);
        let _ = limiter.check(&quota, Duration::MAX);
    }
}

proptest! {
    /// In any window the admitted requests are at most burst + rate × window, and waiting `retry_after` is enough.
    #[test]
    fn admits_at_most_burst_plus_rate_times_time(
        rate_per_s in 1u32..1_000,
        burst in 1u32..50,
        gaps_us in proptest::collection::vec(0u64..20_000, 1..300),
    ) {
        let quota = Quota::per_second(rate_per_s, burst);
        let mut limiter = RateLimiter::default();
        let mut now = EPOCH;
        let mut admitted_at = Vec::new();
        for gap_us in gaps_us {
            now += Duration::from_micros(gap_us);
            match limiter.check(&quota, now) {
                Decision::Admit => admitted_at.push(now),
                Decision::Deny { retry_after } => {
                    let mut patient = limiter;
                    prop_assert_eq!(patient.check(&quota, now + retry_after), Decision::Admit);
                    let mut hasty = limiter;
                    let just_before = now + retry_after - Duration::from_nanos(1);
                    prop_assert_ne!(hasty.check(&quota, just_before), Decision::Admit);
                }
            }
        }
        for (first, start) in admitted_at.iter().enumerate() {
            let window = admitted_at[admitted_at.len() - 1] - *start;
            let in_window = (admitted_at.len() - first) as u64;
            // The interval is rounded down to whole nanoseconds, hence one more per 10^9 / rate of them at most.
            let most = u64::from(burst) + window.as_nanos() as u64 / (1_000_000_000 / u64::from(rate_per_s));
            prop_assert!(in_window <= most, "{} admitted where {} may be", in_window, most);
        }
    }
}
