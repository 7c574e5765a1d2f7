//! Header fields: what each means to an intermediary (RFC 9110 7.6), and how lines are read and written.

/// What the gateway does with a request field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// End to end: forwarded as it is, unless `Connection` names it.
    Pass,
    /// Hop by hop, or not to be believed.
    Drop,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Te,
    Expect,
    RequestId,
    TraceParent,
    /// Says who the client of an earlier proxy was.
    Forwarding(Forwarding),
}

/// Fields that proxies add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarding {
    For,
    Proto,
    Host,
    RealIp,
    Forwarded,
    Via,
    /// `X-Forwarded-Port`, `-Prefix` and the like, which we do not write.
    Other,
}

/// The options of a `Connection` header.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// Names of fields that are hop by hop in this message, as lists still to be split.
    listed: [&'a [u8]; 4],
    lists: usize,
    /// More lists than fit: no field is safe to pass by name any more.
    overflows: bool,
}

// === impl Field ===

impl Field {
    pub(crate) fn of(name: &str) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is("te") => Self::Te,
            3 if is("via") => Self::Forwarding(Forwarding::Via),
            4 if is("host") => Self::Host,
            // A CGI program would see it as HTTP_PROXY.
            5 if is("proxy") => Self::Drop,
            6 if is("expect") => Self::Expect,
            7 if is("upgrade") => Self::Upgrade,
            9 if is("forwarded") => Self::Forwarding(Forwarding::Forwarded),
            9 if is("x-real-ip") => Self::Forwarding(Forwarding::RealIp),
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::Drop,
            11 if is("traceparent") => Self::TraceParent,
            12 if is("x-request-id") => Self::RequestId,
            14 if is("content-length") => Self::ContentLength,
            14 if is("http2-settings") => Self::Drop,
            15 if is("x-forwarded-for") => Self::Forwarding(Forwarding::For),
            16 if is("x-forwarded-host") => Self::Forwarding(Forwarding::Host),
            17 if is("x-forwarded-proto") => Self::Forwarding(Forwarding::Proto),
            17 if is("transfer-encoding") => Self::TransferEncoding,
            13.. if has_prefix(name, "x-forwarded-") => Self::Forwarding(Forwarding::Other),
            7.. if has_prefix(name, "proxy-") => Self::Drop,
            _ if name.contains('_') => Self::of_underscored(name),
            _ => Self::Pass,
        }
    }

    /// CGI-like interfaces take `_` for `-`, so `X_Forwarded_For` must not pass where `X-Forwarded-For` would not.
    #[cold]
    fn of_underscored(name: &str) -> Self {
        match Self::of(&name.replace('_', "-")) {
            Self::Pass => Self::Pass,
            _ => Self::Drop,
        }
    }
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

// === impl Options ===

impl<'a> Options<'a> {
    pub(crate) fn read(&mut self, value: &'a [u8]) {
        let mut names_fields = false;
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                names_fields = true;
            }
        }
        if names_fields {
            match self.listed.get_mut(self.lists) {
                Some(list) => *list = value,
                None => self.overflows = true,
            }
            self.lists += 1;
        }
    }

    /// Is the field hop by hop because the header names it?
    pub(crate) fn names(&self, name: &str) -> bool {
        self.lists > 0
            && (self.overflows
                || self
                    .listed
                    .iter()
                    .any(|list| tokens(list).any(|token| token.eq_ignore_ascii_case(name.as_bytes()))))
    }
}

/// The elements of a comma-separated list, without spaces around them.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Is the token in the list? Parameters (`;q=…`) are ignored.
pub(crate) fn has_token(value: &[u8], wanted: &str) -> bool {
    tokens(value).any(|token| {
        let name = token.split(|byte| matches!(byte, b';' | b'/')).next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
    })
}

/// Digits only (no sign, no list), and not more than fit.
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// W3C Trace Context: `00-<32 hex>-<16 hex>-<2 hex>`, lower case, ids not all zero.
pub(crate) fn is_traceparent(value: &[u8]) -> bool {
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    value.len() == 55
        && [2, 35, 52].iter().all(|at| value[*at] == b'-')
        && is_hex(&value[..2])
        && &value[..2] != b"ff"
        && is_id(&value[3..35])
        && is_id(&value[36..52])
        && is_hex(&value[53..])
}

pub(crate) fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn append_number(out: &mut Vec<u8>, name: &str, value: u64) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{name}: {value}\r\n");
}
