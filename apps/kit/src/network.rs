//! Networks in CIDR notation, for lists of trusted peers.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address range such as `10.0.0.0/8`; a bare address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    /// Length of the prefix over the 128 bits of an IPv6 address.
    prefix: u32,
}

/// Why a text is not a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetworkError {
    /// The part before the slash is no address.
    #[error("`{0}` is not an IP address")]
    Address(String),
    /// The part after the slash is no prefix length for that address.
    #[error("`{0}` is not a prefix length of that address")]
    Prefix(String),
}

// === impl Network ===

impl Network {
    /// Whether the range holds the address. IPv4 and IPv4-mapped IPv6 addresses are the same thing here.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        mask(bits(address), self.prefix) == self.base
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr =
            address.trim().parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(length) => match length.trim().parse::<u32>() {
                Ok(number) if number <= width => number,
                _ => return Err(NetworkError::Prefix(length.to_owned())),
            },
        };
        let prefix = length + (128 - width);
        Ok(Self { base: mask(bits(address), prefix), prefix })
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address it means.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn bits(address: IpAddr) -> u128 {
    let six: Ipv6Addr = match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    six.to_bits()
}

fn mask(bits: u128, prefix: u32) -> u128 {
    match prefix {
        0 => 0,
        _ => bits & (u128::MAX << (128 - prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn range_holds_its_own_addresses_only() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "203.0.113.9"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("localhost".parse::<Network>().is_err());
        assert!("".parse::<Network>().is_err());
        assert!("10.0.0.0/-1".parse::<Network>().is_err());
    }
}
