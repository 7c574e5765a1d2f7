//! How brokers are spoken to: the settings of consumers and producers, each with where it comes from.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::KafkaError;

/// Which brokers, and what else librdkafka should know.
#[derive(Debug, Clone)]
pub struct Brokers {
    /// `host:port` of some of them, comma-separated; the others are found through these.
    pub bootstrap: String,
    /// Settings of librdkafka by their own names (`security.protocol`, `sasl.password`, …). They overwrite ours, except
    /// those that the promises of this crate stand on ([`KEPT`]).
    pub properties: BTreeMap<String, String>,
}

/// Settings that are not for the user to change: exactly-once ingest, or order without loss, would be gone.
pub const KEPT: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
];

// === impl Brokers ===

impl Brokers {
    /// Brokers without further settings.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), properties: BTreeMap::new() }
    }

    /// Adds a setting given as `name=value`.
    ///
    /// # Errors
    /// When it has no `=` or is one of [`KEPT`]. The value is not quoted: it may be a password.
    pub fn set(&mut self, property: &str) -> Result<(), KafkaError> {
        let wrong = |why: String| Err(KafkaError::Option { option: "property", why });
        let Some((name, value)) = property.split_once('=') else {
            return wrong("expected name=value".to_owned());
        };
        let name = name.trim();
        if KEPT.contains(&name) {
            return wrong(format!("`{name}` is fixed: ingest and outbox stand on it"));
        }
        self.properties.insert(name.to_owned(), value.trim().to_owned());
        Ok(())
    }

    /// What every client has in common.
    pub(crate) fn config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", client_id);
        // A broker that went away is asked again soon, and by all clients at different moments.
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "5000");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The user's settings last: they win.
    pub(crate) fn apply(&self, config: &mut ClientConfig) {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
    }
}

/// Whole milliseconds, as librdkafka wants them.
pub(crate) fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_carry_the_promises_are_fixed() {
        let mut brokers = Brokers::new("localhost:9092");
        brokers.set("sasl.password = a=b ").unwrap();
        assert_eq!(brokers.properties["sasl.password"], "a=b");
        let error = brokers.set("enable.auto.commit=true").unwrap_err().to_string();
        assert!(error.contains("is fixed"), "{error}");
        let error = brokers.set("secret-without-equals").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
