//! How usage becomes advice.

use std::sync::Arc;

use plimsoll_scale::Time;
use plimsoll_scale::spec::{MetricSpec, Target};
use plimsoll_scale::vpa::{
    Advice, Amounts, Apply, Because, ContainerUsage, Member, Mode, Policy, Recommendation, Verdict, Wish,
    advise, recommend,
};

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

fn advice(mode: Mode, count: u32, metrics: &[MetricSpec]) -> Advice {
    wished(&Wish::of(mode), &members(count, small()), metrics, 10 * DAY_S)
}

fn wished(wish: &Wish, members: &[Member], metrics: &[MetricSpec], now_s: i64) -> Advice {
    let recommendation = recommend(&steady(), 1, &wish.allowed);
    advise(wish, &recommendation, small(), members, metrics, Time::from_s(now_s))
}

fn restarted(advice: &Advice) -> Vec<(&str, Because)> {
    match &advice.apply {
        Apply::Restart { instances, at_once, .. } => {
            instances.iter().take(*at_once).map(|due| (&*due.name, due.because)).collect()
        }
        other => panic!("{other:?}"),
    }
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
    let advice = advice(Mode::Off, 4, &[]);
    assert_eq!((advice.cpu.verdict, advice.memory.verdict), (Verdict::Raise, Verdict::Raise));
    assert_eq!(advice.apply, Apply::Show);
}

#[test]
fn initial_changes_only_new_instances() {
    assert!(matches!(advice(Mode::Initial, 4, &[]).apply, Apply::AtCreation { .. }));
}

#[test]
fn recreate_restarts_at_most_half_and_never_a_single_one() {
    let restarted = |count| restarted(&advice(Mode::Recreate, count, &[])).len();
    assert_eq!(restarted(1), 0);
    assert_eq!(restarted(2), 1);
    assert_eq!(restarted(5), 2);
}

#[test]
fn resource_that_an_autoscaler_scales_on_is_refused() {
    let cpu = MetricSpec::Resource { name: "cpu".into(), target: Target::Utilization(70) };
    let advice = advice(Mode::Recreate, 4, &[cpu]);
    assert_eq!(advice.cpu.verdict, Verdict::OwnedByAutoscaler { metric: "Resource cpu".into() });
    let Apply::Restart { requests, .. } = advice.apply else { panic!("memory is still advised") };
    assert_eq!(requests.cpu_milli, small().cpu_milli);
    assert!(requests.memory_bytes > small().memory_bytes);
}

#[test]
fn uncontrolled_resource_is_shown_and_never_applied() {
    let wish = Wish { controls_cpu: false, ..Wish::of(Mode::Initial) };
    let memory_only = wished(&wish, &[], &[], DAY_S);
    assert_eq!(memory_only.cpu.verdict, Verdict::Raise);
    let Apply::AtCreation { requests } = memory_only.apply else { panic!("memory is applied") };
    assert_eq!(requests.cpu_milli, small().cpu_milli);
    let wish = Wish { controls_memory: false, ..wish };
    assert_eq!(wished(&wish, &[], &[], DAY_S).apply, Apply::Show);
    // Too small a request of a resource that is left alone is no reason for a restart.
    let wish = Wish { controls_memory: true, allowed: Policy::default(), mode: Mode::Recreate, ..wish };
    let target = recommend(&steady(), 1, &Policy::default()).target;
    let fits = Amounts { cpu_milli: 1, ..target };
    assert_eq!(restarted(&wished(&wish, &members(4, fits), &[], DAY_S / 4)), []);
}

#[test]
fn restart_needs_a_reason() {
    let target = recommend(&steady(), 1, &Policy::default()).target;
    let near = Amounts { cpu_milli: target.cpu_milli, memory_bytes: target.memory_bytes + 30 * MIB };
    let far = Amounts { cpu_milli: target.cpu_milli * 111 / 100, ..near };
    // The upper bound with eight days of history is an eighth above the 95th percentile.
    assert!(far.cpu_milli < recommend(&steady(), 1, &Policy::default()).upper.cpu_milli);
    let ask = |requests: Amounts, born_s: i64, oom_s: Option<i64>| {
        let mut members = members(2, requests);
        members[0].started_at = Time::from_s(born_s);
        members[0].out_of_memory_at = oom_s.map(Time::from_s);
        // The other one is as it should be.
        members[1].requests = target;
        let advice = wished(&Wish::of(Mode::Recreate), &members, &[], DAY_S);
        restarted(&advice).iter().map(|(_, because)| *because).collect::<Vec<_>>()
    };
    let half_a_day = DAY_S / 2;
    assert_eq!(ask(near, 0, None), [], "four per cent off and old");
    assert_eq!(ask(far, half_a_day + 60, None), [], "far and younger than twelve hours");
    assert_eq!(ask(far, half_a_day - 60, None), [Because::Drifted]);
    assert_eq!(
        ask(near, DAY_S - 900, Some(DAY_S - 600)),
        [Because::OutOfMemory],
        "five minutes after its start"
    );
    assert_eq!(ask(near, DAY_S - 900, Some(DAY_S - 100)), [], "later than ten minutes");
    assert_eq!(ask(small(), DAY_S - 1, None), [Because::OutsideTheRange], "at any age");
}

#[test]
fn single_instance_is_replaced_when_that_is_wished() {
    let wish = Wish { min_replicas: 1, ..Wish::of(Mode::Recreate) };
    assert_eq!(restarted(&wished(&wish, &members(1, small()), &[], DAY_S)).len(), 1);
}

#[test]
fn what_got_the_target_is_not_restarted_again() {
    let wish = Wish {
        allowed: Policy { max_memory_bytes: Some(300 * MIB), min_cpu_milli: Some(700), ..Policy::default() },
        ..Wish::of(Mode::Recreate)
    };
    let Apply::Restart { requests, instances, at_once } =
        wished(&wish, &members(4, small()), &[], DAY_S).apply
    else {
        panic!("nothing to do")
    };
    assert_eq!(requests, Amounts { cpu_milli: 700, memory_bytes: 300 * MIB });
    assert_eq!((instances.len(), at_once), (4, 2));
    assert_eq!(restarted(&wished(&wish, &members(4, requests), &[], DAY_S)), []);
}
