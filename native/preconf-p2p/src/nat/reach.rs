//! What is known of how others reach this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::discovery::is_global;

/// Whether others can connect to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reachability {
    /// Nothing tells.
    Unknown = 0,
    /// Anyone can.
    Public = 1,
    /// Only through a relay.
    Relayed = 2,
    /// Nobody can.
    Private = 3,
}

/// What tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Evidence {
    /// Nothing.
    None = 0,
    /// The configuration names an external address.
    Configured = 1,
    /// A router with a public address has mapped a port.
    Upnp = 2,
    /// Peers dialled this node back, or tried to.
    AutoNat = 3,
    /// A peer has connected by itself.
    Inbound = 4,
}

/// Whether and how this node is reached, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) reachability: Reachability,
    pub(crate) evidence: Evidence,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// Addresses kept of each kind.
const MAX: usize = 16;

/// Everything that was found out. The strongest evidence counts; what peers merely could not do says the least, for it may
/// be their fault.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    configured: BTreeSet<Multiaddr>,
    mapped: BTreeSet<Multiaddr>,
    tested: BTreeMap<Multiaddr, bool>,
    relayed: BTreeSet<Multiaddr>,
    inbound: bool,
}

impl Reach {
    /// With the external addresses of the configuration that say where this node is dialled.
    pub(crate) fn new(external: &[Multiaddr]) -> Self {
        let configured = external.iter().filter(|address| socket_of(address).is_some()).cloned().collect();
        Self { configured, ..Self::default() }
    }

    pub(crate) fn configured(&self) -> impl Iterator<Item = &Multiaddr> {
        self.configured.iter()
    }

    pub(crate) fn mapped(&mut self, address: Multiaddr, is_mapped: bool) {
        set(&mut self.mapped, address, is_mapped);
    }

    pub(crate) fn relayed(&mut self, address: Multiaddr, is_reserved: bool) {
        set(&mut self.relayed, address, is_reserved);
    }

    pub(crate) fn dialled_back(&mut self, address: Multiaddr, reached: bool) {
        if self.tested.len() < MAX || self.tested.contains_key(&address) {
            self.tested.insert(address, reached);
        }
    }

    /// A peer connected that this node had not asked to.
    pub(crate) fn inbound(&mut self) {
        self.inbound = true;
    }

    pub(crate) fn known(&self) -> Known {
        let reached: Vec<_> = self.tested.iter().filter(|(_, reached)| **reached).map(|(at, _)| at.clone()).collect();
        let (evidence, direct) = if !self.configured.is_empty() {
            (Evidence::Configured, self.configured.iter().cloned().collect())
        } else if !self.mapped.is_empty() {
            (Evidence::Upnp, self.mapped.iter().cloned().collect())
        } else if !reached.is_empty() {
            (Evidence::AutoNat, reached)
        } else if self.inbound {
            (Evidence::Inbound, Vec::new())
        } else if !self.tested.is_empty() {
            let reachability = if self.relayed.is_empty() { Reachability::Private } else { Reachability::Relayed };
            return self.known_as(reachability, Evidence::AutoNat, Vec::new());
        } else if !self.relayed.is_empty() {
            return self.known_as(Reachability::Relayed, Evidence::None, Vec::new());
        } else {
            return self.known_as(Reachability::Unknown, Evidence::None, Vec::new());
        };
        self.known_as(Reachability::Public, evidence, direct)
    }

    fn known_as(&self, reachability: Reachability, evidence: Evidence, direct: Vec<Multiaddr>) -> Known {
        let addresses = direct.into_iter().chain(self.relayed.iter().cloned()).collect();
        Known { reachability, evidence, addresses }
    }
}

fn set(addresses: &mut BTreeSet<Multiaddr>, address: Multiaddr, there: bool) {
    if !there {
        addresses.remove(&address);
    } else if addresses.len() < MAX {
        addresses.insert(address);
    }
}

/// Where an address is dialled; `None` for one without an IP, of another transport, or through a relay.
fn socket_of(address: &Multiaddr) -> Option<IpAddr> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::from(ip),
        Protocol::Ip6(ip) => IpAddr::from(ip),
        _ => return None,
    };
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Tcp(_)), None, _) | (Some(Protocol::Udp(_)), Some(Protocol::QuicV1), None) => Some(ip),
        _ => None,
    }
}

/// Whether peers may be asked to dial an address back, and this node may be asked to.
pub(super) fn is_testable(address: &Multiaddr, local_network: bool) -> bool {
    socket_of(address).is_some_and(|ip| is_reachable(ip, local_network))
}

/// Whether an IP address is one that other nodes can use.
pub(crate) fn is_reachable(ip: IpAddr, local_network: bool) -> bool {
    is_global(ip) || (local_network && !ip.is_unspecified() && !ip.is_multicast())
}

/// Whether an address goes through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_strongest_evidence_counts() {
        let said = |reach: &Reach| (reach.known().reachability, reach.known().evidence);
        let mut reach = Reach::new(&[at("/ip4/8.8.8.8"), at("/ip4/8.8.8.8/udp/9001")]);
        assert_eq!(said(&reach), (Reachability::Unknown, Evidence::None), "no port is named where it is dialled");
        reach.dialled_back(at("/ip4/8.8.8.8/tcp/9000"), false);
        assert_eq!(said(&reach), (Reachability::Private, Evidence::AutoNat));
        let circuit = at("/ip4/9.9.9.9/tcp/1/p2p/16Uiu2HAm6q6EQTbWkjJCuNyv6HiykzdqjmG7mYsaj9aHg9FiCtbg/p2p-circuit");
        reach.relayed(circuit.clone(), true);
        assert_eq!(said(&reach), (Reachability::Relayed, Evidence::AutoNat));
        assert_eq!(reach.known().addresses, [circuit]);
        reach.inbound();
        assert_eq!(
            said(&reach),
            (Reachability::Public, Evidence::Inbound),
            "somebody came in, whatever others could not"
        );
        reach.dialled_back(at("/ip4/8.8.8.8/udp/9000/quic-v1"), true);
        assert_eq!(said(&reach), (Reachability::Public, Evidence::AutoNat));
        reach.mapped(at("/ip4/8.8.4.4/tcp/9000"), true);
        assert_eq!(said(&reach), (Reachability::Public, Evidence::Upnp));
        reach.mapped(at("/ip4/8.8.4.4/tcp/9000"), false);
        assert_eq!(said(&reach), (Reachability::Public, Evidence::AutoNat));
        let reach = Reach::new(&[at("/ip4/8.8.8.8/tcp/9000")]);
        assert_eq!(said(&reach), (Reachability::Public, Evidence::Configured));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut reach = Reach::default();
        for port in 0..100 {
            reach.dialled_back(at(&format!("/ip4/8.8.8.8/tcp/{port}")), true);
            reach.mapped(at(&format!("/ip4/8.8.8.8/tcp/{port}")), true);
        }
        assert_eq!((reach.tested.len(), reach.mapped.len()), (MAX, MAX));
    }

    #[test]
    fn addresses_worth_a_test_are_public_and_direct() {
        let relay = "/ip4/8.8.8.8/tcp/1/p2p/16Uiu2HAm6q6EQTbWkjJCuNyv6HiykzdqjmG7mYsaj9aHg9FiCtbg/p2p-circuit";
        assert!(is_testable(&at("/ip4/8.8.8.8/tcp/9000"), false));
        assert!(is_testable(&at("/ip6/2606:4700::1/udp/9000/quic-v1"), false));
        for text in ["/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/udp/1", "/dns4/a.b/tcp/1", "/ip4/8.8.8.8/tcp/1/ws", relay] {
            assert!(!is_testable(&at(text), false), "{text}");
        }
        assert!(is_testable(&at("/ip4/10.0.0.1/tcp/1"), true));
        assert!(!is_testable(&at("/ip4/0.0.0.0/tcp/1"), true));
        assert!(is_relayed(&at(relay)) && !is_relayed(&at("/ip4/8.8.8.8/tcp/1")));
    }
}
