//! From the outbox to records.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_jobs::{JobContext, Worker, WorkerOptions};
use plimsoll_kafka::metrics::PublishMetrics;
use plimsoll_kafka::outbox::{MESSAGE_ID, Message, Outbox};
use plimsoll_kafka::publish::{PublishOptions, PublishReport, Publisher};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Broker, QUEUE, Queue, Seen, until};

struct Publishing {
    stop: CancellationToken,
    task: JoinHandle<PublishReport>,
}

impl Publishing {
    fn start(queue: &Queue, options: PublishOptions) -> Self {
        let stop = CancellationToken::new();
        let publisher = Publisher::new(queue.jobs.clone(), options);
        let run = publisher.run(stop.clone());
        Self { stop, task: tokio::spawn(async { run.await.unwrap() }) }
    }

    async fn stop(self) -> PublishReport {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

fn options(broker: &Broker) -> PublishOptions {
    PublishOptions { lease: Duration::from_secs(2), ..PublishOptions::new(broker.brokers()) }
}

async fn put(queue: &Queue, messages: impl IntoIterator<Item = Message>) {
    let outbox = Outbox::open(&queue.jobs).await.unwrap();
    let mut tx = queue.jobs.begin().await.unwrap();
    for message in messages {
        assert!(outbox.put(&mut tx, &message).await.unwrap());
    }
    tx.commit().await.unwrap();
}

fn id(seen: &Seen) -> String {
    String::from_utf8(seen.headers.last(MESSAGE_ID).unwrap().to_vec()).unwrap()
}

/// Messages without repetitions, by key.
fn by_key(seen: &[Seen]) -> BTreeMap<String, Vec<String>> {
    let mut ids = std::collections::BTreeSet::new();
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in seen.iter().filter(|one| ids.insert(id(one))) {
        by_key.entry(one.key.clone()).or_default().push(one.value.clone());
    }
    by_key
}

#[tokio::test(flavor = "multi_thread")]
async fn result_is_published_if_and_only_if_the_job_completed() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("results", 3);
        let outbox = Outbox::open(&queue.jobs).await.unwrap();
        let mut tx = queue.jobs.begin().await.unwrap();
        for n in 0..20 {
            let job = plimsoll_jobs::NewJob::new(QUEUE, json!({ "n": n })).max_attempts(1);
            queue.jobs.enqueue(&mut tx, job).await.unwrap();
        }
        tx.commit().await.unwrap();
        let handler = move |context: JobContext| {
            let outbox = outbox.clone();
            async move {
                let n = context.job().payload.parse::<serde_json::Value>()?["n"].as_i64().unwrap();
                let mut tx = context.jobs().begin().await?;
                let message = Message::new("results", format!("done {n}"))
                    .id(format!("job-{n}"))
                    .key(format!("{n}"))
                    .header("traceparent", "00-a-b-01");
                outbox.put(&mut tx, &message).await?;
                if n % 4 == 3 {
                    return Err(plimsoll_jobs::Failure::never("as planned"));
                }
                context.complete(&mut tx).await?;
                Ok(tx.commit().await?)
            }
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(queue.jobs.clone(), QUEUE, WorkerOptions::default());
        let working = tokio::spawn(worker.run(handler, stop.clone()));
        let publishing = Publishing::start(&queue, options(&broker));
        let seen = broker.read("results", 3, |seen| seen.len() >= 15).await;
        until("the end of all jobs", || async {
            let stats = queue.jobs.stats(Some(QUEUE)).await.unwrap();
            stats[0].ready + stats[0].leased == 0
        })
        .await;
        stop.cancel();
        working.await.unwrap();
        assert_eq!(publishing.stop().await, PublishReport { published: 15, dead: 0 });
        let mut ids: Vec<String> = seen.iter().map(id).collect();
        ids.sort();
        let mut wanted: Vec<String> = (0..20).filter(|n| n % 4 != 3).map(|n| format!("job-{n}")).collect();
        wanted.sort();
        assert_eq!(ids, wanted);
        assert!(seen.iter().all(|s| s.headers.last("traceparent") == Some(b"00-a-b-01".as_slice())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_of_a_key_survives_errors_and_lost_brokers() {
    for queue in Queue::each().await {
        let broker = Broker::start(2);
        broker.cluster.create_topic("t", 2, 2).unwrap();
        let message = |n: i32| Message::new("t", format!("{n}")).key(format!("key-{}", n % 5));
        put(&queue, (0..200).map(message)).await;
        let errors = [
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        ];
        broker.cluster.request_errors(RDKafkaApiKey::Produce, &errors);
        let small = PublishOptions { batch_messages: 20, ..options(&broker) };
        let publishing = Publishing::start(&queue, small);
        for down in [1, 2] {
            broker.cluster.broker_down(down).unwrap();
            put(&queue, (200 * down..200 * (down + 1)).map(message)).await;
            broker.cluster.broker_up(down).unwrap();
        }
        let all = |seen: &[Seen]| by_key(seen).values().map(Vec::len).sum::<usize>() == 600;
        let seen = broker.read("t", 2, all).await;
        publishing.stop().await;
        for (key, values) in by_key(&seen) {
            let numbers: Vec<i32> = values.iter().map(|v| v.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "{key}: {numbers:?}");
        }
        for key in 0..5 {
            let mut partitions: Vec<i32> =
                seen.iter().filter(|s| s.key == format!("key-{key}")).map(|s| s.partition).collect();
            partitions.dedup();
            assert_eq!(partitions.len(), 1, "one key, one partition");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_the_broker_refuses_is_put_aside_and_a_topic_that_fails_rests() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 1);
        broker.cluster.create_topic("closed", 1, 1).unwrap();
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        broker.cluster.topic_error("closed", denied).unwrap();
        put(
            &queue,
            [
                Message::new("closed", "waits").key("k"),
                Message::new("t", vec![b'x'; 20_000]).key("k"),
                Message::new("t", "fits").key("k"),
            ],
        )
        .await;
        let mut tight = options(&broker);
        tight.brokers.set("message.max.bytes=10000").unwrap();
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = PublishMetrics::register(&mut registry);
        let stop = CancellationToken::new();
        let publisher = Publisher::new(queue.jobs.clone(), tight).metrics(metrics);
        let task = tokio::spawn(publisher.run(stop.clone()));
        let seen = broker.read("t", 1, |seen| !seen.is_empty()).await;
        assert_eq!(seen[0].value, "fits");
        broker.cluster.topic_error("closed", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
        let seen = broker.read("closed", 1, |seen| !seen.is_empty()).await;
        assert_eq!(seen[0].value, "waits");
        until("an empty outbox", || async {
            app_kit::metrics::text(&registry).unwrap().contains("outbox_depth 0\n")
        })
        .await;
        stop.cancel();
        let report = task.await.unwrap().unwrap();
        assert_eq!(report.dead, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_publishes_and_the_other_takes_over() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 1);
        let (first, second) =
            (Publishing::start(&queue, options(&broker)), Publishing::start(&queue, options(&broker)));
        put(&queue, (0..10).map(|n| Message::new("t", format!("{n}")).key("k"))).await;
        broker.read("t", 1, |seen| seen.len() == 10).await;
        let one = first.stop().await;
        put(&queue, (10..20).map(|n| Message::new("t", format!("{n}")).key("k"))).await;
        let seen = broker.read("t", 1, |seen| seen.len() == 20).await;
        let two = second.stop().await;
        assert_eq!(one.published + two.published, 20);
        assert!(one.published % 10 == 0 && two.published >= 10, "{one:?} {two:?}");
        assert_eq!(by_key(&seen)["k"], (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_go_out_in_transactions_when_asked_for() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 1));
    put(&queue, (0..10).map(|n| Message::new("t", format!("{n}")).key("k"))).await;
    let options = PublishOptions { transactional_id: Some("outbox".to_owned()), ..options(&broker) };
    let publishing = Publishing::start(&queue, options);
    let seen = broker.read("t", 1, |seen| seen.len() == 10).await;
    until("the mark", || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM plimsoll_outbox")
            .fetch_one(queue.jobs.sqlite().unwrap())
            .await
            .unwrap();
        left == 0
    })
    .await;
    assert_eq!(publishing.stop().await.published, 10);
    assert_eq!(by_key(&seen)["k"], (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn message_published_but_not_marked_comes_again_under_the_same_id() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 1));
    put(&queue, (0..5).map(|n| Message::new("t", format!("{n}")).key("k"))).await;
    // The broker takes the messages, but that cannot be written down: as if the program died in between.
    run(&queue, include_str!("stick.sql")).await;
    let publishing = Publishing::start(&queue, options(&broker));
    broker.read("t", 1, |seen| seen.len() >= 10).await;
    run(&queue, "DROP TRIGGER stuck").await;
    until("the mark", || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM plimsoll_outbox")
            .fetch_one(queue.jobs.sqlite().unwrap())
            .await
            .unwrap();
        left == 0
    })
    .await;
    assert_eq!(publishing.stop().await.published, 5);
    let seen = broker.read("t", 1, |seen| seen.len() >= 15).await;
    let values: Vec<&str> = seen.iter().map(|s| s.value.as_str()).collect();
    assert!(values.chunks_exact(5).all(|c| c == ["0", "1", "2", "3", "4"]), "{values:?}");
    let ids: std::collections::BTreeSet<String> = seen.iter().map(id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(by_key(&seen)["k"], ["0", "1", "2", "3", "4"]);
}

/// What Java clients make of these keys, from the tests of Kafka's own `murmur2`.
#[tokio::test(flavor = "multi_thread")]
async fn keys_go_to_the_partitions_where_java_clients_put_them() {
    const HASHES: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    // The number of partitions is the topic's business: no setting of ours knows it.
    for partitions in [3, 7] {
        let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", partitions));
        put(&queue, HASHES.map(|(key, _)| Message::new("t", "x").key(key))).await;
        let publishing = Publishing::start(&queue, options(&broker));
        let seen = broker.read("t", partitions, |seen| seen.len() == HASHES.len()).await;
        publishing.stop().await;
        for (key, hash) in HASHES {
            let there = seen.iter().find(|one| one.key == key).unwrap();
            assert_eq!(there.partition, (hash & i32::MAX) % partitions, "{key} of {partitions}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_while_no_broker_is_there_and_their_number_and_age_are_told() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 1);
        broker.cluster.broker_down(1).unwrap();
        put(&queue, (0..10).map(|n| Message::new("t", format!("{n}")).key("k"))).await;
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = PublishMetrics::register(&mut registry);
        let stop = CancellationToken::new();
        let publisher = Publisher::new(queue.jobs.clone(), options(&broker)).metrics(metrics);
        let task = tokio::spawn(publisher.run(stop.clone()));
        let page = || app_kit::metrics::text(&registry).unwrap();
        until("their number and age", || async {
            let age =
                page().lines().find_map(|line| line.strip_prefix("outbox_age_seconds ")?.parse::<f64>().ok());
            page().contains("outbox_depth 10\n") && age.is_some_and(|age| age > 0.0)
        })
        .await;
        broker.cluster.broker_up(1).unwrap();
        let seen = broker.read("t", 1, |seen| by_key(seen).values().any(|of_k| of_k.len() == 10)).await;
        assert_eq!(by_key(&seen)["k"], (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
        until("an empty outbox", || async { page().contains("outbox_depth 0\n") }).await;
        stop.cancel();
        assert_eq!(task.await.unwrap().unwrap().published, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_an_erased_owner_are_gone_and_of_no_other() {
    for queue in Queue::each().await {
        let outbox = Outbox::open(&queue.jobs).await.unwrap();
        let of = |owner: &str, key: &str| Message::new("t", "x").owner(owner).key(key);
        put(&queue, [of("ann", "1"), of("ann", "2"), of("bob", "1"), of("ann", "3")]).await;
        put(&queue, [Message::new("t", "nobody's")]).await;
        let mut tx = queue.jobs.begin().await.unwrap();
        assert_eq!(outbox.erase_key(&mut tx, "ann", b"1").await.unwrap(), 1);
        assert_eq!(outbox.erase_owner(&mut tx, "ann").await.unwrap(), 2);
        tx.commit().await.unwrap();
        let broker = Broker::with_topic("t", 1);
        let publishing = Publishing::start(&queue, options(&broker));
        let seen = broker.read("t", 1, |seen| seen.len() == 2).await;
        publishing.stop().await;
        assert_eq!(seen.iter().map(|s| s.value.as_str()).collect::<Vec<_>>(), ["x", "nobody's"]);
    }
}

async fn run(queue: &Queue, statement: &'static str) {
    let mut tx = queue.jobs.begin().await.unwrap();
    sqlx::query(statement).execute(tx.sqlite().unwrap()).await.unwrap();
    tx.commit().await.unwrap();
}
