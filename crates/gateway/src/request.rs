//! From the head of a client's request to the head that is forwarded.
//!
//! The head is parsed by `httparse`; what it means is decided here, strictly: a request that two parsers could frame or
//! route differently is refused, not repaired. The forwarded head is written once and serves every attempt.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use crate::field::{self, Field, Forwarding, Options};
use crate::forwarded::{Peer, Seen};
use crate::limits::Limits;
use crate::method::Method;
use crate::problem::{self, Problem};
use crate::route::{Route, Router, routing_path};

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    Length(u64),
    Chunked,
    /// Only in responses.
    UntilClose,
}

/// What is kept of a request after its head was rewritten.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// None when no route matches.
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) body: Framing,
    /// The client asks to leave HTTP after this request, and may.
    pub(crate) wants_upgrade: bool,
    /// The connection may carry another request.
    pub(crate) is_keep_alive: bool,
    pub(crate) is_http_10: bool,
    /// The client sends its body only after a 100 from the upstream.
    pub(crate) expects_continue: bool,
    /// Where the request id stands in the forwarded head.
    request_id: Range<usize>,
}

/// What the meaning of a head depends on.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) router: &'a Router,
    pub(crate) limits: &'a Limits,
}

/// The fields of a head that decide something.
struct Digest<'a> {
    host: Option<&'a str>,
    length: Option<u64>,
    is_chunked: bool,
    options: Options<'a>,
    upgrade: Option<&'a [u8]>,
    accepts_trailers: bool,
    expects_continue: bool,
    request_id: Option<&'a [u8]>,
    seen: Seen<'a>,
}

// === impl Request ===

impl Request {
    /// Reads a complete head (with its empty line) and writes the head to forward.
    pub(crate) fn read(
        head: &[u8],
        around: Surroundings<'_>,
        forward: &mut Vec<u8>,
    ) -> Result<Self, Problem> {
        if memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r') {
            return Err(problem::BAD_REQUEST);
        }
        let mut fields = [const { MaybeUninit::uninit() }; Limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, &mut fields) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(problem::BAD_REQUEST),
            Err(httparse::Error::TooManyHeaders) => return Err(problem::HEAD_TOO_LARGE),
            Err(httparse::Error::Version) => return Err(problem::BAD_VERSION),
            Err(_) => return Err(problem::BAD_REQUEST),
        }
        let (Some(method_token), Some(target)) = (parsed.method, parsed.path) else {
            return Err(problem::BAD_REQUEST);
        };
        let is_http_10 = parsed.version == Some(0);
        if target.len() > around.limits.target_bytes {
            return Err(problem::URI_TOO_LONG);
        }
        let method = Method::from_token(method_token);
        if matches!(method, Method::Connect | Method::Trace) {
            return Err(problem::METHOD_NOT_ALLOWED);
        }
        let digest = Digest::of(parsed.headers, is_http_10)?;
        let (authority, path_and_query) = split_target(method, target)?;
        let host = authority.or(digest.host).unwrap_or_default();
        let body = match digest.length {
            _ if digest.is_chunked => Framing::Chunked,
            None | Some(0) => Framing::Empty,
            Some(length) if length > around.limits.body_bytes => return Err(problem::BODY_TOO_LARGE),
            Some(length) => Framing::Length(length),
        };
        // An upgrade with a body would leave open where HTTP ends; h2c would smuggle requests past the gateway.
        let upgrade = digest.upgrade.filter(|protocol| {
            digest.options.upgrade
                && !is_http_10
                && body == Framing::Empty
                && !field::has_token(protocol, "h2c")
        });

        let path = path_and_query.split('?').next().unwrap_or_default();
        let path = routing_path(if path == "*" { "/" } else { path }).map_err(|_| problem::BAD_TARGET)?;
        let route = around.router.find(host, &path).cloned();

        let expects_continue = digest.expects_continue && body != Framing::Empty && !is_http_10;

        forward.clear();
        for part in [method_token, " ", path_and_query, " HTTP/1.1\r\nhost: ", host, "\r\n"] {
            forward.extend_from_slice(part.as_bytes());
        }
        for header in parsed.headers.iter() {
            let passes = match Field::of(header.name) {
                Field::Pass => !digest.options.names(header.name),
                Field::Expect => expects_continue,
                Field::TraceParent => field::is_traceparent(header.value),
                Field::Forwarding(Forwarding::Other) => around.peer.is_trusted,
                // Written by the gateway itself, or hop by hop.
                _ => false,
            };
            if passes {
                field::append(forward, header.name.as_bytes(), header.value);
            }
        }
        match body {
            Framing::Chunked => forward.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            _ => {
                if let Some(length) = digest.length {
                    field::append_number(forward, "content-length", length);
                }
            }
        }
        match upgrade {
            Some(protocol) => {
                forward.extend_from_slice(b"connection: upgrade\r\n");
                field::append(forward, b"upgrade", protocol);
            }
            None if digest.accepts_trailers => {
                forward.extend_from_slice(b"connection: te\r\nte: trailers\r\n")
            }
            None => {}
        }
        around.peer.append_forwarded(forward, host, is_http_10, &digest.seen);
        let request_id = append_request_id(forward, digest.request_id);
        forward.extend_from_slice(b"\r\n");

        let is_keep_alive = !digest.options.close && (!is_http_10 || digest.options.keep_alive);
        Ok(Self {
            method,
            route,
            body,
            wants_upgrade: upgrade.is_some(),
            is_keep_alive,
            is_http_10,
            expects_continue,
            request_id,
        })
    }

    /// The id, out of the head that [`Self::read`] wrote.
    pub(crate) fn id<'a>(&self, forward: &'a [u8]) -> &'a [u8] {
        forward.get(self.request_id.clone()).unwrap_or_default()
    }
}

// === impl Digest ===

impl<'a> Digest<'a> {
    fn of(headers: &[httparse::Header<'a>], is_http_10: bool) -> Result<Self, Problem> {
        let mut digest = Self {
            host: None,
            length: None,
            is_chunked: false,
            options: Options::default(),
            upgrade: None,
            accepts_trailers: false,
            expects_continue: false,
            request_id: None,
            seen: Seen::default(),
        };
        for header in headers {
            match Field::of(header.name) {
                Field::Pass | Field::Drop => {}
                Field::Host => {
                    let host = std::str::from_utf8(header.value).ok().filter(|host| is_authority(host));
                    if digest.host.replace(host.ok_or(problem::BAD_HOST)?).is_some() {
                        return Err(problem::BAD_HOST);
                    }
                }
                Field::ContentLength => {
                    let length = field::content_length(header.value).ok_or(problem::BAD_FRAMING)?;
                    if digest.length.replace(length).is_some() {
                        return Err(problem::BAD_FRAMING);
                    }
                }
                Field::TransferEncoding => {
                    if !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(problem::UNKNOWN_CODING);
                    }
                    if std::mem::replace(&mut digest.is_chunked, true) || is_http_10 {
                        return Err(problem::BAD_FRAMING);
                    }
                }
                Field::Connection => digest.options.read(header.value),
                Field::Upgrade => digest.upgrade = Some(header.value),
                Field::Te => digest.accepts_trailers |= field::has_token(header.value, "trailers"),
                Field::Expect => {
                    if !header.value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(problem::EXPECTATION_FAILED);
                    }
                    digest.expects_continue = true;
                }
                Field::RequestId => digest.request_id = digest.request_id.or(Some(header.value)),
                Field::Forwarding(kind) => digest.seen.add(kind, header.value),
                Field::TraceParent => {}
            }
        }
        if digest.is_chunked && digest.length.is_some() {
            return Err(problem::BAD_FRAMING);
        }
        if digest.host.is_none() && !is_http_10 {
            return Err(problem::BAD_HOST);
        }
        Ok(digest)
    }
}

/// The authority of an absolute-form target, and the path with its query as forwarded.
fn split_target(method: Method, target: &str) -> Result<(Option<&str>, &str), Problem> {
    if target.contains('#') {
        return Err(problem::BAD_TARGET);
    }
    if target.starts_with('/') || (target == "*" && method == Method::Options) {
        return Ok((None, target));
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(problem::BAD_TARGET);
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(problem::BAD_TARGET);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || !is_authority(authority) || path.starts_with('?') {
        return Err(problem::BAD_TARGET);
    }
    Ok((Some(authority), if path.is_empty() { "/" } else { path }))
}

/// Host and port, without user information. Empty is allowed: it is what a client sends that has no authority.
fn is_authority(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte))
}

/// Writes the client's request id when it is sane, else a fresh one; returns where it stands.
fn append_request_id(forward: &mut Vec<u8>, given: Option<&[u8]>) -> Range<usize> {
    forward.extend_from_slice(b"x-request-id: ");
    let start = forward.len();
    match given.filter(|id| is_sane_id(id)) {
        Some(id) => forward.extend_from_slice(id),
        None => {
            let mut number: u128 = rand::random();
            let mut digits = [0; 32];
            for digit in digits.iter_mut().rev() {
                *digit = b"0123456789abcdef"[(number & 15) as usize];
                number >>= 4;
            }
            forward.extend_from_slice(&digits);
        }
    }
    let end = forward.len();
    forward.extend_from_slice(b"\r\n");
    start..end
}

/// Short, and nothing that could mean something in a log, a shell or a page.
fn is_sane_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
}

#[cfg(test)]
mod tests;
