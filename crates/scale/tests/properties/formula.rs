//! The same properties for a formula: any expression over any stream.

use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::explain::Path;
use plimsoll_scale::observe::{Instance, Phase, Readiness, Reading, Scale};
use plimsoll_scale::policy::{Policy, PolicyDecision, PolicyState, Signals, decide, settle_policy};
use plimsoll_scale::spec::MetricId;
use plimsoll_scale::spec::policy::{Formula, FormulaTarget, ScalingPolicy};
use plimsoll_scale::{HpaSpec, Observation, Settings, State, Time, Written};
use proptest::prelude::*;

const START: Time = Time::from_s(1_000_000);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Time to the last tick, and what each signal says; nothing is a failed reading.
type Tick = (u32, [Option<i64>; 3]);

fn tick() -> impl Strategy<Value = Tick> {
    let value = || prop_oneof![6 => (-2_000_000_i64..20_000_000).prop_map(Some), 1 => Just(None)];
    (1_u32..120, [value(), value(), value()])
}

/// More of a signal is never less of these.
fn rising() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![3 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => Just("4".into())];
    leaf.prop_recursive(4, 16, 3, |inner: BoxedStrategy<String>| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} + {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("max({l}, {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("min([{l}, {r}])")),
            inner.clone().prop_map(|one| format!("({one} * 1.5)")),
            inner.clone().prop_map(|one| format!("ceil({one} / 3)")),
            inner.prop_map(|one| format!("count([{one}, a], {{# > 9}}) * 7")),
        ]
    })
}

/// Anything, with what stands in for lost signals among it.
fn expression() -> impl Strategy<Value = String> {
    rising().prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} ?? {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} - {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} / {r})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(l, r, o)| format!("({l} > {r} ? {o} : {l})")),
        ]
    })
}

fn policy(expression: &str, metric_type: FormulaTarget, (min, more): (u32, u32)) -> Policy {
    let named = |name: &str| MetricId { name: name.to_uppercase(), ..MetricId::default() };
    let hpa = HpaSpec {
        min_replicas: Some(min),
        max_replicas: (min + more).max(1),
        metrics: Vec::new(),
        behavior: None,
    };
    let formula = Formula {
        expression: expression.to_owned(),
        signals: NAMES.iter().map(|name| ((*name).to_owned(), named(name))).collect(),
        target_milli: 50_000,
        metric_type,
        activation_milli: 2000,
    };
    let spec = ScalingPolicy { formula: Some(formula), ..ScalingPolicy::from(hpa) };
    assert_eq!(spec.problems(), []);
    Policy::compile(spec).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![Just(FormulaTarget::AverageValue), Just(FormulaTarget::Value)];
    (expression(), kind, (0_u32..5, 0_u32..60)).prop_map(|(text, kind, bounds)| policy(&text, kind, bounds))
}

fn observe(replicas: u32, readings: [Option<i64>; 3], at: Time) -> Observation {
    let reading = |value: Option<i64>| match value {
        Some(milli) => Reading::Value { milli, at },
        None => Reading::Failed(MetricError::Unavailable { message: "connection refused".into() }),
    };
    let instance = |index| Instance {
        name: format!("worker-{index}").into(),
        phase: Phase::Running,
        deleting: false,
        started_at: Some(Time(0)),
        readiness: Some(Readiness { ready: true, since: Time(0) }),
        containers: Vec::new(),
        whole: None,
    };
    Observation {
        scale: Some(Scale { spec_replicas: replicas, status_replicas: replicas }),
        instances: (0..replicas).map(instance).collect(),
        readings: readings.map(reading).to_vec(),
        ..Observation::default()
    }
}

fn round(
    policy: &Policy,
    settings: &Settings,
    state: &mut PolicyState,
    seen: &Observation,
    now: Time,
) -> PolicyDecision {
    let mut decided = decide(policy, settings, state, seen, &Signals::default(), now);
    settle_policy(policy, settings, state, &mut decided, Written::Succeeded, now);
    decided
}

fn beginning(policy: &Policy) -> (PolicyState, u32) {
    let min = policy.spec().hpa.min();
    let hpa = if min == 0 { State::beginning_at_zero(START) } else { State::default() };
    (PolicyState { hpa, ..PolicyState::default() }, min)
}

fn run(
    policy: &Policy,
    ticks: &[Tick],
    mut check: impl FnMut(&PolicyState, &Observation, &PolicyDecision, Time),
) {
    let (mut state, mut replicas) = beginning(policy);
    let mut now = START;
    for (pause_s, readings) in ticks {
        now = now.plus_s(*pause_s);
        let seen = observe(replicas, *readings, now);
        let before = state.clone();
        let decided = round(policy, &Settings::default(), &mut state, &seen, now);
        check(&before, &seen, &decided, now);
        replicas = decided.decision.desired;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn limits_are_respected(policy in any_policy(), ticks in prop::collection::vec(tick(), 1..30)) {
        let hpa = &policy.spec().hpa;
        run(&policy, &ticks, |_, _, decided, _| {
            let decision = &decided.decision;
            if decision.explanation.path == Path::Metrics {
                assert!((hpa.min()..=hpa.max_replicas).contains(&decision.desired), "{}", decided.summary());
            } else {
                assert_eq!(decision.desired, decision.current, "{}", decided.summary());
            }
        });
    }

    #[test]
    fn lost_signals_that_were_looked_at_never_scale_in(
        policy in any_policy(), ticks in prop::collection::vec(tick(), 1..30),
    ) {
        run(&policy, &ticks, |_, _, decided, _| {
            let report = decided.policies.formula.as_ref().unwrap();
            if !report.missed.is_empty() || report.value_milli.is_none() {
                assert!(decided.decision.desired >= decided.decision.current, "{}", decided.summary());
            }
        });
    }

    #[test]
    fn stale_signals_never_scale_in(
        policy in any_policy(), readings in [0_i64..900, 0_i64..900, 0_i64..900], replicas in 1_u32..40,
        age_s in 61_u32..1000,
    ) {
        let settings = Settings { stale_after_s: Some(60), downscale_stabilization_s: 0, ..Settings::default() };
        let replicas = replicas.clamp(policy.spec().hpa.min().max(1), policy.spec().hpa.max_replicas);
        let seen = observe(replicas, readings.map(Some), START);
        let decided = round(&policy, &settings, &mut PolicyState::default(), &seen, START.plus_s(age_s));
        prop_assume!(!decided.policies.formula.as_ref().unwrap().missed.is_empty());
        prop_assert!(decided.decision.desired >= replicas, "{}", decided.summary());
    }

    #[test]
    fn decisions_replay_byte_identically_also_after_a_restart(
        policy in any_policy(), ticks in prop::collection::vec(tick(), 1..20),
    ) {
        let (mut restored, _) = beginning(&policy);
        run(&policy, &ticks, |state, seen, decided, now| {
            let logged = serde_json::to_string(&(policy.spec(), state, seen, now)).unwrap();
            let (spec, mut state, seen, now): (ScalingPolicy, PolicyState, Observation, Time) =
                serde_json::from_str(&logged).unwrap();
            let again = Policy::compile(spec).unwrap();
            let again = round(&again, &Settings::default(), &mut state, &seen, now);
            let text = |decided: &PolicyDecision| serde_json::to_string(decided).unwrap();
            assert_eq!(text(decided), text(&again));
            let back: PolicyDecision = serde_json::from_str(&text(decided)).unwrap();
            assert_eq!(back.summary(), decided.summary());
            let stored = serde_json::to_string(&restored).unwrap();
            restored = serde_json::from_str(&stored).unwrap();
            assert_eq!(&round(&policy, &Settings::default(), &mut restored, &seen, now), decided);
        });
    }

    #[test]
    fn more_of_a_signal_never_asks_for_less_when_the_formula_rises_with_it(
        text in rising(), low in [0_i64..9_000_000, 0_i64..9_000_000, 0_i64..9_000_000],
        more in [0_i64..900_000, 0_i64..900_000, 0_i64..900_000], replicas in 1_u32..50,
    ) {
        let policy = policy(&text, FormulaTarget::AverageValue, (1, 80));
        let high = [low[0] + more[0], low[1] + more[1], low[2] + more[2]];
        let ask = |readings: [i64; 3]| {
            let seen = observe(replicas, readings.map(Some), START);
            round(&policy, &Settings::default(), &mut PolicyState::default(), &seen, START).decision.desired
        };
        prop_assert!(ask(low) <= ask(high), "{}", text);
    }

    #[test]
    fn noise_inside_the_tolerance_moves_nothing(
        replicas in 1_u32..80, noise_pct in prop::collection::vec([-9_i64..=9, -9_i64..=9], 1..60),
    ) {
        let policy = policy("a + b", FormulaTarget::AverageValue, (1, 200));
        let (mut state, mut now) = (PolicyState::default(), START);
        for [a, b] in noise_pct {
            now = now.plus_s(15);
            let part = |noise| Some(25_000 * i64::from(replicas) * (100 + noise) / 100);
            let seen = observe(replicas, [part(a), part(b), Some(0)], now);
            let decided = round(&policy, &Settings::default(), &mut state, &seen, now);
            prop_assert_eq!(decided.decision.desired, replicas);
        }
    }
}
