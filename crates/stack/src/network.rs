//! Address ranges in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses: the first one, and how many leading bits are the same in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpNetwork {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkError {
    Syntax,
    /// Bits are set behind the prefix; holds the range that was probably meant.
    HostBits(IpNetwork),
}

// === impl IpNetwork ===

impl IpNetwork {
    /// The range that holds `address` and all that share its first `prefix` bits; `None` when there are not as many
    /// bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<IpNetwork> {
        let first = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
            _ => return None,
        };
        Some(IpNetwork { first, prefix })
    }

    /// Whether the address lies in the range. An IPv4 address that arrives mapped into IPv6, as on a dual-stack
    /// listener, counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = match self.first {
            IpAddr::V4(_) => address.to_canonical(),
            IpAddr::V6(_) => address,
        };
        address.is_ipv4() == self.first.is_ipv4()
            && IpNetwork::new(address, self.prefix).is_some_and(|range| range.first == self.first)
    }

    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub(crate) fn read(text: &str) -> Result<IpNetwork, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let prefix = match prefix {
            // A sign or leading zero would be read by `parse`; neither is CIDR notation.
            Some(digits) if digits.starts_with('+') => return Err(NetworkError::Syntax),
            Some(digits) => digits.parse().map_err(|_| NetworkError::Syntax)?,
            None if address.is_ipv4() => 32,
            None => 128,
        };
        let range = IpNetwork::new(address, prefix).ok_or(NetworkError::Syntax)?;
        if range.first == address { Ok(range) } else { Err(NetworkError::HostBits(range)) }
    }
}

impl FromStr for IpNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<IpNetwork, String> {
        IpNetwork::read(text).map_err(|error| match error {
            NetworkError::Syntax => "not a network such as `10.0.0.0/8`".to_owned(),
            NetworkError::HostBits(range) => format!("bits are set behind the prefix of `{range}`"),
        })
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        let range: IpNetwork = range.parse().unwrap_or_else(|error| panic!("{range}: {error}"));
        range.contains(address.parse().unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    #[test]
    fn membership_follows_the_prefix() {
        assert!(contains("10.0.0.0/8", "10.255.1.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("fd00::/8", "fd12::1"));
        assert!(!contains("fd00::/8", "fe80::1"));
        assert!(contains("::/0", "::1"));
    }

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("fd00::/8", "10.1.2.3"));
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129", "example.org/8"] {
            assert!(text.parse::<IpNetwork>().is_err(), "{text}");
        }
        assert_eq!(
            IpNetwork::read("10.0.0.1/8").map_err(|error| match error {
                NetworkError::HostBits(range) => range.to_string(),
                NetworkError::Syntax => String::new(),
            }),
            Err("10.0.0.0/8".to_owned())
        );
    }
}
