//! How others reach the running controller: look at it, ask it for something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use plimsoll_fleet::Fleet;
use plimsoll_gateway::{Answered, Gateway};
use plimsoll_jobs::QueueTimes;
use plimsoll_stack::Stack;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    controller::now_ms,
    delay::Delays,
    log::DecisionLog,
    record::{Draft, Record},
    view::{DecisionView, StackView},
};

/// A cheap clone for the admin API and the binary.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
}

/// Why the controller did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such service or instance.
    #[error("{0}")]
    Unknown(String),
    /// Possible in general, not now.
    #[error("{message}")]
    NotNow {
        /// What stands in the way.
        message: String,
        /// How to mend it.
        hint: String,
    },
    /// The request itself makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// What both the loop and its readers hold.
pub(crate) struct Shared {
    pub(crate) view: RwLock<StackView>,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) log: Mutex<DecisionLog>,
    pub(crate) fleet: Fleet,
    pub(crate) gateway: Option<Gateway>,
    /// How long jobs take, as of some seconds ago.
    pub(crate) times: RwLock<Vec<QueueTimes>>,
    /// From signal to scale call.
    pub(crate) delays: Delays,
}

/// Where the answer to a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What the loop can be asked to do.
pub(crate) enum Command {
    Scale { service: String, replicas: u32, reply: Reply<String> },
    Drain { instance: String, reply: Reply<String> },
    Restart { target: String, reply: Reply<String> },
    Reload { stack: Box<Stack>, reply: Reply<Vec<String>> },
    Shutdown { reply: Reply<()> },
}

// === impl Handle ===

impl Handle {
    /// The stack at this moment.
    pub fn view(&self) -> StackView {
        self.shared.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bumped whenever the view changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Records, newest first, older than `before` when given.
    pub fn decisions(&self, service: Option<&str>, before: Option<u64>, limit: usize) -> Vec<DecisionView> {
        let log = self.shared.log();
        log.newest_first()
            .filter(|record| before.is_none_or(|before| record.id < before))
            .filter(|record| service.is_none_or(|service| record.service == service))
            .take(limit)
            .map(DecisionView::from)
            .collect()
    }

    /// The whole record with this id, while it is kept.
    pub fn record(&self, id: u64) -> Option<Record> {
        self.shared.log().get(id).cloned()
    }

    /// The last lines of an instance's output; none for an instance nobody knows.
    pub fn logs(&self, instance: &str, lines: usize) -> Option<Vec<String>> {
        let id = plimsoll_fleet::InstanceId::parse(instance)?;
        let known = self.shared.fleet.instances().iter().any(|candidate| candidate.id == id);
        known.then(|| self.shared.fleet.log_tail(&id, lines))
    }

    /// Writes down what happened outside of the loop, such as what an operator did to the queue.
    pub fn note(&self, draft: Draft) {
        self.shared.record(draft, now_ms());
    }

    /// What the edge counted since the start, by service; empty without an edge.
    pub fn answered(&self) -> BTreeMap<String, Answered> {
        self.shared.gateway.as_ref().map(Gateway::answered).unwrap_or_default()
    }

    /// Asks for `replicas` instances of `service`; returns a sentence that says what that means.
    ///
    /// # Errors
    /// When the service is unknown or the number is outside of its policy's bounds.
    pub async fn scale(&self, service: &str, replicas: u32) -> Result<String, Refusal> {
        let service = service.to_owned();
        self.ask(|reply| Command::Scale { service, replicas, reply }).await
    }

    /// Takes an instance out of service, lets it finish, stops it; the plan replaces it.
    ///
    /// # Errors
    /// When no such instance runs.
    pub async fn drain(&self, instance: &str) -> Result<String, Refusal> {
        let instance = instance.to_owned();
        self.ask(|reply| Command::Drain { instance, reply }).await
    }

    /// Replaces the instances of a service, or one instance: the new one is ready before the old one goes.
    ///
    /// # Errors
    /// When nothing has that name.
    pub async fn restart(&self, target: &str) -> Result<String, Refusal> {
        let target = target.to_owned();
        self.ask(|reply| Command::Restart { target, reply }).await
    }

    /// Applies a stack that was read and validated; returns one line for each thing that changes.
    ///
    /// # Errors
    /// When the change cannot be made while running.
    pub async fn reload(&self, stack: Stack) -> Result<Vec<String>, Refusal> {
        self.ask(|reply| Command::Reload { stack: Box::new(stack), reply }).await
    }

    /// Drains and ends everything; returns when no instance is left.
    pub async fn shutdown(&self) {
        // An error means that the loop has ended already, which is what was asked for.
        let _ = self.ask(|reply| Command::Shutdown { reply }).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let ended = || Refusal::NotNow {
            message: "the stack is stopping".to_owned(),
            hint: "start it again with `plimsoll up`".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn log(&self) -> MutexGuard<'_, DecisionLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn times(&self) -> Vec<QueueTimes> {
        self.times.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what happened; a disk that refuses is told of, never a reason to stop.
    pub(crate) fn record(&self, draft: Draft, at_ms: u64) {
        let (record, written) = self.log().append(draft, at_ms);
        tracing::info!(
            id = record.id,
            service = record.service,
            kind = record.kind.as_str(),
            "{}",
            record.summary
        );
        if let Err(error) = written {
            tracing::error!(%error, "the decision log cannot be written");
        }
    }
}
