//! From records to jobs.

use std::time::Duration;

use plimsoll_jobs::{NewJob, Tx};
use plimsoll_kafka::ingest::{
    Accept, Accepted, DeadRecords, Form, IngestOptions, Mapping, Record, Refused, Source, Start,
};
use plimsoll_kafka::{outbox, topics};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;

use crate::support::{Broker, GROUP, QUEUE, Queue, header, numbered, options, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_record_becomes_one_job_and_a_restart_repeats_none() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 3);
        broker.send_numbers("t", 3, 0..500).await;
        let first = queue.ingest(options(&broker, "t"));
        queue.wait_for(500).await;
        assert_eq!(first.stop().await.taken, 500);

        broker.send_numbers("t", 3, 500..600).await;
        let second = queue.ingest(options(&broker, "t"));
        queue.wait_for(600).await;
        let report = second.stop().await;
        assert_eq!((report.taken, report.duplicates, report.dead), (100, 0, 0));

        let jobs = queue.drain().await;
        let mut numbers: Vec<i64> = jobs.iter().map(|job| numbered(job).2).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..600).collect::<Vec<_>>());
        for partition in 0..3 {
            let offsets: Vec<i64> =
                jobs.iter().map(numbered).filter(|n| n.0 == partition).map(|n| n.1).collect();
            assert_eq!(offsets, (0..200).collect::<Vec<_>>(), "order in partition {partition}");
        }
        let lag = topics::lag(&queue.jobs, &broker.brokers(), GROUP, &["t".to_owned()]).await.unwrap();
        assert_eq!(
            lag.iter().map(|l| (l.next_offset, l.high, l.lag)).collect::<Vec<_>>(),
            [(Some(200), 200, 0); 3]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn position_in_the_database_wins_over_the_brokers() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 1));
    broker.send_numbers("t", 1, 0..10).await;
    // Somebody's tool has moved the group on: records would be lost.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.cluster.bootstrap_servers())
        .set("group.id", GROUP)
        .create()
        .unwrap();
    let mut on = TopicPartitionList::new();
    on.add_partition_offset("t", 0, Offset::Offset(7)).unwrap();
    consumer.commit(&on, CommitMode::Sync).unwrap();
    drop(consumer);
    let running = queue.ingest(options(&broker, "t"));
    queue.wait_for(10).await;
    running.stop().await;
    let offsets: Vec<i64> = queue.drain().await.iter().map(|job| numbered(job).1).collect();
    assert_eq!(offsets, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn group_may_begin_with_what_comes_from_now_on() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 1));
    broker.send_numbers("t", 1, 0..10).await;
    let late = IngestOptions { start: Start::Latest, ..options(&broker, "t") };
    let running = queue.ingest(late.clone());
    until("the partition", || async { running.metrics.partitions() == 1 }).await;
    broker.send_numbers("t", 1, 10..12).await;
    queue.wait_for(2).await;
    running.stop().await;
    let numbers: Vec<i64> = queue.drain().await.iter().map(|job| numbered(job).2).collect();
    assert_eq!(numbers, [10, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_a_dead_letter_with_its_reason_and_blocks_nobody() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 1);
        broker.send_with("t", 0, "a", b"\xff\x00not json", header("traceparent", "00-a-b-01")).await;
        broker.send("t", 0, "b", format!("\"{}\"", "x".repeat(2 << 20))).await;
        broker.send("t", 0, "c", r#"{"n":2}"#).await;
        let dead_topic = Some("t.dead".to_owned());
        let running = queue.ingest(IngestOptions { dead_topic, ..options(&broker, "t") });
        queue.wait_for(1).await;
        let report = running.stop().await;
        assert_eq!((report.taken, report.dead), (1, 2));

        let dead = DeadRecords::new(queue.jobs.clone(), GROUP);
        let letters = dead.list(0, 10).await.unwrap();
        assert_eq!(letters.len(), 2);
        assert!(letters[0].reason.contains("not JSON"), "{}", letters[0].reason);
        assert_eq!(letters[0].record.value.as_deref(), Some(b"\xff\x00not json".as_slice()));
        assert_eq!(letters[0].record.headers.last("traceparent"), Some(b"00-a-b-01".as_slice()));
        assert!(letters[1].reason.contains("bytes"), "{}", letters[1].reason);
        // The one that fits into a message waits to be published; the other is in the table alone.
        assert!(dead.requeue(letters[0].id, &Mapping::new(QUEUE)).await.is_err(), "still no JSON");
        assert!(dead.requeue(letters[0].id, &Anything).await.unwrap(), "a mended program takes it");
        assert!(dead.discard(letters[1].id).await.unwrap());
        assert!(!dead.discard(letters[1].id).await.unwrap());
        assert!(dead.list(0, 10).await.unwrap().is_empty());
        assert_eq!(queue.ready().await, 2);
    }
}

/// Takes whatever it is given.
struct Anything;

impl Accept for Anything {
    async fn accept(&self, _tx: &mut Tx, record: &Record) -> Result<Accepted, Refused> {
        Ok(Accepted::Job(Box::new(NewJob::new(QUEUE, json!({ "offset": record.offset })))))
    }
}

/// Writes rows of the application's own, and breaks its transaction at one record.
struct Breaks;

impl Accept for Breaks {
    async fn accept(&self, tx: &mut Tx, record: &Record) -> Result<Accepted, Refused> {
        let broken = record.offset == 5;
        let statement =
            if broken { "INSERT INTO nowhere VALUES (1)" } else { "INSERT INTO taken VALUES ($1)" };
        let done = if let Ok(conn) = tx.sqlite() {
            sqlx::query(statement).bind(record.offset).execute(conn).await.map(drop)
        } else {
            sqlx::query(statement).bind(record.offset).execute(tx.postgres()?).await.map(drop)
        };
        done.map_err(|error| Refused::Failed(error.into()))?;
        Ok(Accepted::Job(Box::new(NewJob::new(QUEUE, json!({ "offset": record.offset })))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn record_that_breaks_its_transaction_is_found_and_the_others_go_on() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 1);
        let mut tx = queue.jobs.begin().await.unwrap();
        let table = "CREATE TABLE taken (n bigint PRIMARY KEY)";
        match tx.sqlite() {
            Ok(conn) => drop(sqlx::query(table).execute(conn).await.unwrap()),
            Err(_) => drop(sqlx::query(table).execute(tx.postgres().unwrap()).await.unwrap()),
        }
        tx.commit().await.unwrap();
        broker.send_numbers("t", 1, 0..10).await;
        let running = queue.ingest_with(options(&broker, "t"), Breaks);
        queue.wait_for(9).await;
        let report = running.stop().await;
        assert_eq!((report.taken, report.dead), (9, 1));
        let letters = DeadRecords::new(queue.jobs.clone(), GROUP).list(0, 10).await.unwrap();
        assert_eq!(letters[0].record.offset, 5);
        assert!(letters[0].reason.contains("nowhere"), "{}", letters[0].reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_its_producer_sent_twice_makes_one_job() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 2);
        for (partition, id, value) in [(0, "m-1", "1"), (1, "m-1", "1"), (0, "m-2", "2"), (1, "m-1", "3")] {
            broker.send_with("t", partition, "k", value, header(outbox::MESSAGE_ID, id)).await;
        }
        broker.send("t", 0, "k", "4").await;
        let source = Source::Header(outbox::MESSAGE_ID.to_owned());
        let mapping = Mapping {
            form: Form::Value,
            dedupe: Some((source, Duration::from_secs(3600))),
            ..Mapping::new(QUEUE)
        };
        let running = queue.ingest_with(options(&broker, "t"), mapping);
        let dead = DeadRecords::new(queue.jobs.clone(), GROUP);
        until("all five", || async {
            queue.ready().await == 3 && dead.list(0, 10).await.unwrap().len() == 1
        })
        .await;
        let report = running.stop().await;
        assert_eq!((report.taken, report.duplicates, report.dead), (3, 1, 1));
        let reason = &dead.list(0, 10).await.unwrap()[0].reason;
        assert!(reason.contains("another request body"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn record_whose_key_has_a_live_job_adds_none() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 1));
    for n in 0..3 {
        broker.send("t", 0, "same", format!("{{\"n\":{n}}}")).await;
    }
    broker.send("t", 0, "other", r#"{"n":3}"#).await;
    let mapping = Mapping { unique: Some(Source::Key), ..Mapping::new(QUEUE) };
    let running = queue.ingest_with(options(&broker, "t"), mapping);
    queue.wait_for(2).await;
    let report = running.stop().await;
    assert_eq!((report.taken, report.duplicates), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_that_is_shorter_than_taken_waits_for_a_person() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 2));
    broker.send_numbers("t", 2, 0..10).await;
    topics::reset(&queue.jobs, GROUP, "t", 0, 99).await.unwrap();
    let running = queue.ingest(options(&broker, "t"));
    queue.wait_for(5).await;
    until("the halt", || async { running.metrics.halted() == 1 }).await;
    topics::reset(&queue.jobs, GROUP, "t", 0, 3).await.unwrap();
    // Offsets 3 and 4 of partition 0, beside the five of partition 1.
    queue.wait_for(7).await;
    until("the end of the halt", || async { running.metrics.halted() == 0 }).await;
    running.stop().await;
    let mut seen: Vec<_> = queue.drain().await.iter().map(numbered).map(|n| (n.0, n.1)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_told_by_partition_in_records_and_seconds() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 2));
    broker.send_numbers("t", 2, 0..4).await;
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = plimsoll_kafka::metrics::IngestMetrics::register(&mut registry);
    let running = queue.ingest_told(options(&broker, "t"), Mapping::new(QUEUE), metrics);
    let page = || app_kit::metrics::text(&registry).unwrap();
    until("the lag of both partitions", || async {
        (0..2).all(|p| {
            let labels = format!("{{consumer_group=\"{GROUP}\",topic=\"t\",partition=\"{p}\"}}");
            let page = page();
            page.contains(&format!("kafka_consumer_lag{labels} 0"))
                && page.contains(&format!("kafka_consumer_lag_seconds{labels} 0"))
        })
    })
    .await;
    assert!(page().contains("kafka_records_ingested_total{topic=\"t\"} 4"), "{}", page());
    // The database is taken away: records come and cannot be stored, so the lag grows, in records and in seconds.
    let lock = queue.jobs.begin().await.unwrap();
    broker.send_numbers("t", 2, 4..10).await;
    until("a lag", || async { !page().contains("partition=\"0\"} 0\n") }).await;
    drop(lock);
    queue.wait_for(10).await;
    until("no lag", || async { page().contains("partition=\"0\"} 0\n") }).await;
    assert_eq!(running.stop().await.taken, 10);
}
