//! Request by request against a second simulator (`vectors/independent.py`), which shares no code with this one.

use plimsoll_scale::policy::Policy;
use plimsoll_sim::workload::List;
use plimsoll_sim::{Clock, Delay, Limits, PolicyScaler, Request, Scaler, Service, Setup, Timing, run};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    slots: u32,
    replicas: u32,
    startup_s: f64,
    /// Absent when the count never changes.
    control: Option<Control>,
    requests: Vec<(f64, f64)>,
    waits_s: Vec<f64>,
    decisions: Vec<(f64, u32, u32)>,
    replica_s: f64,
}

#[derive(Deserialize)]
struct Control {
    window_s: f64,
    scrape: Clock,
    sync: Clock,
}

/// A bill depends on which of the instances that became free at the same moment gets a request: another one drains longer.
const BILL_TOLERANCE: f64 = 1e-3;

#[test]
fn every_request_waits_as_long_as_in_another_simulator() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("vectors/independent.json")).expect("the vectors");
    for case in cases {
        let requests: Vec<Request> =
            case.requests.iter().map(|&(arrival_s, service_s)| Request { arrival_s, service_s }).collect();
        let scaler = match &case.control {
            None => Scaler::Fixed(case.replicas),
            Some(_) => Scaler::Policy(Box::new(PolicyScaler::new(cpu_at_70()))),
        };
        let setup = Setup {
            service: Service {
                slots: case.slots,
                startup: Delay::Fixed { s: case.startup_s },
                initial_replicas: case.replicas,
                ..Service::default()
            },
            timing: match &case.control {
                Some(it) => {
                    Timing { scrape: it.scrape, window_s: it.window_s, sync: it.sync, ..Timing::kubernetes() }
                }
                None => Timing::kubernetes(),
            },
            limits: Limits { response_s: 6.0, wait_s: 1.0 },
            keep_requests: true,
            ..Setup::default()
        };
        let outcome = run(&setup, &scaler, List::new(&requests));
        assert_eq!(outcome.served.len(), requests.len(), "{}", case.name);
        for (index, (mine, other_s)) in outcome.served.iter().zip(&case.waits_s).enumerate() {
            let wait_s = mine.wait_s.expect("nobody is turned away");
            assert!(
                (wait_s - other_s).abs() < 2e-6,
                "{}: request {index} waits {wait_s} s, in the other {other_s} s",
                case.name
            );
        }
        let waited = case.waits_s.iter().filter(|&&wait_s| wait_s > 1.0).count();
        assert!(waited > 0, "{}: nobody waits", case.name);
        assert_eq!(outcome.over_wait, waited as u64, "{}", case.name);
        let decisions = outcome.scale_ups + outcome.scale_downs;
        assert_eq!(decisions, case.decisions.len() as u32, "{}: {:?}", case.name, case.decisions);
        let share = outcome.replica_s / case.replica_s;
        assert!((share - 1.0).abs() < BILL_TOLERANCE, "{}: {share} of the other bill", case.name);
    }
}

fn cpu_at_70() -> Policy {
    let target = serde_json::json!({"type": "Utilization", "averageUtilization": 70});
    let metric = serde_json::json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
    let spec = serde_json::json!({"minReplicas": 1, "maxReplicas": 20, "metrics": [metric]});
    Policy::compile(serde_json::from_value(spec).expect("a spec")).expect("a policy")
}
