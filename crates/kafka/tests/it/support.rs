//! A broker that speaks the real protocol over sockets, queues, and short words for what tests do most.

use std::future::Future;
use std::time::{Duration, Instant};

use plimsoll_jobs::{Claimed, Jobs, JobsOptions};
use plimsoll_kafka::client::Brokers;
use plimsoll_kafka::ingest::{Accept, Ingest, IngestOptions, IngestReport, Mapping};
use plimsoll_kafka::metrics::IngestMetrics;
use plimsoll_kafka::{Headers, KafkaError};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const QUEUE: &str = "q";
pub(crate) const GROUP: &str = "workers";
const PATIENCE: Duration = Duration::from_secs(60);

/// librdkafka's mock cluster: brokers with listening sockets in this process.
pub(crate) struct Broker {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    producer: FutureProducer,
}

/// A queue in a database of its own.
pub(crate) struct Queue {
    pub(crate) jobs: Jobs,
    pub(crate) url: String,
    _dir: Option<tempfile::TempDir>,
}

/// A record as a test reads it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) headers: Headers,
}

/// An ingest that runs in this process.
pub(crate) struct Running {
    pub(crate) metrics: IngestMetrics,
    stop: CancellationToken,
    task: JoinHandle<Result<IngestReport, KafkaError>>,
}

// === impl Broker ===

impl Broker {
    pub(crate) fn start(brokers: i32) -> Self {
        let cluster = MockCluster::new(brokers).unwrap();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("linger.ms", "1")
            .set("message.max.bytes", "5000000")
            .create()
            .unwrap();
        Self { cluster, producer }
    }

    pub(crate) fn with_topic(topic: &str, partitions: i32) -> Self {
        let broker = Self::start(1);
        broker.cluster.create_topic(topic, partitions, 1).unwrap();
        broker
    }

    pub(crate) fn brokers(&self) -> Brokers {
        Brokers::new(self.cluster.bootstrap_servers())
    }

    pub(crate) async fn send(&self, topic: &str, partition: i32, key: &str, value: impl AsRef<[u8]>) -> i64 {
        self.send_with(topic, partition, key, value, OwnedHeaders::new()).await
    }

    pub(crate) async fn send_with(
        &self,
        topic: &str,
        partition: i32,
        key: &str,
        value: impl AsRef<[u8]>,
        headers: OwnedHeaders,
    ) -> i64 {
        let record =
            FutureRecord::to(topic).partition(partition).key(key).payload(value.as_ref()).headers(headers);
        self.producer.send(record, PATIENCE).await.unwrap().offset
    }

    /// `{"n":…}` for each number, to partition n mod `partitions`.
    pub(crate) async fn send_numbers(&self, topic: &str, partitions: i32, numbers: std::ops::Range<i32>) {
        let sends = numbers.map(|n| async move {
            self.send(topic, n % partitions, &format!("key-{}", n % 7), format!("{{\"n\":{n}}}")).await
        });
        futures::future::join_all(sends).await;
    }

    /// Reads a topic from its beginning until `enough` says so.
    pub(crate) async fn read(
        &self,
        topic: &str,
        partitions: i32,
        enough: impl Fn(&[Seen]) -> bool + Send + 'static,
    ) -> Vec<Seen> {
        let (bootstrap, topic) = (self.cluster.bootstrap_servers(), topic.to_owned());
        tokio::task::spawn_blocking(move || read(&bootstrap, &topic, partitions, enough)).await.unwrap()
    }
}

fn read(bootstrap: &str, topic: &str, partitions: i32, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut seen = Vec::new();
    let until = Instant::now() + PATIENCE;
    while !enough(&seen) {
        assert!(Instant::now() < until, "read only {} records: {seen:?}", seen.len());
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = message.headers().map_or_else(Headers::default, |headers| {
            Headers(headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect())
        });
        seen.push(Seen {
            partition: message.partition(),
            key: text(message.key()),
            value: text(message.payload()),
            headers,
        });
    }
    seen
}

pub(crate) fn header(name: &str, value: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: name, value: Some(value) })
}

// === impl Queue ===

impl Queue {
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("queue.db").display());
        Self { jobs: open(&url).await, url, _dir: Some(dir) }
    }

    /// None if the tests were told to do without Postgres.
    pub(crate) async fn postgres() -> Option<Self> {
        let url = plimsoll_test_postgres::server(false)?.database().await;
        Some(Self { jobs: open(&url).await, url, _dir: None })
    }

    /// One of each kind.
    pub(crate) async fn each() -> Vec<Self> {
        std::iter::once(Self::sqlite().await).chain(Self::postgres().await).collect()
    }

    /// How many jobs wait.
    pub(crate) async fn ready(&self) -> u64 {
        let stats = self.jobs.stats(Some(QUEUE)).await.unwrap();
        stats.first().map_or(0, |s| s.ready)
    }

    pub(crate) async fn wait_for(&self, jobs: u64) {
        until(&format!("{jobs} jobs"), || async { self.ready().await >= jobs }).await;
    }

    /// Claims and completes all jobs; answers with them in the order in which they would have run.
    pub(crate) async fn drain(&self) -> Vec<Claimed> {
        let mut all = Vec::new();
        loop {
            let claimed = self.jobs.claim(QUEUE, "test", PATIENCE, 500).await.unwrap();
            if claimed.is_empty() {
                return all;
            }
            let mut tx = self.jobs.begin().await.unwrap();
            assert_eq!(self.jobs.complete_many(&mut tx, &claimed).await.unwrap().len(), claimed.len());
            tx.commit().await.unwrap();
            all.extend(claimed);
        }
    }

    pub(crate) fn ingest(&self, options: IngestOptions) -> Running {
        self.ingest_with(options, Mapping::new(QUEUE))
    }

    pub(crate) fn ingest_with(&self, options: IngestOptions, accept: impl Accept) -> Running {
        self.ingest_told(options, accept, IngestMetrics::default())
    }

    pub(crate) fn ingest_told(
        &self,
        options: IngestOptions,
        accept: impl Accept,
        metrics: IngestMetrics,
    ) -> Running {
        let stop = CancellationToken::new();
        let ingest = Ingest::new(self.jobs.clone(), accept, options).metrics(metrics.clone());
        Running { metrics, task: tokio::spawn(ingest.run(stop.clone())), stop }
    }
}

async fn open(url: &str) -> Jobs {
    app_kit::telemetry::init(std::env::var("RUST_LOG").ok().as_deref().or(Some("off")), false);
    Jobs::open(url, JobsOptions { readers: 2, ..JobsOptions::default() }).await.unwrap()
}

/// A group that notices deaths soon. The mock lets a new group wait 3 s for members, so a session must be longer.
pub(crate) fn options(broker: &Broker, topic: &str) -> IngestOptions {
    IngestOptions {
        group: GROUP.to_owned(),
        session_timeout: Duration::from_millis(4000),
        heartbeat: Duration::from_millis(200),
        fetch_min_bytes: 1,
        ..IngestOptions::new(broker.brokers(), vec![topic.to_owned()])
    }
}

/// What the envelope says: partition, offset, and the number in the value.
pub(crate) fn numbered(job: &Claimed) -> (i64, i64, i64) {
    let payload: serde_json::Value = job.payload.parse().unwrap();
    let number = |value: &serde_json::Value| value.as_i64().unwrap();
    let kafka = &payload["kafka"];
    (number(&kafka["partition"]), number(&kafka["offset"]), number(&payload["value"]["n"]))
}

// === impl Running ===

impl Running {
    pub(crate) async fn stop(mut self) -> IngestReport {
        self.stop.cancel();
        (&mut self.task).await.unwrap().unwrap()
    }
}

impl Drop for Running {
    /// Or the thread of a test that failed would keep the process alive.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits for a condition, not for ever.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let until = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < until, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
