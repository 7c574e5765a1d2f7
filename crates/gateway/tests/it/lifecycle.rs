use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::support::*;

/// A server that answers when it is told to, and the ends to tell it and to know that it was asked.
async fn gated() -> (Server, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (open, opened) = mpsc::channel::<()>(8);
    let (arrive, arrived) = mpsc::channel::<()>(8);
    let opened = std::sync::Arc::new(tokio::sync::Mutex::new(opened));
    let server = Server::start(move |mut peer, _| {
        let (opened, arrive) = (opened.clone(), arrive.clone());
        async move {
            while peer.try_message().await.is_some() {
                arrive.send(()).await.expect("the test listens");
                let _ = opened.lock().await.recv().await;
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
            }
        }
    })
    .await;
    (server, open, arrived)
}

#[tokio::test]
async fn a_drained_upstream_finishes_what_it_has_and_gets_nothing_new() {
    let (slow, open, mut arrived) = gated().await;
    let (gateway, address) = gateway(&config(), &[slow.address]).await;
    let request = tokio::spawn(get(address, "/"));
    arrived.recv().await.expect("it is in flight");
    let other = Server::echo("other").await;
    gateway.set_upstreams("api", named(&[slow.address, other.address]));

    let mut drained = Box::pin(gateway.drain("api-0"));
    for _ in 0..20 {
        assert_eq!(get(address, "/").await.field("x-served-by").as_deref(), Some("other"));
    }
    assert!(futures::poll!(&mut drained).is_pending(), "a request is still in flight");
    open.send(()).await.expect("the server waits");
    assert_eq!(request.await.expect("no panic").text(), "done");
    tokio::time::timeout(PATIENCE, drained).await.expect("drained");
    tokio::time::timeout(PATIENCE, gateway.drain("unknown")).await.expect("nothing to wait for");
}

/// The controller takes an instance out of the set and asks for its drain; which of the two comes first is a race.
#[tokio::test]
async fn draining_waits_also_for_an_upstream_that_has_left_the_set_already() {
    let (slow, open, mut arrived) = gated().await;
    let (gateway, address) = gateway(&config(), &[slow.address]).await;
    let request = tokio::spawn(get(address, "/"));
    arrived.recv().await.expect("it is in flight");
    gateway.set_upstreams("api", Vec::new());

    let mut drained = Box::pin(gateway.drain("api-0"));
    assert!(futures::poll!(&mut drained).is_pending(), "a request is still in flight");
    open.send(()).await.expect("the server waits");
    assert_eq!(request.await.expect("no panic").text(), "done");
    tokio::time::timeout(PATIENCE, drained).await.expect("drained");
}

#[tokio::test]
async fn a_removed_upstream_finishes_what_it_has() {
    let (slow, open, mut arrived) = gated().await;
    let (gateway, address) = gateway(&config(), &[slow.address]).await;
    let request = tokio::spawn(get(address, "/"));
    arrived.recv().await.expect("it is in flight");
    gateway.set_upstreams("api", Vec::new());
    open.send(()).await.expect("the server waits");
    assert_eq!(request.await.expect("no panic").text(), "done");
    eventually("it is forgotten", || gateway.stats().upstreams.is_empty()).await;
}

#[tokio::test]
async fn counters_of_an_upstream_that_stays_are_kept() {
    let servers = [Server::echo("a").await, Server::echo("b").await];
    let addresses = servers.each_ref().map(|server| server.address);
    let (gateway, address) = gateway(&config(), &addresses[..1]).await;
    for _ in 0..3 {
        get(address, "/").await;
    }
    gateway.set_upstreams("api", named(&addresses));
    assert_eq!(gateway.stats().upstreams["api-0"].requests_total, 3, "counted when they were sent");
}

#[tokio::test]
async fn shutdown_finishes_requests_and_closes_idle_connections() {
    let (slow, open, mut arrived) = gated().await;
    let (gateway, address) = gateway(&config(), &[slow.address]).await;
    let mut idle = Peer::connect(address).await;
    eventually("it is connected", || gateway.stats().connections == 1).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    arrived.recv().await.expect("it is in flight");

    let gateway = std::sync::Arc::new(gateway);
    let shutdown = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.shutdown(PATIENCE).await }
    });
    assert!(idle.is_closed().await);
    eventually("it accepts no more", || std::net::TcpStream::connect(address).is_err()).await;
    assert!(!shutdown.is_finished());
    open.send(()).await.expect("the server waits");
    let answer = client.message().await;
    assert_eq!((answer.text().as_str(), answer.field("connection").as_deref()), ("done", Some("close")));
    shutdown.await.expect("ends");
}

#[tokio::test]
async fn shutdown_cuts_what_is_left_at_the_deadline() {
    let (slow, _open, mut arrived) = gated().await;
    let (gateway, address) = gateway(&config(), &[slow.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    arrived.recv().await.expect("it is in flight");
    tokio::time::timeout(PATIENCE, gateway.shutdown(Duration::from_millis(100)))
        .await
        .expect("keeps its deadline");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn shutdown_waits_for_tunnels_too() {
    let server = Server::start(|mut peer, _| async move {
        peer.until("\r\n\r\n").await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n").await;
        while peer.receive().await {
            let bytes = peer.take_received();
            peer.send(bytes).await;
        }
    })
    .await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    client.message().await;
    let shutdown = tokio::spawn(async move { gateway.shutdown(PATIENCE).await });
    eventually("it accepts no more", || std::net::TcpStream::connect(address).is_err()).await;
    client.send("still here").await;
    client.until("still here").await;
    assert!(!shutdown.is_finished());
    drop(client);
    tokio::time::timeout(PATIENCE, shutdown).await.expect("ends with the tunnel").expect("no panic");
}

#[tokio::test]
async fn a_reload_changes_routes_and_listener_without_touching_connections() {
    let (slow, open, mut arrived) = gated().await;
    let mut config = config();
    let (gateway, address) = gateway(&config, &[slow.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    arrived.recv().await.expect("it is in flight");

    let other = Server::echo("other").await;
    gateway.set_upstreams("other", named(&[other.address]));
    config.routes = vec![route(None, "/", "other")];
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    config.listen = port;
    gateway.apply(&config, &BTreeMap::new()).await.expect("applies");
    assert_eq!(gateway.local_addr(), Some(port));
    eventually("the old address is closed", || std::net::TcpStream::connect(address).is_err()).await;

    open.send(()).await.expect("the server waits");
    assert_eq!(client.message().await.text(), "done", "under way before the reload");
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(
        client.message().await.field("x-served-by").as_deref(),
        Some("other"),
        "on the same connection"
    );
    assert_eq!(get(port, "/").await.field("x-served-by").as_deref(), Some("other"));
    eventually("counters go on", || gateway.stats().requests_total == 3).await;
}

#[tokio::test]
async fn a_reload_to_an_address_in_use_changes_nothing() {
    let server = Server::echo("a").await;
    let mut config = config();
    let (gateway, address) = gateway(&config, &[server.address]).await;
    config.listen = server.address;
    config.routes.clear();
    let error = gateway.apply(&config, &BTreeMap::new()).await.expect_err("the address is taken");
    assert!(error.to_string().starts_with(&format!("cannot listen on {}", server.address)), "{error}");
    assert_eq!(get(address, "/").await.status(), 200);
}
