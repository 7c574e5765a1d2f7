//! Policies beside `metrics`: the wanted properties that stand at the top of each policy's file.

mod demand;
mod floors;
mod formula;
mod guards;
mod loss;
mod queue;
mod traffic;
mod whole;

use plimsoll_scale::observe::{Instance, Phase, Readiness, Scale};
use plimsoll_scale::policy::{Policy, PolicyDecision, PolicyState, Signals, decide, settle_policy};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::{Observation, Settings, Time, Written};

const NOW: Time = Time::from_s(1_700_000_000);

/// A spec from its JSON body.
fn spec(body: serde_json::Value) -> ScalingPolicy {
    let spec: ScalingPolicy = serde_json::from_value(body).unwrap();
    assert_eq!(spec.problems(), []);
    spec
}

fn policy(body: serde_json::Value) -> Policy {
    Policy::compile(spec(body)).unwrap()
}

/// So many replicas, all ready for long.
fn ready(replicas: u32) -> Observation {
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
        ..Observation::default()
    }
}

/// One round with a write that works.
fn round(
    policy: &Policy,
    state: &mut PolicyState,
    seen: &Observation,
    signals: &Signals,
    now: Time,
) -> PolicyDecision {
    let settings = Settings::default();
    let mut decided = decide(policy, &settings, state, seen, signals, now);
    settle_policy(policy, &settings, state, &mut decided, Written::Succeeded, now);
    decided
}
