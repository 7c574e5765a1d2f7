use plimsoll_balance::Policy;
use plimsoll_gateway::Limits;

use crate::support::*;

/// The answer to these bytes, and whether the upstream saw a request.
async fn refused(request: &str) -> (u16, String) {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send(request).await;
    let answer = client.message().await;
    assert_eq!(server.accepted(), 0, "{request:?} was forwarded");
    assert_eq!(answer.field("connection").as_deref(), Some("close"), "{request:?}");
    assert!(client.is_closed().await, "{request:?}");
    (answer.status(), answer.error_code())
}

#[tokio::test]
async fn bodies_of_unclear_length_are_refused() {
    for lines in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ncontent-length: 5",
        "content-length: 4\r\ncontent-length: 4",
        "content-length: 4, 4",
        "content-length: +4",
        "content-length: -4",
        "content-length: 0x4",
        "content-length: 4 4",
        "content-length:",
        "content-length: 99999999999999999999999",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        let request = format!("POST / HTTP/1.1\r\nhost: test\r\n{lines}\r\n\r\n0\r\n\r\n");
        assert_eq!(refused(&request).await, (400, "bad_framing".to_owned()), "{lines:?}");
    }
    for coding in ["gzip, chunked", "chunked, identity", "identity", "xchunked", "\"chunked\"", "chunked;q=1"]
    {
        let request =
            format!("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        assert_eq!(refused(&request).await, (501, "unknown_transfer_coding".to_owned()), "{coding:?}");
    }
    let request = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(request).await, (400, "bad_framing".to_owned()));
}

#[tokio::test]
async fn heads_that_parsers_disagree_on_are_refused() {
    for request in [
        "GET / HTTP/1.1\r\nhost : test\r\n\r\n",
        "GET / HTTP/1.1\r\n host: test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx: 1\r\n 2\r\n\r\n",
        "GET / HTTP/1.1\nhost: test\n\n",
        "GET / HTTP/1.1\r\nhost: test\nx: y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\nx: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\ntransfer-encoding\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: test\r\n: empty\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: test\r\n\r\n",
        "GET / HTTP/1.1 \r\nhost: test\r\n\r\n",
        "GE\tT / HTTP/1.1\r\nhost: test\r\n\r\n",
        "\x16\x03\x01 not HTTP at all",
    ] {
        assert_eq!(refused(request).await, (400, "bad_request".to_owned()), "{request:?}");
    }
}

#[tokio::test]
async fn targets_and_hosts_must_be_clear() {
    for (line, code) in [
        ("GET a HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET * HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET /a#b HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET ftp://x/ HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET http://user@x/ HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET /a/../../b HTTP/1.1\r\nhost: test", "bad_target"),
        ("GET / HTTP/1.1", "bad_host"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a", "bad_host"),
        ("GET / HTTP/1.1\r\nhost: a/b", "bad_host"),
        ("GET / HTTP/1.1\r\nhost: a, b", "bad_host"),
        ("GET / HTTP/1.1\r\nhost: a b", "bad_host"),
    ] {
        assert_eq!(refused(&format!("{line}\r\n\r\n")).await, (400, code.to_owned()), "{line:?}");
    }
    assert_eq!(refused("CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n").await.0, 405);
    assert_eq!(refused("TRACE / HTTP/1.1\r\nhost: x\r\n\r\n").await.0, 405);
    assert_eq!(refused("GET / HTTP/2.0\r\nhost: x\r\n\r\n").await.0, 505);
    let expect = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\nexpect: miracle\r\n\r\nx";
    assert_eq!(refused(expect).await.0, 417);
}

#[tokio::test]
async fn sizes_are_limited() {
    let long = "a".repeat(9_000);
    let request = format!("GET /{long} HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(refused(&request).await, (414, "uri_too_long".to_owned()));
    let endless = format!("GET /{}", "a".repeat(Limits::HEAD_BYTES));
    assert_eq!(refused(&endless).await, (414, "uri_too_long".to_owned()));
    let fields = "x: y\r\n".repeat(Limits::FIELDS + 1);
    let request = format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n");
    assert_eq!(refused(&request).await, (431, "head_too_large".to_owned()));
    let field = "x".repeat(Limits::HEAD_BYTES);
    let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx: {field}\r\n\r\n");
    assert_eq!(refused(&request).await, (431, "head_too_large".to_owned()));
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    let server = Server::start(|mut peer, _| async move { while peer.receive().await {} }).await;
    let limits = Limits { body_bytes: 1_000, ..Limits::default() };
    let (_gateway, address) = gateway_with(&config(), &[server.address], Policy::RoundRobin, limits).await;
    let answer = ask(address, "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1001\r\n\r\n").await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (413, "body_too_large"));
    assert_eq!(server.accepted(), 0);
    let body = "x".repeat(600);
    let chunks = format!("258\r\n{body}\r\n258\r\n{body}\r\n0\r\n\r\n");
    let answer =
        ask(address, &format!("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"))
            .await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_badly_chunked_body_ends_the_request_and_is_not_completed_upstream() {
    let (end, mut ended) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let server = Server::start(move |mut peer, _| {
        let end = end.clone();
        async move {
            while peer.receive().await {}
            let _ = end.send(peer.take_received()).await;
        }
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let request = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n0\r\n\r\n\
        GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut client = Peer::connect(address).await;
    client.send(request).await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (400, "bad_body"));
    assert!(client.is_closed().await, "what follows is not read as a request");
    let seen = ended.recv().await.expect("the upstream connection ends");
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(!seen.contains("0\r\n\r\n") && !seen.contains("smuggled"), "{seen:?}");
}

#[tokio::test]
async fn answers_of_unclear_length_are_a_502() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip",
        "HTTP/1.1 200 OK\r\nbad header: x",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: surprise",
        "SMTP ready",
    ] {
        let server = Server::start(move |mut peer, _| async move {
            peer.message().await;
            peer.send(format!("{head}\r\n\r\n0\r\n\r\n")).await;
            peer.is_closed().await;
        })
        .await;
        let (_gateway, address) = gateway(&config(), &[server.address]).await;
        let answer = ask(address, "POST / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!((answer.status(), answer.error_code().as_str()), (502, "bad_upstream_answer"), "{head}");
    }
}

#[tokio::test]
async fn bytes_after_an_answer_do_not_poison_the_next_one() {
    let server = Server::start(|mut peer, number| async move {
        while peer.try_message().await.is_some() {
            let extra = if number == 0 { "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison" } else { "" };
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood{extra}")).await;
        }
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.message().await.text(), "good");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused() {
    let server = Server::echo("a").await;
    let mut config = config();
    config.max_connections = 2;
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let (first, _second) = (Peer::connect(address).await, Peer::connect(address).await);
    eventually("both are counted", || gateway.stats().connections == 2).await;
    let third = Peer::connect(address).await.message().await;
    assert_eq!((third.status(), third.error_code().as_str()), (503, "too_many_connections"));
    assert_eq!(third.field("retry-after").as_deref(), Some("1"));
    drop(first);
    eventually("one has left", || gateway.stats().connections == 1).await;
    assert_eq!(get(address, "/").await.status(), 200);
}
