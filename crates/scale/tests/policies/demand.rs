//! `demandQuantile`.

use plimsoll_scale::policy::demand_quantile::{Memory, evaluate};
use plimsoll_scale::policy::{Gauge, PolicyState, Signals};
use plimsoll_scale::spec::policy::DemandQuantile;
use proptest::prelude::*;
use serde_json::json;

use super::{NOW, policy, ready, round};

fn rule(quantile: f64, window_s: u32) -> DemandQuantile {
    DemandQuantile { quantile, window_s, per_instance_milli: 8_000 }
}

/// The answer after one sample a second.
fn ask(rule: &DemandQuantile, demands: &[u64]) -> u32 {
    let mut memory = Memory::default();
    let mut asks = 0;
    for (second, &demand) in (0..).zip(demands) {
        let now = NOW.plus_s(second);
        asks = evaluate(rule, &mut memory, &Gauge { milli: demand * 1000, at: now }, now).asks;
    }
    asks
}

#[test]
fn constant_demand_asks_for_what_it_needs() {
    for demand in [1, 8, 9, 64, 800] {
        assert_eq!(u64::from(ask(&rule(0.5, 60), &[demand; 100])), demand.div_ceil(8), "{demand}");
    }
}

#[test]
fn a_burst_is_kept_for_the_window_and_then_forgotten() {
    let burst: Vec<u64> = [vec![8; 30], vec![160; 10], vec![8; 40]].concat();
    assert_eq!(ask(&rule(0.9, 60), &burst), 20);
    let long_ago = [burst, vec![8; 20]].concat();
    assert_eq!(ask(&rule(0.9, 60), &long_ago), 1);
}

#[test]
fn nothing_in_the_window_asks_for_nothing() {
    assert_eq!(ask(&rule(0.9, 60), &[vec![50; 10], vec![0; 60]].concat()), 0);
    assert_eq!(ask(&rule(0.9, 60), &[vec![50; 10], vec![0; 59]].concat()), 7);
}

#[test]
fn one_decision_goes_to_what_the_bursts_need() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 100, "demandQuantile": {"quantile": 0.9, "perInstance": "8"},
    }));
    let signals = Signals { demand: Some(Gauge { milli: 400_000, at: NOW }), ..Signals::default() };
    let decided = round(&policy, &mut PolicyState::default(), &ready(1), &signals, NOW);
    assert_eq!(decided.decision.desired, 50, "{}", decided.summary());
}

#[test]
fn a_lost_signal_never_scales_in() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 100, "demandQuantile": {"quantile": 0.9, "perInstance": "8"},
    }));
    let decided = round(&policy, &mut PolicyState::default(), &ready(9), &Signals::default(), NOW);
    assert_eq!(decided.decision.desired, 9, "{}", decided.summary());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn few_requests_meet_more_demand_than_there_is_room_for(
        demands in prop::collection::vec(0..1000_u64, 1..200), quantile in 0.05..1.0_f64,
    ) {
        let asks = u64::from(ask(&rule(quantile, 300), &demands));
        // A level stands for demands up to 0.4 % above it.
        let beyond: u64 = demands.iter().filter(|&&demand| demand as f64 > asks as f64 * 8.0 * 1.004).sum();
        let total: u64 = demands.iter().sum();
        prop_assert!(beyond as f64 <= (1.0 - quantile) * total as f64 * 1.005 + 1e-9, "{asks}: {beyond} of {total}");
    }

    #[test]
    fn a_higher_quantile_never_asks_for_less(
        demands in prop::collection::vec(0..1000_u64, 1..200), low in 0.05..1.0_f64, high in 0.05..1.0_f64,
    ) {
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(ask(&rule(low, 300), &demands) <= ask(&rule(high, 300), &demands));
    }

    #[test]
    fn twice_the_demand_asks_for_twice_as_much(demands in prop::collection::vec(0..1000_u64, 1..200)) {
        let double: Vec<u64> = demands.iter().map(|demand| demand * 2).collect();
        let (once, twice) = (ask(&rule(0.8, 300), &demands), ask(&rule(0.8, 300), &double));
        prop_assert!(twice <= 2 * once && twice + 1 >= 2 * once, "{once} {twice}");
    }
}
