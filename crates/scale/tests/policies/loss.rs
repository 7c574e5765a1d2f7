use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::{Readiness, Reading};
use plimsoll_scale::policy::{Gauge, PolicyState, QueueSignal, Signals, Traffic, decide};
use plimsoll_scale::{Observation, Settings, Time};
use serde_json::{Value, json};

use super::{NOW, policy, ready, round};

/// Two queues with a target of 1, and what happens when one is lost.
fn body(signal_loss: Value) -> Value {
    let queue = |name: &str| {
        json!({ "type": "External", "external": {
            "metric": { "name": name }, "target": { "type": "AverageValue", "averageValue": "1" } } })
    };
    json!({
        "minReplicas": 1, "maxReplicas": 50, "metrics": [queue("a"), queue("b")],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        "signalLoss": signal_loss,
    })
}

fn seen(replicas: u32, readings: [Option<i64>; 2], at: Time) -> Observation {
    let reading = |value: Option<i64>| match value {
        Some(value) => Reading::Value { milli: value * 1000, at },
        None => Reading::Failed(MetricError::Unavailable { message: "connection refused".into() }),
    };
    Observation { readings: readings.map(reading).to_vec(), ..ready(replicas) }
}

/// Runs rounds 15 s apart, each with the count of the one before.
fn run(signal_loss: Value, start: u32, rounds: &[[Option<i64>; 2]]) -> (Vec<u32>, String) {
    let policy = policy(body(signal_loss));
    let (mut state, mut replicas, mut now) = (PolicyState::default(), start, NOW);
    let (mut counts, mut summary) = (Vec::new(), String::new());
    for readings in rounds {
        let seen = seen(replicas, *readings, now);
        let decided = round(&policy, &mut state, &seen, &Signals::default(), now);
        replicas = decided.decision.desired;
        summary = decided.summary();
        counts.push(replicas);
        now = now.plus_s(15);
    }
    (counts, summary)
}

#[test]
fn last_answer_is_held_and_then_the_count_stays() {
    let lost = [None, Some(1)];
    let (counts, _) = run(json!({ "holdSeconds": 30 }), 4, &[[Some(8), Some(1)], lost, lost, lost, lost]);
    assert_eq!(counts, [8, 8, 8, 8, 8]);
}

#[test]
fn healthy_higher_signal_wins_over_a_held_one() {
    let (counts, summary) = run(json!({}), 4, &[[Some(5), Some(1)], [None, Some(9)]]);
    assert_eq!(counts, [5, 9]);
    assert_eq!(summary, "b 9 (target 1/instance) asks for 9 (1 of 2 metrics failed)");
}

#[test]
fn fallback_needs_more_failures_than_its_threshold_and_never_scales_in_by_default() {
    let rule = json!({ "holdSeconds": 0, "fallback": { "failureThreshold": 2, "replicas": 6 } });
    let none = [None, None];
    let (counts, summary) = run(rule.clone(), 4, &[none, none, none]);
    assert_eq!(counts, [4, 4, 6]);
    assert!(summary.contains("is lost; its declared fallback"), "{summary}");
    assert_eq!(run(rule, 9, &[none, none, none]).0, [9, 9, 9]);
}

#[test]
fn static_fallback_may_scale_in_because_it_was_declared() {
    let rule = json!({
        "holdSeconds": 0, "fallback": { "failureThreshold": 0, "replicas": 3, "behavior": "static" } });
    assert_eq!(run(rule.clone(), 9, &[[None, None]]).0, [3]);
    assert_eq!(run(rule, 9, &[[None, Some(9)]]).0, [9]);
}

#[test]
fn each_fallback_behavior_relates_to_the_current_count_as_in_keda() {
    let with = |behavior: &str, current| {
        let rule = json!({
            "holdSeconds": 0, "fallback": { "failureThreshold": 0, "replicas": 6, "behavior": behavior } });
        run(rule, current, &[[None, None]]).0[0]
    };
    let found = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
        .map(|behavior| (with(behavior, 4), with(behavior, 9)));
    assert_eq!(found, [(6, 6), (4, 9), (6, 9), (4, 6)]);
}

#[test]
fn stale_signal_of_a_policy_never_scales_in_and_is_named() {
    let (idle, at) = (Gauge { milli: 0, at: NOW }, NOW);
    let queue = QueueSignal { depth: 0, in_service: 0, arrivals_milli_per_s: 0, service_us: Some(1000), at };
    let traffic = Traffic {
        arrivals_milli_per_s: 0,
        service_us: 1000,
        service_cv2_milli: None,
        service_p95_us: None,
        arrival_cv2_milli: None,
        at,
    };
    let seen = Signals {
        queue: Some(queue),
        in_flight: Some(idle),
        traffic: Some(traffic),
        demand: Some(idle),
        startup_ms: None,
    };
    let settings = Settings { stale_after_s: Some(60), ..Settings::default() };
    for (name, rule) in [
        ("queueLatency", json!({ "targetWaitSeconds": 5.0 })),
        ("concurrency", json!({ "target": "1" })),
        ("slo", json!({ "p95Seconds": 1.0 })),
        ("demandQuantile", json!({ "quantile": 0.9, "perInstance": "1" })),
    ] {
        let policy = policy(json!({
            "minReplicas": 1, "maxReplicas": 50, name: rule,
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        }));
        let at = |later_s| {
            let mut state = PolicyState::default();
            decide(&policy, &settings, &mut state, &ready(7), &seen, NOW.plus_s(later_s))
        };
        assert!(at(60).decision.desired < 7, "{name}: a fresh signal of no load");
        let stale = at(61);
        assert_eq!(stale.decision.desired, 7, "{name}");
        let sentence = stale.summary();
        assert!(sentence.contains(&format!("{name} has no answer: newest value is 61 s old")), "{sentence}");
    }
}

#[test]
fn value_target_does_not_multiply_what_has_just_started() {
    let with = |settle: Option<u32>| {
        let mut body = json!({
            "minReplicas": 1, "maxReplicas": 50,
            "metrics": [{ "type": "External", "external": {
                "metric": { "name": "latency_seconds" }, "target": { "type": "Value", "value": "1" } } }],
        });
        if let Some(settle) = settle {
            body["settleSeconds"] = json!(settle);
        }
        let policy = policy(body);
        // Three of six became ready 10 s ago; the latency has not fallen yet.
        let mut seen = ready(6);
        for instance in seen.instances.iter_mut().skip(3) {
            instance.readiness = Some(Readiness { ready: true, since: NOW.minus_s(10) });
        }
        seen.readings = vec![Reading::Value { milli: 2000, at: NOW }];
        round(&policy, &mut PolicyState::default(), &seen, &Signals::default(), NOW).decision.desired
    };
    assert_eq!(with(None), 12, "what Kubernetes does");
    assert_eq!(with(Some(60)), 6);
}
