use plimsoll_scale::observe::Reading;
use plimsoll_scale::policy::{
    Gauge, Policy, PolicyDecision, PolicyState, QueueSignal, Signals, Traffic, decide, settle_policy,
};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::{HpaSpec, Observation, Settings, State, Time, Written, reconcile, settle};
use proptest::prelude::*;
use serde_json::json;

use super::{NOW, policy, ready, round};

fn everything() -> Policy {
    policy(json!({
        "minReplicas": 0, "maxReplicas": 40,
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "queue_depth" }, "target": { "type": "AverageValue", "averageValue": "10" } } }],
        "formula": { "expression": "queue_depth > 100 ? queue_depth + max(waiting, 0) : waiting", "target": "15",
            "activationTarget": "2", "signals": {
                "queue_depth": { "name": "queue_depth" }, "waiting": { "name": "http_requests_waiting" } } },
        "queueLatency": { "targetWaitSeconds": 5.0, "slots": 2 },
        "concurrency": { "target": "5" },
        "slo": { "p95Seconds": 2.0, "slots": 4 },
        "schedule": [{ "name": "hours", "start": "0 8 * * *", "end": "0 18 * * *", "replicas": 2 }],
        "forecast": { "perInstance": "10", "periodSeconds": 3600, "bucketSeconds": 60 },
        "signalLoss": { "holdSeconds": 45, "fallback": { "replicas": 3 } },
        "step": { "max": 10, "alertAbove": 5 },
        "flapDetector": {},
    }))
}

#[derive(Debug, Clone)]
struct Tick {
    pause_s: u32,
    depth: u64,
    arrivals: u64,
    in_flight: u64,
    lost: u8,
}

fn tick() -> impl Strategy<Value = Tick> {
    let lost = prop_oneof![4 => Just(0_u8), 1 => 0_u8..16];
    (1_u32..90, 0_u64..500, 0_u64..50_000, 0_u64..200, lost).prop_map(
        |(pause_s, depth, arrivals, in_flight, lost)| Tick { pause_s, depth, arrivals, in_flight, lost },
    )
}

fn look(tick: &Tick, replicas: u32, now: Time) -> (Observation, Signals) {
    let there = |bit: u8| tick.lost & (1 << bit) == 0;
    let reading = Reading::Value { milli: tick.depth as i64 * 1000, at: now };
    let queue = QueueSignal {
        depth: tick.depth,
        in_service: 1,
        arrivals_milli_per_s: tick.arrivals,
        service_us: Some(700_000),
        at: now,
    };
    let traffic = Traffic {
        arrivals_milli_per_s: tick.arrivals,
        service_us: 333_333,
        service_cv2_milli: Some(1700),
        service_p95_us: None,
        arrival_cv2_milli: None,
        at: now,
    };
    let gauge = Gauge { milli: tick.in_flight * 1000, at: now };
    let waiting = Reading::Series { milli: vec![tick.in_flight as i64 * 900], at: now };
    let readings = if there(0) { vec![reading.clone(), reading, waiting] } else { Vec::new() };
    let observation = Observation { readings, ..ready(replicas) };
    let signals = Signals {
        queue: there(1).then_some(queue),
        in_flight: there(2).then_some(gauge),
        traffic: there(3).then_some(traffic),
        demand: Some(gauge),
        startup_ms: Some(45_000),
    };
    (observation, signals)
}

fn text(decided: &PolicyDecision) -> String {
    serde_json::to_string(decided).unwrap()
}

#[test]
fn spec_reads_back_as_written() {
    let spec = everything().spec().clone();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ScalingPolicy>(&text).unwrap(), spec);
}

#[test]
fn problems_of_policies_are_named_by_path() {
    let spec: ScalingPolicy = serde_json::from_value(json!({
        "minReplicas": 0, "maxReplicas": 5,
        "formula": { "expression": "a", "target": "0", "signals": { "a": { "name": "" } } },
        "queueLatency": { "targetWaitSeconds": 0.0 },
        "concurrency": { "target": "0", "panicWindowSeconds": 90 },
        "slo": { "p95Seconds": -1.0, "slots": 0 },
        "forecast": { "perInstance": "1", "bucketSeconds": 0 },
        "step": { "max": 0 },
    }))
    .unwrap();
    let paths: Vec<_> = spec.problems().into_iter().map(|problem| problem.path).collect();
    assert_eq!(
        paths,
        [
            "formula.target",
            "formula.signals",
            "queueLatency.targetWaitSeconds",
            "concurrency.target",
            "concurrency.panicWindowSeconds",
            "slo.p95Seconds",
            "slo.slots",
            "forecast.bucketSeconds",
            "step.max",
        ],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pasted_autoscaler_alone_is_byte_for_byte_an_autoscaler(
        ticks in prop::collection::vec(tick(), 1..40),
    ) {
        let hpa: HpaSpec = everything().spec().hpa.clone();
        let policy = Policy::compile(hpa.clone().into()).unwrap();
        let settings = Settings::default();
        let (mut plain, mut state) = (State::default(), PolicyState::default());
        let (mut replicas, mut now) = (1, NOW);
        for tick in &ticks {
            now = now.plus_s(tick.pause_s);
            let (seen, signals) = look(tick, replicas, now);
            let mut decision = reconcile(&hpa, &settings, &mut plain, &seen, now);
            settle(&hpa, &settings, &mut plain, &mut decision, Written::Succeeded, now);
            let decided = round(&policy, &mut state, &seen, &signals, now);
            prop_assert_eq!(serde_json::to_string(&decision).unwrap(), text(&decided));
            prop_assert_eq!(decision.summary(), decided.summary());
            prop_assert_eq!(
                serde_json::to_string(&plain).unwrap(),
                serde_json::to_string(&state).unwrap()
            );
            replicas = decision.desired;
        }
    }

    #[test]
    fn every_policy_together_respects_bounds_replays_and_survives_a_restart(
        ticks in prop::collection::vec(tick(), 1..60),
    ) {
        let (policy, settings) = (everything(), Settings::default());
        let (mut state, mut replicas, mut now) = (PolicyState::default(), 1, NOW);
        for tick in &ticks {
            now = now.plus_s(tick.pause_s);
            let (seen, signals) = look(tick, replicas, now);
            let logged = serde_json::to_string(&(&state, &seen, &signals)).unwrap();
            let decided = round(&policy, &mut state, &seen, &signals, now);

            let (mut restored, seen, signals): (PolicyState, Observation, Signals) =
                serde_json::from_str(&logged).unwrap();
            let mut again = decide(&policy, &settings, &mut restored, &seen, &signals, now);
            settle_policy(&policy, &settings, &mut restored, &mut again, Written::Succeeded, now);
            prop_assert_eq!(text(&decided), text(&again));
            prop_assert_eq!(&restored, &state);
            let back: PolicyDecision = serde_json::from_str(&text(&decided)).unwrap();
            prop_assert_eq!(back.summary(), decided.summary());

            let desired = decided.decision.desired;
            prop_assert!(desired <= 40 && desired.abs_diff(replicas) <= 10);
            if tick.lost != 0 {
                prop_assert!(desired >= replicas, "{}", decided.summary());
            }
            replicas = desired;
        }
    }
}
