//! Where an operator's orders about jobs are carried out: behind the admin API of a running stack, or straight on a queue
//! when none runs.

use std::sync::Arc;

use plimsoll_console::{
    OperatorError,
    queue::{
        Act, AttemptView, JobView, LetterPage, LetterQuery, LetterView, MAX_MOVED, Order, OrderReport, Place,
        ProgressView, RefusedJob, error_word, redact,
    },
};
use plimsoll_control::record::{Draft, Kind};
use plimsoll_jobs::{Cancelled, DeadCursor, DeadLetter, JobId, Jobs, JobsError};
use serde_json::json;

/// Letters read at a time: each comes with its payload, which may be a mebibyte.
const READ_AT_ONCE: u32 = 50;
/// Numbers of jobs that a sentence names; the record has all.
const NAMED: usize = 5;
/// Numbers of jobs that a record keeps.
const KEPT: usize = 1000;

/// Writes down what was done, or says why it could not.
pub(crate) type Recorder = Arc<dyn Fn(Draft) + Send + Sync>;

/// The queue, and where to write down what was done to it.
#[derive(Clone)]
pub(crate) struct Desk {
    jobs: Jobs,
    record: Recorder,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(jobs: Jobs, record: Recorder) -> Self {
        Self { jobs, record }
    }

    pub(crate) async fn letters(&self, query: &LetterQuery) -> Result<LetterPage, OperatorError> {
        let queues = self.queues_with_letters(query.queue.as_deref()).await?;
        let mut letters: Vec<LetterView> = Vec::new();
        for queue in queues {
            // One more than asked for tells whether there is another page.
            letters.extend(self.letters_of(&queue, query.after, query.limit + 1).await?);
        }
        letters.sort_by_key(|letter| (letter.died_at_ms, letter.id));
        let more = letters.len() > query.limit;
        letters.truncate(query.limit);
        let last = letters.last().filter(|_| more);
        let next = last.map(|last| Place { died_at_ms: last.died_at_ms, id: last.id }.to_string());
        Ok(LetterPage { letters, next })
    }

    async fn letters_of(
        &self,
        queue: &str,
        after: Option<Place>,
        most: usize,
    ) -> Result<Vec<LetterView>, OperatorError> {
        let mut cursor = after.map(cursor);
        let mut views = Vec::new();
        while views.len() < most {
            let letters = self.jobs.dead_letters(queue, cursor, READ_AT_ONCE).await.map_err(refused)?;
            let Some(last) = letters.last() else { break };
            cursor = Some(last.cursor());
            let whole = letters.len() == READ_AT_ONCE as usize;
            views.extend(letters.iter().map(letter_view));
            if !whole {
                break;
            }
        }
        views.truncate(most);
        Ok(views)
    }

    async fn queues_with_letters(&self, named: Option<&str>) -> Result<Vec<String>, OperatorError> {
        let stats = self.jobs.stats(None).await.map_err(refused)?;
        if let Some(name) = named {
            if !stats.iter().any(|queue| queue.queue == name) {
                let known: Vec<&str> = stats.iter().map(|queue| queue.queue.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(OperatorError::NotFound(format!("no queue `{name}`; there are: {known}")));
            }
            return Ok(vec![name.to_owned()]);
        }
        Ok(stats.into_iter().filter(|queue| queue.dead > 0).map(|queue| queue.queue).collect())
    }

    pub(crate) async fn job(&self, id: i64) -> Result<JobView, OperatorError> {
        let found = self.jobs.find(JobId(id)).await.map_err(refused)?;
        let info = found.ok_or_else(|| {
            OperatorError::NotFound(format!("no job {id}: it never was, or it ended and is not remembered"))
        })?;
        let failures = self.jobs.failures(JobId(id)).await.map_err(refused)?;
        let failures = failures.into_iter().map(|failure| AttemptView {
            attempt: failure.attempt,
            at_ms: failure.at_ms,
            worker: failure.worker,
            error: error_word(&failure.message),
            message: redact(&failure.message),
        });
        Ok(JobView {
            id,
            state: info.state.to_string(),
            payload_bytes: info.payload.map(|payload| payload.as_str().len() as u64),
            progress: info
                .progress
                .map(|progress| ProgressView { permille: progress.permille, note: redact(&progress.note) }),
            reason: info.reason.as_deref().map(redact),
            queue: info.queue,
            lane: info.lane,
            owner: info.owner,
            attempts: info.attempts,
            enqueued_at_ms: info.enqueued_at_ms,
            at_ms: info.at_ms,
            worker: info.worker,
            failures: failures.collect(),
        })
    }

    pub(crate) async fn order(&self, act: Act, order: &Order) -> Result<OrderReport, OperatorError> {
        order.check(act)?;
        let mut carried = Carried::default();
        if order.all {
            carried = self.move_all(act, order.queue.as_deref()).await?;
        } else {
            for &id in &order.jobs {
                match self.one(act, id).await {
                    Ok(()) => carried.done.push(id),
                    Err(error @ (JobsError::NotFound(_) | JobsError::WrongState { .. })) => {
                        let why = match act {
                            Act::Cancel => format!("{error}, or has ended"),
                            Act::Requeue | Act::Discard => format!("no dead letter {id}"),
                        };
                        carried.refused.push(RefusedJob { job: id, why });
                    }
                    Err(error) => {
                        self.write_down(act, order, &carried);
                        return Err(refused(error));
                    }
                }
            }
        }
        let message = self.write_down(act, order, &carried).unwrap_or_else(|| match &carried.refused[..] {
            [] => "no dead letters".to_owned(),
            [one] => one.why.clone(),
            many => format!("none of {} jobs could be {}", many.len(), act.done()),
        });
        Ok(OrderReport {
            message,
            done: carried.done.len() as u64,
            refused: carried.refused,
            more: carried.more,
        })
    }

    /// Writes one record of what was done; the sentence for the operator, none when nothing was.
    fn write_down(&self, act: Act, order: &Order, carried: &Carried) -> Option<String> {
        let done = &carried.done;
        if done.is_empty() {
            return None;
        }
        let what = match (act, done.len()) {
            (Act::Cancel, 1) => "1 job".to_owned(),
            (Act::Cancel, count) => format!("{count} jobs"),
            (_, 1) => "1 dead letter".to_owned(),
            (_, count) => format!("{count} dead letters"),
        };
        let of = order.queue.as_ref().map_or(String::new(), |queue| format!(" of {queue}"));
        let mut named: Vec<String> = done.iter().take(NAMED).map(i64::to_string).collect();
        if done.len() > NAMED {
            named.push("…".to_owned());
        }
        let what = format!("{what}{of}: {}", named.join(", "));
        let summary = format!("{} {} {what}", order.giver(), act.done());
        let kept: Vec<i64> = done.iter().take(KEPT).copied().collect();
        let detail = json!({
            "queue_order": { "act": act, "by": order.giver(), "queue": order.queue, "count": done.len(), "jobs": kept },
        });
        (self.record)(Draft::event(Kind::Operator, "", summary).detail(detail));
        Some(format!("{} {what}", act.done()))
    }

    async fn one(&self, act: Act, id: i64) -> Result<(), JobsError> {
        let id = JobId(id);
        let mut tx = self.jobs.begin().await?;
        match act {
            Act::Requeue => self.jobs.requeue(&mut tx, id).await?,
            Act::Discard => self.jobs.discard(&mut tx, id).await?,
            Act::Cancel => {
                // Now, or with the holder's next heartbeat: either way it is out of our hands.
                let (Cancelled::Now | Cancelled::Requested) = self.jobs.cancel(&mut tx, id).await?;
            }
        }
        tx.commit().await
    }

    /// Those that are dead when this begins: a letter that dies again meanwhile is left for the next order.
    async fn move_all(&self, act: Act, queue: Option<&str>) -> Result<Carried, OperatorError> {
        let mut carried = Carried::default();
        let began_ms = self.jobs.now_ms();
        for queue in self.queues_with_letters(queue).await? {
            loop {
                let room = MAX_MOVED - carried.done.len();
                let letters = self.jobs.dead_letters(&queue, None, READ_AT_ONCE).await.map_err(refused)?;
                let mut letters: Vec<DeadLetter> =
                    letters.into_iter().filter(|letter| letter.died_at_ms <= began_ms).collect();
                if letters.is_empty() {
                    break;
                }
                if room == 0 {
                    carried.more = true;
                    return Ok(carried);
                }
                letters.truncate(room);
                let moved = self.move_some(act, &letters).await.map_err(refused)?;
                // Somebody else took them all: nothing of what this order saw is left here.
                if moved.is_empty() {
                    break;
                }
                carried.done.extend(moved);
            }
        }
        Ok(carried)
    }

    async fn move_some(&self, act: Act, letters: &[DeadLetter]) -> Result<Vec<i64>, JobsError> {
        let mut moved = Vec::new();
        let mut tx = self.jobs.begin().await?;
        for letter in letters {
            let done = match act {
                Act::Requeue => self.jobs.requeue(&mut tx, letter.id).await,
                _ => self.jobs.discard(&mut tx, letter.id).await,
            };
            match done {
                Ok(()) => moved.push(letter.id.0),
                Err(JobsError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        Ok(moved)
    }
}

/// What an order came to.
#[derive(Default)]
struct Carried {
    done: Vec<i64>,
    refused: Vec<RefusedJob>,
    more: bool,
}

fn cursor(place: Place) -> DeadCursor {
    DeadCursor { died_at_ms: place.died_at_ms, id: JobId(place.id) }
}

fn letter_view(letter: &DeadLetter) -> LetterView {
    LetterView {
        id: letter.id.0,
        queue: letter.queue.clone(),
        lane: letter.lane.clone(),
        attempts: letter.attempts,
        enqueued_at_ms: letter.enqueued_at_ms,
        died_at_ms: letter.died_at_ms,
        error: error_word(&letter.reason),
        reason: redact(&letter.reason),
        payload_bytes: letter.payload.as_str().len() as u64,
    }
}

fn refused(error: JobsError) -> OperatorError {
    let hint = if error.is_transient() {
        "try again in a moment"
    } else {
        "look at the log of plimsoll and at the database of the queue"
    };
    OperatorError::Refused { message: error.to_string(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests;
