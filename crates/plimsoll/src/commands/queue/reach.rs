//! How the queue is reached: through the admin API of a running stack, or its database itself.
//!
//! Straight on the database, the state directory beside a SQLite queue is locked while something is changed, as a running
//! plimsoll locks it: two never write the same log of decisions, and what is done is written down there too.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plimsoll_console::{
    AdminClient, OperatorError,
    queue::{Act, JobView, LetterPage, LetterQuery, Order, OrderReport},
};
use plimsoll_control::{log::DecisionLog, view::QueueView};
use plimsoll_jobs::{Jobs, JobsError, JobsOptions};

use super::args::QueueArgs;
use crate::{client, desk::Desk, printer::Printer, units};

/// How long a locked database is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a plimsoll locks that runs a stack.
const LOCK: &str = "fleet.lock";
const LOG: &str = "decisions.jsonl";

/// Where the queue is.
pub(super) enum Reach {
    Running(AdminClient),
    Direct { jobs: Jobs, desk: Desk, _lock: Option<File> },
}

/// Why a queue that was named by its address cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("there is no queue at {}", .0.display())]
    Absent(PathBuf),
    #[error("a stack runs on this queue ({} is locked)", .0.display())]
    Running(PathBuf),
    #[error("{path}: {source}", path = .path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Jobs(#[from] JobsError),
    #[error("{0}")]
    Operator(OperatorError),
}

// === impl Reach ===

impl Reach {
    pub(super) async fn open(args: &QueueArgs, changes: bool) -> anyhow::Result<Self> {
        let Some(url) = &args.queue_url else { return Ok(Self::Running(client(&args.target())?)) };
        let file =
            url.strip_prefix("sqlite:").map(|path| PathBuf::from(path.strip_prefix("//").unwrap_or(path)));
        let mut lock = None;
        let mut log = None;
        if let Some(file) = file {
            // Opening makes what is absent: a slip of the finger must not leave an empty queue behind.
            if !file.is_file() {
                return Err(QueueError::Absent(file).into());
            }
            let beside = file.parent().unwrap_or(Path::new("."));
            if changes {
                lock = locked(&beside.join(LOCK))?;
                log = opened(beside)?;
            }
        }
        let options = JobsOptions { busy_timeout: PATIENCE, ..JobsOptions::default() };
        let jobs = Jobs::open(url, options).await.map_err(QueueError::Jobs)?;
        let log = log.map(Mutex::new);
        let record = move |draft| {
            let Some(log) = &log else {
                Printer
                    .note("not in any `plimsoll events`: no state directory of a stack is beside this queue");
                return;
            };
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if let (_, Err(error)) = log.append(draft, units::now_ms()) {
                Printer.error(format!("done, but the decision log cannot be written: {error}"), None);
            }
        };
        Ok(Self::Direct { desk: Desk::new(jobs.clone(), Arc::new(record)), jobs, _lock: lock })
    }

    pub(super) async fn queues(&self) -> anyhow::Result<Vec<QueueView>> {
        match self {
            Self::Running(client) => Ok(client.status().await?.queues),
            Self::Direct { jobs, .. } => {
                let stats = jobs.stats(None).await.map_err(QueueError::Jobs)?;
                Ok(stats.iter().map(QueueView::from).collect())
            }
        }
    }

    /// Whether somebody watches the queue, so that rates are known.
    pub(super) fn is_watched(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    pub(super) async fn letters(&self, query: LetterQuery) -> anyhow::Result<LetterPage> {
        match self {
            Self::Running(client) => Ok(client.dead_letters(&query).await?),
            Self::Direct { desk, .. } => Ok(desk.letters(&query).await.map_err(QueueError::Operator)?),
        }
    }

    pub(super) async fn job(&self, id: i64) -> anyhow::Result<JobView> {
        match self {
            Self::Running(client) => Ok(client.job(id).await?),
            Self::Direct { desk, .. } => Ok(desk.job(id).await.map_err(QueueError::Operator)?),
        }
    }

    pub(super) async fn order(&self, act: Act, order: Order) -> anyhow::Result<OrderReport> {
        match self {
            Self::Running(client) => Ok(client.order(act, &order).await?),
            Self::Direct { desk, .. } => Ok(desk.order(act, &order).await.map_err(QueueError::Operator)?),
        }
    }

    pub(super) fn note_when_nobody_works(&self, printer: Printer) {
        if matches!(self, Self::Direct { .. }) {
            printer.note("it runs when the stack does: plimsoll up FILE");
        }
    }
}

/// The lock of the state directory, if this is one.
fn locked(path: &Path) -> Result<Option<File>, QueueError> {
    let state = |source| QueueError::State { path: path.to_owned(), source };
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(state(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(QueueError::Running(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(state(error)),
    }
}

/// The log of decisions, if this is a state directory.
fn opened(directory: &Path) -> Result<Option<DecisionLog>, QueueError> {
    if !directory.join(LOG).is_file() {
        return Ok(None);
    }
    let state = |source| QueueError::State { path: directory.join(LOG), source };
    DecisionLog::open(directory).map(Some).map_err(state)
}

// === impl QueueError ===

impl QueueError {
    /// How to mend it.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Absent(_) => {
                Some("a stack keeps it in its state directory: .plimsoll/NAME/queue.db beside the stack file")
            }
            Self::Running(_) => Some("leave --queue-url out, so that the stack's events tell of it"),
            Self::Operator(OperatorError::Refused { hint, .. }) => Some(hint),
            Self::Jobs(error) if error.is_transient() => Some("somebody else holds the database: try again"),
            _ => None,
        }
    }
}
