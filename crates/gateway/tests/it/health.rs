use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn an_upstream_that_fails_three_times_gets_no_more_requests() {
    let (bad, good) = (Server::status(500).await, Server::echo("good").await);
    let (gateway, address) = gateway(&config(), &[bad.address, good.address]).await;
    // Each request that meets the bad one is retried: the client sees nothing of it.
    for _ in 0..50 {
        assert_eq!(get(address, "/").await.status(), 200);
    }
    let stats = gateway.stats();
    let bad = &stats.upstreams["api-0"];
    assert_eq!((bad.requests_total, bad.failures_total, bad.ejected), (3, 3, true));
}

#[tokio::test]
async fn a_failure_that_no_other_upstream_can_mend_is_passed_on_as_it_is() {
    let (a, b) = (Server::status(503).await, Server::status(503).await);
    let (_gateway, address) = gateway(&config(), &[a.address, b.address]).await;
    let answer = get(address, "/").await;
    assert!(answer.head.starts_with("HTTP/1.1 503 Status\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn killing_an_upstream_in_a_storm_of_gets_fails_none_of_them() {
    let mut servers = vec![Server::echo("a").await, Server::echo("b").await];
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let (gateway, address) = gateway(&config(), &addresses).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let is_over = is_over.clone();
            tokio::spawn(async move {
                let mut client = Peer::connect(address).await;
                let mut answered = 0;
                while !is_over.load(Ordering::SeqCst) {
                    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
                    let answer = client.message().await;
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    eventually("the storm is up", || gateway.stats().requests_total > 500).await;
    servers.remove(0).kill().await;
    let at_kill = gateway.stats().requests_total;
    eventually("the storm goes on", || gateway.stats().requests_total > at_kill + 1_000).await;
    is_over.store(true, Ordering::SeqCst);
    let answered: Vec<usize> =
        join_all(clients).await.into_iter().map(|count| count.expect("no error")).collect();
    assert!(answered.iter().all(|count| *count > 0));
    assert!(gateway.stats().upstreams["api-0"].ejected);
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_replayed() {
    let received = Arc::new(AtomicUsize::new(0));
    let count = received.clone();
    let serve = move |mut peer: Peer, _| {
        let count = count.clone();
        async move {
            peer.message().await;
            count.fetch_add(1, Ordering::SeqCst);
            // Dies without an answer.
        }
    };
    let (a, b) = (Server::start(serve.clone()).await, Server::start(serve).await);
    let (_gateway, address) = gateway(&config(), &[a.address, b.address]).await;
    let answer = ask(address, "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (502, "bad_gateway"));
    assert_eq!(received.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_post_that_could_not_be_sent_goes_to_another_upstream() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("bound");
    let good = Server::echo("good").await;
    let (gateway, address) = gateway(&config(), &[vacant, good.address]).await;
    for _ in 0..4 {
        let answer = ask(address, "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!((answer.status(), answer.text().ends_with("hi")), (200, true));
    }
    let mut text = String::new();
    gateway.render_metrics(&mut text);
    assert!(text.contains(r#"upstream_connect_errors_total{service="api"} 2"#), "{text}");
}

#[tokio::test]
async fn a_request_waits_for_an_upstream_that_appears_later() {
    let (gateway, address) = gateway(&config(), &[]).await;
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(get(address, "/"))).collect();
    eventually("all wait", || gateway.stats().waiting == 5).await;
    let server = Server::echo("late").await;
    gateway.set_upstreams("api", named(&[server.address]));
    for answer in join_all(waiting).await {
        assert_eq!(answer.expect("no panic").status(), 200);
    }
    assert_eq!(gateway.stats().waiting, 0);
}

#[tokio::test]
async fn a_request_in_flight_survives_the_restart_of_the_only_upstream() {
    let (arrive, mut arrived) = mpsc::channel::<()>(1);
    let doomed = Server::start(move |mut peer, _| {
        let arrive = arrive.clone();
        async move {
            peer.message().await;
            arrive.send(()).await.expect("the test listens");
            peer.is_closed().await;
        }
    })
    .await;
    let (gateway, address) = gateway(&config(), &[doomed.address]).await;
    let request = tokio::spawn(get(address, "/"));
    arrived.recv().await.expect("it is in flight");
    doomed.kill().await;
    eventually("it waits", || gateway.stats().waiting == 1).await;
    let successor = Server::echo("successor").await;
    let mut upstreams = named(&[successor.address]);
    upstreams[0].id = "api-1".to_owned();
    gateway.set_upstreams("api", upstreams);
    assert_eq!(request.await.expect("no panic").field("x-served-by").as_deref(), Some("successor"));
}

#[tokio::test]
async fn an_upstream_that_begins_to_listen_is_found_without_being_announced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let upstream = listener.local_addr().expect("bound");
    drop(listener);
    let (gateway, address) = gateway(&config(), &[upstream]).await;
    let request = tokio::spawn(get(address, "/"));
    eventually("it waits", || gateway.stats().waiting == 1).await;
    let listener = TcpListener::bind(upstream).await.expect("binds again");
    let _server = Server::on(listener, |mut peer, _| async move {
        peer.message().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    });
    assert_eq!(request.await.expect("no panic").status(), 200);
}

#[tokio::test]
async fn waiting_is_bounded_in_time_and_number() {
    let mut config = config();
    config.wait_for_upstream = Duration::from_millis(300);
    config.max_waiting = 1;
    let (gateway, address) = gateway(&config, &[]).await;
    let first = tokio::spawn(get(address, "/"));
    eventually("the first waits", || gateway.stats().waiting == 1).await;
    let second = get(address, "/").await;
    assert_eq!((second.status(), second.error_code().as_str()), (503, "queue_full"));
    assert_eq!(second.field("retry-after").as_deref(), Some("1"));
    let first = first.await.expect("no panic");
    assert_eq!((first.status(), first.error_code().as_str()), (503, "no_upstream"));
    assert!(first.field("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
}

#[tokio::test]
async fn a_client_that_stops_waiting_gives_up_its_place() {
    let (gateway, address) = gateway(&config(), &[]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("it waits", || gateway.stats().waiting == 1).await;
    drop(client);
    eventually("its place is free", || gateway.stats().waiting == 0).await;
}

#[tokio::test]
async fn retries_stop_when_the_budget_is_spent() {
    // Two upstreams that never answer: every GET would be tried on both.
    let serve = |mut peer: Peer, _| async move {
        peer.message().await;
    };
    let (a, b) = (Server::start(serve).await, Server::start(serve).await);
    let mut config = config();
    config.wait_for_upstream = Duration::ZERO;
    let (gateway, address) = gateway(&config, &[a.address, b.address]).await;
    for _ in 0..200 {
        assert_eq!(get(address, "/").await.status(), 502);
    }
    let attempts: u64 = gateway.stats().upstreams.values().map(|upstream| upstream.requests_total).sum();
    // A fifth of 200, a reserve of 100, and 10 more per second that the test may last.
    assert!(attempts < 200 + 40 + 100 + 100, "{attempts} attempts for 200 requests");
}
