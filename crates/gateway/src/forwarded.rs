//! What the upstream is told about the client: `X-Forwarded-*`, `X-Real-IP`, `Forwarded` (RFC 7239) and `Via`.
//!
//! The words of an earlier proxy count only when the peer is a trusted one; then ours are appended. From anybody else
//! they are dropped, because a client could claim to be someone else. `Via` is kept from everybody (RFC 9110 7.6.3).

use std::net::IpAddr;

use crate::field::Forwarding;

/// The other end of a client connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: String,
    /// `for=…` as RFC 7239 writes it: an IPv6 address in brackets and quotes.
    node: String,
    /// Its forwarded headers are believed.
    pub(crate) is_trusted: bool,
}

/// The fields of this kind that came with a request; lists of several lines are kept as lines.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a> {
    lines: [Option<(Forwarding, &'a [u8])>; 12],
    count: usize,
}

// === impl Peer ===

impl Peer {
    pub(crate) fn new(address: IpAddr, is_trusted: bool) -> Self {
        let address = address.to_canonical();
        let node = match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("\"[{v6}]\""),
        };
        Self { address: address.to_string(), node, is_trusted }
    }

    /// Appends the fields. `host` is what the client asked for.
    pub(crate) fn append_forwarded(&self, out: &mut Vec<u8>, host: &str, is_http_10: bool, seen: &Seen<'_>) {
        let believed: &Seen<'_> = if self.is_trusted { seen } else { &Seen::default() };
        let own = self.address.as_bytes();

        out.extend_from_slice(b"x-forwarded-for: ");
        believed.append_list(out, Forwarding::For);
        out.extend_from_slice(own);
        out.extend_from_slice(b"\r\nx-real-ip: ");
        out.extend_from_slice(believed.last(Forwarding::RealIp).unwrap_or(own));
        out.extend_from_slice(b"\r\nx-forwarded-proto: ");
        out.extend_from_slice(believed.last(Forwarding::Proto).unwrap_or(b"http"));
        out.extend_from_slice(b"\r\nx-forwarded-host: ");
        out.extend_from_slice(believed.last(Forwarding::Host).unwrap_or(host.as_bytes()));
        out.extend_from_slice(b"\r\nforwarded: ");
        believed.append_list(out, Forwarding::Forwarded);
        for part in ["for=", &self.node, ";host=\"", host, "\";proto=http\r\nvia: "] {
            out.extend_from_slice(part.as_bytes());
        }
        seen.append_list(out, Forwarding::Via);
        out.extend_from_slice(if is_http_10 { b"1.0 plimsoll\r\n" } else { b"1.1 plimsoll\r\n" });
    }
}

// === impl Seen ===

impl<'a> Seen<'a> {
    /// Keeps a line; those beyond the twelfth are dropped.
    pub(crate) fn add(&mut self, kind: Forwarding, value: &'a [u8]) {
        if let Some(line) = self.lines.get_mut(self.count) {
            *line = Some((kind, value));
            self.count += 1;
        }
    }

    fn all(&self, kind: Forwarding) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.lines[..self.count]
            .iter()
            .flatten()
            .filter(move |(own, _)| *own == kind)
            .map(|(_, value)| *value)
    }

    fn last(&self, kind: Forwarding) -> Option<&'a [u8]> {
        self.all(kind).next_back()
    }

    /// Appends all values of a list field, each followed by a comma, as the start of a longer list.
    fn append_list(&self, out: &mut Vec<u8>, kind: Forwarding) {
        for value in self.all(kind).filter(|value| !value.is_empty()) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
}
