use plimsoll_scale::observe::{Reading, Scale};
use plimsoll_scale::{Observation, Settings, Written, policy};

use super::*;

/// Asks a frozen service about these totals, one a second, with a target of one; which seconds were told of.
fn told(totals: impl Iterator<Item = i64>) -> Vec<i64> {
    let stack = "
        name: a
        services:
          a:
            command: [x]
            scaling:
              maxReplicas: 5
              freeze: true
              metrics:
                - type: External
                  external: { metric: { name: queue_depth }, target: { type: AverageValue, averageValue: 1 } }
    ";
    let stack = plimsoll_stack::parse("a", stack.as_bytes()).expect("a stack");
    let service = stack.services.get("a").expect("a service");
    let mut managed = Managed::new("a", service, Path::new("/"), None, Time(0));
    let policy = managed.policy.clone().expect("a policy");
    let (settings, mut state) = (Settings::default(), PolicyState::default());
    let mut seconds = Vec::new();
    for (second, total) in (0..).zip(totals) {
        let now = Time::from_s(second);
        let seen = Observation {
            scale: Some(Scale { spec_replicas: 1, status_replicas: 1 }),
            readings: vec![Reading::Value { milli: total * 1000, at: now }],
            ..Observation::default()
        };
        let signals = policy::Signals::default();
        let mut decided = policy::decide(&policy, &settings, &mut state, &seen, &signals, now);
        policy::settle_policy(&policy, &settings, &mut state, &mut decided, Written::Succeeded, now);
        if managed.take(&decided, now, || serde_json::Value::Null).is_some() {
            seconds.push(second);
        }
    }
    seconds
}

#[test]
fn reasons_that_take_turns_are_told_once_each() {
    // Below the earlier answer it is held by that, at it it is not: two reasons.
    assert_eq!(told([16, 15].into_iter().cycle().take(250)), [0, 1]);
}

#[test]
fn reason_that_lasts_is_told_once() {
    assert_eq!(told(std::iter::repeat_n(16, 1000)), [0]);
}

#[test]
fn reason_that_comes_back_much_later_is_told_again() {
    let totals = [16].into_iter().chain(std::iter::repeat_n(1, 700)).chain([16]);
    let told = told(totals);
    assert_eq!((told[0], *told.last().expect("told")), (0, 701));
}
