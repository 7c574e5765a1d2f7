use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn an_event_reaches_the_client_before_the_next_one_exists() {
    let (release, mut released) = mpsc::channel::<()>(1);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let upstream = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut peer = Peer::new(stream);
        peer.message().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            peer.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            released.recv().await.expect("the client has the event");
        }
        peer.send("0\r\n\r\n").await;
        peer.is_closed().await;
    });
    let (_gateway, address) = gateway(&config(), &[upstream]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.contains("text/event-stream"));
    for number in 0..5 {
        assert_eq!(client.chunk().await, format!("data: {number}\n\n").as_bytes());
        release.send(()).await.expect("the server waits");
    }
    assert!(client.chunk().await.is_empty());
    server.abort();
}

#[tokio::test]
async fn a_chunked_upload_reaches_the_upstream_as_it_is_sent() {
    let (arrive, mut arrived) = mpsc::channel::<Vec<u8>>(8);
    let server = Server::start(move |mut peer, _| {
        let arrive = arrive.clone();
        async move {
            let head = peer.until("\r\n\r\n").await;
            assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"));
            loop {
                let chunk = peer.chunk().await;
                let is_last = chunk.is_empty();
                arrive.send(chunk).await.expect("the test listens");
                if is_last {
                    break;
                }
            }
            assert_eq!(peer.until("\r\n\r\n").await, "x-sum: 6\r\n\r\n");
            peer.send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
            peer.is_closed().await;
        }
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("POST /up HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for part in ["a", "bb", "ccc"] {
        client.send(format!("{:x};ext=1\r\n{part}\r\n", part.len())).await;
        assert_eq!(arrived.recv().await.expect("arrives"), part.as_bytes());
    }
    client.send("0\r\nx-sum: 6\r\ncontent-length: 9\r\n\r\n").await;
    assert_eq!(arrived.recv().await.expect("arrives"), b"");
    assert_eq!(client.message().await.status(), 201);
}

#[tokio::test]
async fn trailers_of_an_answer_are_passed_on() {
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        let body = "3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n";
        peer.send(format!(
            "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ))
        .await;
        peer.is_closed().await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let answer = get(address, "/").await;
    assert_eq!(answer.text(), "abc");
    assert_eq!(answer.trailers, "Grpc-Status: 0\r\n");
}

#[tokio::test]
async fn large_bodies_pass_unchanged_both_ways() {
    let body: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let expected = body.clone();
    let server = Server::start(move |mut peer, _| {
        let expected = expected.clone();
        async move {
            while let Some(request) = peer.try_message().await {
                assert!(request.body == expected, "the upload arrived changed");
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", expected.len())).await;
                peer.send(&expected).await;
            }
        }
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send(format!("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len())).await;
    client.send(&body).await;
    assert!(client.message().await.body == body);

    client.send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for part in body.chunks(100_001) {
        client.send(format!("{:x}\r\n", part.len())).await;
        client.send(part).await;
        client.send("\r\n").await;
    }
    client.send("0\r\n\r\n").await;
    assert!(client.message().await.body == body);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_ends_by_closing_is_chunked_for_the_client() {
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let answer = client.message().await;
        assert_eq!(answer.field("transfer-encoding").as_deref(), Some("chunked"));
        assert_eq!(answer.text(), "until the end");
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_not_passed_off_as_whole() {
    let server = Server::start(|mut peer, number| async move {
        peer.message().await;
        let framing = ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"];
        peer.send(format!("HTTP/1.1 200 OK\r\n{}", framing[number % 2])).await;
    })
    .await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    for _ in 0..2 {
        let mut client = Peer::connect(address).await;
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"));
        client.until("half").await;
        let rest = client.try_until("0\r\n\r\n").await;
        assert_eq!(rest, None, "the end of the body must not appear");
    }
    eventually("both count as failures", || gateway.stats().upstreams["api-0"].failures_total == 2).await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let (gone, mut is_gone) = mpsc::channel::<bool>(1);
    let (arrive, mut arrived) = mpsc::channel::<()>(1);
    let server = Server::start(move |mut peer, _| {
        let (gone, arrive) = (gone.clone(), arrive.clone());
        async move {
            peer.message().await;
            arrive.send(()).await.expect("the test listens");
            let _ = gone.send(peer.is_closed().await).await;
        }
    })
    .await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    arrived.recv().await.expect("the request arrives");
    drop(client);
    assert!(is_gone.recv().await.expect("the upstream connection ends"), "nothing more was sent");
    eventually("nothing is in flight", || {
        let stats = gateway.stats();
        stats.in_flight == 0 && stats.upstreams["api-0"].in_flight == 0
    })
    .await;
    assert_eq!(gateway.stats().upstreams["api-0"].failures_total, 0, "not the upstream's fault");
}

#[tokio::test]
async fn expect_continue_is_answered_by_the_upstream() {
    let server = Server::start(|mut peer, _| async move {
        let head = peer.until("\r\n\r\n").await;
        assert!(head.to_lowercase().contains("expect: 100-continue\r\n"));
        peer.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(peer.exactly(4).await, b"body");
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        peer.is_closed().await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    let head = "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.message().await.status(), 100);
    client.send("body").await;
    assert_eq!(client.message().await.text(), "ok");
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let server = Server::start(|mut peer, _| async move {
        peer.until("\r\n\r\n").await;
        peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nstart").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    assert_eq!(answer.field("connection").as_deref(), Some("close"));
}

#[tokio::test]
async fn early_hints_come_before_the_answer() {
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        peer.send(
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        peer.is_closed().await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let hints = client.message().await;
    assert_eq!((hints.status(), hints.field("link").as_deref()), (103, Some("</a.css>")));
    assert_eq!(client.message().await.status(), 200);
}
