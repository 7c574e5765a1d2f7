use std::sync::Arc;

use plimsoll_scale::Time;
use plimsoll_scale::observe::Reading;
use plimsoll_scale::policy::{Candidate, PolicyDecision, PolicyState, Signals, choose};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOW, policy, ready, round};

/// From `replicas` with a queue that asks for `wanted`, under extra fields of the spec.
fn decide(extra: Value, replicas: u32, wanted: u32) -> PolicyDecision {
    let mut body = json!({
        "minReplicas": 1, "maxReplicas": 50,
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "queue_depth" }, "target": { "type": "AverageValue", "averageValue": "1" } } }],
        "behavior": {
            "scaleUp": { "policies": [{ "type": "Pods", "value": 100, "periodSeconds": 15 }] },
            "scaleDown": { "stabilizationWindowSeconds": 0 },
        },
    });
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    let mut seen = ready(replicas);
    seen.readings = vec![Reading::Value { milli: i64::from(wanted) * 1000, at: NOW }];
    round(&policy(body), &mut PolicyState::default(), &seen, &Signals::default(), NOW)
}

#[test]
fn freeze_changes_nothing_and_says_what_it_would_have_done() {
    let decided = decide(json!({ "freeze": true }), 3, 9);
    assert_eq!((decided.decision.desired, decided.decision.write), (3, false));
    assert!(decided.summary().ends_with("frozen at 3 instead of 9"), "{}", decided.summary());
}

#[test]
fn pause_stops_one_direction_only() {
    let no_in = json!({ "pause": { "scaleIn": true } });
    assert_eq!(decide(no_in.clone(), 9, 3).decision.desired, 9);
    assert_eq!(decide(no_in, 3, 9).decision.desired, 9);
    let no_out = json!({ "pause": { "scaleOut": true } });
    assert_eq!(decide(no_out.clone(), 3, 9).decision.desired, 3);
    assert_eq!(decide(no_out, 9, 3).decision.desired, 3);
}

#[test]
fn step_bounds_both_directions() {
    let step = json!({ "step": { "max": 5 } });
    assert_eq!(decide(step.clone(), 3, 20).decision.desired, 8);
    assert_eq!(decide(step, 20, 3).decision.desired, 15);
}

#[test]
fn jump_of_six_alerts_and_of_five_does_not() {
    let step = json!({ "step": { "alertAbove": 5 } });
    assert_eq!(decide(step.clone(), 3, 9).jump_alert, Some(6));
    assert_eq!(decide(step.clone(), 3, 8).jump_alert, None);
    assert_eq!(decide(step, 9, 3).jump_alert, Some(6));
}

#[test]
fn five_seven_five_eight_four_is_flapping() {
    let policy = policy(json!({
        "minReplicas": 1, "maxReplicas": 50,
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "queue_depth" }, "target": { "type": "AverageValue", "averageValue": "1" } } }],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        "flapDetector": {},
    }));
    let mut state = PolicyState::default();
    let run = |state: &mut PolicyState, from: u32, to: i64, at: Time| {
        let mut seen = ready(from);
        seen.readings = vec![Reading::Value { milli: to * 1000, at }];
        let decided = round(&policy, state, &seen, &Signals::default(), at);
        assert_eq!(i64::from(decided.decision.desired), to);
        decided.flapping.map(|flapping| flapping.reversals)
    };
    assert_eq!(run(&mut state, 5, 7, NOW), None);
    assert_eq!(run(&mut state, 7, 5, NOW.plus_s(60)), None);
    assert_eq!(run(&mut state, 5, 8, NOW.plus_s(120)), None);
    assert_eq!(run(&mut state, 8, 4, NOW.plus_s(180)), Some(3));
    assert_eq!(run(&mut state, 4, 4, NOW.plus_s(900)), None, "ten minutes later it is over");
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0_u32..3, any::<bool>(), 0_i64..100);
    prop::collection::vec(one, 0..12).prop_map(|list| {
        let candidate = |(index, (load, ready, start)): (usize, (u32, bool, i64))| Candidate {
            name: Arc::from(format!("worker-{index:02}")),
            load,
            ready,
            started_at: Time::from_s(start),
        };
        list.into_iter().enumerate().map(candidate).collect()
    })
}

proptest! {
    #[test]
    fn busy_instances_leave_only_when_all_are_busy(list in candidates(), count in 0_u32..15) {
        let victims = choose(count, &list);
        let load = |name: &Arc<str>| list.iter().find(|one| one.name == *name).unwrap().load;
        let any_idle = list.iter().any(|one| one.load == 0);
        if any_idle {
            prop_assert!(victims.names.iter().all(|name| load(name) == 0));
            prop_assert!(!victims.all_busy);
        }
        prop_assert_eq!(victims.all_busy, !any_idle && !list.is_empty() && count > 0);
        prop_assert_eq!(victims.names.len() + victims.deferred as usize, list.len().min(count as usize));
    }

    #[test]
    fn choice_does_not_depend_on_the_order(list in candidates(), count in 0_u32..15) {
        let mut turned = list.clone();
        turned.reverse();
        prop_assert_eq!(choose(count, &list), choose(count, &turned));
    }

    #[test]
    fn youngest_idle_leaves_first(list in candidates()) {
        let victims = choose(1, &list);
        let idle_ready = |one: &&Candidate| one.load == 0 && one.ready;
        if let Some(name) = victims.names.first()
            && list.iter().all(|one| one.ready)
            && let Some(youngest) = list.iter().filter(idle_ready).map(|one| one.started_at).max()
        {
            prop_assert_eq!(list.iter().find(|one| one.name == *name).unwrap().started_at, youngest);
        }
    }
}
