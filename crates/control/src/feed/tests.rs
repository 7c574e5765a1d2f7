use std::time::Duration;

use plimsoll_gateway::ServiceStats;
use plimsoll_scale::HpaSpec;
use plimsoll_scale::spec::policy::QueueLatency;

use super::*;

fn policy(queue: Option<&str>) -> ScalingPolicy {
    let hpa = HpaSpec { min_replicas: None, max_replicas: 9, metrics: Vec::new(), behavior: None };
    let rule =
        QueueLatency { queue: queue.map(str::to_owned), target_wait_s: 1.0, slots: 1, service_s: None };
    ScalingPolicy { queue_latency: Some(rule), ..ScalingPolicy::from(hpa) }
}

fn queue(name: &str, ready: u64, leased: u64, enqueued: u64, completed: u64) -> QueueStats {
    QueueStats {
        queue: name.to_owned(),
        ready,
        scheduled: 0,
        leased,
        dead: 0,
        enqueued_total: enqueued,
        completed_total: completed,
        failed_attempts_total: 0,
        leases_lost_total: 0,
        dead_total: 0,
        oldest_ready_age_ms: None,
        at_ms: 0,
    }
}

/// An edge in front of `api`: requests that have ended, at instances, and waiting.
fn edge(ended: u64, in_flight: u64, waiting: u64) -> GatewayStats {
    let api = ServiceStats { requests_total: ended, in_flight, waiting, ..ServiceStats::default() };
    let other = ServiceStats { waiting: 7, ..ServiceStats::default() };
    GatewayStats {
        waiting: waiting + 7,
        services: [("api".to_owned(), api), ("other".to_owned(), other)].into(),
        ..GatewayStats::default()
    }
}

fn serving(ready: u64) -> BTreeMap<String, Serving> {
    [("api".to_owned(), Serving { ready, slots: Some(1) })].into()
}

#[test]
fn queue_is_followed_by_name_or_all_together() {
    let mut feed = Feed::default();
    for second in 0..=20_u64 {
        let stats = [queue("a", 3, 1, 10 + 2 * second, 2 * second), queue("b", 4, 0, second, 0)];
        feed.queues(Some(&stats), second * 1000);
    }
    let one = feed.signals(&policy(Some("a")), "w", Some(5)).queue.expect("a queue");
    assert_eq!((one.depth, one.in_service, one.arrivals_milli_per_s), (3, 1, 2000));
    // One at a time and two a second: half a second each.
    let us = one.service_us.expect("a service time");
    assert!((450_000..550_000).contains(&us), "{us}");
    let all = feed.signals(&policy(None), "w", None);
    let queue = all.queue.expect("queues");
    assert_eq!((queue.depth, queue.arrivals_milli_per_s), (7, 3000));
    // Three a second come in and each holds an instance for half a second or less.
    let demand = all.demand.map(|gauge| gauge.milli).expect("a demand");
    assert!((1200..=1600).contains(&demand), "{demand}");
    let none = feed.signals(&policy(Some("c")), "w", None).queue.expect("an empty queue");
    assert_eq!((none.depth, none.service_us), (0, None));
}

#[test]
fn queue_that_cannot_be_asked_is_no_empty_queue() {
    let mut feed = Feed::default();
    feed.queues(Some(&[queue("a", 3, 1, 10, 0)]), 0);
    feed.queues(None, 1000);
    assert_eq!(feed.signals(&policy(Some("a")), "w", None).queue, None);
    assert_eq!(feed.queues.len(), 1, "what was learnt stays");
}

#[test]
fn request_that_is_between_two_counters_is_no_restart_of_the_edge() {
    let mut feed = Feed::default();
    feed.edge(&edge(150, 1, 0), &serving(2), 0);
    // One has left its instance and is not counted as ended yet.
    feed.edge(&edge(150, 0, 0), &serving(2), 1000);
    feed.edge(&edge(180, 1, 0), &serving(2), 2000);
    let signals = feed.signals(&policy(None), "api", None);
    assert_eq!(signals.traffic.map(|traffic| traffic.arrivals_milli_per_s), Some(15_000));
}

#[test]
fn request_that_waits_counts_for_its_own_service() {
    let mut feed = Feed::default();
    let both = [("api".to_owned(), Serving::default()), ("other".to_owned(), Serving::default())].into();
    feed.edge(&edge(0, 2, 3), &both, 0);
    let in_flight = |service| feed.signals(&policy(None), service, None).in_flight.map(|gauge| gauge.milli);
    assert_eq!((in_flight("api"), in_flight("other")), (Some(5000), Some(7000)));
    assert_eq!(in_flight("nobody"), None);
}

#[test]
fn measured_times_tell_slo_how_they_vary() {
    let mut feed = Feed::default();
    let mut stats = edge(0, 0, 0);
    feed.edge(&stats, &serving(1), 0);
    let api = stats.services.get_mut("api").expect("api");
    for _ in 0..100 {
        api.served.record(Duration::from_millis(40));
    }
    api.requests_total = 100;
    feed.edge(&stats, &serving(1), 10_000);
    let traffic = feed.signals(&policy(None), "api", None).traffic.expect("traffic");
    assert_eq!((traffic.service_us, traffic.service_cv2_milli), (40_000, Some(0)));
    let p95_us = traffic.service_p95_us.expect("a percentile");
    assert!((36_000..45_000).contains(&p95_us), "{p95_us}");
    assert_eq!(traffic.arrivals_milli_per_s, 10_000);
}

#[test]
fn digest_changes_with_what_the_policy_sees_and_with_nothing_else() {
    let mut feed = Feed::default();
    let digest = |feed: &Feed| feed.digest(&policy(Some("a")), "w");
    feed.queues(Some(&[queue("a", 1, 0, 1, 0), queue("b", 1, 0, 1, 0)]), 0);
    let before = digest(&feed);
    feed.queues(Some(&[queue("a", 1, 0, 1, 0), queue("b", 9, 0, 9, 0)]), 250);
    assert_eq!(digest(&feed), before);
    feed.queues(Some(&[queue("a", 2, 0, 2, 0), queue("b", 9, 0, 9, 0)]), 500);
    assert_ne!(digest(&feed), before);
}

#[test]
fn full_instances_tell_the_time_of_a_request_by_how_many_they_finish() {
    // Two slots, ten requests a second each taking 200 ms, and a hundred that wait inside the instances.
    let mut feed = Feed::default();
    for second in 0..=20_u64 {
        feed.edge(&edge(10 * second, 102, 0), &serving(2), second * 1000);
    }
    let us = feed.signals(&policy(None), "api", None).traffic.map(|traffic| traffic.service_us);
    assert!(us.is_some_and(|us| (190_000..=210_000).contains(&us)), "{us:?}");
}
