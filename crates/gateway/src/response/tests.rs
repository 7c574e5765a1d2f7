use proptest::prelude::*;

use super::*;

fn read(head: &str, method: Method) -> Result<Response, BadResponse> {
    Head::read(head.as_bytes(), &mut Head::fields(), method).map(|head| head.response)
}

fn write(head: &str, is_http_10: bool, closes: bool) -> String {
    let mut fields = Head::fields();
    let head = Head::read(head.as_bytes(), &mut fields, Method::Get).expect("valid");
    let append_date = |out: &mut Vec<u8>| out.extend_from_slice(b"today");
    let rendering =
        Rendering { is_http_10, closes, switches: false, request_id: b"id", append_date: &append_date };
    let mut out = Vec::new();
    head.write(rendering, &mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn the_body_is_framed_as_rfc_9112_6_3_says() {
    for (status, lines, method, framing) in [
        (200, "content-length: 5\r\n", Method::Get, Framing::Length(5)),
        (200, "content-length: 5\r\ncontent-length: 5\r\n", Method::Get, Framing::Length(5)),
        (200, "content-length: 5\r\n", Method::Head, Framing::Empty),
        (200, "transfer-encoding: chunked\r\n", Method::Get, Framing::Chunked),
        (200, "transfer-encoding: chunked\r\n", Method::Head, Framing::Empty),
        (200, "", Method::Get, Framing::UntilClose),
        (204, "", Method::Get, Framing::Empty),
        (304, "content-length: 5\r\n", Method::Get, Framing::Empty),
        (100, "", Method::Post, Framing::Empty),
    ] {
        let response = read(&format!("HTTP/1.1 {status} X\r\n{lines}\r\n"), method).expect("valid");
        assert_eq!(response.body, framing, "{status} {lines:?} {method:?}");
    }
}

#[test]
fn a_connection_is_reused_only_when_the_end_of_the_answer_is_known() {
    for (version, lines, is_kept) in [
        ("1.1", "content-length: 0\r\n", true),
        ("1.1", "", false),
        ("1.1", "content-length: 0\r\nconnection: close\r\n", false),
        ("1.0", "content-length: 0\r\n", false),
        ("1.0", "content-length: 0\r\nconnection: keep-alive\r\n", true),
    ] {
        let response = read(&format!("HTTP/{version} 200 X\r\n{lines}\r\n"), Method::Get).expect("valid");
        assert_eq!(response.is_keep_alive, is_kept, "{version} {lines:?}");
    }
}

#[test]
fn the_client_gets_a_framing_that_it_understands() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(write(chunked, false, false).contains("\r\ntransfer-encoding: chunked\r\n"));
    assert!(!write(chunked, true, true).contains("chunked"));
    let until_close = "HTTP/1.1 200 OK\r\n\r\n";
    assert!(write(until_close, false, false).contains("\r\ntransfer-encoding: chunked\r\n"));
    assert!(!write(until_close, true, true).contains("chunked"));
}

#[test]
fn a_date_is_added_only_when_there_is_none() {
    assert!(write("HTTP/1.1 200 OK\r\n\r\n", false, false).contains("\r\ndate: today\r\n"));
    let dated = write("HTTP/1.1 200 OK\r\nDate: then\r\n\r\n", false, false);
    assert!(dated.contains("\r\nDate: then\r\n") && !dated.contains("today"), "{dated}");
}

#[test]
fn the_request_id_is_ours() {
    let head = write("HTTP/1.1 200 OK\r\nX-Request-Id: other\r\n\r\n", false, false);
    assert!(head.contains("\r\nx-request-id: id\r\n") && !head.contains("other"), "{head}");
}

#[test]
fn trailers_that_frame_route_or_authenticate_are_dropped() {
    let raw =
        b"X-Sum: 1\r\nContent-Length: 5\r\nHost: x\r\nSet-Cookie: a\r\nAuthorization: b\r\nTE: x\r\nY: 2\r\n";
    let mut out = Vec::new();
    append_trailers(raw, &mut out);
    assert_eq!(out, b"X-Sum: 1\r\nY: 2\r\n");
    out.clear();
    append_trailers(b"not a field\r\n", &mut out);
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Head::read(&bytes, &mut Head::fields(), Method::Get);
    }
}
