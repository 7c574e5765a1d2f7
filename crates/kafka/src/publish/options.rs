//! How a publisher is set.

use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfig as _};
use rdkafka::producer::FutureProducer;

use crate::KafkaError;
use crate::client::{Brokers, ms};

/// How to publish. The defaults are those of FEATURES Q10 and Q11.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The brokers.
    pub brokers: Brokers,
    /// This publisher's name, for people.
    pub instance: String,
    /// Messages in one go at most. Default 1000.
    pub batch_messages: u32,
    /// Bytes in one go, about, at most. Default 4 MiB.
    pub batch_bytes: i64,
    /// Bytes in one request to a broker at most. Default 1 MB.
    pub request_bytes: u32,
    /// How long a request waits for more messages. Default 10 ms.
    pub linger: Duration,
    /// How often a request is tried again before the producer is thrown away. Default 10, …
    pub retries: u32,
    /// … after waits from this, default 100 ms, …
    pub retry_backoff: Duration,
    /// … doubling up to this, default 1 s.
    pub retry_backoff_max: Duration,
    /// `snappy`, `lz4` or `none`. Default snappy.
    pub compression: String,
    /// Publish each batch in a Kafka transaction under this id: a publisher that was thought dead can add nothing that
    /// readers with `read_committed` see. Default none: not every broker offers transactions.
    pub transactional_id: Option<String>,
    /// How long a publisher that died keeps the others waiting. Default 15 s.
    pub lease: Duration,
    /// Longest wait between two looks into an empty outbox. Default 100 ms.
    pub poll: Duration,
}

// === impl PublishOptions ===

impl PublishOptions {
    /// The defaults named at each field.
    pub fn new(brokers: Brokers) -> Self {
        Self {
            brokers,
            instance: format!("outbox-pid{}", std::process::id()),
            batch_messages: 1000,
            batch_bytes: 4 << 20,
            request_bytes: 1_000_000,
            linger: Duration::from_millis(10),
            retries: 10,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            compression: "snappy".to_owned(),
            transactional_id: None,
            lease: Duration::from_secs(15),
            poll: Duration::from_millis(100),
        }
    }

    pub(super) fn ttl_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    pub(super) fn producer(&self) -> Result<FutureProducer, KafkaError> {
        Ok(FutureProducer::from_config(&self.config())?)
    }

    fn config(&self) -> ClientConfig {
        let mut config = self.brokers.config(&self.instance);
        config
            .set("linger.ms", ms(self.linger))
            .set("batch.size", self.request_bytes.to_string())
            .set("batch.num.messages", self.batch_messages.max(1).to_string())
            .set("compression.type", &self.compression)
            .set("retries", self.retries.max(1).to_string())
            .set("retry.backoff.ms", ms(self.retry_backoff))
            .set("retry.backoff.max.ms", ms(self.retry_backoff_max.max(self.retry_backoff)))
            // As Java clients do: the same key goes to the same partition whoever sends it.
            .set("partitioner", "murmur2_random")
            // A topic that is not there fails soon, so that the others need not wait for it.
            .set("topic.metadata.propagation.max.ms", "5000");
        self.brokers.apply(&mut config);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            // None: a message that is given up while later ones go through would come after them.
            .set("message.timeout.ms", "0");
        if let Some(id) = &self.transactional_id {
            config.set("transactional.id", id);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::{Brokers, PublishOptions};

    #[test]
    fn producers_are_set_as_features_q11_says() {
        let mut brokers = Brokers::new("localhost:9092");
        brokers.set("client.rack=a").unwrap();
        let options =
            PublishOptions { transactional_id: Some("outbox-1".to_owned()), ..PublishOptions::new(brokers) };
        let config = options.config();
        for (name, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("transactional.id", "outbox-1"),
            ("batch.size", "1000000"),
            ("batch.num.messages", "1000"),
            ("linger.ms", "10"),
            ("retries", "10"),
            ("retry.backoff.ms", "100"),
            ("retry.backoff.max.ms", "1000"),
            ("compression.type", "snappy"),
            ("message.timeout.ms", "0"),
            ("client.rack", "a"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        // The library takes them all.
        drop(options.producer().unwrap());
    }
}
