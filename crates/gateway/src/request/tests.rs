use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::forwarded::Peer;

/// Reads a head as from a trusted or unknown peer, without any route.
fn read_from(peer: &Peer, head: &[u8]) -> Result<(Request, Vec<u8>), Problem> {
    let mut forward = Vec::new();
    let around = Surroundings { peer, router: &Router::default(), limits: &Limits::default() };
    Request::read(head, around, &mut forward).map(|request| (request, forward))
}

fn read(head: &str) -> Result<(Request, String), Problem> {
    let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), false);
    let (request, forward) = read_from(&peer, head.as_bytes())?;
    Ok((request, String::from_utf8(forward).expect("text")))
}

#[test]
fn the_body_is_framed_as_the_head_says() {
    for (lines, framing) in [
        ("", Framing::Empty),
        ("content-length: 0\r\n", Framing::Empty),
        ("Content-Length: 0017\r\n", Framing::Length(17)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        let (request, _) = read(&format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n")).expect("valid");
        assert_eq!(request.body, framing, "{lines:?}");
    }
}

#[test]
fn the_length_is_forwarded_in_its_plain_form() {
    let (_, forward) = read("POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 0017\r\n\r\n").expect("valid");
    assert!(forward.contains("\r\ncontent-length: 17\r\n"), "{forward}");
    let (_, forward) = read("POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 0\r\n\r\n").expect("valid");
    assert!(forward.contains("\r\ncontent-length: 0\r\n"), "{forward}");
}

#[test]
fn a_connection_is_kept_as_its_version_and_options_say() {
    for (version, lines, is_kept) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: keep-alive, close\r\n", false),
        ("1.1", "connection: keep-alive\r\nconnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: keep-alive\r\n", true),
        ("1.0", "connection: close, keep-alive\r\n", false),
    ] {
        let (request, _) = read(&format!("GET / HTTP/{version}\r\nhost: a\r\n{lines}\r\n")).expect("valid");
        assert_eq!(request.is_keep_alive, is_kept, "{version} {lines:?}");
    }
}

#[test]
fn an_upgrade_is_forwarded_only_when_it_is_safe() {
    for (head, is_upgrade) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket, H2C\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", false),
        (
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 1\r\n\r\n",
            false,
        ),
    ] {
        let (request, forward) = read(head).expect("valid");
        assert_eq!(request.wants_upgrade, is_upgrade, "{head:?}");
        assert_eq!(forward.contains("upgrade"), is_upgrade, "{forward:?}");
    }
}

#[test]
fn more_lists_of_hop_by_hop_fields_than_are_kept_drop_every_field() {
    let lists: String = (0..6).map(|number| format!("connection: x-{number}\r\n")).collect();
    let (_, forward) =
        read(&format!("GET / HTTP/1.1\r\nhost: a\r\n{lists}x-5: secret\r\n\r\n")).expect("valid");
    assert!(!forward.contains("secret"), "{forward}");
}

#[test]
fn an_ipv6_client_is_written_as_the_standards_want_it() {
    let peer = Peer::new(IpAddr::V6(Ipv6Addr::LOCALHOST), false);
    let (_, forward) = read_from(&peer, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("valid");
    let forward = String::from_utf8(forward).expect("text");
    assert!(forward.contains("x-forwarded-for: ::1\r\n"), "{forward}");
    assert!(forward.contains("forwarded: for=\"[::1]\";host=\"a\";proto=http\r\n"), "{forward}");
}

/// A head made of pieces that are often right and sometimes not.
fn head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("content-length: 5".to_owned()),
        Just("transfer-encoding: chunked".to_owned()),
        Just("connection: x-a, te".to_owned()),
        Just("te: trailers".to_owned()),
        Just("expect: 100-continue".to_owned()),
        Just("host: b".to_owned()),
        Just("upgrade: websocket".to_owned()),
        Just("connection: upgrade".to_owned()),
        "[a-zA-Z_-]{1,12}: ?[ -~\t]{0,20}",
        "[ -~\r\n\t]{0,20}",
    ];
    let method = prop_oneof![Just("GET"), Just("POST"), Just("OPTIONS"), Just("M-SEARCH")];
    let target = prop_oneof![
        Just("/".to_owned()),
        Just("*".to_owned()),
        Just("http://c:80/x?y".to_owned()),
        "/[!-~]{0,20}",
    ];
    let version = prop_oneof![9 => Just("1.1"), 1 => Just("1.0")];
    (method, target, version, proptest::collection::vec(line, 0..8)).prop_map(
        |(method, target, version, lines)| {
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            format!("{method} {target} HTTP/{version}\r\nhost: a\r\n{lines}\r\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true);
        let _ = read_from(&peer, &bytes);
    }

    /// What is forwarded is itself a request that we would accept, and it means the same: no two readings are possible.
    #[test]
    fn what_is_forwarded_means_what_was_received(head in head()) {
        let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true);
        if let Ok((request, forward)) = read_from(&peer, head.as_bytes()) {
            let (again, _) = read_from(&peer, &forward).map_err(|problem| {
                TestCaseError::fail(format!("{problem:?} for {:?}", String::from_utf8_lossy(&forward)))
            })?;
            prop_assert_eq!(again.body, request.body);
            prop_assert_eq!(again.method, request.method);
            prop_assert_eq!(again.wants_upgrade, request.wants_upgrade);
            prop_assert!(again.is_keep_alive, "the connection to the upstream is kept");
            let ends = forward.windows(4).filter(|window| window == b"\r\n\r\n").count();
            prop_assert_eq!(ends, 1, "one head only");
        }
    }
}
