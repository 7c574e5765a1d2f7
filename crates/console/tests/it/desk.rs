//! The queue of the stack in memory: two dead letters, and a queue `locked` that cannot be asked.

use futures::{FutureExt, future::BoxFuture};
use plimsoll_console::{
    OperatorError,
    queue::{
        Act, JobView, LetterPage, LetterQuery, LetterView, Order, OrderReport, QueueOperator, RefusedJob,
    },
};

use crate::stack::Stack;

/// The number of a job that cannot be looked at or moved now.
pub(crate) const LOCKED_JOB: i64 = 409;

pub(crate) fn letters() -> Vec<LetterView> {
    let letter = |id, queue: &str| LetterView {
        id,
        queue: queue.to_owned(),
        lane: String::new(),
        attempts: 5,
        enqueued_at_ms: 1_760_000_000_000,
        died_at_ms: 1_760_000_060_000 + id,
        reason: "model.refused: the model said 401".to_owned(),
        error: Some("model.refused".to_owned()),
        payload_bytes: 97,
    };
    vec![letter(17, "evaluate"), letter(18, "mail")]
}

impl QueueOperator for Stack {
    fn dead_letters(&self, query: LetterQuery) -> BoxFuture<'_, Result<LetterPage, OperatorError>> {
        async move {
            match query.queue.as_deref() {
                Some("locked") => return Err(locked()),
                None | Some("evaluate" | "mail") => {}
                Some(other) => return Err(OperatorError::NotFound(format!("no queue `{other}`"))),
            }
            let letters = self.letters.lock().expect("no test panics while it holds the letters");
            let after = query.after.map_or(i64::MIN, |place| place.died_at_ms);
            let asked = |letter: &&LetterView| {
                query.queue.as_ref().is_none_or(|queue| *queue == letter.queue) && letter.died_at_ms > after
            };
            let mut letters: Vec<LetterView> = letters.iter().filter(asked).cloned().collect();
            let more = letters.len() > query.limit;
            letters.truncate(query.limit);
            let next = letters.last().filter(|_| more);
            let next = next.map(|last| format!("{}-{}", last.died_at_ms, last.id));
            Ok(LetterPage { letters, next })
        }
        .boxed()
    }

    fn job(&self, id: i64) -> BoxFuture<'_, Result<JobView, OperatorError>> {
        async move {
            if id == LOCKED_JOB {
                return Err(locked());
            }
            let letters = self.letters.lock().expect("no test panics while it holds the letters");
            let letter = letters.iter().find(|letter| letter.id == id);
            let letter = letter.ok_or_else(|| OperatorError::NotFound(format!("no job {id}")))?;
            Ok(JobView {
                id,
                queue: letter.queue.clone(),
                lane: String::new(),
                owner: None,
                state: "dead".to_owned(),
                attempts: letter.attempts,
                enqueued_at_ms: letter.enqueued_at_ms,
                at_ms: letter.died_at_ms,
                worker: None,
                progress: None,
                payload_bytes: Some(letter.payload_bytes),
                reason: Some(letter.reason.clone()),
                failures: vec![],
            })
        }
        .boxed()
    }

    fn order(&self, act: Act, order: Order) -> BoxFuture<'_, Result<OrderReport, OperatorError>> {
        async move {
            if order.jobs.contains(&LOCKED_JOB) {
                return Err(locked());
            }
            if order.queue.as_deref().is_some_and(|queue| queue != "evaluate" && queue != "mail") {
                return Err(OperatorError::NotFound("no such queue".to_owned()));
            }
            let mut letters = self.letters.lock().expect("no test panics while it holds the letters");
            let meant = |letter: &LetterView| {
                let asked = order.queue.as_ref().is_none_or(|queue| *queue == letter.queue);
                (order.all && asked) || order.jobs.contains(&letter.id)
            };
            let known = |id: &i64| letters.iter().any(|letter| letter.id == *id);
            let refused = order.jobs.iter().filter(|id| !known(id));
            let refused =
                refused.map(|&job| RefusedJob { job, why: format!("no dead letter {job}") }).collect();
            let before = letters.len();
            letters.retain(|letter| !meant(letter));
            let done = (before - letters.len()) as u64;
            drop(letters);
            self.orders.lock().expect("no test panics while it holds the orders").push((act, order));
            Ok(OrderReport { message: format!("{} {done}", act.done()), done, refused, more: false })
        }
        .boxed()
    }
}

fn locked() -> OperatorError {
    OperatorError::Refused {
        message: "database is busy".to_owned(),
        hint: "try again in a moment".to_owned(),
    }
}
