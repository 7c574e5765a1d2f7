//! The dead letters of the play.

use futures::{FutureExt, future::BoxFuture};
use plimsoll_console::{
    OperatorError,
    queue::{
        Act, AttemptView, JobView, LetterPage, LetterQuery, LetterView, Order, OrderReport, QueueOperator,
    },
};
use serde_json::Value;

use super::Play;

const REASONS: [&str; 3] = [
    "model.timeout: no answer within 30 s, three times in a row",
    "documents.encrypted: cv.pdf is locked with a password; upload one that opens without",
    "model.refused: the model said 401: incorrect API key provided",
];

pub(super) fn letters(now_ms: u64) -> Vec<LetterView> {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let letter = |(index, reason): (i64, &str)| LetterView {
        id: 1017 + 3 * index,
        queue: "evaluate".to_owned(),
        lane: if index == 1 { "tenant-a".to_owned() } else { String::new() },
        attempts: if index == 1 { 1 } else { 5 },
        enqueued_at_ms: now_ms - 900_000 + index * 60_000,
        died_at_ms: now_ms - 600_000 + index * 180_000,
        reason: reason.to_owned(),
        error: reason.split_once(':').map(|(word, _)| word.to_owned()),
        payload_bytes: 97 + index.unsigned_abs(),
    };
    (0..).zip(REASONS).map(letter).collect()
}

fn job(letter: &LetterView) -> JobView {
    let attempt = |number: u32| AttemptView {
        attempt: number,
        at_ms: letter.died_at_ms - 40_000 * i64::from(letter.attempts - number),
        worker: format!("worker-{number}"),
        error: letter.error.clone(),
        message: letter.reason.clone(),
    };
    JobView {
        id: letter.id,
        queue: letter.queue.clone(),
        lane: letter.lane.clone(),
        owner: Some("anonymous".to_owned()),
        state: "dead".to_owned(),
        attempts: letter.attempts,
        enqueued_at_ms: letter.enqueued_at_ms,
        at_ms: letter.died_at_ms,
        worker: None,
        progress: None,
        payload_bytes: Some(letter.payload_bytes),
        reason: Some(letter.reason.clone()),
        failures: (1..=letter.attempts).map(attempt).collect(),
    }
}

impl QueueOperator for Play {
    fn dead_letters(&self, query: LetterQuery) -> BoxFuture<'_, Result<LetterPage, OperatorError>> {
        async move {
            let after = query.after.map_or(i64::MIN, |place| place.died_at_ms);
            let letters = self.letters().clone();
            let letters = letters.into_iter().filter(|letter| letter.died_at_ms > after);
            Ok(LetterPage { letters: letters.take(query.limit).collect(), next: None })
        }
        .boxed()
    }

    fn job(&self, id: i64) -> BoxFuture<'_, Result<JobView, OperatorError>> {
        async move {
            let letters = self.letters();
            let letter = letters.iter().find(|letter| letter.id == id);
            letter.map(job).ok_or_else(|| OperatorError::NotFound(format!("there is no job {id}")))
        }
        .boxed()
    }

    fn order(&self, act: Act, order: Order) -> BoxFuture<'_, Result<OrderReport, OperatorError>> {
        async move {
            let mut letters = self.letters();
            let before = letters.len();
            letters.retain(|letter| !order.all && !order.jobs.contains(&letter.id));
            let done = before - letters.len();
            drop(letters);
            let what = format!("{} {} dead letters", act.done(), done);
            self.act(|scene| {
                if act == Act::Requeue {
                    scene.jobs += done as f64;
                }
                let summary = format!("{} {what}", order.giver());
                scene.record("operator", "", (0, 0), summary, Value::Null);
                Ok(what.clone())
            })?;
            Ok(OrderReport { message: what, done: done as u64, refused: vec![], more: false })
        }
        .boxed()
    }
}
