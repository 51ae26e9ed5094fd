//! Ranges of IP addresses, and what an operator may name to be blocked.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use libp2p::PeerId;

use crate::discovery::is_global;

/// A text that names no subnet, address or peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not `address/length` with a length of 0 to 32 or 128.
    #[error(
        "{0:?} is not a subnet: an address, a slash and a prefix length of 0 to 32 (IPv4) or 128 (IPv6) are wanted"
    )]
    Subnet(String),
    /// None of the three.
    #[error("{0:?} is neither a peer id, nor an IP address, nor a subnet such as 10.0.0.0/8")]
    Target(String),
}

/// A subnet in CIDR form. The bits behind the prefix are cleared, so `203.0.113.77/25` is `203.0.113.0/25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    network: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The subnet of `address` with a prefix of `prefix` bits; `None` when the family has fewer.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let network = match address {
            IpAddr::V4(ip) if prefix <= 32 => Ipv4Addr::from_bits(ip.to_bits() & mask4(prefix)).into(),
            IpAddr::V6(ip) if prefix <= 128 => Ipv6Addr::from_bits(ip.to_bits() & mask6(prefix)).into(),
            _ => return None,
        };
        Some(Self { network, prefix })
    }

    /// Whether the address, as it is written, lies within: an IPv4-mapped IPv6 address is in no IPv4 subnet.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => ip.to_bits() & mask4(self.prefix) == network.to_bits(),
            (IpAddr::V6(network), IpAddr::V6(ip)) => ip.to_bits() & mask6(self.prefix) == network.to_bits(),
            _ => false,
        }
    }

    /// The same range in the family its addresses are told in: of IPv4-mapped addresses, the IPv4 subnet.
    #[must_use]
    pub fn to_canonical(self) -> Self {
        match self.network.to_canonical() {
            network @ IpAddr::V4(_) if self.prefix >= 96 => Self { network, prefix: self.prefix - 96 },
            _ => self,
        }
    }
}

/// The range that one owner of addresses usually has: an IPv4 /24, an IPv6 /56. `None` for addresses that are not of the
/// public internet: there many honest nodes share one.
pub(crate) fn owned_subnet(ip: IpAddr) -> Option<Subnet> {
    let ip = ip.to_canonical();
    let subnet = Subnet::new(ip, if ip.is_ipv4() { 24 } else { 56 });
    subnet.filter(|_| is_global(ip))
}

const fn mask4(prefix: u8) -> u32 {
    match u32::MAX.checked_shl(32 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn mask6(prefix: u8) -> u128 {
    match u128::MAX.checked_shl(128 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl FromStr for Subnet {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            // `u8` would take a sign.
            let digits = !prefix.is_empty() && prefix.bytes().all(|digit| digit.is_ascii_digit());
            Self::new(address.parse().ok()?, prefix.parse().ok().filter(|_| digits)?)
        });
        parsed.ok_or_else(|| TargetError::Subnet(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// What can be blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A peer, wherever it is.
    Peer(PeerId),
    /// One IP address, whoever is there.
    Address(IpAddr),
    /// All addresses of a subnet.
    Subnet(Subnet),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.contains('/') {
            return text.parse().map(Self::Subnet);
        }
        let address = text.parse().map(Self::Address).ok();
        let target = address.or_else(|| text.parse().map(Self::Peer).ok());
        target.ok_or_else(|| TargetError::Target(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Subnet(subnet) => subnet.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_targets_are_read_and_written() {
        let peer = PeerId::random().to_string();
        for (text, same) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("255.255.255.255/32", "255.255.255.255/32"),
            ("2001:db8::77/32", "2001:db8::/32"),
            ("::1/0", "::/0"),
            ("::1/128", "::1/128"),
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            (&peer, &peer),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), same, "{text}");
        }
        for text in ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/-1", "::/129", "/8", "10.0.0/8", "x"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mapped_subnet_is_the_ipv4_one() {
        let canonical = |text: &str| text.parse::<Subnet>().unwrap().to_canonical().to_string();
        assert_eq!(canonical("::ffff:10.0.0.0/104"), "10.0.0.0/8");
        assert_eq!(canonical("::ffff:10.1.2.3/128"), "10.1.2.3/32");
        assert_eq!(canonical("::ffff:0:0/95"), "::fffe:0:0/95");
        assert_eq!(canonical("2001:db8::/32"), "2001:db8::/32");
    }
}
