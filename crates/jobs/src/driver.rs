//! The seam between the queue's rules and a database.
//!
//! A driver moves rows and compares tokens; what to do when (backoff, deadlines, which failure is final) is
//! decided above it, once, in [`crate::Jobs`]. Every method works on a connection that it is given, so that
//! callers can put several together in one transaction.

use std::future::Future;

use crate::clock::Millis;
use crate::job::{Claimed, Enqueued, NewJob, Token};
use crate::{JobsError, QueueStats};

type Result<T> = std::result::Result<T, JobsError>;

/// What a claim asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) queue: &'a str,
    pub(crate) worker: &'a str,
    pub(crate) now_ms: Millis,
    pub(crate) until_ms: Millis,
    pub(crate) limit: u32,
}

/// Where a job goes when its lease is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next<'a> {
    /// Back to where it was; the attempt does not count.
    Release { ready_at_ms: Millis },
    /// Waits until `at_ms`; the attempt counts.
    Retry { at_ms: Millis, message: &'a str },
    /// Dead letter.
    Bury { message: &'a str },
}

/// One kind of database. See the module's documentation for what belongs here.
pub(crate) trait Driver {
    /// The connection it works on.
    type Conn: Send;

    /// Adds checked jobs; answers in their order.
    fn insert(
        &self,
        conn: &mut Self::Conn,
        jobs: &[NewJob],
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Enqueued>>> + Send;

    /// Whether a claim at `now_ms` would find anything. Takes no lock.
    fn peek(&self, queue: &str, now_ms: Millis) -> impl Future<Output = Result<bool>> + Send;

    /// Takes jobs under leases, after moving due jobs and expired leases to where they belong.
    fn claim(
        &self,
        conn: &mut Self::Conn,
        claim: Claim<'_>,
    ) -> impl Future<Output = Result<Vec<Claimed>>> + Send;

    /// Extends live leases; answers with the tokens of those that were still live.
    fn extend(
        &self,
        conn: &mut Self::Conn,
        tokens: &[Token],
        now_ms: Millis,
        until_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Token>>> + Send;

    /// Finishes jobs of one queue whose leases are live; answers with the tokens of those.
    fn complete(
        &self,
        conn: &mut Self::Conn,
        queue: &str,
        jobs: &[&Claimed],
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<Token>>> + Send;

    /// Ends a live lease otherwise; answers whether it was live.
    fn give_up(
        &self,
        conn: &mut Self::Conn,
        job: &Claimed,
        now_ms: Millis,
        next: Next<'_>,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Figures of one queue, or of all.
    fn stats(
        &self,
        queue: Option<&str>,
        now_ms: Millis,
    ) -> impl Future<Output = Result<Vec<QueueStats>>> + Send;
}

/// Tokens as the JSON array that the statements unpack.
pub(crate) fn token_array(tokens: impl Iterator<Item = i64>) -> String {
    let mut text = String::from("[");
    for (i, t) in tokens.enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&t.to_string());
    }
    text.push(']');
    text
}
