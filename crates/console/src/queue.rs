//! What the console needs from whoever holds the queue, and what it shows of jobs.
//!
//! Payloads never leave the queue: an operator sees how large one is. Messages of failures are shown with what looks like a
//! credential taken out (see [`redact`]).

mod redact;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use redact::redact;

use crate::operator::OperatorError;

/// Most dead letters in one answer.
pub const MAX_LETTERS: usize = 200;
/// Most jobs that one order names.
pub const MAX_NAMED: usize = 500;
/// Most dead letters that one order about all of them moves; a second order goes on.
pub const MAX_MOVED: usize = 10_000;
/// Longest name of who gives an order, in bytes.
pub const MAX_BY_BYTES: usize = 80;

/// The queue as the console sees it.
pub trait QueueOperator: Send + Sync + 'static {
    /// Dead letters in the order of their death.
    ///
    /// # Errors
    /// `Refused` when the queue cannot be asked.
    fn dead_letters(&self, query: LetterQuery) -> BoxFuture<'_, Result<LetterPage, OperatorError>>;

    /// One job with what became of its attempts.
    ///
    /// # Errors
    /// `NotFound` when there is no such job (any more).
    fn job(&self, id: i64) -> BoxFuture<'_, Result<JobView, OperatorError>>;

    /// Does what an order says and writes down who gave it.
    ///
    /// # Errors
    /// `Refused` when the queue cannot be asked, `Invalid` when the order makes no sense. Jobs that are not what the order
    /// takes them for are told in the report.
    fn order(&self, act: Act, order: Order) -> BoxFuture<'_, Result<OrderReport, OperatorError>>;
}

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterQuery {
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those after this place: the `next` of the page before.
    pub after: Option<Place>,
    /// At most so many, 1 to [`MAX_LETTERS`].
    pub limit: usize,
}

/// A place in the list of dead letters: time of death and number of a job, such as `1760000000000-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Milliseconds since the Unix epoch.
    pub died_at_ms: i64,
    /// Number of the job.
    pub id: i64,
}

/// What is done with jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Dead letters become ready again, with all their attempts before them.
    Requeue,
    /// Dead letters are deleted.
    Discard,
    /// Waiting jobs will not run; who works on one is told to give it up.
    Cancel,
}

/// Jobs to do something with: either some by number, or all dead letters (of one queue).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Numbers of jobs, at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 500)]
    pub jobs: Vec<i64>,
    /// All letters that are dead when the order arrives.
    #[serde(default)]
    pub all: bool,
    /// With `all`: only those of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Who gives the order, as they say; it is written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 80)]
    pub by: String,
}

/// What an order did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderReport {
    /// One sentence for the operator.
    pub message: String,
    /// Jobs it was done to.
    pub done: u64,
    /// Jobs it was not done to, and why.
    pub refused: Vec<RefusedJob>,
    /// Whether more dead letters are left than one order moves.
    #[serde(default)]
    pub more: bool,
}

/// A job that is not what an order takes it for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedJob {
    /// Its number.
    pub job: i64,
    /// Why it was left alone.
    pub why: String,
}

/// Dead letters in the order of their death.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LetterPage {
    /// At most as many as were asked for.
    pub letters: Vec<LetterView>,
    /// Give this as `after` for the next page; absent when there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A job that nobody will try again unless told to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LetterView {
    /// Number of the job.
    pub id: i64,
    /// Its queue.
    pub queue: String,
    /// Its lane, empty if none.
    pub lane: String,
    /// Attempts started.
    pub attempts: u32,
    /// When it was enqueued, in milliseconds since the Unix epoch.
    pub enqueued_at_ms: i64,
    /// When it died, in milliseconds since the Unix epoch.
    pub died_at_ms: i64,
    /// Why, as its handler said.
    pub reason: String,
    /// The handler's word for the error, or `lease_lost`; absent when the reason has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Size of what it was to do. The content is not shown.
    pub payload_bytes: u64,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its number.
    pub id: i64,
    /// Its queue.
    pub queue: String,
    /// Its lane, empty if none.
    pub lane: String,
    /// Whose job it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `scheduled`, `ready`, `leased`, `dead`, `completed` or `cancelled`.
    pub state: String,
    /// Attempts started.
    pub attempts: u32,
    /// When it was enqueued, in milliseconds since the Unix epoch.
    pub enqueued_at_ms: i64,
    /// Ready: since when. Scheduled: when it becomes ready. Leased: until when. Otherwise: when it ended. In milliseconds
    /// since the Unix epoch.
    pub at_ms: i64,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// How far its handler says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// Size of what it is to do; absent for finished jobs, of which it is not kept. The content is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Why it is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts that failed, oldest first.
    pub failures: Vec<AttemptView>,
}

/// How far a handler says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// Thousandths done.
    pub permille: u16,
    /// In words.
    pub note: String,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Which one, from 1.
    pub attempt: u32,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// In whose hands.
    pub worker: String,
    /// The handler's word for the error, or `lease_lost`; absent when the message has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the handler said.
    pub message: String,
}

/// Query of the list of dead letters.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LetterFilter {
    /// Only dead letters of this queue.
    pub(crate) queue: Option<String>,
    /// The `next` of the page before.
    pub(crate) after: Option<String>,
    /// How many, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<usize>,
}

// === impl Act ===

impl Act {
    /// What was done, for a sentence.
    pub fn done(self) -> &'static str {
        match self {
            Self::Requeue => "requeued",
            Self::Discard => "discarded",
            Self::Cancel => "cancelled",
        }
    }

    /// The word of the command line and of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Discard => "discard",
            Self::Cancel => "cancel",
        }
    }
}

// === impl Order ===

impl Order {
    /// Refuses orders that say nothing, two things at once, or too much.
    ///
    /// # Errors
    /// A sentence for whoever gave the order.
    pub fn check(&self, act: Act) -> Result<(), OperatorError> {
        let invalid = |what: &str| Err(OperatorError::Invalid(what.to_owned()));
        if self.jobs.is_empty() && !self.all {
            return invalid("name jobs, or say that all are meant");
        }
        if self.all && !self.jobs.is_empty() {
            return invalid("either some jobs or all of them, not both");
        }
        if self.all && act == Act::Cancel {
            return invalid("jobs are cancelled one by one: name them");
        }
        if self.queue.is_some() && !self.all {
            return invalid("a queue is named only to mean all its dead letters");
        }
        if self.jobs.len() > MAX_NAMED {
            return invalid(&format!("{} jobs are named but at most {MAX_NAMED} may be", self.jobs.len()));
        }
        if self.by.len() > MAX_BY_BYTES || self.by.chars().any(char::is_control) {
            return invalid("who gives the order must be at most 80 bytes without control characters");
        }
        Ok(())
    }

    /// Who gave it, for the record.
    pub fn giver(&self) -> &str {
        match self.by.trim() {
            "" => "an operator",
            by => by,
        }
    }
}

// === impl Place ===

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.died_at_ms, self.id)
    }
}

impl std::str::FromStr for Place {
    type Err = OperatorError;

    fn from_str(text: &str) -> Result<Self, OperatorError> {
        let place = text
            .split_once('-')
            .and_then(|(at, id)| Some(Self { died_at_ms: at.parse().ok()?, id: id.parse().ok()? }));
        place.ok_or_else(|| OperatorError::Invalid(format!("`{text}` is not the `next` of a page")))
    }
}

/// The word that stands before the first colon of a message, when it is one such as `model.timeout` or `UPSTREAM_AUTH`.
pub fn error_word(message: &str) -> Option<String> {
    if message.starts_with("lease expired") || message.starts_with("lease of the last attempt expired") {
        return Some("lease_lost".to_owned());
    }
    let (word, _) = message.split_once(':')?;
    let of = |is_letter: fn(&char) -> bool| {
        let is_in_word = |c: char| is_letter(&c) || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
        word.chars().next().is_some_and(|first| is_letter(&first)) && word.chars().all(is_in_word)
    };
    let is_word = of(char::is_ascii_lowercase) || of(char::is_ascii_uppercase);
    (is_word && (3..=64).contains(&word.len())).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_say_nothing_or_two_things_are_refused() {
        let some = || Order { jobs: vec![7], ..Order::default() };
        let all = || Order { all: true, queue: Some("evaluate".to_owned()), ..Order::default() };
        assert_eq!(some().check(Act::Cancel), Ok(()));
        assert_eq!(all().check(Act::Requeue), Ok(()));
        let wrong = [
            (Act::Requeue, Order::default()),
            (Act::Discard, Order { all: true, ..some() }),
            (Act::Cancel, all()),
            (Act::Requeue, Order { queue: Some("evaluate".to_owned()), ..some() }),
            (Act::Requeue, Order { jobs: (0..501).collect(), ..Order::default() }),
            (Act::Requeue, Order { by: "x\ny".to_owned(), ..some() }),
        ];
        for (act, order) in wrong {
            assert!(matches!(order.check(act), Err(OperatorError::Invalid(_))), "{order:?}");
        }
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place { died_at_ms: 1_760_000_000_000, id: 17 };
        assert_eq!(place.to_string().parse::<Place>(), Ok(place));
        for wrong in ["", "17", "a-b", "1-", "-1-2-3"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_error_is_the_word_before_the_colon() {
        assert_eq!(error_word("model.timeout: no answer within 30 s").as_deref(), Some("model.timeout"));
        assert_eq!(error_word("lease expired: the worker died").as_deref(), Some("lease_lost"));
        assert_eq!(error_word("lease of the last attempt expired").as_deref(), Some("lease_lost"));
        assert_eq!(error_word("UPSTREAM_AUTH: the key is refused").as_deref(), Some("UPSTREAM_AUTH"));
        assert_eq!(error_word("No such file: x"), None);
        assert_eq!(error_word("Refused: x"), None);
        assert_eq!(error_word("connection refused"), None);
    }
}
