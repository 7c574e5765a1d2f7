//! What ingest and publisher tell Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::ingest::IngestReport;

/// One partition as a group sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    consumer_group: String,
    topic: String,
    partition: i32,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabels {
    topic: String,
}

/// Of an ingest. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct IngestMetrics {
    pub(crate) rebalances: Counter,
    pub(crate) fenced: Counter,
    pub(crate) idle: Gauge,
    partitions: Gauge,
    halted: Gauge,
    lag: Family<PartitionLabels, Gauge>,
    lag_s: Family<PartitionLabels, Gauge<f64, AtomicU64>>,
    taken: Family<TopicLabels, Counter>,
    duplicates: Family<TopicLabels, Counter>,
    dead: Family<TopicLabels, Counter>,
    expired: Family<TopicLabels, Counter>,
}

/// Of a publisher. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct PublishMetrics {
    pub(crate) leads: Gauge,
    pub(crate) depth: Gauge,
    pub(crate) age_s: Gauge<f64, AtomicU64>,
    published: Family<TopicLabels, Counter>,
    failed: Family<TopicLabels, Counter>,
    dead: Family<TopicLabels, Counter>,
}

// === impl IngestMetrics ===

impl IngestMetrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        registry.register(
            "kafka_consumer_lag",
            "Records of a partition that are not yet in the queue",
            it.lag.clone(),
        );
        registry.register(
            "kafka_consumer_lag_seconds",
            "Age of the last record in the queue while there are newer ones, else 0: at least the age of the oldest waiting one",
            it.lag_s.clone(),
        );
        registry.register("kafka_records_ingested", "Records that became jobs", it.taken.clone());
        registry.register("kafka_records_duplicate", "Records that added nothing", it.duplicates.clone());
        registry.register("kafka_records_dead", "Records that became dead letters", it.dead.clone());
        registry.register(
            "kafka_records_expired",
            "Records that the broker deleted before they were taken",
            it.expired.clone(),
        );
        registry.register(
            "kafka_partitions_assigned",
            "Partitions this consumer reads",
            it.partitions.clone(),
        );
        registry.register(
            "kafka_partitions_halted",
            "Partitions that wait for a person: the broker has fewer records than were taken",
            it.halted.clone(),
        );
        registry.register(
            "kafka_consumer_idle",
            "1 when the group has more consumers than partitions and this one has none",
            it.idle.clone(),
        );
        registry.register("kafka_rebalances", "Changes of the assignment", it.rebalances.clone());
        registry.register(
            "kafka_fenced",
            "Batches not stored because another consumer had taken the partition over",
            it.fenced.clone(),
        );
        it
    }

    pub(crate) fn assigned(&self, partitions: usize, halted: usize) {
        self.partitions.set(i64::try_from(partitions).unwrap_or(i64::MAX));
        self.halted.set(i64::try_from(halted).unwrap_or(i64::MAX));
    }

    /// Partitions that wait for a person.
    #[must_use]
    pub fn halted(&self) -> i64 {
        self.halted.get()
    }

    /// Partitions this consumer reads.
    #[must_use]
    pub fn partitions(&self) -> i64 {
        self.partitions.get()
    }

    /// Whether the group has no work for this consumer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle.get() == 1
    }

    pub(crate) fn lag(&self, group: &str, topic: &str, partition: i32, records: i64, age_ms: i64) {
        let labels = PartitionLabels { consumer_group: group.to_owned(), topic: topic.to_owned(), partition };
        self.lag.get_or_create(&labels).set(records);
        #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds")]
        let age_s = if records == 0 { 0.0 } else { age_ms as f64 / 1000.0 };
        self.lag_s.get_or_create(&labels).set(age_s);
    }

    /// What other consumers read from now on is theirs to tell.
    pub(crate) fn clear_lag(&self) {
        self.lag.clear();
        self.lag_s.clear();
    }

    pub(crate) fn written(&self, topic: &str, written: IngestReport) {
        let labels = TopicLabels { topic: topic.to_owned() };
        self.taken.get_or_create(&labels).inc_by(written.taken);
        self.duplicates.get_or_create(&labels).inc_by(written.duplicates);
        self.dead.get_or_create(&labels).inc_by(written.dead);
    }

    pub(crate) fn expired(&self, topic: &str, records: u64) {
        self.expired.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc_by(records);
    }
}

// === impl PublishMetrics ===

impl PublishMetrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        registry.register("outbox_published", "Messages that a broker acknowledged", it.published.clone());
        registry.register(
            "outbox_failed",
            "Messages that a broker did not take; they stay",
            it.failed.clone(),
        );
        registry.register("outbox_dead", "Messages that a broker refused for good", it.dead.clone());
        registry.register("outbox_depth", "Messages waiting, counted up to 100000", it.depth.clone());
        registry.register("outbox_age_seconds", "Age of the oldest waiting message", it.age_s.clone());
        registry.register(
            "outbox_leader",
            "1 while this process is the one that publishes",
            it.leads.clone(),
        );
        it
    }

    pub(crate) fn published(&self, topic: &str) {
        self.published.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc();
    }

    pub(crate) fn failed(&self, topic: &str) {
        self.failed.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc();
    }

    pub(crate) fn dead(&self, topic: &str) {
        self.dead.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc();
    }
}
