use plimsoll_scale::Time;
use plimsoll_scale::policy::concurrency::{self, Memory};
use plimsoll_scale::policy::slo;
use plimsoll_scale::policy::{Capacity, Gauge, Traffic};
use plimsoll_scale::queueing::{Erlang, Variability};
use plimsoll_scale::spec::policy::{Concurrency, Slo};
use proptest::prelude::*;

use super::NOW;

const KNATIVE: Concurrency =
    Concurrency { target_milli: 10_000, stable_window_s: 60, panic_window_s: 6, panic_threshold_pct: 200 };

fn capacity(ready: u32) -> Capacity {
    Capacity { replicas: ready, ready, starting_ages_s: Vec::new() }
}

/// Feeds one value per second; returns the last report.
fn feed(memory: &mut Memory, from: Time, in_flight: &[u64], ready: u32) -> concurrency::Report {
    let mut last = None;
    for (second, &value) in (0..).zip(in_flight) {
        let now = from.plus_s(second);
        let gauge = Gauge { milli: value * 1000, at: now };
        last = Some(concurrency::evaluate(&KNATIVE, memory, &gauge, &capacity(ready), now));
    }
    last.unwrap()
}

#[test]
fn calm_load_follows_the_stable_average() {
    let report = feed(&mut Memory::default(), NOW, &[45; 60], 5);
    assert_eq!((report.asks, report.panicking), (5, false));
}

#[test]
fn burst_is_answered_at_once_and_held_for_a_stable_window() {
    let mut memory = Memory::default();
    feed(&mut memory, NOW, &[10; 60], 1);
    let burst = feed(&mut memory, NOW.plus_s(60), &[100; 6], 1);
    assert_eq!((burst.asks, burst.panicking), (10, true));
    let after = feed(&mut memory, NOW.plus_s(66), &[10; 59], 10);
    assert_eq!((after.asks, after.panicking), (10, true));
    let calm = feed(&mut memory, NOW.plus_s(125), &[10; 10], 10);
    assert_eq!((calm.asks, calm.panicking), (1, false));
}

#[test]
fn zero_only_after_a_whole_window_of_nothing() {
    let mut memory = Memory::default();
    feed(&mut memory, NOW, &[1; 10], 1);
    assert_eq!(feed(&mut memory, NOW.plus_s(10), &[0; 59], 1).asks, 1);
    assert_eq!(feed(&mut memory, NOW.plus_s(69), &[0; 1], 1).asks, 0);
}

fn traffic(per_s: u64, service_ms: u64) -> Traffic {
    Traffic {
        arrivals_milli_per_s: per_s * 1000,
        service_us: service_ms * 1000,
        service_cv2_milli: None,
        service_p95_us: None,
        arrival_cv2_milli: None,
        at: NOW,
    }
}

#[test]
fn target_below_the_service_time_is_called_unreachable_and_does_not_run_away() {
    let report = slo::evaluate(&Slo { p95_s: 0.1, slots: 4 }, &traffic(20, 500), 1000);
    assert!(report.unreachable);
    assert!(report.asks < 10, "{report:?}");
}

#[test]
fn steadier_service_needs_fewer() {
    let spec = Slo { p95_s: 1.0, slots: 1 };
    let steady = Traffic { service_cv2_milli: Some(0), service_p95_us: Some(400_000), ..traffic(50, 400) };
    let wild = Traffic { service_cv2_milli: Some(4000), service_p95_us: Some(800_000), ..steady };
    assert!(slo::evaluate(&spec, &steady, 1000).asks < slo::evaluate(&spec, &wild, 1000).asks);
}

proptest! {
    #[test]
    fn more_in_flight_never_asks_for_less(
        values in prop::collection::vec(0_u64..200, 1..120),
        more in prop::collection::vec(0_u64..200, 120),
        ready in 1_u32..20,
    ) {
        let higher: Vec<u64> = values.iter().zip(&more).map(|(value, more)| value + more).collect();
        let low = feed(&mut Memory::default(), NOW, &values, ready);
        let high = feed(&mut Memory::default(), NOW, &higher, ready);
        prop_assert!(low.asks <= high.asks);
    }

    #[test]
    fn slo_asks_for_the_fewest_that_the_model_accepts(
        (per_s, service_ms, slots) in (1_u64..500, 1_u64..2000, 1_u32..16),
        stretch in 3.0..20.0_f64,
    ) {
        let service_s = service_ms as f64 / 1000.0;
        let spec = Slo { p95_s: service_s * stretch, slots };
        let report = slo::evaluate(&spec, &traffic(per_s, service_ms), 100_000);
        prop_assert!(!report.unreachable);
        let p95 = |instances: u32| {
            let queue = Erlang::new(per_s as f64 * service_s).with_servers(instances * slots);
            queue.response_quantile(0.95, Variability::EXPONENTIAL) * service_s
        };
        prop_assert!(p95(report.asks) <= spec.p95_s);
        if report.asks > 1 {
            prop_assert!(p95(report.asks - 1) > spec.p95_s);
        }
    }

    #[test]
    fn slo_never_asks_for_less_with_more_traffic(
        (per_s, more, service_ms) in (1_u64..300, 0_u64..100, 1_u64..1000),
        p95_ms in 1_u32..5000,
        cv2_milli in prop::option::of(0_u64..4000),
    ) {
        let spec = Slo { p95_s: f64::from(p95_ms) / 1000.0, slots: 4 };
        let ask = |per_s| {
            let traffic = Traffic { service_cv2_milli: cv2_milli, ..traffic(per_s, service_ms) };
            slo::evaluate(&spec, &traffic, 1000).asks
        };
        prop_assert!(ask(per_s) <= ask(per_s + more));
    }
}
