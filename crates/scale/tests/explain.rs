//! Sentences and shapes that people and logs rely on.

use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::{Reading, Scale};
use plimsoll_scale::spec::{Behavior, MetricSpec, PolicyKind, RatePolicy, ScalingRules, Target};
use plimsoll_scale::{HpaSpec, Observation, Settings, State, Time, Written, reconcile, settle};
use serde_json::json;

const NOW: Time = Time::from_s(1_000_000);

fn pasted() -> HpaSpec {
    serde_json::from_value(json!({
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{
            "type": "External",
            "external": {
                "metric": { "name": "queue_age_seconds", "selector": { "matchLabels": { "queue": "evaluate" } } },
                "target": { "type": "AverageValue", "averageValue": "5" },
            },
        }],
    }))
    .unwrap()
}

fn seen(replicas: u32, reading: Reading) -> Observation {
    Observation {
        scale: Some(Scale { spec_replicas: replicas, status_replicas: replicas }),
        readings: vec![reading],
        ..Observation::default()
    }
}

fn sentence(spec: &HpaSpec, state: &mut State, observation: &Observation) -> String {
    let settings = Settings::default();
    let mut decision = reconcile(spec, &settings, state, observation, NOW);
    settle(spec, &settings, state, &mut decision, Written::Succeeded, NOW);
    decision.summary()
}

fn value(milli: i64) -> Reading {
    Reading::Value { milli, at: NOW }
}

#[test]
fn capped_wish_names_the_cap() {
    assert_eq!(
        sentence(&pasted(), &mut State::default(), &seen(2, value(42_000))),
        "queue_age_seconds 42 (target 5/instance) asks for 9; capped at maxReplicas 4",
    );
}

#[test]
fn first_look_never_scales_in_and_says_why() {
    assert_eq!(
        sentence(&pasted(), &mut State::default(), &seen(3, value(2_500))),
        "queue_age_seconds 2.5 (target 5/instance) asks for 1; held at 3 by a recent recommendation; stays at 3",
    );
}

#[test]
fn calm_says_tolerance() {
    assert_eq!(
        sentence(&pasted(), &mut State::default(), &seen(2, value(10_500))),
        "queue_age_seconds 10.5 (target 5/instance) is within tolerance; stays at 2",
    );
}

#[test]
fn lost_signal_says_what_failed() {
    let lost = Reading::Failed(MetricError::Unavailable { message: "connection refused".into() });
    assert_eq!(
        sentence(&pasted(), &mut State::default(), &seen(3, lost)),
        "no metric could be read (queue_age_seconds: source is unavailable: connection refused); stays at 3",
    );
}

#[test]
fn rate_limit_names_its_policy() {
    let policy = RatePolicy { kind: PolicyKind::Pods, value: 1, period_s: 60 };
    let mut spec = pasted();
    spec.behavior = Some(Behavior {
        scale_up: Some(ScalingRules { policies: Some(vec![policy]), ..ScalingRules::default() }),
        scale_down: None,
    });
    assert_eq!(
        sentence(&spec, &mut State::default(), &seen(2, value(20_000))),
        "queue_age_seconds 20 (target 5/instance) asks for 4; limited to 3 by 1 instance per 60 s",
    );
}

#[test]
fn spec_keeps_its_kubernetes_shape() {
    let text = json!({
        "minReplicas": 0,
        "maxReplicas": 20,
        "metrics": [
            { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } },
            { "type": "ContainerResource", "containerResource": {
                "name": "memory", "container": "app", "target": { "type": "AverageValue", "averageValue": "500M" } } },
            { "type": "Pods", "pods": { "metric": { "name": "rps" }, "target": { "type": "AverageValue", "averageValue": "1k" } } },
            { "type": "Object", "object": {
                "describedObject": { "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main" },
                "metric": { "name": "rps" }, "target": { "type": "Value", "value": "1500m" } } },
            { "type": "External", "external": {
                "metric": { "name": "queue_depth", "selector": { "matchExpressions": [
                    { "key": "queue", "operator": "In", "values": ["a", "b"] } ] } },
                "target": { "type": "AverageValue", "averageValue": "30" } } },
        ],
        "behavior": {
            "scaleUp": { "stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                { "type": "Percent", "value": 100, "periodSeconds": 15 } ], "tolerance": "0.05" },
            "scaleDown": { "selectPolicy": "Disabled" },
        },
    });
    let spec: HpaSpec = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(spec.problems(), []);
    assert_eq!(spec.metrics[3].target(), Some(Target::Value(1500)));
    assert_eq!(serde_json::to_value(&spec).unwrap(), text);
}

#[test]
fn broken_rules_are_named_by_path() {
    let mut spec = pasted();
    spec.min_replicas = Some(9);
    spec.metrics.push(MetricSpec::Resource { name: "cpu".into(), target: Target::Value(0) });
    spec.behavior = Some(Behavior {
        scale_up: Some(ScalingRules { stabilization_window_s: Some(3601), ..ScalingRules::default() }),
        scale_down: Some(ScalingRules {
            policies: Some(vec![RatePolicy { kind: PolicyKind::Pods, value: 0, period_s: 0 }]),
            ..ScalingRules::default()
        }),
    });
    let problems = spec.problems();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "minReplicas",
            "metrics[1].resource.target.type",
            "metrics[1].resource.target.value",
            "behavior.scaleUp.stabilizationWindowSeconds",
            "behavior.scaleDown.policies[0].value",
            "behavior.scaleDown.policies[0].periodSeconds",
        ],
    );
}

#[test]
fn failed_write_keeps_the_count_and_no_event() {
    let spec = pasted();
    let (settings, mut state) = (Settings::default(), State::default());
    let mut decision = reconcile(&spec, &settings, &mut state, &seen(1, value(42_000)), NOW);
    assert!(decision.write && decision.desired == 4);
    settle(&spec, &settings, &mut state, &mut decision, Written::Failed("conflict".into()), NOW);
    assert_eq!(decision.desired, 1);
    assert_eq!(state.last_scale_at, None);
    assert!(decision.summary().ends_with("the write failed, so it stays at 1"), "{}", decision.summary());
}
