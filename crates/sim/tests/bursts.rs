//! A short form of `docs/scaling.md` on a generated trace: bursts that come back faster than an instance starts.

use plimsoll_scale::policy::Policy;
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_sim::random::Random;
use plimsoll_sim::workload::{ArrivalProcess, List, RateStep, Rates};
use plimsoll_sim::{
    Delay, Limits, Outcome, PolicyScaler, Request, Scaler, Service, Setup, Timing, Workload, oracle, run,
};
use serde_json::json;

const LIMITS: Limits = Limits { response_s: 5.0, wait_s: 1.0 };

/// An hour: 3 requests a second, and every two to four minutes a burst of 5 to 20 s with 20 to 80.
fn bursts(seed: u64) -> Vec<Request> {
    let mut random = Random::new(seed);
    let mut steps = vec![RateStep { from_s: 0.0, per_s: 3.0 }];
    let mut at_s = 30.0;
    while at_s < 3600.0 {
        steps.push(RateStep { from_s: at_s, per_s: 20.0 + 60.0 * random.uniform() });
        at_s += 5.0 + 15.0 * random.uniform();
        steps.push(RateStep { from_s: at_s, per_s: 3.0 });
        at_s += 90.0 + 150.0 * random.uniform();
    }
    let service = Delay::Exponential { mean_s: 1.0 };
    let mut rates = Rates::new(steps, 3600.0, ArrivalProcess::Poisson, service, seed);
    std::iter::from_fn(|| rates.next_request()).collect()
}

fn simulate(body: serde_json::Value, timing: Timing, requests: &[Request]) -> Outcome {
    let spec: ScalingPolicy = serde_json::from_value(body).expect("a spec");
    let scaler = PolicyScaler::new(Policy::compile(spec).expect("it compiles"));
    let setup = Setup {
        service: Service { initial_replicas: 2, ..Service::default() },
        timing,
        limits: LIMITS,
        measure_from_s: 900.0,
        ..Setup::default()
    };
    let outcome = run(&setup, &Scaler::Policy(Box::new(scaler)), List::new(requests));
    assert!(outcome.flow.adds_up(), "{:?}", outcome.flow);
    outcome
}

fn print(name: &str, outcome: &Outcome) -> String {
    let (slo, wait) = (outcome.over_slo_pct(), outcome.over_wait_pct());
    format!(
        "{name}: {slo:.2} % over the SLO, {wait:.2} % waited, {:.2} replica-hours",
        outcome.replica_hours()
    )
}

#[test]
fn remembered_bursts_hurt_less_at_no_more_replica_hours() {
    // Several hours, since which bursts come in which half of one is luck.
    let hours = 8;
    let cpu = json!({"type": "Utilization", "averageUtilization": 60});
    let hpa = json!({"maxReplicas": 50, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}]});
    let quantile = json!({"quantile": 0.68, "perInstance": "8", "windowSeconds": 1800});
    let ours = json!({"maxReplicas": 50, "demandQuantile": quantile});
    let total = |body: &serde_json::Value, timing: Timing| {
        let outcomes = (1..=hours).map(|seed| simulate(body.clone(), timing, &bursts(seed)));
        outcomes.fold((0, 0, 0.0), |(over_slo, over_wait, replica_s), one| {
            (over_slo + one.over_slo, over_wait + one.over_wait, replica_s + one.replica_s)
        })
    };
    let (stock, ours) = (total(&hpa, Timing::kubernetes()), total(&ours, Timing::own()));
    assert!(ours.0 * 2 <= stock.0, "over the limit: {ours:?} instead of {stock:?}");
    assert!(ours.1 * 3 <= stock.1 * 2, "waited: {ours:?} instead of {stock:?}");
    assert!(ours.2 <= stock.2, "replica-seconds: {ours:?} instead of {stock:?}");
}

#[test]
fn nobody_beats_the_oracle() {
    let requests = bursts(4);
    let late: Vec<Request> = requests.iter().filter(|one| one.arrival_s >= 900.0).copied().collect();
    let limit = oracle::without_wait(&late, 8, 60.0);
    let quantile = json!({"quantile": 1.0, "perInstance": "4"});
    let ours = simulate(json!({"maxReplicas": 50, "demandQuantile": quantile}), Timing::own(), &requests);
    assert!(ours.over_wait_pct() < 0.5, "{}", print("ours", &ours));
    assert!(
        ours.replica_s >= limit.replica_s,
        "{} against {:.2}",
        print("ours", &ours),
        limit.replica_hours()
    );
}
