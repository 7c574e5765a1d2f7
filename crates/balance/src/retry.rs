//! May a failed request be sent again, to another endpoint?
//!
//! The rule is one sentence: only when nothing of the answer has gone to the client, the request can be repeated
//! byte for byte, and either the endpoint has seen nothing of it or the method is idempotent (RFC 9110 9.2.2).

/// Limits on attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of one request that may reach an endpoint, the first included. Attempts that sent nothing are free.
    pub max_attempts: u32,
}

/// What an endpoint may have seen of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// Not a byte: the connection was never made, or closed before the first write.
    Nothing,
    /// Something, perhaps all.
    Something,
}

/// How the attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, or not in time.
    Connect,
    /// The connection broke before the head of the answer was complete.
    Broken,
    /// What came back was not HTTP.
    Invalid,
    /// The head of the answer did not come in time.
    Timeout,
    /// The answer has this status.
    Status(u16),
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The request method, as received (methods are case-sensitive).
    pub method: &'a str,
    /// What the endpoint may have seen.
    pub sent: Sent,
    /// The request can be built again in full: it has no body, or no byte of the body was taken from the client.
    pub is_replayable: bool,
    /// Something of the answer went to the client.
    pub is_answered: bool,
    /// Attempts so far of which an endpoint may have seen something, this one included.
    pub reached: u32,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it again; no endpoint saw anything, so it costs nothing of the retry budget.
    RetryFree,
    /// Send it again if the retry budget allows.
    RetryBudgeted,
    /// Tell the client.
    GiveUp,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3 }
    }
}

impl RetryPolicy {
    /// The verdict on a failed attempt.
    pub fn may_retry(&self, attempt: &Attempt<'_>, failure: Failure) -> Verdict {
        if attempt.is_answered || !attempt.is_replayable || !failure.is_retryable() {
            return Verdict::GiveUp;
        }
        match attempt.sent {
            Sent::Nothing => Verdict::RetryFree,
            Sent::Something if is_idempotent(attempt.method) && attempt.reached < self.max_attempts => {
                Verdict::RetryBudgeted
            }
            Sent::Something => Verdict::GiveUp,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// Could another endpoint do better? Of the statuses only those that speak of the server and not of the request:
    /// 500, 502, 503 and 504.
    ///
    /// Not after a timeout of the answer, unlike nginx's default: the time that the client was promised an answer in is
    /// used up, and sending everything again to a backend that is too slow doubles its load when it can bear it least.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Connect | Self::Broken | Self::Invalid => true,
            Self::Timeout => false,
            Self::Status(status) => matches!(status, 500 | 502 | 503 | 504),
        }
    }
}

/// RFC 9110 9.2.2: repeating it has the effect of doing it once. An unknown method is taken not to be.
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
