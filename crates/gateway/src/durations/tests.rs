use proptest::prelude::*;

use super::*;

fn counted(us: impl IntoIterator<Item = u64>) -> Durations {
    let mut durations = Durations::default();
    us.into_iter().for_each(|us| durations.record(Duration::from_micros(us)));
    durations
}

#[test]
fn constant_and_exponential_durations_are_told_apart() {
    let constant = counted([50_000; 1000]);
    assert_eq!((constant.mean_us(), constant.cv2_milli()), (Some(50_000), Some(0)));
    // Quantiles of an exponential distribution with a mean of 50 ms, evenly spaced.
    let exponential =
        counted((0..10_000).map(|i| (-50_000.0 * (1.0 - (f64::from(i) + 0.5) / 1e4).ln()) as u64));
    let cv2 = exponential.cv2_milli().unwrap_or_default();
    assert!((980..=1010).contains(&cv2), "{cv2}");
    let p95 = exponential.quantile_us(0.95).unwrap_or_default() as f64;
    assert!((p95 / (50_000.0 * 20_f64.ln()) - 1.0).abs() < 0.05, "{p95}");
}

#[test]
fn nothing_counted_has_no_mean_and_no_percentile() {
    let none = Durations::default();
    assert_eq!((none.mean_us(), none.cv2_milli(), none.quantile_us(0.5)), (None, None, None));
}

#[test]
fn doublings_hold_everything_and_end_in_infinity() {
    let durations = counted([1, 1023, 1024, 1500, 2047, 2048, 90_000_000]);
    let doublings = durations.doublings();
    assert_eq!(doublings[..3], [(0.001024, 2), (0.002048, 3), (0.004096, 1)]);
    assert_eq!(doublings.last(), Some(&(f64::INFINITY, 1)));
    assert!(doublings.is_sorted_by(|a, b| a.0 < b.0));
}

proptest! {
    #[test]
    fn percentile_is_within_a_seventh(us in proptest::collection::vec(2000u64..60_000_000, 1..300), pct in 0u32..=100) {
        let share = f64::from(pct) / 100.0;
        let found = counted(us.iter().copied()).quantile_us(share).unwrap_or_default() as f64;
        let mut sorted = us;
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize - 1;
        let exact = sorted[rank] as f64;
        prop_assert!(found >= exact * 0.79 && found <= exact * 1.26, "{} instead of {}", found, exact);
    }

    #[test]
    fn parts_add_up_and_come_back(a in proptest::collection::vec(0u64..100_000_000, 0..50), b in proptest::collection::vec(0u64..100_000_000, 0..50)) {
        let (first, second) = (counted(a.iter().copied()), counted(b.iter().copied()));
        let mut both = first.clone();
        both.add(&second);
        let all = counted(a.iter().chain(&b).copied());
        prop_assert_eq!((&both.buckets, both.sum_us), (&all.buckets, all.sum_us));
        let since = both.since(&first).unwrap_or_default();
        prop_assert_eq!((since.buckets, since.sum_us), (second.buckets, second.sum_us));
        prop_assert_eq!(both.doublings().iter().map(|(_, count)| count).sum::<u64>(), both.count());
        prop_assert_eq!(&Durations::from_parts(both.to_parts()), &both);
        if !b.is_empty() {
            prop_assert!(first.since(&both).is_none());
        }
        let mean_us = both.mean_us().unwrap_or_default();
        both.halve();
        prop_assert!(both.count() == 0 || both.mean_us().unwrap_or_default().abs_diff(mean_us) <= 1 + mean_us / 1000);
    }
}
