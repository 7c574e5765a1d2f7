//! The loop with a real fleet and a real queue: policies that follow signals by event.

use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll_control::record::Kind;
use plimsoll_control::{Handle, Parts, start};
use plimsoll_fleet::{Fleet, FleetConfig};
use plimsoll_jobs::{Jobs, JobsOptions, NewJob};
use plimsoll_stack::{Stack, parse};
use tempfile::TempDir;

/// Longest time any condition may take on a busy machine; far below the sync period of the stack.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two pools on the same queue: one by a policy, one by a pasted HPA. Nothing but the first sync and events can move them
/// within the time of a test.
const STACK: &str = r#"
name: events
services:
  policy:
    command: [sleep, "1000"]
    scaling:
      minReplicas: 0
      maxReplicas: 5
      queueLatency: { queue: work, targetWaitSeconds: 10, serviceSeconds: 10 }
      step: { alertAbove: 2 }
    shadow:
      minReplicas: 0
      maxReplicas: 2
      queueLatency: { queue: work, targetWaitSeconds: 10, serviceSeconds: 10 }
  pasted:
    command: [sleep, "1000"]
    scaling:
      minReplicas: 1
      maxReplicas: 5
      metrics:
        - type: External
          external:
            metric: { name: queue_depth, selector: { matchLabels: { queue: work } } }
            target: { type: AverageValue, averageValue: "1" }
control: { sync_period: 30m }
"#;

/// The program that guards instances, built by `cargo test` as an example.
fn host() -> std::path::PathBuf {
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

fn stack() -> Stack {
    parse("stack.yaml", STACK.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

async fn up(directory: &TempDir) -> (Handle, Jobs) {
    let state_dir = directory.path().join("state");
    let guard = vec![host().into(), "__guard".into()];
    let exec = vec![host().into(), "__exec".into()];
    let fleet = Fleet::start(FleetConfig::new("events", &state_dir, guard, exec)).await.expect("a fleet");
    let url = format!("sqlite://{}", directory.path().join("queue.db").display());
    let jobs = Jobs::open(&url, JobsOptions::default()).await.expect("a queue");
    let base = directory.path().to_owned();
    let parts = Parts { stack: stack(), base, state_dir, fleet, gateway: None, jobs: jobs.clone() };
    (start(parts).expect("a controller"), jobs)
}

/// Follows the controller until `holds`.
async fn until(handle: &Handle, what: &str, holds: impl Fn(&Handle) -> bool) {
    let mut changes = handle.changes();
    let wait = async {
        while !holds(handle) {
            changes.changed().await.expect("the controller runs");
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, wait).await;
    assert!(outcome.is_ok(), "waited too long for {what}: {:#?}", handle.view());
}

fn desired(handle: &Handle, service: &str) -> Option<u32> {
    let view = handle.view();
    view.services.iter().find(|one| one.name == service).map(|one| one.desired)
}

fn has(handle: &Handle, kind: Kind, service: &str) -> bool {
    handle.decisions(Some(service), None, 100).iter().any(|one| one.kind == kind.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_wakes_an_empty_pool_at_once_and_a_restart_remembers_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let (handle, jobs) = up(&directory).await;
    until(&handle, "the first sync", |handle| desired(handle, "pasted") == Some(1)).await;
    // Decided at least once, and an empty queue asks for nobody.
    let asked = |handle: &Handle| {
        handle.view().services.iter().any(|one| {
            one.name == "policy"
                && one.metrics.iter().any(|line| line.starts_with("queueLatency of work: 0 wait"))
        })
    };
    until(&handle, "a decision", asked).await;
    assert_eq!(desired(&handle, "policy"), Some(0));

    let before = Instant::now();
    let mut transaction = jobs.begin().await.expect("a transaction");
    let burst = vec![NewJob::new("work", serde_json::json!({})); 100];
    jobs.enqueue_many(&mut transaction, &burst).await.expect("jobs");
    transaction.commit().await.expect("a commit");
    let enqueued = Instant::now();
    until(&handle, "a decision by event", |handle| desired(handle, "policy") == Some(5)).await;
    let (since_first, since_last) = (before.elapsed(), enqueued.elapsed());
    assert!(since_first < stack().control.sync_period, "only the sync decided");

    until(&handle, "the alert", |handle| has(handle, Kind::Alert, "policy")).await;
    until(&handle, "the shadow's event", |handle| has(handle, Kind::Shadow, "policy")).await;
    // The pasted HPA sees the same queue and waits for its sync, as in Kubernetes.
    assert_eq!(desired(&handle, "pasted"), Some(1));
    let scaled = handle.decisions(Some("policy"), None, 100);
    let scaled = scaled.iter().find(|one| one.kind == "scale").expect("a decision");
    assert_eq!(scaled.from, 0);
    let record = handle.record(scaled.id).expect("its record");
    for part in ["spec", "state", "observation", "signals", "decision"] {
        assert!(!record.detail[part].is_null(), "{part} is missing: {}", record.detail);
    }
    assert!(
        serde_json::from_value::<plimsoll_scale::policy::PolicyDecision>(record.detail["decision"].clone())
            .is_ok()
    );
    handle.shutdown().await;

    let (handle, _jobs) = up(&directory).await;
    until(&handle, "a view after the restart", |handle| desired(handle, "policy").is_some()).await;
    assert_eq!(desired(&handle, "policy"), Some(5), "after {since_first:?}, {since_last:?}");
    handle.shutdown().await;
}
