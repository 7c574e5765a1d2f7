//! Consumers come, go and fall silent; brokers too.

use std::time::Duration;

use rdkafka::types::RDKafkaApiKey::Fetch;
use rdkafka::types::RDKafkaRespErr as Answer;

use crate::support::{Broker, Queue, numbered, options, until};

#[tokio::test(flavor = "multi_thread")]
async fn consumers_share_partitions_and_one_more_than_there_are_is_idle_until_needed() {
    let (queue, broker) = (Queue::sqlite().await, Broker::with_topic("t", 2));
    let mut consumers: Vec<_> = (0..3).map(|_| queue.ingest(options(&broker, "t"))).collect();
    until("one partition for each of two, none for the third", || async {
        let mut shares: Vec<i64> = consumers.iter().map(|c| c.metrics.partitions()).collect();
        shares.sort_unstable();
        shares == [0, 1, 1] && consumers.iter().filter(|c| c.metrics.is_idle()).count() == 1
    })
    .await;
    broker.send_numbers("t", 2, 0..50).await;
    queue.wait_for(50).await;
    let busy = consumers.iter().position(|c| !c.metrics.is_idle()).unwrap();
    consumers.remove(busy).stop().await;
    until("the idle one to step in", || async {
        consumers.iter().all(|c| c.metrics.partitions() == 1 && !c.metrics.is_idle())
    })
    .await;
    broker.send_numbers("t", 2, 50..100).await;
    queue.wait_for(100).await;
    for consumer in consumers {
        consumer.stop().await;
    }
    let mut numbers: Vec<i64> = queue.drain().await.iter().map(|job| numbered(job).2).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_go_under_load_lose_no_record_and_double_none() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("t", 4);
        let first = queue.ingest(options(&broker, "t"));
        let sending = async {
            for n in 0..400 {
                broker.send_numbers("t", 4, n..n + 1).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let changing = async {
            queue.wait_for(20).await;
            let second = queue.ingest(options(&broker, "t"));
            until("half of the partitions for each", || async {
                first.metrics.partitions() == 2 && second.metrics.partitions() == 2
            })
            .await;
            let before = first.stop().await;
            until("all of them for the other", || async { second.metrics.partitions() == 4 }).await;
            (before, second)
        };
        let ((), (before, second)) = tokio::join!(sending, changing);
        queue.wait_for(400).await;
        let after = second.stop().await;
        assert_eq!((before.taken + after.taken, before.duplicates + after.duplicates), (400, 0));
        let jobs = queue.drain().await;
        let mut numbers: Vec<i64> = jobs.iter().map(|job| numbered(job).2).collect();
        for partition in 0..4 {
            let offsets: Vec<i64> =
                jobs.iter().map(numbered).filter(|n| n.0 == partition).map(|n| n.1).collect();
            assert_eq!(offsets, (0..100).collect::<Vec<_>>(), "partition {partition}");
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..400).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_brokers_and_their_errors_lose_and_double_nothing() {
    for queue in Queue::each().await {
        let broker = Broker::start(3);
        broker.cluster.create_topic("t", 3, 3).unwrap();
        for partition in 0..3 {
            broker.cluster.partition_leader("t", partition, Some(partition + 1)).unwrap();
        }
        let running = queue.ingest(options(&broker, "t"));
        broker.send_numbers("t", 3, 0..60).await;
        queue.wait_for(60).await;
        for (round, down) in [2, 3, 1].into_iter().enumerate() {
            broker.cluster.broker_down(down).unwrap();
            let first = 60 + 60 * i32::try_from(round).unwrap();
            // Its partition moves to another leader, as a cluster would see to.
            for home in 1..=3 {
                let leader = if home == down { down % 3 + 1 } else { home };
                broker.cluster.partition_leader("t", home - 1, Some(leader)).unwrap();
            }
            let errors = [
                Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                Answer::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            ];
            broker.cluster.request_errors(Fetch, &errors);
            broker.send_numbers("t", 3, first..first + 60).await;
            broker.cluster.broker_up(down).unwrap();
            queue.wait_for(60 + 60 * (round as u64 + 1)).await;
        }
        let report = running.stop().await;
        assert_eq!((report.taken, report.dead), (240, 0));
        let jobs = queue.drain().await;
        let mut numbers: Vec<i64> = jobs.iter().map(|job| numbered(job).2).collect();
        for partition in 0..3 {
            let offsets: Vec<i64> =
                jobs.iter().map(numbered).filter(|n| n.0 == partition).map(|n| n.1).collect();
            assert!(offsets.is_sorted(), "order in partition {partition}: {offsets:?}");
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..240).collect::<Vec<_>>());
    }
}
