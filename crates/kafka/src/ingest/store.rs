//! Writing a batch: positions and jobs in one transaction, again and again until it is done or no longer ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use plimsoll_jobs::{Enqueued, NewJob};
use tokio_util::sync::CancellationToken;

use super::accept::{Accept, Accepted, Refused};
use super::consumer::Assignment;
use super::dead;
use super::position::{Held, Moved, Place, Positions};
use super::{DATABASE, IngestReport, Record};
use crate::KafkaError;
use crate::metrics::IngestMetrics;
use crate::outbox::{Message, Outbox};

/// How often a record that fails alone is tried before it is a dead letter.
const TRIES_ALONE: u32 = 3;

/// Writes batches.
#[derive(Debug)]
pub(super) struct Store<A> {
    pub(super) positions: Positions,
    report: Mutex<IngestReport>,
    accept: A,
    assignment: Arc<Assignment>,
    metrics: IngestMetrics,
    dead_topic: Option<String>,
}

/// Why a transaction was not committed.
#[derive(Debug)]
enum Trouble {
    /// Somebody else has the partition; ours was this generation of it.
    Fenced(Place, i64),
    /// The partition stands elsewhere than thought.
    Elsewhere(Place, Held),
    Failed(KafkaError),
}

/// What one transaction does.
#[derive(Debug, Default)]
struct Plan<'r> {
    /// The records still to be taken, in order.
    fresh: Vec<&'r Record>,
    /// Where each partition stands, and where it will.
    moves: BTreeMap<Place, (Held, Held)>,
    delivered_before: u64,
}

// === impl Store ===

impl<A: Accept> Store<A> {
    pub(super) fn new(
        positions: Positions,
        accept: A,
        assignment: Arc<Assignment>,
        metrics: IngestMetrics,
        dead_topic: Option<String>,
    ) -> Self {
        Self { positions, report: Mutex::default(), accept, assignment, metrics, dead_topic }
    }

    /// What was done so far.
    pub(super) fn report(&self) -> IngestReport {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch down, or as much of it as is still ours. Returns early only for `shutdown`; what is not written
    /// then is fetched again by whoever comes next.
    pub(super) async fn batch(&self, batch: Vec<Record>, shutdown: &CancellationToken) {
        let mut errors = 0;
        while !shutdown.is_cancelled() {
            match self.write(&batch, None).await {
                Ok(()) => return,
                Err(Trouble::Failed(error)) if error.is_transient() => {
                    errors += 1;
                    tracing::warn!(%error, errors, "records cannot be stored now");
                    pause(errors, shutdown).await;
                }
                Err(Trouble::Failed(error)) => {
                    tracing::warn!(%error, records = batch.len(), "a record fails: storing them one by one");
                    for record in &batch {
                        self.alone(record, shutdown).await;
                    }
                    return;
                }
                Err(trouble) => self.learn(trouble),
            }
        }
    }

    /// One record in a transaction of its own; if it fails there too, it is a dead letter.
    async fn alone(&self, record: &Record, shutdown: &CancellationToken) {
        let mut errors = 0;
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let written = match self.write(std::slice::from_ref(record), None).await {
                Err(Trouble::Failed(error)) if !error.is_transient() => {
                    failures += 1;
                    if failures < TRIES_ALONE {
                        Err(Trouble::Failed(error))
                    } else {
                        // The fault may be the database's (a full disk); then this fails too and all begins again.
                        self.write(std::slice::from_ref(record), Some(&error.to_string())).await
                    }
                }
                other => other,
            };
            match written {
                Ok(()) => return,
                Err(Trouble::Failed(error)) => {
                    errors += 1;
                    tracing::warn!(%error, errors, offset = record.offset, "a record cannot be stored now");
                    pause(errors, shutdown).await;
                }
                Err(trouble) => self.learn(trouble),
            }
        }
    }

    /// What another transaction told us about a partition.
    fn learn(&self, trouble: Trouble) {
        match trouble {
            Trouble::Fenced(place, generation) => {
                tracing::warn!(topic = place.0, partition = place.1, "somebody else has the partition");
                self.metrics.fenced.inc();
                self.assignment.lost(&place, generation);
            }
            Trouble::Elsewhere(place, now) => self.assignment.moved(&place, now),
            Trouble::Failed(_) => {}
        }
    }

    /// One transaction. `poison` makes dead letters of all the records, for this reason.
    async fn write(&self, records: &[Record], poison: Option<&str>) -> Result<(), Trouble> {
        let plan = self.plan(records);
        let mut written = IngestReport { duplicates: plan.delivered_before, ..IngestReport::default() };
        if !plan.fresh.is_empty() {
            let mut tx = self.positions.jobs.begin().await.map_err(failed)?;
            // First of all: from here on nobody can take the partitions over before we are done.
            for (place, (from, to)) in &plan.moves {
                let moved = self
                    .positions
                    .advance(&mut tx, place, *from, to.next, to.record_at_ms)
                    .await
                    .map_err(Trouble::Failed)?;
                match moved {
                    Moved::Yes => {}
                    Moved::Elsewhere(now) => return Err(Trouble::Elsewhere(place.clone(), now)),
                    Moved::Fenced => return Err(Trouble::Fenced(place.clone(), from.generation)),
                }
            }
            let (mut jobs, mut dead) = (Vec::with_capacity(plan.fresh.len()), Vec::new());
            for record in &plan.fresh {
                let accepted = match poison {
                    Some(reason) => Err(Refused::Poison(reason.to_owned())),
                    None => self.accept.accept(&mut tx, record).await.and_then(checked),
                };
                match accepted {
                    Ok(Accepted::Job(job)) => jobs.push(*job),
                    Ok(Accepted::Done) => written.taken += 1,
                    Err(Refused::Poison(reason)) => dead.push((*record, reason)),
                    Err(Refused::Failed(error)) => return Err(Trouble::Failed(error)),
                }
            }
            let enqueued = self.positions.jobs.enqueue_many(&mut tx, &jobs).await.map_err(failed)?;
            let new = enqueued.iter().filter(|e| matches!(e, Enqueued::New(_))).count() as u64;
            written.taken += new;
            written.duplicates += enqueued.len() as u64 - new;
            written.dead = dead.len() as u64;
            for (record, reason) in dead {
                self.bury(&mut tx, record, &reason).await.map_err(Trouble::Failed)?;
            }
            tx.commit().await.map_err(failed)?;
        }
        for (place, (_, to)) in &plan.moves {
            self.assignment.moved(place, *to);
        }
        self.count(&plan, written);
        Ok(())
    }

    /// Which of the records are ours and not yet taken, and where that moves their partitions to.
    fn plan<'r>(&self, records: &'r [Record]) -> Plan<'r> {
        let mut plan = Plan::default();
        for record in records {
            let place = (record.topic.clone(), record.partition);
            let Some(held) = self.assignment.get(&place) else { continue };
            let (_, to) = plan.moves.get(&place).copied().unwrap_or((held, held));
            if record.offset < to.next {
                plan.delivered_before += 1;
                continue;
            }
            let next = Held { next: record.offset + 1, record_at_ms: record.at_ms.or(to.record_at_ms), ..to };
            plan.moves.insert(place, (held, next));
            plan.fresh.push(record);
        }
        plan
    }

    async fn bury(
        &self,
        tx: &mut plimsoll_jobs::Tx,
        record: &Record,
        reason: &str,
    ) -> Result<(), KafkaError> {
        tracing::warn!(
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            reason,
            "dead letter"
        );
        dead::bury(tx, &self.positions, record, reason).await?;
        if let Some(topic) = &self.dead_topic {
            let outbox = Outbox::open_unmigrated(&self.positions.jobs);
            match outbox.put(tx, &dead_message(topic, record, reason)).await {
                // Too large to be published: the table has it.
                Err(KafkaError::Message { why, .. }) => tracing::warn!(why, "dead letter is not published"),
                other => drop(other?),
            }
        }
        Ok(())
    }

    fn count(&self, plan: &Plan<'_>, written: IngestReport) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.taken += written.taken;
        report.duplicates += written.duplicates;
        report.dead += written.dead;
        drop(report);
        if let Some(first) = plan.fresh.first() {
            self.metrics.written(&first.topic, written);
        }
    }
}

/// A job that the queue would refuse is a fault of its record.
fn checked(accepted: Accepted) -> Result<Accepted, Refused> {
    if let Accepted::Job(job) = &accepted {
        NewJob::check(job).map_err(|error| Refused::Poison(error.to_string()))?;
    }
    Ok(accepted)
}

/// The record as it came, with why it is dead; the same id however often it is published.
fn dead_message(topic: &str, record: &Record, reason: &str) -> Message {
    let mut headers = record.headers.clone();
    headers.push("dead-reason", reason);
    headers.push("dead-topic", record.topic.as_str());
    headers.push("dead-partition", record.partition.to_string());
    headers.push("dead-offset", record.offset.to_string());
    Message {
        id: format!("{}/{}/{}", record.topic, record.partition, record.offset),
        topic: topic.to_owned(),
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
        owner: None,
    }
}

async fn pause(errors: u32, shutdown: &CancellationToken) {
    let wait = DATABASE.delay(errors, rand::random());
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

fn failed(error: plimsoll_jobs::JobsError) -> Trouble {
    Trouble::Failed(error.into())
}
