//! Policies that follow signals by event.

use std::time::Duration;

use plimsoll_control::record::Kind;
use serde_json::json;

use crate::support::{BY_EVENT_ONLY, Live, queue, service, up};

/// Two pools on the same queue: one by a policy, one by a pasted HPA.
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

fn desired(live: &Live, name: &str) -> u32 {
    service(&live.handle.view(), name).desired
}

/// After the first look nothing but the bell can move the loop: the clock of looks stands still for an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_wakes_an_empty_pool_without_any_clock_and_a_restart_remembers_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, STACK, BY_EVENT_ONLY).await;
    live.until("the first sync", |view| service(view, "pasted").desired == 1).await;
    // Decided at least once, and an empty queue asks for nobody.
    live.until("a decision", |view| {
        let metrics = service(view, "policy").metrics;
        metrics.iter().any(|line| line.starts_with("queueLatency of work: 0 wait"))
    })
    .await;
    assert_eq!(desired(&live, "policy"), 0);

    live.enqueue(json!({}), 100).await;
    let view = live.until("a decision by event", |view| service(view, "policy").desired == 5).await;
    assert_eq!((queue(&view).ready, queue(&view).enqueued), (100, 100));
    live.until("the alert", |_| live.has(Kind::Alert, "policy")).await;
    live.until("the shadow's event", |_| live.has(Kind::Shadow, "policy")).await;
    // The pasted HPA sees the same queue and waits for its sync, as in Kubernetes.
    assert_eq!(desired(&live, "pasted"), 1);
    let scaled = live.handle.decisions(Some("policy"), None, 100);
    let scaled = scaled.iter().find(|one| one.kind == "scale").expect("a decision");
    assert_eq!(scaled.from, 0);
    let record = live.handle.record(scaled.id).expect("its record");
    for part in ["spec", "state", "observation", "signals", "decision"] {
        assert!(!record.detail[part].is_null(), "{part} is missing: {}", record.detail);
    }
    assert!(
        serde_json::from_value::<plimsoll_scale::policy::PolicyDecision>(record.detail["decision"].clone())
            .is_ok()
    );
    let mut text = String::new();
    live.handle.render_metrics(&mut text);
    assert!(text.contains(r#"control_signal_to_scale_seconds_count{signal="queue"} 1"#), "{text}");
    live.handle.shutdown().await;

    let live = up(&directory, STACK, BY_EVENT_ONLY).await;
    live.until("a view after the restart", |view| service(view, "policy").desired == 5).await;
    live.handle.shutdown().await;
}

const NAMES: &str = r#"
name: names
services:
  age:
    command: [sleep, "1000"]
    scaling: { minReplicas: 1, maxReplicas: 3, metrics: [{ type: External, external: {
      metric: { name: queue_age_seconds, selector: { matchLabels: { queue: work } } }, target: { type: AverageValue, averageValue: 10m } } }] }
  depth:
    command: [sleep, "1000"]
    scaling: { minReplicas: 1, maxReplicas: 3, metrics: [{ type: External, external: {
      metric: { name: queue_depth, selector: { matchLabels: { queue: work } } }, target: { type: AverageValue, averageValue: "1" } } }] }
  drain:
    command: [sleep, "1000"]
    scaling: { minReplicas: 1, maxReplicas: 3, metrics: [{ type: External, external: {
      metric: { name: queue_time_to_drain_seconds, selector: { matchLabels: { queue: work } } }, target: { type: Value, value: 10m } } }] }
control: { sync_period: 1s }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_depth_and_time_to_drain_of_a_queue_scale_a_pasted_hpa() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, NAMES, plimsoll_control::Pacing::default()).await;
    live.enqueue(json!({}), 10).await;
    for name in ["age", "depth", "drain"] {
        live.until(name, |view| service(view, name).desired == 3).await;
    }
    // One job that takes a while and nine that wait: from now on the time of a job is known.
    let lease = Duration::from_secs(3600);
    let claimed = live.jobs.claim("work", "somebody", lease, 1).await.expect("a claim");
    live.until("a look at it", |view| queue(view).leased == 1).await;
    let mut transaction = live.jobs.begin().await.expect("a transaction");
    live.jobs.complete(&mut transaction, &claimed[0]).await.expect("completed");
    transaction.commit().await.expect("a commit");
    let view = live.until("the time of a job", |view| queue(view).service_s.is_some()).await;
    let queue = queue(&view);
    let expected_s = queue.service_s.unwrap_or_default() * queue.ready as f64;
    assert!((queue.time_to_drain_s - expected_s).abs() < 0.01, "{queue:?}");
    let mut text = String::new();
    live.handle.render_metrics(&mut text);
    for line in [
        r#"queue_depth{queue="work",state="ready"} 9"#,
        r#"queue_jobs_enqueued_total{queue="work"} 10"#,
        r#"queue_jobs_completed_total{queue="work"} 1"#,
        r#"queue_attempts_total{queue="work",outcome="completed"} 1"#,
        r#"queue_leases_lost_total{queue="work"} 0"#,
        r#"queue_age_seconds{queue="work"} "#,
        r#"queue_time_to_drain_seconds{queue="work"} "#,
        r#"queue_arrivals_per_second{queue="work"} "#,
        r#"queue_completions_per_second{queue="work"} "#,
        r#"queue_attempts_total{queue="work",outcome="failed"} 0"#,
        r#"queue_attempts_total{queue="work",outcome="lost"} 0"#,
        "# TYPE queue_depth gauge",
        "# TYPE queue_age_seconds gauge",
        "# TYPE queue_time_to_drain_seconds gauge",
        "# TYPE queue_arrivals_per_second gauge",
        "# TYPE queue_attempts counter",
        "# TYPE queue_leases_lost counter",
        "# TYPE queue_wait_seconds histogram",
        "# TYPE queue_run_seconds histogram",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    live.handle.shutdown().await;
}
