//! What must hold for every spec and every stream of observations. The README lists these properties in words.

mod formula;
mod stream;

use plimsoll_scale::explain::Path;
use plimsoll_scale::observe::{Reading, Scale};
use plimsoll_scale::spec::{Behavior, MetricId, MetricSpec, PolicyKind, RatePolicy, ScalingRules, Target};
use plimsoll_scale::{Decision, HpaSpec, Observation, Settings, State, Time, Written, reconcile, settle};
use proptest::prelude::*;
use stream::{Load, Tick, load, observe, spec, tick};

/// One round with a write that works; the new count is the caller's to apply.
fn round(spec: &HpaSpec, settings: &Settings, state: &mut State, seen: &Observation, now: Time) -> Decision {
    let mut decision = reconcile(spec, settings, state, seen, now);
    settle(spec, settings, state, &mut decision, Written::Succeeded, now);
    decision
}

/// Runs a stream of ticks, feeding each decision back as the next scale; `check` sees every round.
fn run(spec: &HpaSpec, ticks: &[Tick], mut check: impl FnMut(&State, &Observation, &Decision, Time)) {
    let settings = Settings::default();
    let mut state = State::default();
    let mut replicas = spec.min().max(1);
    let mut now = Time::from_s(1_000_000);
    for tick in ticks {
        now = now.plus_s(tick.pause_s);
        let seen = observe(spec, tick, replicas, now);
        let before = state.clone();
        let decision = round(spec, &settings, &mut state, &seen, now);
        check(&before, &seen, &decision, now);
        replicas = decision.desired;
    }
}

fn external(target_milli: i64, min: u32, max: u32) -> HpaSpec {
    HpaSpec {
        min_replicas: Some(min),
        max_replicas: max,
        metrics: vec![MetricSpec::External {
            metric: MetricId { name: "queue_depth".into(), ..MetricId::default() },
            target: Target::AverageValue(target_milli),
        }],
        behavior: None,
    }
}

fn total(replicas: u32, milli: i64, now: Time) -> Observation {
    Observation {
        scale: Some(Scale { spec_replicas: replicas, status_replicas: replicas }),
        readings: vec![Reading::Value { milli, at: now }],
        ..Observation::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn limits_are_respected(spec in spec(), ticks in prop::collection::vec(tick(), 1..40)) {
        run(&spec, &ticks, |_, _, decision, _| {
            let Decision { current, desired, .. } = *decision;
            match decision.explanation.path {
                Path::Paused | Path::NoScale | Path::SelectorFault | Path::MetricsFailed => {
                    assert_eq!(desired, current, "{}", decision.summary());
                }
                _ => {
                    assert!(desired >= spec.min() && desired <= spec.max_replicas, "{}", decision.summary());
                }
            }
            if spec.behavior.is_none() && decision.explanation.path == Path::Metrics && current > 0 {
                assert!(desired <= (2 * current).max(4), "{}", decision.summary());
            }
        });
    }

    #[test]
    fn instance_without_a_sample_is_never_taken_for_idle(
        replicas in 1_u32..60,
        nth in 2_usize..6,
        pct in 1_i32..100,
        used_pct in 0_i64..150,
        utilization in any::<bool>(),
    ) {
        // What an instance requests, or the target.
        let unit_milli = if utilization { 500 } else { i64::from(pct) * 1000 };
        let load = Load { total_milli: i64::from(replicas) * unit_milli * used_pct / 100 };
        let metric = if utilization {
            MetricSpec::Resource { name: "cpu".into(), target: Target::Utilization(pct) }
        } else {
            let metric = MetricId { name: "rate".into(), ..MetricId::default() };
            MetricSpec::Pods { metric, target: Target::AverageValue(unit_milli) }
        };
        let rules = ScalingRules { stabilization_window_s: Some(0), ..ScalingRules::default() };
        let behavior = Behavior { scale_down: Some(rules), ..Behavior::default() };
        let spec = HpaSpec { metrics: vec![metric], behavior: Some(behavior), ..external(1, 1, 100) };
        let now = Time::from_s(1_000_000);
        let seen = observe(&spec, &Tick::missing_every(nth, load), replicas, now);
        let decision = round(&spec, &Settings::default(), &mut State::default(), &seen, now);
        // Each of them counts as using all that it requests, or exactly the target.
        let missing = replicas / nth as u32;
        prop_assert!(decision.desired >= missing.min(replicas), "{}", decision.summary());
    }

    #[test]
    fn rate_limits_hold_over_every_period(
        value in 1_u32..6,
        period_s in 15_u32..120,
        loads in prop::collection::vec((1_u32..30, load()), 1..60),
    ) {
        let only = |window_s| ScalingRules {
            stabilization_window_s: Some(window_s),
            policies: Some(vec![RatePolicy { kind: PolicyKind::Pods, value: value as i32, period_s }]),
            ..ScalingRules::default()
        };
        let behavior = Behavior { scale_up: Some(only(0)), scale_down: Some(only(0)) };
        let spec = HpaSpec { behavior: Some(behavior), ..external(5000, 1, 400) };
        let mut counts: Vec<(Time, u32)> = Vec::new();
        let ticks: Vec<Tick> =
            loads.into_iter().map(|(pause_s, load)| Tick::calm_after(pause_s, load)).collect();
        run(&spec, &ticks, |_, _, decision, now| {
            if counts.is_empty() {
                counts.push((Time(0), decision.current));
            }
            // Kubernetes counts from where the period began, and events of both directions.
            let before = |(at, _): &&(Time, u32)| now.since_ms(*at) >= i64::from(period_s) * 1000;
            let began = counts.iter().rev().find(before).map_or(decision.current, |(_, count)| *count);
            let moved = began.abs_diff(decision.desired);
            assert!(moved <= value || !decision.write, "{moved} in {period_s} s: {}", decision.summary());
            counts.push((now, decision.desired));
        });
    }

    #[test]
    fn answer_waits_for_the_window_of_its_direction(
        windows_s in (0_u32..120, 0_u32..120),
        loads in prop::collection::vec((1_u32..30, load()), 1..60),
    ) {
        let only = |window_s| ScalingRules {
            stabilization_window_s: Some(window_s),
            policies: Some(vec![RatePolicy { kind: PolicyKind::Pods, value: 1_000_000, period_s: 15 }]),
            ..ScalingRules::default()
        };
        let (up_s, down_s) = windows_s;
        let behavior = Behavior { scale_up: Some(only(up_s)), scale_down: Some(only(down_s)) };
        let spec = HpaSpec { behavior: Some(behavior), ..external(5000, 1, 5000) };
        let mut asked: Vec<(Time, u32)> = Vec::new();
        let ticks: Vec<Tick> =
            loads.into_iter().map(|(pause_s, load)| Tick::calm_after(pause_s, load)).collect();
        run(&spec, &ticks, |_, _, decision, now| {
            if asked.is_empty() {
                asked.push((now, decision.current));
            }
            let wanted = decision.explanation.wanted.unwrap_or(decision.current);
            let within = |window_s: u32| {
                let of_window = asked.iter().filter(move |(at, _)| now.since_ms(*at) < i64::from(window_s) * 1000);
                of_window.map(|(_, replicas)| *replicas).chain([wanted])
            };
            let (least, most) = (within(up_s).min().unwrap_or(0), within(down_s).max().unwrap_or(0));
            let Decision { current, desired, .. } = *decision;
            assert!(desired >= current || desired >= most.max(1), "fell to {desired} below {most}");
            assert!(desired <= current || desired <= least.max(1), "rose to {desired} above {least}");
            asked.push((now, wanted));
        });
    }

    #[test]
    fn absent_or_failed_signals_never_scale_in(
        spec in spec(),
        ticks in prop::collection::vec(tick(), 1..40),
    ) {
        run(&spec, &ticks, |_, seen, decision, _| {
            let lost = seen.scale.is_none() || seen.readings.iter().any(|r| matches!(r, Reading::Failed(_)));
            if lost && decision.explanation.path != Path::AboveMax {
                assert!(decision.desired >= decision.current, "{}", decision.summary());
            }
        });
    }

    #[test]
    fn stale_signals_never_scale_in(
        spec in spec(),
        tick in tick(),
        replicas in 1_u32..50,
        age_s in 61_u32..1000,
    ) {
        let settings = Settings { stale_after_s: Some(60), downscale_stabilization_s: 0, ..Settings::default() };
        let measured_at = Time::from_s(1_000_000);
        let replicas = replicas.clamp(spec.min().max(1), spec.max_replicas);
        let seen = observe(&spec, &tick, replicas, measured_at);
        let now = measured_at.plus_s(age_s);
        let decision = round(&spec, &settings, &mut State::default(), &seen, now);
        prop_assert!(decision.desired >= decision.current, "{}", decision.summary());
    }

    #[test]
    fn decisions_replay_byte_identically(spec in spec(), ticks in prop::collection::vec(tick(), 1..20)) {
        let settings = Settings::default();
        run(&spec, &ticks, |state, seen, decision, now| {
            let logged = serde_json::to_string(&(&spec, &settings, state, seen, now)).unwrap();
            let (spec, settings, mut state, seen, now): (HpaSpec, Settings, State, Observation, Time) =
                serde_json::from_str(&logged).unwrap();
            let again = round(&spec, &settings, &mut state, &seen, now);
            let text = |decision: &Decision| serde_json::to_string(decision).unwrap();
            assert_eq!(text(decision), text(&again));
            assert_eq!(decision.summary(), again.summary());
        });
    }

    #[test]
    fn restart_with_restored_state_is_no_restart(
        spec in spec(),
        ticks in prop::collection::vec(tick(), 1..40),
    ) {
        let settings = Settings::default();
        let mut restored = State::default();
        run(&spec, &ticks, |_, seen, decision, now| {
            let stored = serde_json::to_string(&restored).unwrap();
            restored = serde_json::from_str(&stored).unwrap();
            assert_eq!(&round(&spec, &settings, &mut restored, seen, now), decision);
        });
    }

    #[test]
    fn more_load_never_asks_for_less(
        spec in spec(),
        history in prop::collection::vec(tick(), 0..20),
        low in load(),
        more in 0_i64..5_000_000,
    ) {
        let settings = Settings::default();
        let (mut state, mut replicas) = (State::default(), spec.min().max(1));
        run(&spec, &history, |_, _, decision, _| replicas = decision.desired);
        prop_assume!(replicas > 0);
        run(&spec, &history, |before, _, _, _| state = before.clone());
        let now = Time::from_s(2_000_000);
        let ask = |load: Load| {
            let tick = Tick::calm(load);
            let seen = observe(&spec, &tick, replicas, now);
            round(&spec, &settings, &mut state.clone(), &seen, now).desired
        };
        let high = Load { total_milli: low.total_milli + more };
        prop_assert!(ask(low) <= ask(high));
    }

    #[test]
    fn noise_inside_the_tolerance_moves_nothing(
        replicas in 1_u32..200,
        noise_pct in prop::collection::vec(-9_i64..=9, 1..100),
    ) {
        let (spec, settings) = (external(5000, 1, 400), Settings::default());
        let mut state = State::default();
        let mut now = Time::from_s(1_000_000);
        for noise in noise_pct {
            now = now.plus_s(15);
            let milli = 5000 * i64::from(replicas) * (100 + noise) / 100;
            let decision = round(&spec, &settings, &mut state, &total(replicas, milli, now), now);
            prop_assert_eq!(decision.desired, replicas);
        }
    }

    #[test]
    fn constant_load_never_reverses(start in 1_u32..200, load_milli in 0_i64..1_500_000) {
        let (spec, settings) = (external(5000, 1, 400), Settings::default());
        let mut state = State::default();
        let (mut replicas, mut directions) = (start, Vec::new());
        let mut now = Time::from_s(1_000_000);
        for _ in 0..100 {
            now = now.plus_s(15);
            let decision = round(&spec, &settings, &mut state, &total(replicas, load_milli, now), now);
            if decision.write {
                directions.push(decision.desired > replicas);
            }
            replicas = decision.desired;
        }
        directions.dedup();
        prop_assert!(directions.len() <= 1, "turned around: {directions:?}");
        let enough = (load_milli + 4999) / 5000;
        let ratio = load_milli as f64 / (5000.0 * f64::from(replicas));
        prop_assert!(i64::from(replicas) == enough.max(1) || (0.9..=1.1).contains(&ratio), "{replicas}");
    }
}
