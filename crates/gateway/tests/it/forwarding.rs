use crate::support::*;

/// The head that the upstream saw, for a request with these header lines.
async fn seen_with(config: &plimsoll_stack::Gateway, lines: &str) -> Message {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(config, &[server.address]).await;
    let answer = ask(address, &format!("GET /p HTTP/1.1\r\nhost: test:81\r\n{lines}\r\n")).await;
    Message { head: answer.text(), ..Message::default() }
}

#[tokio::test]
async fn the_upstream_learns_who_the_client_is() {
    let seen = seen_with(&config(), "").await;
    assert_eq!(seen.field("host").as_deref(), Some("test:81"));
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.field("x-real-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("test:81"));
    assert_eq!(seen.field("forwarded").as_deref(), Some("for=127.0.0.1;host=\"test:81\";proto=http"));
    assert_eq!(seen.field("via").as_deref(), Some("1.1 plimsoll"));
}

const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nX-FORWARDED-PROTO: https\r\n\
    x-forwarded-host: evil.example\r\nforwarded: for=6.6.6.6\r\nx-forwarded-port: 666\r\nx_forwarded_for: 6.6.6.6\r\n\
    proxy: http://evil.example\r\nvia: 1.1 first\r\n";

#[tokio::test]
async fn claims_of_a_stranger_are_dropped() {
    let seen = seen_with(&config(), CLAIMS).await;
    assert!(!seen.head.contains("6.6.6.6") && !seen.head.contains("evil"), "{}", seen.head);
    assert!(!seen.head.contains("https") && seen.field("x-forwarded-port").is_none(), "{}", seen.head);
    assert_eq!(seen.field("via").as_deref(), Some("1.1 first, 1.1 plimsoll"));
}

#[tokio::test]
async fn words_of_a_trusted_proxy_are_kept_and_added_to() {
    let mut config = config();
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let seen = seen_with(&config, CLAIMS).await;
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(seen.field("x-real-ip").as_deref(), Some("6.6.6.6"));
    assert_eq!(seen.field("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("evil.example"));
    assert_eq!(seen.field("x-forwarded-port").as_deref(), Some("666"));
    let forwarded = seen.field("forwarded").expect("set");
    assert_eq!(forwarded, "for=6.6.6.6, for=127.0.0.1;host=\"test:81\";proto=http");
    assert_eq!(seen.field("x_forwarded_for"), None);
}

#[tokio::test]
async fn hop_by_hop_fields_stay_on_their_hop() {
    let lines = "Connection: close, X-Secret , Keep-Alive\r\nConnection: x-other\r\nKeep-Alive: timeout=5\r\n\
        X-Secret: 1\r\nX-Other: 2\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\
        TE: trailers, deflate\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-Kept: yes\r\n";
    let seen = seen_with(&config(), lines).await;
    for gone in ["x-secret", "x-other", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade"] {
        assert_eq!(seen.field(gone), None, "{gone}");
    }
    assert_eq!(seen.field("http2-settings"), None);
    assert_eq!(seen.field("x-kept").as_deref(), Some("yes"));
    assert_eq!(seen.field("te").as_deref(), Some("trailers"));
    assert_eq!(seen.field("connection").as_deref(), Some("te"));
}

#[tokio::test]
async fn hop_by_hop_fields_of_an_answer_stay_on_their_hop() {
    let server = Server::start(|mut peer, _| async move {
        peer.message().await;
        let head = "HTTP/1.1 200 Fine\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
            Proxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok";
        peer.send(head).await;
        peer.is_closed().await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let answer = get(address, "/").await;
    assert!(answer.head.starts_with("HTTP/1.1 200 Fine\r\n"));
    for gone in ["x-secret", "keep-alive", "proxy-authenticate", "connection"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    assert_eq!(answer.field("set-cookie").as_deref(), Some("a=1, b=2"));
    assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")), "{}", answer.head);
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    for (given, is_kept) in
        [("abc-123", true), ("a b", false), ("<script>", false), (&"x".repeat(129), false)]
    {
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx-request-id: {given}\r\n\r\n");
        let answer = ask(address, &request).await;
        let id = answer.field("x-request-id").expect("set");
        assert_eq!(id == given, is_kept, "{given} became {id}");
        assert!(answer.text().contains(&format!("x-request-id: {id}\r\n")), "the upstream sees the same");
    }
    let (one, two) = (get(address, "/").await, get(address, "/").await);
    assert_ne!(one.field("x-request-id"), two.field("x-request-id"));
}

#[tokio::test]
async fn a_valid_traceparent_is_carried_through() {
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let seen = seen_with(&config(), &format!("traceparent: {valid}\r\ntracestate: a=b\r\n")).await;
    assert_eq!(seen.field("traceparent").as_deref(), Some(valid));
    assert_eq!(seen.field("tracestate").as_deref(), Some("a=b"));
    let seen = seen_with(&config(), &format!("traceparent: {}\r\n", valid.to_uppercase())).await;
    assert_eq!(seen.field("traceparent"), None);
}

#[tokio::test]
async fn head_and_204_and_304_have_no_body_and_the_connection_goes_on() {
    let server = Server::start(|mut peer, _| async move {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ] {
            peer.message().await;
            peer.send(head).await;
        }
        peer.is_closed().await;
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.to_lowercase().contains("content-length: 5\r\n"));
    for status in [204, 304, 200] {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.message().await.status(), status);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    let body = "POST /1 HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc";
    client
        .send(format!("{body}\r\nGET /2 HTTP/1.1\r\nhost: test\r\n\r\nGET /3 HTTP/1.1\r\nhost: test\r\n\r\n"))
        .await;
    for path in ["POST /1", "GET /2", "GET /3"] {
        assert!(client.message().await.text().starts_with(path));
    }
}

#[tokio::test]
async fn http_1_0_clients_get_what_they_understand() {
    let server = Server::start(|mut peer, _| async move {
        while let Some(request) = peer.try_message().await {
            assert!(
                request.head.starts_with("GET / HTTP/1.1\r\n")
                    && request.field("via").as_deref() == Some("1.0 plimsoll")
            );
            let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
            let sized = "content-length: 5\r\n\r\nhello";
            let rest = if request.field("x-chunked").is_some() { chunked } else { sized };
            peer.send(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        }
    })
    .await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;

    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!(
        (answer.text().as_str(), answer.field("connection").as_deref()),
        ("hello", Some("keep-alive"))
    );
    client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\nx-chunked: 1\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!(
        (answer.text().as_str(), answer.field("transfer-encoding")),
        ("hello", None),
        "ends by closing"
    );
}

#[tokio::test]
async fn a_client_that_says_close_is_closed() {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(client.message().await.field("connection").as_deref(), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn metrics_name_route_service_method_and_code() {
    let server = Server::echo("a").await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    get(address, "/").await;
    ask(address, "BREW / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("both are counted", || gateway.stats().requests_total == 2).await;
    let mut text = String::new();
    gateway.render_metrics(&mut text);
    for line in [
        r#"http_requests_total{route="/",service="api",method="GET",code="200"} 1"#,
        r#"http_requests_total{route="/",service="api",method="other",code="200"} 1"#,
        r#"http_request_duration_seconds_bucket{le="+Inf",route="/",service="api"} 2"#,
        r#"http_request_duration_seconds_count{route="/",service="api"} 2"#,
        r#"upstream_requests_total{service="api",upstream="api-0"} 2"#,
        r#"upstream_retries_total{service="api"} 0"#,
        r#"http_requests_waiting{service="api"} 0"#,
        r#"http_requests_in_flight{service="api"} 0"#,
        r#"upstream_request_duration_seconds_count{service="api"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("# EOF"));
}
