//! The log of decisions against the code that made them.

use plimsoll_control::record::Record;
use plimsoll_scale::policy::{Policy, PolicyState, Signals, decide, settle_policy};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::{Observation, Settings, Time, Written};
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{BY_EVENT_ONLY, service, up};

const STACK: &str = r#"
name: replay
gateway:
  listen: 127.0.0.1:8080
  wait_for_upstream: 60s
  routes: [{ path: /, service: chat }]
services:
  chat:
    drain: 1s
    command: [HOST, serve]
    env: { SLOTS: "100" }
    health: { liveness: /readyz, readiness: /readyz }
    scaling:
      minReplicas: 0
      maxReplicas: 4
      metrics:
        - { type: External, external: { metric: { name: nobody_emits_this }, target: { type: Value, value: "1" } } }
      concurrency: { target: "2" }
      signalLoss: { holdSeconds: 5, fallback: { failureThreshold: 1, replicas: 1 } }
      schedule: [{ name: always, start: "0 0 * * *", end: "59 23 * * *", replicas: 1 }]
      step: { max: 2, alertAbove: 1 }
      flapDetector: { reversals: 2, windowSeconds: 600 }
  worker:
    drain: 1s
    command: [HOST, work]
    health: { liveness: /readyz, readiness: /readyz }
    scaling:
      minReplicas: 0
      maxReplicas: 3
      queueLatency: { queue: work, targetWaitSeconds: 1, serviceSeconds: 5 }
control: { sync_period: 30m }
"#;

/// One part of what a decision was logged with.
fn part<T: DeserializeOwned + Default>(record: &Record, name: &str) -> T {
    let value = record.detail.get(name).cloned();
    value.map_or_else(T::default, |value| {
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{name} of {}: {error}", record.id))
    })
}

/// Decides again from what the log says, and compares the bytes.
fn replay(record: &Record) {
    let spec: ScalingPolicy = serde_json::from_value(record.detail["spec"].clone()).expect("a spec");
    let policy = Policy::compile(spec).expect("a policy");
    let settings: Settings = part(record, "settings");
    let (mut state, seen): (PolicyState, Observation) = (part(record, "state"), part(record, "observation"));
    let (signals, now): (Signals, Time) = (part(record, "signals"), part(record, "now"));
    let mut again = decide(&policy, &settings, &mut state, &seen, &signals, now);
    settle_policy(&policy, &settings, &mut state, &mut again, Written::Succeeded, now);
    assert_eq!(again.summary(), record.summary);
    let again = serde_json::to_value(&again).expect("JSON").to_string();
    assert_eq!(again, record.detail["decision"].to_string(), "decision {}", record.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_logged_decision_comes_out_again_byte_for_byte() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, STACK, BY_EVENT_ONLY).await;
    live.until("the first look", |view| service(view, "chat").requests.is_some()).await;
    let edge = live.edge.expect("an edge");
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(edge).await.expect("the edge accepts");
        stream.write_all(b"GET /hold HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("sent");
        held.push(stream);
    }
    live.enqueue(serde_json::json!({ "hold": true }), 6).await;
    live.until("both to grow", |view| {
        service(view, "chat").desired >= 2 && service(view, "worker").desired == 3
    })
    .await;
    drop(held);
    live.handle.shutdown().await;

    let log = std::fs::read_to_string(directory.path().join("state/decisions.jsonl")).expect("a log");
    let records: Vec<Record> =
        log.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    let decisions: Vec<&Record> =
        records.iter().filter(|record| record.detail.get("decision").is_some()).collect();
    assert!(decisions.len() >= 3, "{} decisions", decisions.len());
    for record in decisions {
        replay(record);
    }
}
