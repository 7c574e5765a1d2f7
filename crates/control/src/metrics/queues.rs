//! Queues as Prometheus sees them.

use std::fmt;

use plimsoll_jobs::{HistogramSnapshot, QueueTimes};
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{MetricType, counter::Counter, family::Family},
    registry::Registry,
};

use super::{Fraction, Labels, Whole, signed};
use crate::view::QueueView;

type Total = Family<Labels, Counter>;

/// Adds what is known of the queues.
pub(super) fn register(registry: &mut Registry, queues: &[QueueView], times: &[QueueTimes]) {
    gauges(registry, queues);
    totals(registry, queues);
    registry.register_collector(Box::new(Times(times.to_vec())));
}

fn gauges(registry: &mut Registry, queues: &[QueueView]) {
    let (depth, held) = (Whole::default(), Whole::default());
    let (age, drain) = (Fraction::default(), Fraction::default());
    let (arrivals, completions) = (Fraction::default(), Fraction::default());
    for queue in queues {
        let states = [
            ("ready", queue.ready),
            ("scheduled", queue.scheduled),
            ("leased", queue.leased),
            ("dead", queue.dead),
        ];
        for (state, count) in states {
            depth.get_or_create(&labels(queue, "state", state)).set(signed(count));
        }
        for holder in &queue.held_by {
            held.get_or_create(&labels(queue, "worker", &holder.worker)).set(signed(holder.jobs));
        }
        let name = vec![("queue", queue.name.clone())];
        age.get_or_create(&name).set(queue.oldest_age_s);
        drain.get_or_create(&name).set(queue.time_to_drain_s);
        arrivals.get_or_create(&name).set(queue.arrivals_per_s);
        completions.get_or_create(&name).set(queue.completions_per_s);
    }
    registry.register("queue_depth", "Jobs by state", depth);
    registry.register("queue_jobs_held", "Jobs that a worker holds", held);
    registry.register("queue_age_seconds", "Age of the oldest job that could start now, in seconds", age);
    registry.register(
        "queue_time_to_drain_seconds",
        "Seconds until the jobs that could start now have been started, at the present pace",
        drain,
    );
    registry.register("queue_arrivals_per_second", "Jobs that came in, over half a minute", arrivals);
    registry.register("queue_completions_per_second", "Jobs completed, over half a minute", completions);
}

fn totals(registry: &mut Registry, queues: &[QueueView]) {
    let (enqueued, completed, attempts) = (Total::default(), Total::default(), Total::default());
    let (lost, died) = (Total::default(), Total::default());
    for queue in queues {
        let name = vec![("queue", queue.name.clone())];
        enqueued.get_or_create(&name).inc_by(queue.enqueued);
        completed.get_or_create(&name).inc_by(queue.completed);
        lost.get_or_create(&name).inc_by(queue.leases_lost);
        died.get_or_create(&name).inc_by(queue.died);
        let failed = queue.failed_attempts.saturating_sub(queue.leases_lost);
        let outcomes = [("completed", queue.completed), ("failed", failed), ("lost", queue.leases_lost)];
        for (outcome, count) in outcomes {
            attempts.get_or_create(&labels(queue, "outcome", outcome)).inc_by(count);
        }
    }
    registry.register("queue_jobs_enqueued", "Jobs ever enqueued", enqueued);
    registry.register("queue_jobs_completed", "Jobs ever completed", completed);
    registry.register("queue_attempts", "Attempts that ended, by how", attempts);
    registry.register("queue_leases_lost", "Attempts whose worker died, stalled or lost the database", lost);
    registry.register("queue_jobs_died", "Jobs that ever became dead letters", died);
}

fn labels(queue: &QueueView, name: &'static str, value: &str) -> Labels {
    vec![("queue", queue.name.clone()), (name, value.to_owned())]
}

/// Wait and run histograms, as the workers wrote them down.
#[derive(Debug)]
struct Times(Vec<QueueTimes>);

// === impl Times ===

impl Collector for Times {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&QueueTimes) -> &HistogramSnapshot;
        let histograms: [(&str, &str, Read); 2] = [
            ("queue_wait_seconds", "From when a job could start to when it did", |times| &times.wait),
            ("queue_run_seconds", "From the start of an attempt to its end", |times| &times.run),
        ];
        for (name, help, read) in histograms {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for times in &self.0 {
                let (labels, seen) = ([("queue", times.queue.as_str())], read(times));
                let mut before = 0;
                let each = seen.cumulative.iter().map(|(bound, cumulative)| {
                    let count = cumulative - before;
                    before = *cumulative;
                    (*bound, count)
                });
                let buckets: Vec<(f64, u64)> = each.collect();
                family
                    .encode_family(&labels)?
                    .encode_histogram::<[(&str, &str); 0]>(seen.sum_s, seen.count, &buckets, None)?;
            }
        }
        Ok(())
    }
}
