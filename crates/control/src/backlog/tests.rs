use plimsoll_scale::{
    HpaSpec, Observation, Settings, State, Time,
    observe::{Instance, Phase, Readiness, Scale},
    reconcile,
};
use proptest::prelude::*;

use super::*;
use crate::signal::Signals;

fn backlog(ready: u64, leased: u64, service_us: Option<u64>, age_ms: i64) -> Backlog {
    let stats = QueueStats {
        queue: "q".to_owned(),
        ready,
        scheduled: 0,
        leased,
        dead: 0,
        enqueued_total: ready,
        completed_total: 0,
        failed_attempts_total: 0,
        leases_lost_total: 0,
        dead_total: 0,
        oldest_ready_age_ms: (ready > 0).then_some(age_ms),
        at_ms: 0,
    };
    Backlog { stats, arrivals_milli_per_s: 0, completions_milli_per_s: 0, service_us }
}

#[test]
fn time_of_a_job_that_is_not_known_is_at_least_the_age() {
    assert_eq!(backlog(5, 1, None, 7000).time_to_drain_ms(), 7000);
    assert_eq!(backlog(0, 1, None, 7000).time_to_drain_ms(), 0);
}

proptest! {
    #[test]
    fn more_and_slower_jobs_in_fewer_hands_never_take_less_time(
        ready in 0u64..1_000_000, leased in 0u64..1000, service_us in 1u64..10_000_000_000,
    ) {
        let time = |ready, leased, us| backlog(ready, leased, Some(us), 0).time_to_drain_ms();
        let now = time(ready, leased, service_us);
        prop_assert!(time(ready + 1, leased, service_us) >= now);
        prop_assert!(time(ready, leased, service_us + 1000) >= now);
        prop_assert!(time(ready, leased + 1, service_us) <= now);
        prop_assert!(time(ready, 2 * leased.max(1), service_us).abs_diff(now / 2) <= 1);
        prop_assert_eq!(time(0, leased, service_us), 0);
    }
}

/// What a pasted HPA makes of `backlog` with four workers of one slot each.
fn asks(metric: &str, target: &str, backlog: &Backlog) -> u32 {
    let spec = format!(
        r#"{{ "minReplicas": 1, "maxReplicas": 1000, "metrics": [{{ "type": "External", "external": {{
            "metric": {{ "name": "{metric}", "selector": {{ "matchLabels": {{ "queue": "q" }} }} }},
            "target": {target} }} }}],
            "behavior": {{ "scaleUp": {{ "policies": [{{ "type": "Pods", "value": 1000, "periodSeconds": 15 }}] }} }} }}"#
    );
    let spec: HpaSpec = serde_json::from_str(&spec).expect("a spec");
    let now = Time(1_000_000_000);
    let signals = Signals { queues: Ok(vec![backlog.clone()]), ..Signals::default() };
    let metric = match &spec.metrics[0] {
        plimsoll_scale::spec::MetricSpec::External { metric, .. } => metric.clone(),
        other => panic!("{other:?}"),
    };
    let worker = |number: u32| Instance {
        name: format!("worker-{number}").into(),
        phase: Phase::Running,
        deleting: false,
        started_at: Some(now.minus_s(600)),
        readiness: Some(Readiness { ready: true, since: now.minus_s(600) }),
        containers: Vec::new(),
        whole: None,
    };
    let observed = Observation {
        scale: Some(Scale { spec_replicas: 4, status_replicas: 4 }),
        instances: (1..=4).map(worker).collect(),
        readings: vec![signals.read(&metric, now)],
        ..Observation::default()
    };
    let decision = reconcile(&spec, &Settings::default(), &mut State::default(), &observed, now);
    decision.explanation.wanted.expect("a wish")
}

/// FEATURES X2: the seeds alarm at 100 jobs, 1000 jobs, 100, 50 or 10 jobs a worker, and at a lag of 1, 10 or 300 seconds.
#[test]
fn x2_depth_without_service_time_means_nothing_and_time_to_drain_unites_the_thresholds() {
    let service_us = |ms: u64| Some(1000 * ms);
    let in_ten_ms = backlog(1000, 4, service_us(10), 0);
    let in_a_minute = backlog(1000, 4, service_us(60_000), 0);

    // The same depth is the same to a threshold of jobs, all five of them, whether it is gone in 2.5 s or in four hours.
    for threshold in ["100", "1000", "50", "10"] {
        let target = format!(r#"{{ "type": "AverageValue", "averageValue": "{threshold}" }}"#);
        assert_eq!(asks("queue_depth", &target, &in_ten_ms), asks("queue_depth", &target, &in_a_minute));
    }
    assert_eq!(in_ten_ms.time_to_drain_ms(), 2500);
    assert_eq!(in_a_minute.time_to_drain_ms(), 250 * 60_000);

    // Every threshold of jobs is some time to drain once a job's time is known, and in seconds they can be compared: with
    // four workers, 10 model calls each wait as long as 60 000 ten-millisecond jobs each.
    let per_worker = |jobs: u64, ms: u64| backlog(4 * jobs, 4, service_us(ms), 0).time_to_drain_ms();
    assert_eq!(per_worker(10, 60_000), per_worker(60_000, 10));
    let mut ladder: Vec<u64> = [(25, 10), (250, 10), (100, 10), (10, 10), (50, 60_000)]
        .map(|(jobs, ms)| per_worker(jobs, ms))
        .into();
    // Lags of the seeds are such times already.
    ladder.extend([1000, 10_000, 300_000]);
    ladder.sort_unstable();
    assert_eq!(ladder, [100, 250, 1000, 1000, 2500, 10_000, 300_000, 3_000_000]);

    // One target serves both queues: fast jobs keep their four workers, slow ones get as many as the target needs.
    let target = r#"{ "type": "Value", "value": "30" }"#;
    let drains = |backlog: &Backlog| asks("queue_time_to_drain_seconds", target, backlog);
    assert_eq!(drains(&in_ten_ms), 1);
    assert_eq!(drains(&backlog(40, 4, service_us(60_000), 0)), 80);
    // Eighty workers drain those forty jobs of a minute in thirty seconds; four in ten minutes.
    assert_eq!(backlog(40, 80, service_us(60_000), 0).time_to_drain_ms(), 30_000);
    // In the middle of its target it stays.
    assert_eq!(drains(&backlog(2, 4, service_us(60_000), 0)), 4);
}
