//! The consumer and what happens when the group gives it partitions or takes them away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError as BrokerError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::position::{Held, Place, Positions};
use super::{IngestOptions, Start};
use crate::KafkaError;
use crate::client::ms;
use crate::metrics::IngestMetrics;

/// Longest wait for a broker's answer about where a partition begins and ends.
const WATERMARKS: Duration = Duration::from_secs(5);
/// How often the client library reports the ends of partitions.
const STATISTICS: Duration = Duration::from_secs(1);

/// What this consumer holds. Shared by the callbacks and the store.
#[derive(Debug, Default)]
pub(crate) struct Assignment(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    held: BTreeMap<Place, Held>,
    /// Moved since the broker was last told.
    moved: BTreeSet<Place>,
    /// Given to us, but not read: see [`Begin::Halted`].
    halted: BTreeMap<Place, Held>,
    rejoin: bool,
}

/// The callbacks.
pub(crate) struct Context {
    pub(crate) assignment: Arc<Assignment>,
    positions: Positions,
    start: Start,
    metrics: IngestMetrics,
    handle: Handle,
    shutdown: CancellationToken,
}

/// Where to go on in a partition.
enum Begin {
    At(Held),
    /// The broker has less than was taken already: a person must say what happened.
    Halted(Held),
}

/// A consumer with our settings.
pub(super) fn create(options: &IngestOptions, context: Context) -> Result<BaseConsumer<Context>, KafkaError> {
    Ok(BaseConsumer::from_config_and_context(&config(options), context)?)
}

fn config(options: &IngestOptions) -> ClientConfig {
    let mut config = options.brokers.config(&options.instance);
    config
        .set("fetch.wait.max.ms", ms(options.fetch_wait))
        .set("fetch.min.bytes", options.fetch_min_bytes.to_string())
        .set("fetch.max.bytes", options.fetch_max_bytes.to_string())
        .set("queued.max.messages.kbytes", (options.buffer_bytes / 1024).max(1).to_string())
        .set("topic.metadata.refresh.interval.ms", ms(options.metadata_refresh))
        .set("session.timeout.ms", ms(options.session_timeout))
        .set("heartbeat.interval.ms", ms(options.heartbeat))
        .set("max.poll.interval.ms", ms(options.max_poll_interval.max(options.session_timeout)))
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false");
    options.brokers.apply(&mut config);
    config
        .set("group.id", &options.group)
        .set("statistics.interval.ms", ms(STATISTICS))
        // Everything is given up and claimed anew at a rebalance: simple to reason about, and short.
        .set("partition.assignment.strategy", "range,roundrobin")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The library must not choose where to go on; the claim does.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "false");
    config
}

// === impl Assignment ===

impl Assignment {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, place: &Place) -> Option<Held> {
        self.parts().held.get(place).copied()
    }

    /// A partition was taken over.
    fn hold(&self, place: &Place, held: Held) {
        let mut parts = self.parts();
        parts.held.insert(place.clone(), held);
        parts.moved.insert(place.clone());
    }

    /// The jobs of records before `now.next` are committed. Says nothing about a partition that was given up, or taken
    /// over anew, since that transaction began.
    pub(super) fn moved(&self, place: &Place, now: Held) {
        let mut parts = self.parts();
        if let Some(held) = parts.held.get_mut(place)
            && held.generation == now.generation
        {
            *held = now;
            parts.moved.insert(place.clone());
        }
    }

    /// Somebody else has it: its records are dropped until the group has met again.
    pub(super) fn lost(&self, place: &Place, generation: i64) {
        let mut parts = self.parts();
        if parts.held.get(place).is_some_and(|held| held.generation == generation) {
            parts.held.remove(place);
            parts.moved.remove(place);
            parts.rejoin = true;
        }
    }

    pub(super) fn want_rejoin(&self) {
        self.parts().rejoin = true;
    }

    pub(super) fn take_rejoin(&self) -> bool {
        std::mem::take(&mut self.parts().rejoin)
    }

    /// What the broker should be told.
    pub(super) fn take_moved(&self) -> Vec<(Place, i64)> {
        let mut parts = self.parts();
        let moved = std::mem::take(&mut parts.moved);
        moved
            .into_iter()
            .filter_map(|place| Some((parts.held.get(&place)?.next, place)))
            .map(|(n, p)| (p, n))
            .collect()
    }

    /// The partitions that wait for a person, as they stood when they were given to us.
    pub(super) fn halted(&self) -> Vec<(Place, Held)> {
        self.parts().halted.iter().map(|(place, held)| (place.clone(), *held)).collect()
    }

    fn clear(&self) {
        let mut parts = self.parts();
        parts.halted.clear();
        parts.held.clear();
        parts.moved.clear();
    }
}

// === impl Context ===

impl Context {
    pub(super) fn new(
        positions: Positions,
        start: Start,
        metrics: IngestMetrics,
        handle: Handle,
        shutdown: CancellationToken,
    ) -> Self {
        Self { assignment: Arc::default(), positions, start, metrics, handle, shutdown }
    }

    /// Takes over what the group gave, and starts each partition where the database says.
    fn take(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut begun = TopicPartitionList::new();
        for element in given.elements() {
            let place = (element.topic().to_owned(), element.partition());
            match self.begin(consumer, &place)? {
                Begin::At(held) => {
                    begun.add_partition_offset(&place.0, place.1, Offset::Offset(held.next))?;
                    self.assignment.hold(&place, held);
                }
                Begin::Halted(held) => {
                    self.assignment.parts().halted.insert(place, held);
                }
            }
        }
        let halted = self.assignment.parts().halted.len();
        consumer.assign(&begun)?;
        self.metrics.assigned(begun.count(), halted);
        self.metrics.idle.set(i64::from(given.count() == 0));
        if given.count() == 0 {
            tracing::warn!(
                group = self.positions.group,
                "more consumers than partitions: this one is idle. hint: run fewer, or add partitions"
            );
        } else {
            tracing::info!(partitions = begun.count(), halted, "assigned");
        }
        Ok(())
    }

    fn begin(&self, consumer: &BaseConsumer<Self>, place: &Place) -> Result<Begin, KafkaError> {
        let known = self.handle.block_on(self.positions.read(place))?;
        let marks = consumer.fetch_watermarks(&place.0, place.1, WATERMARKS);
        let start = match (known, &marks) {
            (Some(known), Ok((low, high))) => {
                let (topic, partition, next) = (&place.0, place.1, known.next);
                if next > *high {
                    tracing::error!(
                        topic,
                        partition,
                        next,
                        high,
                        "the broker has fewer records than were taken: topic made anew, or records lost. \
                         hint: `plimsoll-kafka reset` says where to go on"
                    );
                    return Ok(Begin::Halted(known));
                }
                if next < *low {
                    let lost = low - next;
                    tracing::error!(
                        topic,
                        partition,
                        next,
                        low,
                        lost,
                        "records were deleted before they were taken"
                    );
                    self.metrics.expired(topic, lost.unsigned_abs());
                }
                next
            }
            // The fetch will tell if there is anything wrong with the position.
            (Some(known), Err(_)) => known.next,
            (None, Ok((low, high))) => match self.start {
                Start::Earliest => *low,
                Start::Latest => *high,
            },
            (None, Err(error)) => return Err(error.clone().into()),
        };
        let mut held = self.handle.block_on(self.positions.claim(place, start))?;
        if let Ok((low, _)) = marks
            && held.next < low
        {
            held = self.skip(place, held, low)?;
        }
        Ok(Begin::At(held))
    }

    /// The records up to `low` are gone: go on after them.
    fn skip(&self, place: &Place, held: Held, low: i64) -> Result<Held, KafkaError> {
        self.handle.block_on(async {
            let mut tx = self.positions.jobs.begin().await?;
            self.positions.advance(&mut tx, place, held, low, held.record_at_ms).await?;
            tx.commit().await?;
            Ok(Held { next: low, ..held })
        })
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.metrics.rebalances.inc();
        self.assignment.clear();
        self.metrics.clear_lag();
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if assigned && !self.shutdown.is_cancelled() {
            match self.take(consumer, partitions) {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "partitions cannot be taken over now");
                    self.assignment.clear();
                    self.assignment.want_rejoin();
                }
            }
        }
        self.metrics.assigned(0, 0);
        self.metrics.idle.set(0);
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "partitions cannot be given up");
        }
    }
}

impl ClientContext for Context {
    /// The poll reports the same.
    fn error(&self, error: BrokerError, reason: &str) {
        tracing::debug!(%error, reason, "client library");
    }

    /// Lag: the end of the partition as the broker last told, less what is in the queue.
    fn stats(&self, statistics: Statistics) {
        let now_ms = self.positions.jobs.now_ms();
        let held = self.assignment.parts().held.clone();
        for ((topic, partition), held) in held {
            let Some(seen) = statistics.topics.get(&topic).and_then(|t| t.partitions.get(&partition)) else {
                continue;
            };
            // Negative: not known yet.
            let end = if seen.ls_offset >= 0 { seen.ls_offset } else { seen.hi_offset };
            if end >= 0 {
                let records = (end - held.next).max(0);
                let age_ms = held.record_at_ms.map_or(0, |at| (now_ms - at).max(0));
                self.metrics.lag(&self.positions.group, &topic, partition, records, age_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::config::FromClientConfig as _;

    use super::*;
    use crate::client::Brokers;

    #[test]
    fn consumers_are_set_as_features_q8_and_q12_say() {
        let mut brokers = Brokers::new("localhost:9092");
        brokers.properties.insert("enable.auto.commit".to_owned(), "true".to_owned());
        let config = config(&IngestOptions::new(brokers, vec!["evaluate-jobs".to_owned()]));
        for (name, value) in [
            ("group.id", "ai-cv-evaluator-workers"),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("fetch.max.bytes", "50000000"),
            ("fetch.wait.max.ms", "100"),
            ("fetch.min.bytes", "1000"),
            ("session.timeout.ms", "30000"),
            ("heartbeat.interval.ms", "3000"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        // The library takes them all.
        let _: BaseConsumer = BaseConsumer::from_config(&config).unwrap();
    }
}
