use plimsoll_gateway::UpstreamStats;
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

fn edge(instances: &[(&str, u64, u64)], waiting: u64) -> GatewayStats {
    let upstreams = instances.iter().map(|(id, requests_total, in_flight)| {
        let stats = UpstreamStats {
            service: "api".to_owned(),
            in_flight: *in_flight,
            requests_total: *requests_total,
            failures_total: 0,
            ejected: false,
            draining: false,
        };
        ((*id).to_owned(), stats)
    });
    GatewayStats { waiting, upstreams: upstreams.collect(), ..GatewayStats::default() }
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
fn instance_that_leaves_takes_no_arrivals_away() {
    let mut feed = Feed::default();
    feed.edge(&edge(&[("api-1", 100, 1), ("api-2", 50, 0)], 0), &serving(2), 0);
    feed.edge(&edge(&[("api-1", 110, 1)], 0), &serving(1), 1000);
    feed.edge(&edge(&[("api-1", 120, 1), ("api-3", 10, 0)], 0), &serving(2), 2000);
    let signals = feed.signals(&policy(None), "api", None);
    assert_eq!(signals.traffic.map(|traffic| traffic.arrivals_milli_per_s), Some(15_000));
}

#[test]
fn request_that_waits_counts_for_a_service_nobody_serves() {
    let mut feed = Feed::default();
    feed.edge(&edge(&[], 3), &serving(0), 0);
    let gauge = feed.signals(&policy(None), "api", None).in_flight;
    assert_eq!(gauge.map(|gauge| gauge.milli), Some(3000));
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
