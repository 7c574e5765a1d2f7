use std::time::{Duration, Instant};

use crate::support::*;

const SHORT: Duration = Duration::from_millis(150);

/// A server that reads everything and never answers.
async fn silent() -> Server {
    Server::start(|mut peer, _| async move { while peer.receive().await {} }).await
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    let server = silent().await;
    let mut config = config();
    config.timeouts.response = SHORT;
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let started = Instant::now();
    let answer = get(address, "/").await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (504, "upstream_timeout"));
    assert!(started.elapsed() >= SHORT);
    assert_eq!(gateway.stats().upstreams["api-0"].failures_total, 1);
}

#[tokio::test]
async fn a_route_has_its_own_time_limit() {
    let server = silent().await;
    let mut config = config();
    config.routes[0].timeout = Some(SHORT);
    let (_gateway, address) = gateway(&config, &[server.address]).await;
    assert_eq!(get(address, "/").await.status(), 504);
}

#[tokio::test]
async fn an_address_that_takes_no_connection_is_a_504_in_time() {
    // A listener whose queue is full drops further connection requests, as a black hole would.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("address")).expect("binds");
    let listener = socket.listen(1).expect("listens");
    let upstream = listener.local_addr().expect("bound");
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(upstream)).await {
        queue.push(stream);
    }
    let mut config = config();
    config.timeouts.connect = SHORT * 2;
    let (_gateway, address) = gateway(&config, &[upstream]).await;
    let started = Instant::now();
    let answer = get(address, "/").await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (504, "connect_timeout"));
    assert!(started.elapsed() >= SHORT * 2 && started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_loris_is_told_to_go() {
    let server = Server::echo("a").await;
    let mut config = config();
    config.timeouts.header_read = SHORT * 2;
    let (_gateway, address) = gateway(&config, &[server.address]).await;
    let mut client = Peer::connect(address).await;
    // Drips one byte at a time, always sooner than the limit, and never finishes.
    let drip = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        client.send("GET / HTTP/1.1\r\nhost: test\r\nx-slow: ").await;
        loop {
            tokio::select! {
                is_open = client.receive() => if !is_open { return },
                _ = tick.tick() => tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"a").await.unwrap_or(()),
            }
            if client.has_received("408 Request Timeout") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, drip).await.expect("is cut");
    assert_eq!(client.message().await.error_code(), "request_timeout");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let mut config = config();
    config.timeouts.header_read = SHORT;
    let (_gateway, address) = gateway(&config, &[]).await;
    assert!(Peer::connect(address).await.is_closed().await);
}

#[tokio::test]
async fn an_idle_keep_alive_connection_is_closed() {
    let server = Server::echo("a").await;
    let mut config = config();
    config.timeouts.idle = SHORT;
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.message().await;
    assert!(client.is_closed().await);
    eventually("it is not counted any more", || gateway.stats().connections == 0).await;
}

#[tokio::test]
async fn a_request_body_that_stalls_is_a_408() {
    let server = silent().await;
    let mut config = config();
    config.timeouts.idle = SHORT;
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let answer = ask(address, "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (408, "request_timeout"));
    assert_eq!(gateway.stats().upstreams["api-0"].failures_total, 0);
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut() {
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
        peer.is_closed().await;
    })
    .await;
    let mut config = config();
    config.timeouts.idle = SHORT;
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.until("half").await;
    assert!(client.is_closed().await);
    eventually("it counts as a failure", || gateway.stats().upstreams["api-0"].failures_total == 1).await;
}
