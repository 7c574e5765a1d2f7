//! Policies on the edge's own measurements, with servers that really take time.

use std::net::SocketAddr;
use std::time::Duration;

use plimsoll_control::Pacing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{BY_EVENT_ONLY, Live, service, up};

async fn send(edge: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(edge).await.expect("the edge accepts");
    let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

/// The first line of the answer.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text.lines().next().unwrap_or_default().to_owned()
}

fn edge(live: &Live) -> SocketAddr {
    live.edge.expect("an edge")
}

const CONCURRENCY: &str = r#"
name: edge
gateway:
  listen: 127.0.0.1:8080
  wait_for_upstream: 60s
  routes:
    - { path: /, service: chat }
    - { path: /other, service: other }
services:
  chat:
    command: [HOST, serve]
    env: { SLOTS: "100" }
    health: { liveness: /readyz, readiness: /readyz }
    scaling:
      minReplicas: 0
      maxReplicas: 6
      concurrency: { target: "2" }
  other:
    command: [HOST, serve]
    health: { liveness: /readyz, readiness: /readyz }
    scaling:
      minReplicas: 0
      maxReplicas: 6
      concurrency: { target: "2" }
control: { sync_period: 30m }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_request_wakes_an_empty_service_without_any_clock() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, CONCURRENCY, BY_EVENT_ONLY).await;
    live.until("the first look", |view| service(view, "chat").requests.is_some()).await;
    let first = send(edge(&live), "/readyz").await;
    let view = live.until("an instance to be asked for", |view| service(view, "chat").desired == 1).await;
    assert_eq!(service(&view, "other").desired, 0, "the other service has no request");
    assert_eq!(answer(first).await, "HTTP/1.1 200 OK");
    let mut text = String::new();
    live.handle.render_metrics(&mut text);
    assert!(text.contains(r#"control_signal_to_scale_seconds_count{signal="edge"} 1"#), "{text}");
    live.handle.shutdown().await;
}

/// Its windows are made of seconds, so this one needs the clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_follows_the_requests_of_its_own_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, CONCURRENCY, Pacing::default()).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(send(edge(&live), "/hold").await);
    }
    let view = live.until("four instances", |view| service(view, "chat").desired == 4).await;
    let view = match service(&view, "chat").ready {
        4 => view,
        _ => live.until("four ready instances", |view| service(view, "chat").ready == 4).await,
    };
    assert_eq!(service(&view, "other").desired, 0);
    let why = view.decisions.iter().find(|one| one.kind == "scale" && one.to == 4).expect("a decision");
    assert!(why.summary.contains("concurrency"), "{}", why.summary);
    drop(held);
    live.handle.shutdown().await;
}

const SLO: &str = r#"
name: edge
gateway:
  listen: 127.0.0.1:8080
  routes: [{ path: /, service: model }]
services:
  model:
    command: [HOST, serve]
    env: { SLOTS: "1", SERVICE_MS: "100" }
    health: { liveness: /readyz, readiness: /readyz }
    balance: { policy: least-conn }
    scaling:
      minReplicas: 1
      maxReplicas: 9
      slo: { p95Seconds: 0.6, slots: 1 }
control: { sync_period: 30m }
"#;

/// Twenty-five requests a second of a tenth of a second each keep two and a half slots busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slo_gives_a_slow_service_the_instances_that_its_measured_times_need() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, SLO, Pacing::default()).await;
    live.until("a ready instance", |view| service(view, "model").ready == 1).await;
    let address = edge(&live);
    let load = tokio::spawn(async move {
        let mut arrivals = tokio::time::interval(Duration::from_millis(40));
        let mut requests = JoinSet::new();
        loop {
            arrivals.tick().await;
            requests.spawn(async move { answer(send(address, "/").await).await });
            while requests.try_join_next().is_some() {}
        }
    });
    let view = live
        .until("enough instances, and the backlog to be gone", |view| {
            let model = service(view, "model");
            let requests = model.requests.unwrap_or_default();
            model.ready >= 3 && requests.total > 100 && requests.in_flight <= u64::from(model.ready)
        })
        .await;
    let scaled: Vec<_> = view.decisions.iter().filter(|one| one.kind == "scale").collect();
    assert!(scaled.iter().all(|one| one.summary.contains("slo")), "{scaled:?}");
    let model = service(&view, "model");
    let line = model.metrics.iter().find(|line| line.starts_with("slo: p95 ")).expect("what it expects");
    assert!(line.contains("expected / 0.6 s"), "{line}");
    let record = live.handle.record(scaled[0].id).expect("its record");
    let traffic = &record.detail["signals"]["traffic"];
    assert!(traffic["service_us"].as_u64().is_some_and(|us| us >= 90_000), "{traffic}");
    load.abort();
    live.handle.shutdown().await;
}
