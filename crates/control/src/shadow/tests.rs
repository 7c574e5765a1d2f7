use plimsoll_scale::HpaSpec;
use plimsoll_scale::observe::Scale;
use plimsoll_scale::policy::Gauge;
use plimsoll_scale::spec::policy::{Concurrency, ScalingPolicy};

use super::*;

fn policy(target_milli: i64) -> Arc<Policy> {
    let hpa = HpaSpec { min_replicas: Some(1), max_replicas: 50, metrics: Vec::new(), behavior: None };
    let concurrency =
        Concurrency { target_milli, stable_window_s: 6, panic_window_s: 1, panic_threshold_pct: 10_000 };
    let spec = ScalingPolicy { concurrency: Some(concurrency), ..ScalingPolicy::from(hpa) };
    Arc::new(Policy::compile(spec).expect("a policy without schedules"))
}

/// Both policies through a row of loads, one a second; the live one is followed.
fn run(shadow_target: i64, loads: impl Iterator<Item = u64>) -> (Memory, Vec<Draft>) {
    let (live, mut shadow) = (policy(1000), Shadow::new(policy(shadow_target)));
    let (mut state, mut memory) = (PolicyState::default(), Memory::default());
    let (mut drafts, mut current) = (Vec::new(), 1);
    for (second, load) in loads.enumerate() {
        let now = Time(second as i64 * 1000);
        let scale = Scale { spec_replicas: current, status_replicas: current };
        let observed = Observation { scale: Some(scale), ..Observation::default() };
        let gauge = Gauge { milli: load * 1000, at: now };
        let seen = Signals { in_flight: Some(gauge), ..Signals::default() };
        let settings = Settings::default();
        let decided = policy::decide(&live, &settings, &mut state, &observed, &seen, now);
        let before = state.clone();
        let beside = Beside {
            service: "a",
            settings: &settings,
            observed: &observed,
            seen: &seen,
            live: &decided,
            now,
        };
        drafts.extend(shadow.decide(&mut memory, &beside).draft);
        assert_eq!(state, before);
        current = decided.decision.desired;
    }
    (memory, drafts)
}

#[test]
fn same_policy_never_differs() {
    let (memory, drafts) = run(1000, (0..300).map(|second| 1 + second / 30));
    assert_eq!(drafts, vec![]);
    assert_eq!(memory.live_instance_ms, memory.shadow_instance_ms);
}

#[test]
fn difference_is_told_once_and_counted() {
    let (memory, drafts) = run(2000, std::iter::repeat_n(8, 301));
    assert_eq!(drafts.len(), 1, "{drafts:?}");
    assert_eq!(drafts[0].kind, Kind::Shadow);
    assert_eq!((drafts[0].from, drafts[0].to), (8, 4));
    assert_eq!((memory.live_instance_ms, memory.shadow_instance_ms), (8 * 300_000, 4 * 300_000));
}

#[test]
fn restless_difference_is_told_at_most_once_a_minute() {
    let (_, drafts) = run(3000, (0..600).map(|second| 1 + second % 40));
    assert!((2..=10).contains(&drafts.len()), "{}", drafts.len());
    assert!(drafts[1].summary.contains("were not told"), "{}", drafts[1].summary);
}

/// Its answers are what it would do now, with the instances there are: what it wished before counts for nothing, as nobody
/// has followed it.
#[test]
fn answer_is_for_the_live_count_whatever_it_wished_before() {
    let spec: ScalingPolicy = serde_json::from_str(
        r#"{ "minReplicas": 1, "maxReplicas": 50, "concurrency": { "target": "1" },
            "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] } } }"#,
    )
    .expect("a policy");
    let (live, mut shadow) = (policy(1000), Shadow::new(Arc::new(Policy::compile(spec).expect("compiled"))));
    let (mut state, mut memory) = (PolicyState::default(), Memory::default());
    let settings = Settings::default();
    let mut lines = Vec::new();
    for (second, replicas) in [4, 4, 4, 9, 9, 2].into_iter().enumerate() {
        let now = Time(second as i64 * 1000);
        let scale = Scale { spec_replicas: replicas, status_replicas: replicas };
        let observed = Observation { scale: Some(scale), ..Observation::default() };
        let seen = Signals { in_flight: Some(Gauge { milli: 40_000, at: now }), ..Signals::default() };
        let decided = policy::decide(&live, &settings, &mut state, &observed, &seen, now);
        let beside = Beside {
            service: "a",
            settings: &settings,
            observed: &observed,
            seen: &seen,
            live: &decided,
            now,
        };
        lines.push(shadow.decide(&mut memory, &beside).line);
    }
    let wants: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("shadow: wants ")?.split(',').next()).collect();
    // One more than there are each time, as its own limit allows, never one more than it wished last.
    assert_eq!(wants, ["5", "5", "5", "10", "10", "3"]);
}
