//! How usage becomes advice.

use std::sync::Arc;

use plimsoll_scale::spec::{MetricSpec, Target};
use plimsoll_scale::vpa::{
    Advice, Amounts, Apply, ContainerUsage, Member, Mode, Policy, Recommendation, Verdict, advise, recommend,
};
use plimsoll_scale::{HpaSpec, Time};

const MIB: i64 = 1024 * 1024;
const DAY_S: i64 = 86_400;

/// Eight days of one sample per minute around half a core and 600 MiB.
fn steady() -> ContainerUsage {
    let mut usage = ContainerUsage::default();
    for minute in 0..8 * 1440 {
        let at = Time::from_s(1_700_000_000 + minute * 60);
        assert!(usage.add_cpu(0.5, at));
        assert!(usage.add_memory(600 * MIB, at));
    }
    usage
}

fn members(count: u32, requests: Amounts) -> Vec<Member> {
    let member = |index| Member {
        name: Arc::from(format!("api-{index}")),
        requests,
        started_at: Time::from_s(0),
        out_of_memory_at: None,
    };
    (0..count).map(member).collect()
}

fn small() -> Amounts {
    Amounts { cpu_milli: 100, memory_bytes: 128 * MIB }
}

fn advice(mode: Mode, count: u32, hpa: Option<&HpaSpec>) -> Advice {
    let recommendation = recommend(&steady(), 1, &Policy::default());
    advise(mode, &recommendation, small(), &members(count, small()), hpa, Time::from_s(10 * DAY_S))
}

#[test]
fn steady_usage_is_recommended_with_its_margin() {
    let Recommendation { target, lower, upper, .. } = recommend(&steady(), 1, &Policy::default());
    // Buckets are 5 % of the value plus the first bucket wide, the margin is 15 %.
    assert!((575..=605).contains(&target.cpu_milli), "{target:?}");
    assert!((690..=740).contains(&(target.memory_bytes / MIB)), "{target:?}");
    assert!(lower.cpu_milli <= target.cpu_milli && target.cpu_milli <= upper.cpu_milli);
}

#[test]
fn policy_caps_the_target_and_keeps_the_uncapped_one() {
    let policy = Policy { max_cpu_milli: Some(200), ..Policy::default() };
    let recommendation = recommend(&steady(), 1, &policy);
    assert_eq!(recommendation.target.cpu_milli, 200);
    assert!(recommendation.uncapped_target.cpu_milli > 500);
}

#[test]
fn no_history_bounds_nothing() {
    let recommendation = recommend(&ContainerUsage::default(), 1, &Policy::default());
    assert_eq!(recommendation.target, Amounts { cpu_milli: 25, memory_bytes: 250 * MIB });
}

#[test]
fn samples_out_of_order_do_not_count() {
    let mut usage = ContainerUsage::default();
    assert!(usage.add_cpu(1.0, Time::from_s(100)));
    assert!(!usage.add_cpu(9.0, Time::from_s(100)));
    assert!(!usage.add_cpu(9.0, Time::from_s(99)));
    assert!(!usage.add_cpu(f64::NAN, Time::from_s(101)));
    assert_eq!(usage.samples(), 1);
}

#[test]
fn interval_contributes_only_its_peak() {
    let (mut rising, mut single) = (ContainerUsage::default(), ContainerUsage::default());
    single.add_memory(50 * MIB, Time::from_s(0));
    rising.add_memory(50 * MIB, Time::from_s(0));
    for step in 1..=10 {
        rising.add_memory(100 * step * MIB, Time::from_s(step * 60));
    }
    single.add_memory(1000 * MIB, Time::from_s(60));
    assert_eq!(rising.memory().percentile(0.1), single.memory().percentile(0.1));
}

#[test]
fn repeated_out_of_memory_does_not_build_on_itself() {
    let mut usage = ContainerUsage::default();
    usage.add_memory(100 * MIB, Time::from_s(DAY_S));
    usage.record_oom(1000 * MIB, Time::from_s(DAY_S + 60)).unwrap();
    let once = usage.memory().percentile(1.0);
    usage.record_oom(1000 * MIB, Time::from_s(DAY_S + 120)).unwrap();
    assert_eq!(usage.memory().percentile(1.0), once);
    assert!(once >= (1200 * MIB) as f64);
    assert!(usage.record_oom(1000 * MIB, Time::from_s(0)).is_err());
}

#[test]
fn checkpoint_keeps_the_recommendation() {
    let usage = steady();
    let text = serde_json::to_string(&usage.checkpoint()).unwrap();
    let restored = ContainerUsage::restore(&serde_json::from_str(&text).unwrap());
    let policy = Policy::default();
    assert_eq!(recommend(&restored, 1, &policy), recommend(&usage, 1, &policy));
}

#[test]
fn off_only_shows() {
    let advice = advice(Mode::Off, 4, None);
    assert_eq!((advice.cpu.verdict, advice.memory.verdict), (Verdict::Raise, Verdict::Raise));
    assert_eq!(advice.apply, Apply::Show);
}

#[test]
fn initial_changes_only_new_instances() {
    assert!(matches!(advice(Mode::Initial, 4, None).apply, Apply::AtCreation { .. }));
}

#[test]
fn recreate_restarts_at_most_half_and_never_a_single_one() {
    let restarted = |count| match advice(Mode::Recreate, count, None).apply {
        Apply::Restart { instances, .. } => instances.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(restarted(1), 0);
    assert_eq!(restarted(2), 1);
    assert_eq!(restarted(5), 2);
}

#[test]
fn resource_that_an_autoscaler_scales_on_is_refused() {
    let cpu = MetricSpec::Resource { name: "cpu".into(), target: Target::Utilization(70) };
    let hpa = HpaSpec { min_replicas: None, max_replicas: 4, metrics: vec![cpu], behavior: None };
    let advice = advice(Mode::Recreate, 4, Some(&hpa));
    assert_eq!(advice.cpu.verdict, Verdict::OwnedByAutoscaler { metric: "Resource cpu".into() });
    let Apply::Restart { requests, .. } = advice.apply else { panic!("memory is still advised") };
    assert_eq!(requests.cpu_milli, small().cpu_milli);
    assert!(requests.memory_bytes > small().memory_bytes);
}
