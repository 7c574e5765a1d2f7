//! What people do around the services.

use std::time::Duration;

use serde_json::json;

use super::cli::{DeadCommand, LagArgs, ResetArgs, TopicCommand};
use super::{open, print};
use crate::KafkaError;
use crate::headers::bytes_to_json;
use crate::ingest::{DeadRecord, DeadRecords};
use crate::topics::{self, Lag, TopicPlan};

pub(super) async fn lag(arguments: LagArgs) -> Result<(), KafkaError> {
    let brokers = arguments.brokers()?;
    let jobs = open(&arguments.queue.queue_url).await?;
    let group = &arguments.group.group;
    let lags = topics::lag(&jobs, &brokers, group, &arguments.topics).await?;
    // Not every broker tells.
    let members = topics::members(&brokers, group).await.ok();
    let surplus = members.map(|members| members.saturating_sub(lags.len()));
    if arguments.json {
        let total: i64 = lags.iter().map(|lag| lag.lag).sum();
        print(&json!({ "group": group, "partitions": lags, "lag": total, "members": members, "surplus": surplus }).to_string());
    } else {
        print(&table(&lags));
    }
    match surplus {
        Some(idle) if idle > 0 => Err(KafkaError::Topic {
            topic: arguments.topics.join(","),
            why: format!(
                "{idle} consumers of group {group} are idle: there are only {} partitions",
                lags.len()
            ),
        }),
        _ => Ok(()),
    }
}

fn table(lags: &[Lag]) -> String {
    let mut lines = vec![format!(
        "{:<32} {:>9} {:>12} {:>12} {:>10}  {}",
        "TOPIC", "PARTITION", "NEXT", "END", "LAG", "OWNER"
    )];
    for lag in lags {
        let next = lag.next_offset.map_or_else(|| "-".to_owned(), |next| next.to_string());
        let owner = lag.owner.as_deref().unwrap_or("-");
        lines.push(format!(
            "{:<32} {:>9} {next:>12} {:>12} {:>10}  {owner}",
            lag.topic, lag.partition, lag.high, lag.lag
        ));
    }
    lines.join("\n")
}

pub(super) async fn reset(arguments: ResetArgs) -> Result<(), KafkaError> {
    if arguments.to < 0 || arguments.partition < 0 {
        let why = "partition and offset are counted from 0".to_owned();
        return Err(KafkaError::Option { option: "to", why });
    }
    let jobs = open(&arguments.queue.queue_url).await?;
    topics::reset(&jobs, &arguments.group.group, &arguments.topic, arguments.partition, arguments.to).await
}

pub(super) async fn topic(command: TopicCommand) -> Result<(), KafkaError> {
    match command {
        TopicCommand::Create(arguments) => {
            let plan = TopicPlan {
                partitions: arguments.partitions,
                replication: arguments.replication,
                min_insync: arguments.min_insync,
                retention: Duration::from_secs(u64::from(arguments.retention_days) * 86_400),
                retention_bytes: arguments.retention_bytes,
                ..TopicPlan::new(&arguments.topic)
            };
            let made = plan.create(&arguments.brokers.read()?).await?;
            print(if made { "made" } else { "was there" });
            Ok(())
        }
        TopicCommand::Grow(arguments) => {
            topics::grow(&arguments.brokers.read()?, &arguments.topic, arguments.partitions).await
        }
    }
}

pub(super) async fn dead(command: DeadCommand) -> Result<(), KafkaError> {
    match command {
        DeadCommand::List { queue, group, after, limit, json } => {
            let dead = DeadRecords::new(opened(&queue.queue_url).await?, group.group);
            for letter in dead.list(after, limit).await? {
                print(&if json { line_json(&letter) } else { line(&letter) });
            }
            Ok(())
        }
        DeadCommand::Requeue { queue, group, mapping, id } => {
            let dead = DeadRecords::new(opened(&queue.queue_url).await?, group.group);
            found(id, dead.requeue(id, &mapping.read()?).await?)
        }
        DeadCommand::Discard { queue, group, id } => {
            let dead = DeadRecords::new(opened(&queue.queue_url).await?, group.group);
            found(id, dead.discard(id).await?)
        }
    }
}

async fn opened(queue_url: &str) -> Result<plimsoll_jobs::Jobs, KafkaError> {
    let jobs = open(queue_url).await?;
    crate::migrate(&jobs).await?;
    Ok(jobs)
}

fn found(id: i64, found: bool) -> Result<(), KafkaError> {
    let why = || format!("there is no dead letter {id} in this group");
    if found { Ok(()) } else { Err(KafkaError::Option { option: "id", why: why() }) }
}

fn line(letter: &DeadRecord) -> String {
    let record = &letter.record;
    format!("{} {}/{}/{} {}", letter.id, record.topic, record.partition, record.offset, letter.reason)
}

fn line_json(letter: &DeadRecord) -> String {
    let record = &letter.record;
    json!({
        "id": letter.id,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.at_ms,
        "key": bytes_to_json(record.key.as_deref()),
        "value": bytes_to_json(record.value.as_deref()),
        "headers": record.headers.to_object(),
        "reason": letter.reason,
        "died_at_ms": letter.died_at_ms,
    })
    .to_string()
}
