use std::time::Duration;

use crate::support::*;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

/// Accepts an upgrade and sends back what it gets.
async fn echo() -> Server {
    Server::start(|mut peer, _| async move {
        let head = peer.until("\r\n\r\n").await.to_lowercase();
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"),
            "{head}"
        );
        assert!(head.contains("sec-websocket-key: dghlihnhbxbszsbub25jzq==\r\n"), "{head}");
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome",
        )
        .await;
        loop {
            let bytes = peer.take_received();
            peer.send(bytes).await;
            if !peer.receive().await {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let server = echo().await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    // Bytes behind the head belong to the new protocol.
    client.send(format!("{UPGRADE}early")).await;
    let answer = client.message().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("connection").as_deref(), Some("upgrade"));
    assert_eq!(answer.field("upgrade").as_deref(), Some("websocket"));
    client.until("welcome").await;
    client.until("early").await;
    for size in [1, 100, 100_000] {
        let frame = vec![b'x'; size];
        client.send(&frame).await;
        assert!(client.exactly(size).await == frame);
    }
    assert_eq!(gateway.stats().upstreams["api-0"].in_flight, 1);
    drop(client);
    eventually("the tunnel is gone", || gateway.stats().in_flight == 0).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let server = Server::status(403).await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    for _ in 0..2 {
        client.send(UPGRADE).await;
        assert_eq!(client.message().await.status(), 403);
    }
}

#[tokio::test]
async fn a_silent_tunnel_is_closed_after_the_idle_time() {
    let server = echo().await;
    let mut config = config();
    config.timeouts.idle = Duration::from_millis(150);
    let (_gateway, address) = gateway(&config, &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send(UPGRADE).await;
    client.until("welcome").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    let server = Server::start(|mut peer, _| async move {
        peer.until("\r\n\r\n").await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        while peer.receive().await {}
        let all = peer.take_received();
        peer.send(format!("{} bytes", all.len())).await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send(UPGRADE).await;
    client.message().await;
    client.send("12345").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.expect("ends");
    client.until("5 bytes").await;
    assert!(client.is_closed().await);
}
