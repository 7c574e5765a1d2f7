//! The stack that is measured: real processes, a real queue, a real edge.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use plimsoll_control::{Handle, Parts, start};
use plimsoll_fleet::{Fleet, FleetConfig};
use plimsoll_gateway::{Gateway, Options};
use plimsoll_jobs::{Jobs, JobsOptions};
use plimsoll_stack::parse;
use tempfile::TempDir;

/// Changes, and services of each kind.
pub(crate) const CHANGES: usize = 100;

/// A running controller.
pub(crate) struct Live {
    pub(crate) handle: Handle,
    pub(crate) jobs: Jobs,
    pub(crate) edge: Option<SocketAddr>,
    _directory: TempDir,
}

/// Starts it. `database` is where jobs wait; none is a SQLite file.
pub(crate) async fn up(database: Option<String>) -> Live {
    let program = std::env::current_exe().expect("own path");
    let directory = tempfile::tempdir().expect("a directory");
    let text = text(&program.display().to_string());
    let mut stack = parse("stack.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let state_dir = directory.path().join("state");
    let url = database.unwrap_or_else(|| format!("sqlite://{}", directory.path().join("queue.db").display()));
    let sub = |name: &str| vec![program.clone().into(), name.into()];
    let fleet = FleetConfig::new(&stack.name, &state_dir, sub("__guard"), sub("__exec"));
    let fleet = Fleet::start(fleet).await.expect("a fleet");
    let jobs = Jobs::open(&url, JobsOptions::default()).await.expect("a queue");
    let gateway = stack.gateway.as_mut().expect("an edge");
    gateway.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options { workers: Some(1), ..Options::default() };
    let gateway = Gateway::start(gateway, &BTreeMap::new(), options).await.expect("a gateway");
    let edge = gateway.local_addr();
    let base = directory.path().to_owned();
    let parts = Parts { stack, base, state_dir, fleet, gateway: Some(gateway), jobs: jobs.clone() };
    Live { handle: start(parts).expect("a controller"), jobs, edge, _directory: directory }
}

/// Services that scale from zero to one on a queue or on requests of their own, and one that always serves.
fn text(program: &str) -> String {
    let (mut routes, mut services) = (String::new(), String::new());
    for index in 0..CHANGES {
        let _ = writeln!(routes, "    - {{ path: /chat-{index}, service: chat-{index} }}");
        let _ = write!(
            services,
            r#"  worker-of-{index}:
    command: [sleep, "1000"]
    scaling: {{ minReplicas: 0, maxReplicas: 1, queueLatency: {{ queue: queue-{index}, targetWaitSeconds: 1, serviceSeconds: 1 }} }}
  chat-{index}:
    command: [sleep, "1000"]
    scaling: {{ minReplicas: 0, maxReplicas: 1, concurrency: {{ target: "1" }} }}
"#
        );
    }
    format!(
        r#"name: signal
gateway:
  listen: 127.0.0.1:8080
  wait_for_upstream: 600s
  routes:
    - {{ path: /busy, service: busy }}
{routes}services:
  busy:
    command: ["{program}", serve]
    health: {{ liveness: /readyz, readiness: /readyz }}
{services}control: {{ sync_period: 30m }}
"#
    )
}
