use plimsoll_scale::observe::Reading;
use plimsoll_scale::policy::queue_latency::evaluate;
use plimsoll_scale::policy::{Capacity, PolicyState, QueueSignal, Signals};
use plimsoll_scale::spec::policy::QueueLatency;
use plimsoll_scale::{Observation, State};
use proptest::prelude::*;
use serde_json::json;

use super::{NOW, policy, ready, round};

const RULE: QueueLatency = QueueLatency { queue: None, target_wait_s: 5.0, slots: 2, service_s: None };

fn queue(depth: u64, arrivals_milli_per_s: u64, service_ms: u64) -> QueueSignal {
    QueueSignal { depth, in_service: 0, arrivals_milli_per_s, service_us: Some(service_ms * 1000), at: NOW }
}

fn capacity(ready: u32) -> Capacity {
    Capacity { replicas: ready, ready, starting_ages_s: Vec::new() }
}

fn asks(queue: QueueSignal, capacity: &Capacity, startup_s: f64) -> u32 {
    evaluate(&RULE, &queue, capacity, startup_s, 10_000).unwrap().asks
}

#[test]
fn one_decision_goes_from_one_to_what_the_backlog_needs() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 100, "queueLatency": { "targetWaitSeconds": 10.0, "slots": 2 },
    }));
    // 1000 jobs of 1 s, 20 per second and instance within the target.
    let signals = Signals { queue: Some(queue(1000, 0, 1000)), ..Signals::default() };
    let decided = round(&policy, &mut PolicyState::default(), &ready(1), &signals, NOW);
    assert_eq!(decided.decision.desired, 50, "{}", decided.summary());
    assert_eq!(decided.summary(), "queueLatency asks for 50");
}

#[test]
fn explicit_behavior_still_binds() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 100, "queueLatency": { "targetWaitSeconds": 10.0 },
        "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 3, "periodSeconds": 60 }] } },
    }));
    let signals = Signals { queue: Some(queue(1000, 0, 1000)), ..Signals::default() };
    let decided = round(&policy, &mut PolicyState::default(), &ready(1), &signals, NOW);
    assert_eq!(decided.decision.desired, 4);
    assert_eq!(decided.summary(), "queueLatency asks for 100; limited to 4 by 3 instances per 60 s");
}

#[test]
fn sentence_names_the_maximum_when_the_default_rate_does_not_bind() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 20, "queueLatency": { "targetWaitSeconds": 10.0 },
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "a" }, "target": { "type": "AverageValue", "averageValue": "1" } } }],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
    }));
    let seen = Observation { readings: vec![Reading::Value { milli: 30_000, at: NOW }], ..ready(1) };
    let signals = Signals { queue: Some(queue(250, 0, 1000)), ..Signals::default() };
    let decided = round(&policy, &mut PolicyState::default(), &seen, &signals, NOW);
    assert_eq!(decided.summary(), "a 30 (target 1/instance) asks for 30; capped at maxReplicas 20");
}

#[test]
fn only_one_signal_is_named_as_asking_for_most() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 100, "queueLatency": { "targetWaitSeconds": 10.0 },
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "a" }, "target": { "type": "AverageValue", "averageValue": "1" } } }],
    }));
    let winners = |metric, waiting| {
        let seen = Observation { readings: vec![Reading::Value { milli: metric, at: NOW }], ..ready(1) };
        let signals = Signals { queue: Some(queue(waiting, 0, 1000)), ..Signals::default() };
        let decided = round(&policy, &mut PolicyState::default(), &seen, &signals, NOW);
        let told = decided.decision.explanation;
        (told.winner, told.winning_policy.is_some())
    };
    assert_eq!(winners(3000, 250), (None, true));
    assert_eq!(winners(30_000, 50), (Some(0), false));
}

#[test]
fn pool_that_went_to_zero_comes_back_for_its_backlog() {
    let policy = policy(json!({
        "minReplicas": 0, "maxReplicas": 100, "queueLatency": { "targetWaitSeconds": 10.0 },
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
    }));
    let mut state = PolicyState::default();
    let idle = Signals { queue: Some(queue(0, 0, 1000)), ..Signals::default() };
    assert_eq!(round(&policy, &mut state, &ready(1), &idle, NOW).decision.desired, 0);
    let later = NOW.plus_s(600);
    let signal = QueueSignal { at: later, ..queue(50, 0, 1000) };
    let busy = Signals { queue: Some(signal), ..Signals::default() };
    let decided = round(&policy, &mut state, &ready(0), &busy, later);
    assert_eq!(decided.decision.desired, 5, "{}", decided.summary());
}

#[test]
fn pool_that_begins_at_zero_is_woken_and_one_paused_by_hand_is_not() {
    let policy = policy(json!({
        "minReplicas": 0, "maxReplicas": 100, "queueLatency": { "targetWaitSeconds": 10.0 },
    }));
    let busy = Signals { queue: Some(queue(50, 0, 1000)), ..Signals::default() };
    let beginning = PolicyState { hpa: State::beginning_at_zero(NOW), ..PolicyState::default() };
    let desired = |mut state| round(&policy, &mut state, &ready(0), &busy, NOW).decision.desired;
    assert_eq!(desired(beginning), 5);
    assert_eq!(desired(PolicyState::default()), 0);
}

#[test]
fn without_a_service_time_a_waiting_job_wakes_zero_and_nothing_else() {
    let unknown = QueueSignal { service_us: None, ..queue(7, 0, 0) };
    assert_eq!(asks(unknown, &capacity(0), 0.0), 1);
    assert!(evaluate(&RULE, &unknown, &capacity(3), 0.0, 100).is_err());
    let declared = QueueLatency { service_s: Some(10.0), ..RULE };
    assert_eq!(evaluate(&declared, &unknown, &capacity(3), 0.0, 100).unwrap().asks, 7);
}

proptest! {
    #[test]
    fn more_work_never_asks_for_less(
        (depth, arrivals, service_ms) in (0_u64..10_000, 0_u64..100_000, 1_u64..60_000),
        (more_depth, more_arrivals, more_ms) in (0_u64..1_000, 0_u64..10_000, 0_u64..10_000),
        (ready, startup_s) in (0_u32..100, 0.0..120.0_f64),
    ) {
        let capacity = capacity(ready);
        let base = asks(queue(depth, arrivals, service_ms), &capacity, startup_s);
        prop_assert!(asks(queue(depth + more_depth, arrivals, service_ms), &capacity, startup_s) >= base);
        prop_assert!(asks(queue(depth, arrivals + more_arrivals, service_ms), &capacity, startup_s) >= base);
        prop_assert!(asks(queue(depth, arrivals, service_ms + more_ms), &capacity, startup_s) >= base);
    }

    #[test]
    fn zero_only_when_nothing_waits_runs_or_arrives(
        (depth, in_service, arrivals) in (0_u64..3, 0_u64..3, 0_u64..3),
    ) {
        let signal = QueueSignal { in_service, ..queue(depth, arrivals, 1000) };
        let asked = asks(signal, &capacity(0), 0.0);
        prop_assert_eq!(asked == 0, depth + in_service + arrivals == 0);
    }

    #[test]
    fn starting_instances_are_not_asked_for_twice(
        (depth, arrivals_milli) in (0_u64..5_000, 0_u64..20_000),
        (running, startup_s) in (1_u32..20, 1.0..120.0_f64),
        waited in 0.0..1.0_f64,
    ) {
        // The queue grows by what the ready instances do not work off; the others are on their way meanwhile.
        let first = asks(queue(depth, arrivals_milli, 1000), &capacity(running), startup_s);
        prop_assume!(first > running);
        let waited_s = waited * startup_s;
        let change = (arrivals_milli as f64 / 1000.0 - f64::from(running) * 2.0) * waited_s;
        let then = (depth as f64 + change).floor().max(0.0) as u64;
        let starting = Capacity {
            replicas: first,
            ready: running,
            starting_ages_s: vec![waited_s; (first - running) as usize],
        };
        prop_assert!(asks(queue(then, arrivals_milli, 1000), &starting, startup_s) <= first);
    }
}
