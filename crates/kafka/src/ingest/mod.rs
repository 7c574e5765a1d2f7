//! From topics into the queue, exactly once.
//!
//! A dedicated thread polls the consumer, gathers a batch and has it written in one transaction: first each partition's
//! position is moved on (`generation` and old offset must match, else somebody else has the partition), then the jobs
//! are enqueued. What the broker believes about offsets is never read back; it is told for the sake of lag tools.
//!
//! ```text
//! assigned by the group ── claim: generation + 1 ──> held ── batch committed ──> held, further on
//!                                                     │
//!                          position has a higher generation: fenced ──> leave the group, join again
//! ```

mod accept;
mod consumer;
mod dead;
pub(crate) mod position;
mod record;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_jobs::{Backoff, Growth, Jobs};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError as BrokerError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use accept::{Accept, Accepted, Form, Mapping, Refused, Source};
pub use dead::{DeadRecord, DeadRecords};
pub use position::Position;
pub use record::Record;

use crate::client::Brokers;
use crate::metrics::IngestMetrics;
use crate::{KafkaError, schema};
use consumer::Context;
use position::Positions;

/// Longest wait of one poll: how late a shutdown may be noticed.
const POLL: Duration = Duration::from_millis(100);
/// How often the broker is told how far we are.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a person has said where halted partitions go on.
const RESET_EVERY: Duration = Duration::from_secs(2);
/// How often dead letters that are too old are looked for.
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// Waits before the group is joined again.
const REJOIN: Backoff =
    Backoff { base: Duration::from_millis(200), growth: Growth::Factor(2.0), cap: Duration::from_secs(30) };
/// Waits after errors of the database.
const DATABASE: Backoff =
    Backoff { base: Duration::from_millis(50), growth: Growth::Factor(2.0), cap: Duration::from_secs(5) };

/// Where a partition begins that was never taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the oldest record there is.
    #[default]
    Earliest,
    /// With the records that come from now on.
    Latest,
}

/// How to ingest. The defaults are those of FEATURES Q8 and Q12.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// The brokers.
    pub brokers: Brokers,
    /// The topics.
    pub topics: Vec<String>,
    /// Consumers of one group share the partitions. Default `ai-cv-evaluator-workers`.
    pub group: String,
    /// This consumer's name, for people.
    pub instance: String,
    /// Where a partition begins that was never taken before. Default [`Start::Earliest`].
    pub start: Start,
    /// Records in one transaction at most. Default 500.
    pub batch_records: usize,
    /// Bytes in one transaction, about, at most. Default 4 MiB.
    pub batch_bytes: usize,
    /// A consumer that is silent for so long has lost its partitions. Default 30 s.
    pub session_timeout: Duration,
    /// How often it shows that it is alive. Default 3 s.
    pub heartbeat: Duration,
    /// A consumer that stored nothing and polled nothing for so long has lost its partitions. Default 5 min.
    pub max_poll_interval: Duration,
    /// Most bytes in one answer of a broker. Default 50 MB.
    pub fetch_max_bytes: u32,
    /// A broker waits until it has so many bytes … Default 1 kB.
    pub fetch_min_bytes: u32,
    /// … but not longer than this. Default 100 ms.
    pub fetch_wait: Duration,
    /// Bytes fetched ahead at most, beside one answer. Default 16 MiB.
    pub buffer_bytes: usize,
    /// How soon new partitions of a topic are noticed. Default 30 s.
    pub metadata_refresh: Duration,
    /// Dead letters older than this are deleted. Default 30 days.
    pub keep_dead: Duration,
    /// Dead letters go to this topic too, by the outbox. Default none.
    pub dead_topic: Option<String>,
}

/// What an ingest did between its start and its stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Records that are in the queue now.
    pub taken: u64,
    /// Records that added nothing: delivered before, or their unique key or name was there.
    pub duplicates: u64,
    /// Records in the dead letters.
    pub dead: u64,
}

/// Moves records of topics into the queue.
#[derive(Debug)]
pub struct Ingest<A> {
    jobs: Jobs,
    accept: A,
    options: IngestOptions,
    metrics: IngestMetrics,
}

/// What the polling thread works with.
struct Running<A> {
    consumer: BaseConsumer<Context>,
    store: Arc<store::Store<A>>,
    options: IngestOptions,
    /// Records that came while the consumer was about to be paused.
    early: Vec<Record>,
    handle: Handle,
    shutdown: CancellationToken,
    told_at: Instant,
    purged_at: Option<Instant>,
    looked_at: Instant,
    rejoins: u32,
}

// === impl IngestOptions ===

impl IngestOptions {
    /// The defaults named at each field.
    pub fn new(brokers: Brokers, topics: Vec<String>) -> Self {
        Self {
            brokers,
            topics,
            group: "ai-cv-evaluator-workers".to_owned(),
            instance: format!("ingest-pid{}", std::process::id()),
            start: Start::default(),
            batch_records: 500,
            batch_bytes: 4 << 20,
            session_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            fetch_max_bytes: 50_000_000,
            fetch_min_bytes: 1000,
            fetch_wait: Duration::from_millis(100),
            buffer_bytes: 16 << 20,
            metadata_refresh: Duration::from_secs(30),
            keep_dead: Duration::from_secs(30 * 86_400),
            dead_topic: None,
        }
    }

    fn check(&self) -> Result<(), KafkaError> {
        let wrong = |option, why: &str| Err(KafkaError::Option { option, why: why.to_owned() });
        if self.topics.is_empty() || !self.topics.iter().all(|topic| crate::outbox::is_topic(topic)) {
            return wrong("topics", "name at least one topic: letters, digits, dots, dashes, underscores");
        }
        if self.dead_topic.as_ref().is_some_and(|topic| !crate::outbox::is_topic(topic)) {
            return wrong("dead topic", "expected letters, digits, dots, dashes, underscores");
        }
        if self.group.is_empty() || self.group.chars().any(char::is_control) {
            return wrong("group", "expected a name without control characters");
        }
        if self.batch_records == 0 || self.batch_bytes == 0 {
            return wrong("batch", "expected at least one record and one byte");
        }
        if self.heartbeat.mul_f64(2.0) > self.session_timeout {
            return wrong("heartbeat", "expected at most half of the session timeout");
        }
        Ok(())
    }
}

// === impl Ingest ===

impl<A: Accept> Ingest<A> {
    /// An ingest into `jobs`.
    pub fn new(jobs: Jobs, accept: A, options: IngestOptions) -> Self {
        Self { jobs, accept, options, metrics: IngestMetrics::default() }
    }

    /// Reports to these metrics.
    #[must_use]
    pub fn metrics(mut self, metrics: IngestMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Moves records until `shutdown`; then leaves the group, so that others take over at once.
    ///
    /// Brokers and database may come and go: both are waited for with backoff and full jitter.
    ///
    /// # Errors
    /// When an option cannot be used, the tables cannot be made, or the client library gives up for good.
    pub async fn run(self, shutdown: CancellationToken) -> Result<IngestReport, KafkaError> {
        self.options.check()?;
        schema::migrate(&self.jobs).await?;
        let handle = Handle::current();
        let thread = tokio::task::spawn_blocking(move || self.poll(handle, shutdown));
        thread.await.map_err(|error| KafkaError::Thread(error.to_string()))?
    }

    fn poll(self, handle: Handle, shutdown: CancellationToken) -> Result<IngestReport, KafkaError> {
        let Self { jobs, accept, options, metrics } = self;
        let positions =
            Positions { jobs: jobs.clone(), group: options.group.clone(), owner: options.instance.clone() };
        let context =
            Context::new(positions.clone(), options.start, metrics.clone(), handle.clone(), shutdown.clone());
        let assignment = Arc::clone(&context.assignment);
        let consumer = consumer::create(&options, context)?;
        let store =
            Arc::new(store::Store::new(positions, accept, assignment, metrics, options.dead_topic.clone()));
        let mut running = Running {
            consumer,
            store,
            options,
            early: Vec::new(),
            handle,
            shutdown,
            told_at: Instant::now(),
            purged_at: None,
            looked_at: Instant::now(),
            rejoins: 0,
        };
        running.run()?;
        Ok(running.store.report())
    }
}

// === impl Running ===

impl<A: Accept> Running<A> {
    fn run(&mut self) -> Result<(), KafkaError> {
        self.subscribe()?;
        while !self.shutdown.is_cancelled() {
            if self.consumer.context().assignment.take_rejoin() {
                self.rejoin()?;
                continue;
            }
            let batch = self.collect()?;
            if !batch.is_empty() {
                self.store(batch)?;
                self.rejoins = 0;
            }
            if self.told_at.elapsed() >= TELL_EVERY {
                self.tell_broker(CommitMode::Async);
            }
            self.look_at_halted();
            self.purge();
        }
        self.tell_broker(CommitMode::Sync);
        self.consumer.unsubscribe();
        Ok(())
    }

    fn subscribe(&self) -> Result<(), KafkaError> {
        let topics: Vec<&str> = self.options.topics.iter().map(String::as_str).collect();
        Ok(self.consumer.subscribe(&topics)?)
    }

    /// Leaves the group and joins it again after a while: the way back to a view that all members share.
    fn rejoin(&mut self) -> Result<(), KafkaError> {
        self.rejoins = self.rejoins.saturating_add(1);
        let wait = REJOIN.delay(self.rejoins, rand::random());
        tracing::info!(group = self.options.group, wait_ms = wait.as_millis(), "joining the group again");
        self.consumer.unsubscribe();
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.shutdown.is_cancelled() {
            // Serves the revocation; nothing is fetched without a subscription.
            drop(self.consumer.poll(POLL.min(wait)));
        }
        self.subscribe()
    }

    /// Writes a batch down. While that takes long the consumer goes on showing that it lives: it is paused and polled,
    /// so that a database that is away costs no partitions, and lag is told meanwhile.
    fn store(&mut self, batch: Vec<Record>) -> Result<(), KafkaError> {
        let (store, shutdown) = (Arc::clone(&self.store), self.shutdown.clone());
        let mut task = self.handle.spawn(async move { store.batch(batch, &shutdown).await });
        let mut paused = false;
        let done = loop {
            match self.handle.block_on(async { tokio::time::timeout(POLL, &mut task).await }) {
                Ok(done) => break done,
                Err(_) => {
                    // Every time: the group may have given us others meanwhile.
                    self.consumer.pause(&self.consumer.assignment()?)?;
                    paused = true;
                    match self.consumer.poll(Duration::ZERO) {
                        None => {}
                        Some(Ok(message)) => self.early.push(Record::from_message(&message)),
                        Some(Err(error)) => self.told(&error)?,
                    }
                }
            }
        };
        if paused {
            self.consumer.resume(&self.consumer.assignment()?)?;
        }
        done.map_err(|error| KafkaError::Thread(error.to_string()))
    }

    /// What is there, up to the bounds of a batch.
    fn collect(&mut self) -> Result<Vec<Record>, KafkaError> {
        let mut batch = std::mem::take(&mut self.early);
        let mut bytes: usize = batch.iter().map(Record::bytes).sum();
        while batch.len() < self.options.batch_records && bytes < self.options.batch_bytes {
            let wait = if batch.is_empty() { POLL } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let record = Record::from_message(&message);
                    bytes += record.bytes();
                    batch.push(record);
                }
                Some(Err(error)) => {
                    self.told(&error)?;
                    break;
                }
            }
        }
        Ok(batch)
    }

    /// Errors that the client library mends by itself are logged; the others end the ingest.
    fn told(&self, error: &BrokerError) -> Result<(), KafkaError> {
        match error {
            BrokerError::MessageConsumptionFatal(_) => return Err(error.clone().into()),
            // The position is older or newer than what the broker has: the next claim finds out which.
            BrokerError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => {
                tracing::warn!(%error, "the broker does not have the next record");
                self.consumer.context().assignment.want_rejoin();
            }
            BrokerError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                tracing::warn!(topics = ?self.options.topics, "topic does not exist (yet)");
            }
            _ => tracing::warn!(%error, "broker"),
        }
        Ok(())
    }

    /// Tells the broker how far we are: for `rpk group describe` and KEDA, never for us.
    fn tell_broker(&mut self, mode: CommitMode) {
        self.told_at = Instant::now();
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), next) in self.consumer.context().assignment.take_moved() {
            // Fails for impossible numbers only.
            drop(offsets.add_partition_offset(&topic, partition, Offset::Offset(next)));
        }
        if offsets.count() > 0
            && let Err(error) = self.consumer.commit(&offsets, mode)
        {
            tracing::debug!(%error, "the broker was not told how far the queue is");
        }
    }

    /// A partition that somebody has reset can go on: the group meets again and gives it to somebody.
    fn look_at_halted(&mut self) {
        if self.looked_at.elapsed() < RESET_EVERY {
            return;
        }
        self.looked_at = Instant::now();
        let assignment = &self.consumer.context().assignment;
        for (place, then) in assignment.halted() {
            match self.handle.block_on(self.store.positions.read(&place)) {
                Ok(Some(now)) if now.generation == then.generation => {}
                Ok(_) => assignment.want_rejoin(),
                Err(error) => tracing::debug!(%error, "the database does not answer"),
            }
        }
    }

    fn purge(&mut self) {
        if self.purged_at.is_some_and(|at| at.elapsed() < PURGE_EVERY) {
            return;
        }
        self.purged_at = Some(Instant::now());
        let dead = DeadRecords::new(self.store.positions.jobs.clone(), self.options.group.clone());
        if let Err(error) = self.handle.block_on(dead.purge(self.options.keep_dead)) {
            tracing::warn!(%error, "dead letters were not purged");
        }
    }
}
