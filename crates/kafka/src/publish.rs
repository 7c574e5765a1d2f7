//! From the outbox to the broker: at least once, in order for each key.
//!
//! One process at a time publishes (a lease in the database; others stand by). It reads the oldest rows, sends them
//! all, waits for every acknowledgement and forgets those rows in one transaction that also proves the lease. Whoever
//! dies in between leaves rows that are published again, under the same message ids.
//!
//! Order is why the producer never gives a message up on its own: it is idempotent, it has no timeout, and when it has
//! to fail a message after its retries it refuses all that follow (`enable.gapless.guarantee`). Then it is thrown
//! away, and a new one starts with the oldest row that is left.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use plimsoll_jobs::{Backoff, Growth, Jobs};
use rdkafka::error::{KafkaError as BrokerError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::PublishMetrics;
use crate::outbox::MESSAGE_ID;
use crate::outbox::rows::{self, Lead, Row, Settled};
use crate::{KafkaError, schema};

mod options;

pub use options::PublishOptions;

/// Waits after errors of broker or database, and for a topic that fails.
const BACKOFF: Backoff =
    Backoff { base: Duration::from_millis(100), growth: Growth::Factor(2.0), cap: Duration::from_secs(30) };
/// How often depth and age are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for one step of a Kafka transaction.
const TRANSACTION: Duration = Duration::from_secs(30);

/// How long messages on their way are waited for at the shutdown.
const GRACE: Duration = Duration::from_secs(3);

/// What a publisher did between its start and its stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishReport {
    /// Messages acknowledged and forgotten.
    pub published: u64,
    /// Messages put aside because the broker refused them for good.
    pub dead: u64,
}

/// Publishes the outbox of one database.
#[derive(Debug)]
pub struct Publisher {
    jobs: Jobs,
    options: PublishOptions,
    metrics: PublishMetrics,
    report: PublishReport,
    /// Topics that failed: not before this time again, and how often in a row.
    resting: BTreeMap<String, (Instant, u32)>,
    looked_at: Option<Instant>,
}

/// What the broker said to one message.
enum Answer {
    Taken,
    /// Never will be.
    Refused(String),
    /// Not now.
    Failed(BrokerError),
}

/// Why a term of leading ended.
enum Ended {
    Shutdown,
    /// Somebody else leads.
    Lost,
    /// This producer is of no use any more.
    Producer,
}

// === impl Publisher ===

impl Publisher {
    /// A publisher for the outbox in the database of `jobs`.
    pub fn new(jobs: Jobs, options: PublishOptions) -> Self {
        let metrics = PublishMetrics::default();
        let report = PublishReport::default();
        Self { jobs, options, metrics, report, resting: BTreeMap::new(), looked_at: None }
    }

    /// Reports to these metrics.
    #[must_use]
    pub fn metrics(mut self, metrics: PublishMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Publishes until `shutdown`. Brokers and database may come and go: both are waited for with backoff and full
    /// jitter.
    ///
    /// # Errors
    /// When the tables cannot be made or the client library refuses its settings.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<PublishReport, KafkaError> {
        schema::migrate(&self.jobs).await?;
        // Wrong settings are told at once, not when it is our turn.
        drop(self.options.producer()?);
        let mut errors = 0;
        while !shutdown.is_cancelled() {
            match rows::lead(&self.jobs, &self.options.instance, self.options.ttl_ms()).await {
                Ok(Some(lead)) => {
                    tracing::info!(generation = lead.generation, "publishing from now on");
                    self.metrics.leads.set(1);
                    let ended = self.lead(lead, &shutdown).await;
                    self.metrics.leads.set(0);
                    match ended {
                        Ok(Ended::Shutdown) => break,
                        Ok(Ended::Lost) => tracing::warn!("somebody else publishes now"),
                        Ok(Ended::Producer) => errors += 1,
                        Err(error) => {
                            errors += 1;
                            tracing::warn!(%error, errors, "publishing interrupted");
                        }
                    }
                }
                Ok(None) => errors = 0,
                Err(error) => {
                    errors += 1;
                    tracing::warn!(%error, errors, "the outbox cannot be read now");
                }
            }
            let standing_by = self.options.lease.mul_f64(0.2 + 0.2 * rand::random::<f64>());
            let wait = if errors == 0 { standing_by } else { BACKOFF.delay(errors, rand::random()) };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(self.report)
    }

    /// Publishes while it is ours to do. A producer that failed is replaced under the same lease.
    async fn lead(&mut self, lead: Lead, shutdown: &CancellationToken) -> Result<Ended, KafkaError> {
        let mut errors = 0;
        loop {
            let before = self.report.published;
            let ended = self.publish(lead, shutdown).await;
            errors = if self.report.published > before { 1 } else { errors + 1 };
            match ended {
                Ok(Ended::Producer) => {
                    tracing::warn!(errors, "the producer is of no use any more: a new one")
                }
                Err(error) => tracing::warn!(%error, errors, "publishing interrupted"),
                Ok(Ended::Shutdown) => {
                    // The next one need not wait.
                    drop(rows::keep(&self.jobs, lead, 0).await);
                    return Ok(Ended::Shutdown);
                }
                Ok(Ended::Lost) => return Ok(Ended::Lost),
            }
            let wait = BACKOFF.delay(errors, rand::random());
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
            if !rows::keep(&self.jobs, lead, self.options.ttl_ms()).await? {
                return Ok(Ended::Lost);
            }
        }
    }

    /// With one producer, as long as it works.
    async fn publish(&mut self, lead: Lead, shutdown: &CancellationToken) -> Result<Ended, KafkaError> {
        let producer = self.options.producer()?;
        if self.options.transactional_id.is_some() {
            // Shuts out every earlier producer of this id.
            blocking(&producer, |producer| producer.init_transactions(TRANSACTION)).await?;
        }
        let ttl_ms = self.options.ttl_ms();
        let mut kept_at = Instant::now();
        loop {
            if shutdown.is_cancelled() {
                return Ok(Ended::Shutdown);
            }
            self.look().await;
            let batch = rows::oldest(
                &self.jobs,
                &self.resting(),
                self.options.batch_messages.max(1),
                self.options.batch_bytes,
            )
            .await?;
            if batch.is_empty() {
                let wait = self.options.poll.mul_f64(0.5 + 0.5 * rand::random::<f64>());
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
                if kept_at.elapsed() > self.options.lease / 3 {
                    if !rows::keep(&self.jobs, lead, ttl_ms).await? {
                        return Ok(Ended::Lost);
                    }
                    kept_at = Instant::now();
                }
                continue;
            }
            // Before anything is sent: whoever was paused until now must not send what another has sent already.
            if !rows::keep(&self.jobs, lead, ttl_ms).await? {
                return Ok(Ended::Lost);
            }
            let Some(answers) = self.send(&producer, &batch, lead, shutdown).await? else {
                return Ok(if shutdown.is_cancelled() { Ended::Shutdown } else { Ended::Lost });
            };
            let broken = answers.iter().any(|a| matches!(a, Answer::Failed(_)))
                && (self.options.transactional_id.is_some() || producer.client().fatal_error().is_some());
            let settled = self.settled(&batch, answers);
            let nothing = settled.published.is_empty() && settled.dead.is_empty();
            if !nothing && !self.settle(lead, &settled, shutdown).await? {
                return Ok(Ended::Lost);
            }
            kept_at = Instant::now();
            if broken {
                return Ok(Ended::Producer);
            }
        }
    }

    /// Sends a batch and waits for every answer, keeping the lease alive meanwhile. None when it has to stop waiting.
    async fn send(
        &mut self,
        producer: &FutureProducer,
        batch: &[Row],
        lead: Lead,
        shutdown: &CancellationToken,
    ) -> Result<Option<Vec<Answer>>, KafkaError> {
        let in_transaction = self.options.transactional_id.is_some();
        if in_transaction {
            producer.begin_transaction()?;
        }
        // All are handed over in order before the first answer is looked at.
        let sent: Vec<_> = batch.iter().map(|row| hand_over(producer, row)).collect();
        let mut answers = std::pin::pin!(join_all(sent.into_iter().map(|sent| async {
            match sent {
                Err(error) => answer(error),
                Ok(delivery) => match delivery.await {
                    Ok(Ok(_)) => Answer::Taken,
                    Ok(Err((error, _))) => answer(error),
                    Err(_) => Answer::Failed(BrokerError::Canceled),
                },
            }
        })));
        let mut keep = tokio::time::interval(self.options.lease / 3);
        keep.tick().await;
        // While brokers are away is when people look at what waits.
        let mut look = tokio::time::interval(LOOK_EVERY);
        let answers = loop {
            tokio::select! {
                answers = &mut answers => break answers,
                // Dropping the producer drops what it has not sent; the rows are still there.
                () = after_shutdown(shutdown) => return Ok(None),
                _ = look.tick() => self.look().await,
                _ = keep.tick() => {
                    if !rows::keep(&self.jobs, lead, self.options.ttl_ms()).await? {
                        return Ok(None);
                    }
                }
            }
        };
        if in_transaction {
            let all_taken = answers.iter().all(|a| matches!(a, Answer::Taken));
            if !all_taken {
                blocking(producer, |producer| producer.abort_transaction(TRANSACTION)).await?;
                // Nothing of the batch is visible. Put aside what can never be taken, send the rest again.
                let aborted = || Answer::Failed(BrokerError::Canceled);
                let kept =
                    answers.into_iter().map(|a| if matches!(a, Answer::Taken) { aborted() } else { a });
                return Ok(Some(kept.collect()));
            }
            blocking(producer, |producer| producer.commit_transaction(TRANSACTION)).await?;
        }
        Ok(Some(answers))
    }

    /// Sorts the answers, and lets topics rest that failed.
    fn settled(&mut self, batch: &[Row], answers: Vec<Answer>) -> Settled {
        let mut settled = Settled::default();
        let mut failed: BTreeMap<&str, BrokerError> = BTreeMap::new();
        for (row, answer) in batch.iter().zip(answers) {
            let topic = row.message.topic.as_str();
            match answer {
                Answer::Taken => {
                    settled.published.push(row.id);
                    self.metrics.published(topic);
                    self.resting.remove(topic);
                }
                Answer::Refused(reason) => {
                    tracing::error!(topic, message_id = row.message.id, reason, "message put aside");
                    self.metrics.dead(topic);
                    settled.dead.push((row.id, reason));
                }
                Answer::Failed(error) => {
                    self.metrics.failed(topic);
                    failed.insert(topic, error);
                }
            }
        }
        for (topic, error) in failed {
            let (_, before) = self.resting.get(topic).copied().unwrap_or((Instant::now(), 0));
            let wait = BACKOFF.delay(before + 1, rand::random());
            tracing::warn!(topic, %error, wait_ms = wait.as_millis(), "messages were not taken; they stay");
            self.resting.insert(topic.to_owned(), (Instant::now() + wait, before + 1));
        }
        settled
    }

    /// Writes down what is published. Errors of the database are waited out: to publish all again would be worse.
    async fn settle(
        &mut self,
        lead: Lead,
        settled: &Settled,
        shutdown: &CancellationToken,
    ) -> Result<bool, KafkaError> {
        let mut errors = 0;
        loop {
            match rows::settle(&self.jobs, lead, self.options.ttl_ms(), settled).await {
                Ok(ours) => {
                    if ours {
                        self.report.published += settled.published.len() as u64;
                        self.report.dead += settled.dead.len() as u64;
                    }
                    return Ok(ours);
                }
                Err(error) if error.is_transient() && !shutdown.is_cancelled() => {
                    errors += 1;
                    tracing::warn!(%error, errors, "published messages cannot be marked now");
                    tokio::time::sleep(BACKOFF.delay(errors, rand::random())).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The topics that must wait.
    fn resting(&self) -> Vec<String> {
        let now = Instant::now();
        self.resting.iter().filter(|(_, (until, _))| *until > now).map(|(topic, _)| topic.clone()).collect()
    }

    async fn look(&mut self) {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked_at = Some(Instant::now());
        match rows::depth(&self.jobs).await {
            Ok((depth, oldest)) => {
                self.metrics.depth.set(depth);
                let age_ms = oldest.map_or(0, |at| (self.jobs.now_ms() - at).max(0));
                #[expect(clippy::cast_precision_loss, reason = "a time in milliseconds")]
                self.metrics.age_s.set(age_ms as f64 / 1000.0);
            }
            Err(error) => tracing::warn!(%error, "the outbox was not counted"),
        }
    }
}

/// Gives a message to the client library, which sends it.
fn hand_over(producer: &FutureProducer, row: &Row) -> Result<rdkafka::producer::DeliveryFuture, BrokerError> {
    let message = &row.message;
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.0.len() + 1)
        .insert(Header { key: MESSAGE_ID, value: Some(&message.id) });
    for (key, value) in &message.headers.0 {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut record: FutureRecord<'_, Vec<u8>, Vec<u8>> =
        FutureRecord::to(&message.topic).headers(headers).timestamp(row.created_at_ms);
    record.key = message.key.as_ref();
    record.payload = message.value.as_ref();
    producer.send_result(record).map_err(|(error, _)| error)
}

fn answer(error: BrokerError) -> Answer {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::InvalidTimestamp,
        ) => Answer::Refused(error.to_string()),
        _ => Answer::Failed(error),
    }
}

/// A moment after the shutdown: what is on its way mostly arrives, and need not be published again.
async fn after_shutdown(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Runs a step that blocks its thread.
async fn blocking(
    producer: &FutureProducer,
    step: impl FnOnce(&FutureProducer) -> Result<(), BrokerError> + Send + 'static,
) -> Result<(), KafkaError> {
    let producer = producer.clone();
    let done = tokio::task::spawn_blocking(move || step(&producer));
    Ok(done.await.map_err(|error| KafkaError::Thread(error.to_string()))??)
}
