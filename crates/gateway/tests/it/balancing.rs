use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_balance::Policy;
use plimsoll_gateway::{GatewayStats, Limits};
use tokio::sync::Semaphore;

use crate::support::*;

const CLIENTS: u64 = 12;

/// Names of the upstreams that answered `count` requests on one connection.
async fn answers(address: std::net::SocketAddr, count: usize) -> BTreeMap<String, usize> {
    let mut client = Peer::connect(address).await;
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let answer = client.message().await;
        *counts.entry(answer.field("x-served-by").expect("a name")).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn round_robin_shares_equally() {
    let servers = [Server::echo("a").await, Server::echo("b").await, Server::echo("c").await];
    let (_gateway, address) = gateway(&config(), &servers.each_ref().map(|server| server.address)).await;
    let counts = answers(address, 300).await;
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [100, 100, 100]);
}

#[tokio::test]
async fn a_thousand_calls_use_a_handful_of_upstream_connections() {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    answers(address, 500).await;
    answers(address, 500).await;
    assert!(server.accepted() <= 2, "{} connections: one per worker is enough", server.accepted());
}

#[tokio::test]
async fn least_conn_keeps_calls_away_from_a_slow_upstream() {
    let permits = Arc::new(Semaphore::new(0));
    let slow_permits = permits.clone();
    let slow = Server::start(move |mut peer, _| {
        let permits = slow_permits.clone();
        async move {
            while peer.try_message().await.is_some() {
                permits.acquire().await.expect("open").forget();
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-served-by: slow\r\n\r\n").await;
            }
        }
    })
    .await;
    let (fast, faster) = (Server::echo("fast").await, Server::echo("faster").await);
    let addresses = [slow.address, fast.address, faster.address];
    let (gateway, address) = gateway_with(&config(), &addresses, Policy::LeastConn, Limits::default()).await;

    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(async move { answers(address, 50).await })).collect();
    let fast = |stats: &GatewayStats| {
        stats.upstreams["api-1"].requests_total + stats.upstreams["api-2"].requests_total
    };
    eventually("the fast ones have done most of the work", || fast(&gateway.stats()) > 200).await;
    let stats = gateway.stats();
    let slow = &stats.upstreams["api-0"];
    // Never more than the others have, plus one: with all clients busy that is a third of them.
    assert_eq!(slow.in_flight, slow.requests_total, "none has been answered yet");
    assert!(slow.in_flight <= CLIENTS / 3 + 1, "{} of {CLIENTS} clients are stuck", slow.in_flight);
    permits.add_permits(Semaphore::MAX_PERMITS / 2);
    for client in clients {
        assert_eq!(client.await.expect("no error").into_values().sum::<usize>(), 50);
    }
}

#[tokio::test]
async fn weights_are_respected() {
    let servers = [Server::echo("a").await, Server::echo("b").await];
    let (gateway, address) = gateway(&config(), &[]).await;
    let mut upstreams = named(&servers.each_ref().map(|server| server.address));
    upstreams[0].weight = 3;
    gateway.set_upstreams("api", upstreams);
    assert_eq!(answers(address, 80).await, BTreeMap::from([("a".to_owned(), 60), ("b".to_owned(), 20)]));
}

#[tokio::test]
async fn an_upstream_closing_idle_connections_costs_no_request() {
    // Each connection serves one request, says keep-alive, and closes a moment later.
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    for _ in 0..200 {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.message().await.status(), 200);
    }
    assert_eq!(server.accepted(), 200);
}
