//! How long a fortnight of rates in steps of ten minutes takes: an HPA on about two hundred requests a second.

use std::io::Write;
use std::time::Instant;

use plimsoll_scale::policy::Policy;
use plimsoll_sim::workload::{ArrivalProcess, RateStep, Rates};
use plimsoll_sim::{Delay, PolicyScaler, Scaler, Service, Setup, run};
use serde_json::json;

fn main() -> std::io::Result<()> {
    let target = json!({"type": "Utilization", "averageUtilization": 70});
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
    let spec = json!({"minReplicas": 1, "maxReplicas": 200, "metrics": [metric]});
    let spec = serde_json::from_value(spec).map_err(std::io::Error::other)?;
    let policy = Policy::compile(spec).map_err(std::io::Error::other)?;
    let scaler = Scaler::Policy(Box::new(PolicyScaler::new(policy)));
    let until_s = 14.0 * 86_400.0;
    let step = |index: u32| {
        let at_s = f64::from(index) * 600.0;
        let day = (at_s / 86_400.0 * std::f64::consts::TAU).cos();
        let ripple = (f64::from(index) * 0.7).sin();
        RateStep { from_s: at_s, per_s: 196.0 - 120.0 * day + 15.0 * ripple }
    };
    let steps: Vec<RateStep> = (0..2016).map(step).collect();
    let service = Service { initial_replicas: 10, ..Service::default() };
    let setup = Setup { service, sample: Some(16), ..Setup::default() };
    let begin = Instant::now();
    let delay = Delay::Exponential { mean_s: 0.3 };
    let outcome = run(&setup, &scaler, Rates::new(steps, until_s, ArrivalProcess::Poisson, delay, 1));
    let seconds = begin.elapsed().as_secs_f64();
    let (requests, simulated) = (outcome.requests as f64 / 1e6, outcome.flow.arrivals as f64 / 1e6);
    writeln!(
        std::io::stdout(),
        "{requests:.0} M requests, {simulated:.1} M of them simulated, in {seconds:.2} s (bar: 1 s)"
    )
}
