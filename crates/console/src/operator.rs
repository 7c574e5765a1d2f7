//! What the console needs from whoever runs the stack.

use futures::future::BoxFuture;
use plimsoll_control::view::{DecisionView, StackView};
use tokio::sync::watch;

use crate::queue::QueueOperator;

/// The running stack as the console sees it: it can be looked at, explained and told what to do.
///
/// Methods that return at once are called from async code and must answer from memory, except [`decisions`],
/// [`why`] and [`logs`], which may read files: the console calls those on a blocking thread. An action that was
/// begun is run to its end even when the client goes away.
///
/// [`decisions`]: Operator::decisions
/// [`why`]: Operator::why
/// [`logs`]: Operator::logs
pub trait Operator: QueueOperator {
    /// A snapshot of the stack now.
    fn view(&self) -> StackView;

    /// A counter that moves when the view changed in a way worth showing at once (a state, a size, a decision), not
    /// for each new sample of CPU or memory.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Decisions, newest first, at most `query.limit`.
    fn decisions(&self, query: DecisionQuery) -> Vec<DecisionView>;

    /// The full record of one decision: inputs, rules, what each metric alone would have asked for. `None` when there
    /// is no such decision (any more).
    fn why(&self, id: u64) -> Option<serde_json::Value>;

    /// What the stack carried and decided in the last `since_s` seconds. Reads files: called on a blocking thread.
    ///
    /// # Errors
    /// `Invalid` when the period makes no sense, `Refused` when the logs or the stack file cannot be read.
    fn report(&self, since_s: u64) -> Result<serde_json::Value, OperatorError>;

    /// Sets the number of instances of `service`. The answer is a sentence for the operator.
    ///
    /// # Errors
    /// `NotFound` for an unknown service, `Refused` or `Invalid` when the service cannot have that size.
    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> BoxFuture<'a, Result<String, OperatorError>>;

    /// Takes one instance out: no new work, then stopped.
    ///
    /// # Errors
    /// `NotFound` for an unknown instance, `Refused` when it cannot be taken out.
    fn drain<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, OperatorError>>;

    /// Replaces the instances of a service one after another, or one instance.
    ///
    /// # Errors
    /// `NotFound` when `target` is neither a service nor an instance, `Refused` when it cannot be restarted now.
    fn restart<'a>(&'a self, target: &'a str) -> BoxFuture<'a, Result<String, OperatorError>>;

    /// Reads the stack file again and applies what changed: one sentence a change, none when nothing did.
    ///
    /// # Errors
    /// `Invalid` with the diagnostics when the file has mistakes (nothing is applied), `Refused` when a change needs a
    /// restart of plimsoll.
    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, OperatorError>>;

    /// Begins the end of the whole stack and returns; does not wait for it.
    fn shutdown(&self) -> BoxFuture<'_, ()>;

    /// The last `lines` log lines of an instance, oldest first. `None` for an unknown instance.
    fn logs(&self, instance: &str, lines: usize) -> Option<Vec<String>>;

    /// Appends the metrics of the stack in Prometheus or OpenMetrics text (the latter ends with `# EOF`).
    fn render_metrics(&self, out: &mut String);
}

/// Which decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionQuery {
    /// Only those about this service.
    pub service: Option<String>,
    /// Only those with a smaller id: the id of the last one already seen.
    pub before: Option<u64>,
    /// At most so many; the API allows 1 to 500.
    pub limit: usize,
}

/// Why the operator did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// No such service or instance; answered with 404.
    #[error("{0}")]
    NotFound(String),
    /// Known, but not now or not like this; answered with 409.
    #[error("{message}")]
    Refused {
        /// What stands in the way.
        message: String,
        /// How to mend it.
        hint: String,
    },
    /// The request makes no sense; answered with 422.
    #[error("{0}")]
    Invalid(String),
}
