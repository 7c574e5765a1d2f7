//! The model against formulas: M/M/c from the vectors, M/D/1 from Erlang's series.

use plimsoll_sim::workload::{ArrivalProcess, Rates};
use plimsoll_sim::{Delay, Outcome, Scaler, Service, Setup, run};
use serde_json::Value;

const TOLERANCE: f64 = 0.02;

fn simulate(per_s: f64, service: Delay, servers: u32, requests: f64, seed: u64) -> Outcome {
    let until_s = requests / per_s;
    let setup = Setup {
        service: Service { slots: servers, ..Service::default() },
        measure_from_s: until_s / 50.0,
        ..Setup::default()
    };
    let outcome = run(
        &setup,
        &Scaler::Fixed(1),
        Rates::constant(per_s, until_s, ArrivalProcess::Poisson, service, seed),
    );
    assert!(outcome.flow.adds_up(), "{:?}", outcome.flow);
    outcome
}

fn near(what: &str, got: f64, want: f64) {
    assert!(
        (got / want - 1.0).abs() <= TOLERANCE,
        "{what}: {got} instead of {want} ({:+.2} %)",
        (got / want - 1.0) * 100.0
    );
}

/// Enough requests that noise stays below half the tolerance: the correlation time grows with 1 / (1 - rho)^2.
fn enough(rho: f64, servers: f64) -> f64 {
    (60_000.0 / (1.0 - rho).powi(2) * (4.0 / servers).max(1.0)).max(8e6)
}

fn check_mmc(case: &Value) {
    let number = |key: &str| case[key].as_f64().expect("a number");
    let (per_s, rate, servers, rho) =
        (number("arrival_per_s"), number("service_rate_per_server"), number("servers"), number("rho"));
    let requests = enough(rho, servers);
    let service = Delay::Exponential { mean_s: 1.0 / rate };
    let outcome = simulate(per_s, service, servers as u32, requests, 11);
    let name = format!("M/M/{servers} at {rho:.3}");
    near(&format!("{name}: mean wait"), outcome.wait.mean_s, number("mean_wait_s"));
    near(&format!("{name}: p95 wait"), outcome.wait.p95_s, number("p95_wait_s"));
    near(&format!("{name}: p99 wait"), outcome.wait.p99_s, number("p99_wait_s"));
    near(&format!("{name}: mean response"), outcome.response.mean_s, number("mean_response_s"));
}

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/queues.json")).expect("the vectors are JSON");
    all["mmc"].as_array().expect("a list").clone()
}

#[test]
fn many_servers_wait_as_erlang_says() {
    for case in vectors().iter().filter(|case| case["rho"].as_f64() <= Some(0.9)) {
        check_mmc(case);
    }
}

#[test]
#[ignore = "thousands of millions of requests: near saturation only a long run is quiet enough"]
fn many_servers_near_saturation_wait_as_erlang_says() {
    for case in vectors().iter().filter(|case| case["rho"].as_f64() > Some(0.9)) {
        check_mmc(case);
    }
}

#[test]
fn one_server_responds_exponentially() {
    let (rho, mean_s) = (0.8, 0.1);
    let outcome = simulate(rho / mean_s, Delay::Exponential { mean_s }, 1, enough(rho, 1.0), 5);
    let response_s = mean_s / (1.0 - rho);
    near("p50", outcome.response.p50_s, response_s * 2_f64.ln());
    near("p95", outcome.response.p95_s, response_s * 20_f64.ln());
    near("p99", outcome.response.p99_s, response_s * 100_f64.ln());
}

/// Share of requests of M/D/1 that wait at most `t` service times (Erlang 1909).
fn constant_service_wait(rho: f64, t: f64) -> f64 {
    let mut sum = 0.0;
    let mut factorial = 1.0;
    for k in 0..=t.floor() as i32 {
        if k > 0 {
            factorial *= f64::from(k);
        }
        let x = rho * (f64::from(k) - t);
        sum += x.powi(k) / factorial * (-x).exp();
    }
    (1.0 - rho) * sum
}

#[test]
fn constant_service_waits_as_erlang_says() {
    let quantile = |rho: f64, share: f64| {
        let (mut low, mut high) = (0.0, 30.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if constant_service_wait(rho, middle) < share { low = middle } else { high = middle }
        }
        high
    };
    for rho in [0.5, 0.8] {
        let outcome = simulate(rho, Delay::Fixed { s: 1.0 }, 1, enough(rho, 1.0), 9);
        near(&format!("mean at {rho}"), outcome.wait.mean_s, rho / (2.0 * (1.0 - rho)));
        near(&format!("p95 at {rho}"), outcome.wait.p95_s, quantile(rho, 0.95));
        near(&format!("p99 at {rho}"), outcome.wait.p99_s, quantile(rho, 0.99));
    }
}
