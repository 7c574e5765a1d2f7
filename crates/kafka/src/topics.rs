//! Topics: making them, adding partitions, and how far a group is behind.

use std::time::Duration;

use plimsoll_jobs::Jobs;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;

use crate::client::Brokers;
use crate::ingest::Position;
use crate::ingest::position::Positions;
use crate::{KafkaError, schema};

/// Longest wait for a broker's answer.
const ANSWER: Duration = Duration::from_secs(15);

/// A topic to be made. The defaults are those of FEATURES Q8 and Q9.
#[derive(Debug, Clone)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// Partitions: at most so many consumers of a group have work. Default 6.
    pub partitions: i32,
    /// Brokers that hold each record. Default 3.
    pub replication: i32,
    /// How many of them must have a record before it counts as written. Default none: the broker's own setting.
    pub min_insync: Option<u32>,
    /// Records older than this are deleted. Default 7 days.
    pub retention: Duration,
    /// A partition that is larger loses its oldest records. Default 1 GiB.
    pub retention_bytes: u64,
    /// Deletion works on segments of this size, default 1 GiB, …
    pub segment_bytes: u64,
    /// … or this age. Default 1 h.
    pub segment_age: Duration,
    /// How records lie on the broker's disk. Default snappy.
    pub compression: String,
}

/// A partition, how far it is moved into the queue and how far it reaches.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Lag {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first record that is not in the queue; none when the group never took the partition.
    pub next_offset: Option<i64>,
    /// Where its records begin.
    pub low: i64,
    /// Where they end.
    pub high: i64,
    /// Records not in the queue.
    pub lag: i64,
    /// Who took it last.
    pub owner: Option<String>,
}

// === impl TopicPlan ===

impl TopicPlan {
    /// The defaults named at each field.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: 6,
            replication: 3,
            min_insync: None,
            retention: Duration::from_secs(7 * 86_400),
            retention_bytes: 1 << 30,
            segment_bytes: 1 << 30,
            segment_age: Duration::from_secs(3600),
            compression: "snappy".to_owned(),
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", self.retention.as_millis().to_string()),
            ("retention.bytes", self.retention_bytes.to_string()),
            // A signed number of 32 bits in the protocol.
            ("segment.bytes", self.segment_bytes.min(i32::MAX.unsigned_abs().into()).to_string()),
            ("segment.ms", self.segment_age.as_millis().to_string()),
            ("compression.type", self.compression.clone()),
        ];
        settings.extend(self.min_insync.map(|n| ("min.insync.replicas", n.to_string())));
        settings
    }

    /// Makes the topic; answers whether it was not there before. One that is there is left as it is.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn create(&self, brokers: &Brokers) -> Result<bool, KafkaError> {
        let settings = self.settings();
        let mut topic = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(self.replication));
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let answers = admin(brokers)?.create_topics([&topic], &options()).await?;
        match answers.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            answer => told(answer).map(|()| true),
        }
    }
}

/// Adds partitions until the topic has `partitions` of them. Consumers and publishers notice by themselves. A key may
/// go to another partition from then on: order for a key holds before and after, not across the change, unless the
/// topic is drained first.
///
/// # Errors
/// What the broker said; it never takes partitions away.
pub async fn grow(brokers: &Brokers, topic: &str, partitions: usize) -> Result<(), KafkaError> {
    let answers =
        admin(brokers)?.create_partitions([&NewPartitions::new(topic, partitions)], &options()).await?;
    told(answers.into_iter().next())
}

/// How far a group is behind, by partition. Blocks while brokers are asked.
///
/// # Errors
/// When a topic does not exist, or brokers or database fail.
pub async fn lag(
    jobs: &Jobs,
    brokers: &Brokers,
    group: &str,
    topics: &[String],
) -> Result<Vec<Lag>, KafkaError> {
    schema::migrate(jobs).await?;
    let positions = positions(jobs, group).list().await?;
    let (brokers, topics) = (brokers.clone(), topics.to_vec());
    let asked = tokio::task::spawn_blocking(move || ask(&brokers, &topics, &positions));
    asked.await.map_err(|error| KafkaError::Thread(error.to_string()))?
}

/// Members of a consumer group as the broker knows them.
///
/// # Errors
/// When the broker does not tell.
pub async fn members(brokers: &Brokers, group: &str) -> Result<usize, KafkaError> {
    let (brokers, group) = (brokers.clone(), group.to_owned());
    let asked = tokio::task::spawn_blocking(move || -> Result<usize, KafkaError> {
        let groups = consumer(&brokers)?.client().fetch_group_list(Some(&group), ANSWER)?;
        Ok(groups.groups().iter().map(|group| group.members().len()).sum())
    });
    asked.await.map_err(|error| KafkaError::Thread(error.to_string()))?
}

/// Says where a group goes on in a partition. Whoever reads it now is shut out and asks again.
///
/// # Errors
/// When the database fails.
pub async fn reset(
    jobs: &Jobs,
    group: &str,
    topic: &str,
    partition: i32,
    next: i64,
) -> Result<(), KafkaError> {
    schema::migrate(jobs).await?;
    positions(jobs, group).reset(&(topic.to_owned(), partition), next).await
}

fn positions(jobs: &Jobs, group: &str) -> Positions {
    Positions { jobs: jobs.clone(), group: group.to_owned(), owner: String::new() }
}

fn ask(brokers: &Brokers, topics: &[String], positions: &[Position]) -> Result<Vec<Lag>, KafkaError> {
    let consumer = consumer(brokers)?;
    let mut lags = Vec::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
        let partitions = metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id());
        let mut partitions: Vec<i32> = partitions.collect();
        partitions.sort_unstable();
        if partitions.is_empty() {
            return Err(KafkaError::Topic { topic: topic.clone(), why: "does not exist".to_owned() });
        }
        for partition in partitions {
            let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER)?;
            let known = positions.iter().find(|p| p.topic == *topic && p.partition == partition);
            let next_offset = known.map(|p| p.next_offset);
            let lag = (high - next_offset.unwrap_or(low)).max(0);
            let owner = known.map(|p| p.owner.clone());
            lags.push(Lag { topic: topic.clone(), partition, next_offset, low, high, lag, owner });
        }
    }
    Ok(lags)
}

/// A consumer that belongs to no group: it only asks.
fn consumer(brokers: &Brokers) -> Result<BaseConsumer, KafkaError> {
    let mut config = brokers.config("plimsoll-kafka");
    config.set("isolation.level", "read_committed").set("allow.auto.create.topics", "false");
    brokers.apply(&mut config);
    Ok(BaseConsumer::from_config(&config)?)
}

fn admin(brokers: &Brokers) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    let mut config = brokers.config("plimsoll-kafka");
    brokers.apply(&mut config);
    Ok(AdminClient::from_config(&config)?)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

fn told(answer: Option<Result<String, (String, RDKafkaErrorCode)>>) -> Result<(), KafkaError> {
    match answer {
        Some(Ok(_)) => Ok(()),
        Some(Err((topic, code))) => Err(KafkaError::Topic { topic, why: code.to_string() }),
        None => Err(KafkaError::Topic { topic: String::new(), why: "the broker said nothing".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_made_as_features_q8_and_q9_say() {
        let plan = TopicPlan { min_insync: Some(2), ..TopicPlan::new("evaluate-jobs") };
        assert_eq!((plan.partitions, plan.replication), (6, 3));
        let settings = plan.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            settings,
            [
                ("cleanup.policy", "delete"),
                ("retention.ms", "604800000"),
                ("retention.bytes", "1073741824"),
                ("segment.bytes", "1073741824"),
                ("segment.ms", "3600000"),
                ("compression.type", "snappy"),
                ("min.insync.replicas", "2"),
            ]
        );
    }
}
