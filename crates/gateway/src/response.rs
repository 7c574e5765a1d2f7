//! From the head of an upstream's response to the head that the client gets.

use std::mem::MaybeUninit;

use crate::field::{self, Options};
use crate::limits::Limits;
use crate::method::Method;
use crate::request::Framing;

/// What is kept of a response after its head was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// How the upstream frames the body.
    pub(crate) body: Framing,
    /// The upstream connection may carry another request.
    pub(crate) is_keep_alive: bool,
}

/// A complete head from an upstream.
pub(crate) struct Head<'h, 'b> {
    pub(crate) response: Response,
    headers: &'h [httparse::Header<'b>],
    reason: &'b str,
    options: Options<'b>,
    has_date: bool,
}

/// How the client is to get the response.
#[derive(Clone, Copy)]
pub(crate) struct Rendering<'a> {
    pub(crate) is_http_10: bool,
    /// This is the last response on the connection.
    pub(crate) closes: bool,
    /// Leave HTTP: the response is a 101 that the client asked for.
    pub(crate) switches: bool,
    pub(crate) request_id: &'a [u8],
    /// Appends the value of the `Date` header, if the upstream gave none.
    pub(crate) append_date: &'a dyn Fn(&mut Vec<u8>),
}

/// Not a response that can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadResponse;

type Fields<'b> = [MaybeUninit<httparse::Header<'b>>; Limits::FIELDS];

// === impl Response ===

impl Response {
    /// How the body is framed for the client: chunked where the upstream ended it by closing, except for HTTP/1.0.
    pub(crate) fn framing_for(&self, is_http_10: bool) -> Framing {
        match self.body {
            Framing::Chunked | Framing::UntilClose if is_http_10 => Framing::UntilClose,
            Framing::UntilClose => Framing::Chunked,
            framing => framing,
        }
    }
}

// === impl Head ===

impl<'h, 'b> Head<'h, 'b> {
    /// Room for the fields of one head.
    pub(crate) fn fields() -> Fields<'b> {
        [const { MaybeUninit::uninit() }; Limits::FIELDS]
    }

    /// Reads a complete head (with its empty line), the answer to a request with this method.
    pub(crate) fn read(
        head: &'b [u8],
        fields: &'h mut Fields<'b>,
        method: Method,
    ) -> Result<Self, BadResponse> {
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, head, fields) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            _ => return Err(BadResponse),
        }
        let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
            return Err(BadResponse);
        };
        if status < 100 {
            return Err(BadResponse);
        }
        let headers: &'h [httparse::Header<'b>] = parsed.headers;
        let mut options = Options::default();
        let mut length: Option<u64> = None;
        let mut is_chunked = false;
        let mut has_date = false;
        for header in headers {
            let is = |known: &str| header.name.eq_ignore_ascii_case(known);
            match header.name.len() {
                4 if is("date") => has_date = true,
                10 if is("connection") => options.read(header.value),
                14 if is("content-length") => {
                    let value = field::content_length(header.value).ok_or(BadResponse)?;
                    if length.replace(value).is_some_and(|earlier| earlier != value) {
                        return Err(BadResponse);
                    }
                }
                17 if is("transfer-encoding") => {
                    if is_chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(BadResponse);
                    }
                    is_chunked = true;
                }
                _ => {}
            }
        }
        let has_no_body = method == Method::Head || status < 200 || matches!(status, 204 | 304);
        let body = match length {
            _ if has_no_body => Framing::Empty,
            Some(_) if is_chunked => return Err(BadResponse),
            None if is_chunked => Framing::Chunked,
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        let is_keep_alive =
            !options.close && (version == 1 || options.keep_alive) && body != Framing::UntilClose;
        let response = Response { status, body, is_keep_alive };
        Ok(Self { response, headers, reason: parsed.reason.unwrap_or_default(), options, has_date })
    }

    /// Appends the head for the client.
    pub(crate) fn write(&self, rendering: Rendering<'_>, out: &mut Vec<u8>) {
        let status = self.response.status;
        out.extend_from_slice(b"HTTP/1.1 ");
        for digit in [status / 100, status / 10 % 10, status % 10] {
            out.push(b'0' + (digit % 10) as u8);
        }
        out.push(b' ');
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        for header in self.headers {
            let passes = match ResponseField::of(header.name) {
                ResponseField::Pass => !self.options.names(header.name),
                // Without a body of its own it tells how long one would be (HEAD, 304).
                ResponseField::ContentLength => status >= 200 && status != 204,
                ResponseField::Upgrade => rendering.switches || status == 426,
                ResponseField::Drop => false,
            };
            if passes {
                field::append(out, header.name.as_bytes(), header.value);
            }
        }
        if self.response.framing_for(rendering.is_http_10) == Framing::Chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if status >= 200 {
            if !self.has_date {
                out.extend_from_slice(b"date: ");
                (rendering.append_date)(out);
                out.extend_from_slice(b"\r\n");
            }
            field::append(out, b"x-request-id", rendering.request_id);
        }
        if rendering.switches {
            out.extend_from_slice(b"connection: upgrade\r\n");
        } else if rendering.closes && status >= 200 {
            out.extend_from_slice(b"connection: close\r\n");
        } else if rendering.is_http_10 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// What the gateway does with a response field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseField {
    Pass,
    /// Hop by hop, or written by the gateway itself.
    Drop,
    ContentLength,
    Upgrade,
}

// === impl ResponseField ===

impl ResponseField {
    fn of(name: &str) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is("te") => Self::Drop,
            7 if is("upgrade") => Self::Upgrade,
            10 if is("connection") || is("keep-alive") => Self::Drop,
            12 if is("x-request-id") => Self::Drop,
            14 if is("content-length") => Self::ContentLength,
            16 if is("proxy-connection") => Self::Drop,
            17 if is("transfer-encoding") => Self::Drop,
            18 if is("proxy-authenticate") => Self::Drop,
            25 if is("proxy-authentication-info") => Self::Drop,
            _ => Self::Pass,
        }
    }
}

/// Copies the trailer fields that may be forwarded (RFC 9110 6.5.1): none that frames, routes, authenticates or controls
/// the connection. A malformed section is dropped whole.
pub(crate) fn append_trailers(raw: &[u8], out: &mut Vec<u8>) {
    if raw.is_empty() {
        return;
    }
    let section = [raw, b"\r\n"].concat();
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&section, &mut fields) else {
        return;
    };
    for header in fields {
        let is_end_to_end = field::Field::of(header.name) == field::Field::Pass;
        let is_forbidden = ["authorization", "set-cookie", "cookie", "www-authenticate", "content-encoding"]
            .iter()
            .chain(&["content-type", "content-range", "trailer", "cache-control", "max-forwards"])
            .any(|name| header.name.eq_ignore_ascii_case(name));
        if is_end_to_end && !is_forbidden {
            field::append(out, header.name.as_bytes(), header.value);
        }
    }
}

#[cfg(test)]
mod tests;
