//! Whose request this is: the peer's address, or the one a trusted proxy vouches for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

use crate::network::{Network, canonical};

/// The socket's other end; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub SocketAddr);

/// The client's address as far as it can be trusted; [`layer`] puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// Peers whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[Network]>);

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Trusts these networks and nothing else.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks.into())
    }

    /// Whether this peer may speak for others.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address: the peer, unless the peer is trusted; then the last entry of `X-Forwarded-For`
    /// that is not itself a trusted proxy. Entries further to the left were written by somebody untrusted.
    /// An entry that is no address ends the walk at the last good one.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = canonical(peer);
        let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).collect();
        for hop in hops.iter().rev() {
            if !self.trusts(client) {
                return client;
            }
            match parse_hop(hop.trim()) {
                Some(address) => client = canonical(address),
                None => return client,
            }
        }
        client
    }
}

// === impl ClientAddr ===

impl ClientAddr {
    /// The address to count against a limit: IPv6 by its /64, for one subscriber usually holds that many.
    #[must_use]
    pub fn limit_key(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(four) => IpAddr::V4(four),
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
        }
    }
}

/// Middleware: puts [`ClientAddr`] into the request's extensions.
pub async fn layer(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip());
    // Without a peer (a request that came over no socket) everybody shares one bucket: never the header's word.
    let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let client = ClientAddr(proxies.client(peer, request.headers()));
    request.extensions_mut().insert(client);
    next.run(request).await
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches('"');
    hop.parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|text| text.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn untrusted_peer_cannot_speak_for_others() {
        assert_eq!(client(&[], "198.51.100.7", &["1.2.3.4"]), "198.51.100.7");
        assert_eq!(client(&["10.0.0.0/8"], "198.51.100.7", &["1.2.3.4"]), "198.51.100.7");
    }

    #[test]
    fn last_untrusted_hop_is_the_client() {
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            client(&["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", &["6.6.6.6, 203.0.113.9, 10.1.1.1"]),
            "203.0.113.9"
        );
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["6.6.6.6", "203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn garbage_ends_the_walk() {
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["203.0.113.9, garbage"]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn one_subscriber_is_one_ipv6_prefix() {
        let one = ClientAddr("2001:db8:0:1::1".parse().unwrap());
        let two = ClientAddr("2001:db8:0:1:ffff::2".parse().unwrap());
        assert_eq!(one.limit_key(), two.limit_key());
    }
}
