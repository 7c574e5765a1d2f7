use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::Reading;
use plimsoll_scale::policy::{Policy, PolicyDecision, PolicyState, Signals, formula};
use plimsoll_scale::{Observation, Settings, State, Time, Written, reconcile, settle};
use serde_json::{Value, json};

use super::{NOW, policy, ready, round, spec};

fn body(formula: Value) -> Value {
    json!({
        "minReplicas": 1, "maxReplicas": 50, "formula": formula,
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
    })
}

fn of(expression: &str) -> Value {
    json!({ "expression": expression, "target": "5",
        "signals": { "jobs": { "name": "queue_depth" }, "waiting": { "name": "http_requests_waiting" } } })
}

/// In order of name: `jobs`, `waiting`.
fn seen(replicas: u32, readings: [Option<i64>; 2], at: Time) -> Observation {
    let reading = |value: Option<i64>| match value {
        Some(value) => Reading::Series { milli: vec![value * 1000], at },
        None => Reading::Failed(MetricError::Unavailable { message: "connection refused".into() }),
    };
    Observation { readings: readings.map(reading).to_vec(), ..ready(replicas) }
}

fn decide(policy: &Policy, replicas: u32, readings: [Option<i64>; 2]) -> PolicyDecision {
    round(policy, &mut PolicyState::default(), &seen(replicas, readings, NOW), &Signals::default(), NOW)
}

#[test]
fn one_value_comes_of_several_signals_and_is_explained() {
    let policy = policy(body(of("max(jobs, waiting * 2)")));
    let decided = decide(&policy, 2, [Some(12), Some(8)]);
    assert_eq!(decided.decision.desired, 4);
    assert_eq!(decided.summary(), "formula 16 (target 5/instance) asks for 4");
    let report = decided.policies.formula.unwrap();
    assert_eq!((report.value_milli, report.active), (Some(16_000), true));
    assert_eq!(
        report.signals[0],
        formula::Signal { name: "jobs".into(), seen: formula::Seen::Milli(12_000) }
    );
    assert_eq!(decided.decision.explanation.winner, Some(0));
}

#[test]
fn formula_of_one_signal_decides_as_that_metric_does() {
    let external = |target: Value| json!([{ "type": "External", "external": { "metric": { "name": "queue_depth" }, "target": target } }]);
    let cases = [
        ("AverageValue", external(json!({ "type": "AverageValue", "averageValue": "5" }))),
        ("Value", external(json!({ "type": "Value", "value": "5" }))),
    ];
    for (metric_type, metrics) in cases {
        let mut formula = of("jobs");
        formula["metricType"] = json!(metric_type);
        let composed = policy(body(formula));
        let mut plain = body(json!(null));
        plain["metrics"] = metrics;
        let plain = spec(plain).hpa;
        let settings = Settings::default();
        let (mut ours, mut theirs, mut replicas) = (PolicyState::default(), State::default(), 3);
        for (step, load) in [12, 80, 80, 0, 5, 23, 24, 300, 1].into_iter().enumerate() {
            let now = NOW.plus_s(15 * step as u32);
            let seen = seen(replicas, [Some(load), None], now);
            let decided = round(&composed, &mut ours, &seen, &Signals::default(), now);
            let alone = Observation { readings: seen.readings[..1].to_vec(), ..seen };
            let mut expected = reconcile(&plain, &settings, &mut theirs, &alone, now);
            settle(&plain, &settings, &mut theirs, &mut expected, Written::Succeeded, now);
            assert_eq!(decided.decision.desired, expected.desired, "{metric_type}, load {load}");
            assert_eq!(ours.hpa.recommendations, theirs.recommendations);
            replicas = expected.desired;
        }
    }
}

#[test]
fn lost_signal_never_scales_in() {
    let lost = [Some(1), None];
    let needed = decide(&policy(body(of("jobs + waiting"))), 4, lost);
    assert_eq!(needed.decision.desired, 4);
    assert_eq!(
        needed.summary(),
        "no metric could be read (formula: `waiting` has no value: source is unavailable: connection refused); \
         stays at 4"
    );
    // What did without it may raise, and never lowers.
    let without = policy(body(of("jobs + (waiting ?? 0)")));
    let low = decide(&without, 4, lost);
    assert_eq!(low.decision.desired, 4);
    assert!(
        low.summary().contains("computed without `waiting`, so nothing is scaled in"),
        "{}",
        low.summary()
    );
    assert_eq!(decide(&without, 4, [Some(30), None]).decision.desired, 6);
    // A signal that was not looked at is not missed.
    assert_eq!(decide(&policy(body(of("jobs < 5 ? jobs : waiting"))), 4, lost).decision.desired, 1);
    // Neither is a division by zero a reason to scale in.
    let ratio = decide(&policy(body(of("jobs / waiting"))), 4, [Some(0), Some(0)]);
    assert_eq!(ratio.decision.desired, 4);
    assert!(ratio.summary().contains("division by zero"), "{}", ratio.summary());
}

#[test]
fn stale_signal_is_lost() {
    let policy = policy(body(of("jobs + (waiting ?? 0)")));
    let settings = Settings { stale_after_s: Some(60), ..Settings::default() };
    let mut seen = seen(4, [Some(1), Some(0)], NOW);
    if let Reading::Series { at, .. } = &mut seen.readings[1] {
        *at = NOW.minus_s(61);
    }
    let decide = plimsoll_scale::policy::decide;
    let decided = decide(&policy, &settings, &mut PolicyState::default(), &seen, &Signals::default(), NOW);
    assert_eq!(decided.decision.desired, 4);
    let missing = decided.policies.formula.unwrap();
    assert_eq!(missing.missed, ["waiting"]);
    assert_eq!(missing.signals[1].seen, formula::Seen::Failed(MetricError::Stale { age_s: 61 }));
}

#[test]
fn declared_fallback_stands_in_for_a_formula_without_a_value() {
    let mut body = body(of("jobs + waiting"));
    body["signalLoss"] = json!({
        "holdSeconds": 0, "fallback": { "failureThreshold": 0, "replicas": 2, "behavior": "static" } });
    let decided = decide(&policy(body), 9, [Some(1), None]);
    assert_eq!(decided.decision.desired, 2);
    assert!(decided.summary().starts_with("formula is lost; its declared fallback"), "{}", decided.summary());
}

#[test]
fn activation_target_leads_from_and_to_zero_and_only_there() {
    let mut formula = of("jobs");
    formula["activationTarget"] = json!("3");
    let mut zero = body(formula.clone());
    zero["minReplicas"] = json!(0);
    let zero = policy(zero);
    let at_zero = || PolicyState { hpa: State::beginning_at_zero(NOW), ..PolicyState::default() };
    let wakes = |jobs: i64| {
        let seen = seen(0, [Some(jobs), Some(0)], NOW);
        round(&zero, &mut at_zero(), &seen, &Signals::default(), NOW).decision.desired
    };
    assert_eq!((wakes(3), wakes(4), wakes(23)), (0, 1, 4), "higher than the target, in one step");
    let sleeps = decide(&zero, 4, [Some(3), Some(0)]);
    assert_eq!(sleeps.decision.desired, 0);
    assert!(sleeps.summary().contains("not above its activationTarget"), "{}", sleeps.summary());
    // With a lower bound of one it is always active.
    assert_eq!(decide(&policy(body(formula)), 4, [Some(3), Some(0)]).decision.desired, 1);
}

#[test]
fn metrics_beside_it_compete_and_empty_ones_stay_empty() {
    let alone = policy(body(of("jobs + waiting")));
    assert_eq!(alone.metrics_to_read().len(), 2, "no CPU by default");
    let mut beside = body(of("jobs + waiting"));
    beside["metrics"] = json!([{ "type": "External", "external": {
        "metric": { "name": "orders" }, "target": { "type": "AverageValue", "averageValue": "1" } } }]);
    let beside = policy(beside);
    let names: Vec<&str> = beside.metrics_to_read().iter().map(|metric| metric.name()).collect();
    assert_eq!(names, ["orders", "queue_depth", "http_requests_waiting"]);
    let with = |orders: i64| {
        let mut seen = seen(2, [Some(15), Some(0)], NOW);
        seen.readings.insert(0, Reading::Value { milli: orders * 1000, at: NOW });
        round(&beside, &mut PolicyState::default(), &seen, &Signals::default(), NOW).decision.desired
    };
    assert_eq!((with(1), with(4)), (3, 4));
}

#[test]
fn expression_that_means_nothing_does_not_compile() {
    let error = Policy::compile(spec(body(of("jobs +")))).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "`formula.expression`: a value is expected, not the end (character 7)");
}
