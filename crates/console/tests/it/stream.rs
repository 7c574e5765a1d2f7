//! The live feed.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::{
    http::{Finish, code, get, header_of, open, post, send},
    stack::{DEADLINE, Stack},
};

/// Reads events off a stream.
struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    async fn open(addr: std::net::SocketAddr) -> Self {
        let response = open(addr, get(addr, "/api/v1/stream").empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next snapshot; `None` when the stream ended in good order.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue; // a heartbeat
                }
                let data = event.strip_prefix("event: stack\ndata: ").expect("a stack event");
                return Some(serde_json::from_str(data).expect("a JSON snapshot"));
            }
            let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("an event in time")?;
            let data = frame.expect("an unbroken stream").into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&data).expect("text"));
        }
    }
}

#[tokio::test]
async fn first_snapshot_comes_at_once_and_changes_follow() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let mut events = Events::open(addr).await;
    assert_eq!(events.next().await.expect("a snapshot")["services"][1]["desired"], 1);
    let request = post(addr, "/api/v1/services/worker/scale").with(r#"{"replicas": 4}"#);
    assert_eq!(send(addr, request).await.status(), 200);
    loop {
        if events.next().await.expect("a snapshot")["services"][1]["desired"] == 4 {
            break;
        }
    }
}

#[tokio::test]
async fn snapshots_come_though_nothing_changes() {
    let console = Stack::new().serve(None).await;
    let mut events = Events::open(console.local_addr()).await;
    for _ in 0..2 {
        assert!(events.next().await.is_some());
    }
}

#[tokio::test]
async fn storm_of_changes_is_thinned_out_and_ends_with_the_last() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let mut events = Events::open(console.local_addr()).await;
    events.next().await.expect("the first snapshot");
    let begun = Instant::now();
    let storm = tokio::spawn({
        let stack = std::sync::Arc::clone(&stack);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            for _ in 0..200 {
                ticks.tick().await;
                stack.bump();
            }
        }
    });
    for _ in 0..3 {
        events.next().await.expect("a snapshot");
    }
    assert!(begun.elapsed() >= Duration::from_millis(700), "three snapshots in {:?}", begun.elapsed());
    storm.await.expect("no panic");
    let last = stack.bump();
    while events.next().await.expect("a snapshot")["uptime_s"] != last {}
}

#[tokio::test]
async fn end_of_the_console_ends_the_stream_in_good_order() {
    let console = Stack::new().serve(None).await;
    let mut events = Events::open(console.local_addr()).await;
    events.next().await.expect("the first snapshot");
    assert!(console.shutdown(DEADLINE).await, "a stream does not hold up the end");
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn watchers_are_bounded_and_their_places_come_back() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let mut watchers = Vec::new();
    for _ in 0..64 {
        watchers.push(Events::open(addr).await);
    }
    let refused = send(addr, get(addr, "/api/v1/stream").empty()).await;
    assert_eq!((refused.status().as_u16(), code(&refused).as_str()), (503, "too_many_watchers"));
    assert!(!header_of(&refused, "retry-after").is_empty());
    drop(watchers);
    let freed = async {
        while open(addr, get(addr, "/api/v1/stream").empty()).await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, freed).await.expect("a place becomes free");
}
