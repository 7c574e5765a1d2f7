//! What holds for every workload and every plan.

use plimsoll_sim::workload::{List, sort};
use plimsoll_sim::{Delay, Outcome, Request, Scaler, Service, Setup, run};
use proptest::prelude::*;

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = (0.0..300.0_f64, 0.0..20.0_f64);
    prop::collection::vec(request.prop_map(|(arrival_s, service_s)| Request { arrival_s, service_s }), 1..200)
        .prop_map(|mut requests| {
            sort(&mut requests);
            requests
        })
}

fn plan() -> impl Strategy<Value = Vec<(f64, u32)>> {
    prop::collection::vec((0.0..400.0_f64, 0..6_u32), 1..12).prop_map(|mut plan| {
        plan.sort_by(|a, b| a.0.total_cmp(&b.0));
        plan
    })
}

fn setup(slots: u32, startup_s: f64, queue_limit: Option<usize>) -> Setup {
    let service =
        Service { slots, startup: Delay::Fixed { s: startup_s }, queue_limit, ..Service::default() };
    Setup { service, ..Setup::default() }
}

fn simulate(setup: &Setup, scaler: &Scaler, requests: &[Request]) -> Outcome {
    run(setup, scaler, List::new(requests))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_request_is_lost_or_made_up(
        requests in requests(), plan in plan(), slots in 1..4_u32, limit in prop::option::of(0..20_usize),
    ) {
        let outcome = simulate(&setup(slots, 15.0, limit), &Scaler::Plan(plan), &requests);
        prop_assert!(outcome.flow.adds_up(), "{:?}", outcome.flow);
        prop_assert_eq!(outcome.flow.arrivals, requests.len() as u64);
        prop_assert_eq!(outcome.requests + outcome.flow.waiting, requests.len() as u64);
    }

    #[test]
    fn draining_loses_nothing(requests in requests(), mut plan in plan(), slots in 1..4_u32) {
        // There is always one left, so everything is served in the end.
        plan.iter_mut().for_each(|(_, replicas)| *replicas += 1);
        let outcome = simulate(&setup(slots, 15.0, None), &Scaler::Plan(plan), &requests);
        prop_assert_eq!(outcome.flow.completions + outcome.flow.in_flight, requests.len() as u64);
    }

    #[test]
    fn a_run_can_be_repeated(requests in requests(), plan in plan()) {
        let mut setup = setup(2, 15.0, None);
        setup.service.startup = Delay::LogNormal { median_s: 10.0, sigma: 0.8 };
        setup.series_step_s = Some(10.0);
        let scaler = Scaler::Plan(plan);
        prop_assert_eq!(simulate(&setup, &scaler, &requests), simulate(&setup, &scaler, &requests));
    }

    #[test]
    fn more_replicas_never_make_anybody_wait_longer(requests in requests(), replicas in 1..5_u32) {
        let setup = setup(2, 15.0, None);
        let fewer = simulate(&setup, &Scaler::Fixed(replicas), &requests);
        let more = simulate(&setup, &Scaler::Fixed(replicas + 1), &requests);
        prop_assert!(more.wait.mean_s <= fewer.wait.mean_s + 1e-9);
        prop_assert!(more.wait.max_s <= fewer.wait.max_s + 1e-9);
        prop_assert!(more.over_wait <= fewer.over_wait);
    }

    #[test]
    fn waits_are_those_of_a_first_in_first_out_line(requests in requests(), slots in 1..5_u32) {
        // The same line, written as one walks through it.
        let mut free_s = vec![0.0_f64; slots as usize];
        let mut total_wait_s = 0.0;
        let mut longest_s = 0.0_f64;
        for request in &requests {
            free_s.sort_by(f64::total_cmp);
            let start_s = free_s[0].max(request.arrival_s);
            free_s[0] = start_s + request.service_s;
            total_wait_s += start_s - request.arrival_s;
            longest_s = longest_s.max(start_s - request.arrival_s);
        }
        let outcome = simulate(&setup(slots, 15.0, None), &Scaler::Fixed(1), &requests);
        prop_assert!((outcome.wait.mean_s - total_wait_s / requests.len() as f64).abs() < 1e-9);
        prop_assert!((outcome.wait.max_s - longest_s).abs() < 1e-9);
    }

    #[test]
    fn everything_paid_for_is_counted_once(plan in plan()) {
        // No requests: the bill is the area under the plan, from the first entry held back to the start.
        let end_s = 500.0;
        let setup = Setup { until_s: end_s, ..setup(1, 15.0, None) };
        let outcome = simulate(&setup, &Scaler::Plan(plan.clone()), &[]);
        let mut area = f64::from(plan[0].1) * plan[0].0;
        for (index, (from_s, replicas)) in plan.iter().enumerate() {
            let to_s = plan.get(index + 1).map_or(end_s, |next| next.0);
            area += f64::from(*replicas) * (to_s - from_s);
        }
        prop_assert!((outcome.replica_s - area).abs() < 1e-6, "{} instead of {area}", outcome.replica_s);
    }
}

#[test]
fn a_starting_instance_serves_when_it_is_ready() {
    let requests: Vec<Request> =
        (0..4).map(|index| Request { arrival_s: f64::from(index) * 0.1, service_s: 100.0 }).collect();
    let scaler = Scaler::Plan(vec![(0.0, 1), (10.0, 2)]);
    let outcome = simulate(&setup(2, 30.0, None), &scaler, &requests);
    assert!((outcome.wait.max_s - 39.8).abs() < 1e-9, "{:?}", outcome.wait);
    assert!((outcome.starting_s - 30.0).abs() < 1e-9);
}
