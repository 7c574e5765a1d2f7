//! Cutting stretches in equilibrium changes what a run costs, not what it says.

use plimsoll_scale::policy::Policy;
use plimsoll_sim::workload::{ArrivalProcess, RateStep, Rates};
use plimsoll_sim::{Delay, Limits, Outcome, PolicyScaler, Scaler, Service, Setup, run};

fn day(sample: Option<u32>, scaler: &Scaler) -> Outcome {
    // A day with a rhythm in steps of ten minutes.
    let step = |index: u32| {
        let phase = f64::from(index) / 144.0 * std::f64::consts::TAU;
        RateStep { from_s: f64::from(index) * 600.0, per_s: 100.0 - 60.0 * phase.cos() }
    };
    let service = Delay::Exponential { mean_s: 0.5 };
    let rates = Rates::new((0..144).map(step).collect(), 86_400.0, ArrivalProcess::Poisson, service, 3);
    let setup = Setup {
        service: Service { initial_replicas: 5, ..Service::default() },
        limits: Limits { response_s: 2.0, wait_s: 0.2 },
        sample,
        ..Setup::default()
    };
    run(&setup, scaler, rates)
}

fn near(what: &str, sampled: f64, whole: f64, tolerance: f64) {
    assert!((sampled / whole - 1.0).abs() <= tolerance, "{what}: {sampled} instead of {whole}");
}

#[test]
fn waits_of_a_fixed_count_stay() {
    // 83 % busy at the height of the day.
    let (whole, sampled) = (day(None, &Scaler::Fixed(12)), day(Some(500), &Scaler::Fixed(12)));
    near("requests", sampled.requests as f64, whole.requests as f64, 0.02);
    near("p95 response", sampled.response.p95_s, whole.response.p95_s, 0.02);
    near("mean wait", sampled.wait.mean_s, whole.wait.mean_s, 0.1);
}

#[test]
fn an_autoscaled_day_stays() {
    let spec = serde_json::from_value(serde_json::json!({
        "minReplicas": 1, "maxReplicas": 50,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 75}}}],
    }));
    let policy = Policy::compile(spec.expect("a spec")).expect("it compiles");
    let scaler = Scaler::Policy(Box::new(PolicyScaler::new(policy)));
    let (whole, sampled) = (day(None, &scaler), day(Some(16), &scaler));
    assert!(sampled.flow.arrivals * 10 < whole.flow.arrivals, "{:?}", sampled.flow);
    assert!(sampled.flow.adds_up() && whole.flow.adds_up());
    near("requests", sampled.requests as f64, whole.requests as f64, 0.02);
    near("replica-hours", sampled.replica_s, whole.replica_s, 0.02);
    near("p50 response", sampled.response.p50_s, whole.response.p50_s, 0.02);
    near("p95 response", sampled.response.p95_s, whole.response.p95_s, 0.02);
    let share = |outcome: &Outcome| outcome.over_slo as f64 / outcome.requests as f64;
    near("over the limit", share(&sampled), share(&whole), 0.05);
}
