//! Starts a controller on a stack written in a test, and follows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_control::record::Kind;
use plimsoll_control::view::{QueueView, ServiceView, StackView};
use plimsoll_control::{Handle, Pacing, Parts, start_paced};
use plimsoll_fleet::{Fleet, FleetConfig};
use plimsoll_gateway::{Gateway, Options};
use plimsoll_jobs::{Jobs, JobsOptions, NewJob};
use plimsoll_stack::parse;
use tempfile::TempDir;

/// Longest time any condition may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A rhythm in which nothing happens within the time of a test but by event.
pub(crate) const BY_EVENT_ONLY: Pacing =
    Pacing { every: Duration::from_secs(3600), apart: Duration::from_millis(50) };

/// A running controller with its parts.
pub(crate) struct Live {
    pub(crate) handle: Handle,
    pub(crate) jobs: Jobs,
    pub(crate) edge: Option<SocketAddr>,
}

/// The program that guards instances and that they run, built by `cargo test` as an example.
pub(crate) fn host() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let target = own.parent().and_then(Path::parent).expect("deps has a parent");
    let host = target.join("examples/instance_host");
    assert!(
        host.exists(),
        "{} is missing: cargo build -p plimsoll-control --example instance_host",
        host.display()
    );
    host
}

/// Starts the stack `text`, in which `HOST` stands for the program of [`host`]; its edge, if any, listens on a free port.
pub(crate) async fn up(directory: &TempDir, text: &str, pacing: Pacing) -> Live {
    up_on(directory, text, pacing, None).await
}

/// The same with its queue in a `database` of other people, if given.
pub(crate) async fn up_on(directory: &TempDir, text: &str, pacing: Pacing, database: Option<String>) -> Live {
    let text = text.replace("HOST", &host().display().to_string());
    let mut stack = parse("stack.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let state_dir = directory.path().join("state");
    stack.queue.url_env = database.as_ref().map(|_| "DATABASE_URL".to_owned());
    let url = database.unwrap_or_else(|| format!("sqlite://{}", directory.path().join("queue.db").display()));
    let sub = |name: &str| vec![host().into(), name.into()];
    let mut config = FleetConfig::new(&stack.name, &state_dir, sub("__guard"), sub("__exec"));
    config.base_env = BTreeMap::from([("PLIMSOLL_QUEUE_URL".to_owned(), url.clone())]);
    config.start_parallelism = 8;
    let fleet = Fleet::start(config).await.expect("a fleet");
    let jobs = Jobs::open(&url, JobsOptions::default()).await.expect("a queue");
    let policies = stack.services.iter().map(|(name, service)| (name.clone(), service.balance)).collect();
    let gateway = match &mut stack.gateway {
        Some(gateway) => {
            gateway.listen = SocketAddr::from(([127, 0, 0, 1], 0));
            Some(Gateway::start(gateway, &policies, Options::default()).await.expect("a gateway"))
        }
        None => None,
    };
    let edge = gateway.as_ref().and_then(Gateway::local_addr);
    let base = directory.path().to_owned();
    let parts = Parts { stack, base, state_dir, fleet, gateway, jobs: jobs.clone() };
    Live { handle: start_paced(parts, pacing).expect("a controller"), jobs, edge }
}

// === impl Live ===

impl Live {
    /// Follows the controller until `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&StackView) -> bool) -> StackView {
        let mut changes = self.handle.changes();
        let wait = async {
            loop {
                let view = self.handle.view();
                if holds(&view) {
                    return view;
                }
                changes.changed().await.expect("the controller runs");
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, wait).await;
        outcome.unwrap_or_else(|_| panic!("waited too long for {what}: {:#?}", self.handle.view()))
    }

    /// Enqueues jobs in one transaction.
    pub(crate) async fn enqueue(&self, payload: serde_json::Value, count: usize) {
        let mut transaction = self.jobs.begin().await.expect("a transaction");
        let jobs = vec![NewJob::new("work", payload); count];
        self.jobs.enqueue_many(&mut transaction, &jobs).await.expect("jobs");
        transaction.commit().await.expect("a commit");
    }

    pub(crate) fn has(&self, kind: Kind, service: &str) -> bool {
        self.handle.decisions(Some(service), None, 100).iter().any(|one| one.kind == kind.as_str())
    }
}

/// A service of the view; one that is not there yet has nothing.
pub(crate) fn service(view: &StackView, name: &str) -> ServiceView {
    view.services.iter().find(|one| one.name == name).cloned().unwrap_or_default()
}

/// The queue `work`.
pub(crate) fn queue(view: &StackView) -> QueueView {
    view.queues.iter().find(|one| one.name == "work").cloned().unwrap_or_default()
}
