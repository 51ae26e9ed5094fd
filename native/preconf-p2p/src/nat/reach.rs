//! What is known of how others reach this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use tokio::time::Instant;

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
/// What was last so before this says nothing any more: addresses change. Tests are repeated twice as often.
const LAPSES: Duration = Duration::from_secs(1800);

/// What peers found at an address.
#[derive(Debug)]
struct Tested {
    /// When it was last reached; `None` when it is not.
    reached: Option<Instant>,
    /// A later test failed. One alone may be the server's fault.
    doubtful: bool,
}

/// Everything that was found out. The strongest evidence counts; what peers merely could not do says the least, for it may
/// be their fault.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    configured: BTreeSet<Multiaddr>,
    mapped: BTreeSet<Multiaddr>,
    tested: BTreeMap<Multiaddr, Tested>,
    relayed: BTreeSet<Multiaddr>,
    inbound: Option<Instant>,
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

    /// A test's result. An address that is reached takes the place of one that is not.
    pub(crate) fn dialled_back(&mut self, address: Multiaddr, reached: bool, now: Instant) {
        if let Some(known) = self.tested.get_mut(&address) {
            known.doubtful = !reached;
            known.reached = if reached { Some(now) } else { known.reached };
            return;
        }
        let failed = self.tested.iter().find(|(_, known)| known.reached.is_none()).map(|(at, _)| at.clone());
        if self.tested.len() >= MAX
            && let Some(failed) = failed.filter(|_| reached)
        {
            self.tested.remove(&failed);
        }
        if self.tested.len() < MAX {
            self.tested.insert(address, Tested { reached: reached.then_some(now), doubtful: false });
        }
    }

    /// A peer connected that this node had not asked to, or is still there.
    pub(crate) fn inbound(&mut self, now: Instant) {
        self.inbound = Some(now);
    }

    /// This node no longer has an IP address of its own. What peers found by that family is to be found anew.
    pub(crate) fn moved(&mut self, from: IpAddr) -> Vec<Multiaddr> {
        self.inbound = None;
        let same_family = |at: &Multiaddr| socket_of(at).is_some_and(|ip| ip.is_ipv4() == from.is_ipv4());
        self.tested.extract_if(.., |at, _| same_family(at)).map(|(at, _)| at).collect()
    }

    /// Forgets what has not been so for long. Returns where this node is reached no longer, and whether anything has changed.
    pub(crate) fn lapse(&mut self, now: Instant) -> (Vec<Multiaddr>, bool) {
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= LAPSES;
        let has_inbound_lapsed = self.inbound.take_if(|at| is_over(at)).is_some();
        let mut lapsed = Vec::new();
        self.tested.retain(|address, known| {
            if known.reached.take_if(|at| is_over(at)).is_none() {
                return true;
            }
            lapsed.push(address.clone());
            known.doubtful
        });
        let has_changed = has_inbound_lapsed || !lapsed.is_empty();
        lapsed.retain(|address| !self.configured.contains(address) && !self.mapped.contains(address));
        (lapsed, has_changed)
    }

    pub(crate) fn known(&self) -> Known {
        let is_reached = |(at, known): (&Multiaddr, &Tested)| known.reached.map(|_| at.clone());
        let reached: Vec<_> = self.tested.iter().filter_map(is_reached).collect();
        let (evidence, direct) = if !self.configured.is_empty() {
            (Evidence::Configured, self.configured.iter().cloned().collect())
        } else if !self.mapped.is_empty() {
            (Evidence::Upnp, self.mapped.iter().cloned().collect())
        } else if !reached.is_empty() {
            (Evidence::AutoNat, reached)
        } else if self.inbound.is_some() {
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
        let now = Instant::now();
        let said = |reach: &Reach| (reach.known().reachability, reach.known().evidence);
        let mut reach = Reach::new(&[at("/ip4/8.8.8.8"), at("/ip4/8.8.8.8/udp/9001")]);
        assert_eq!(said(&reach), (Reachability::Unknown, Evidence::None), "no port is named where it is dialled");
        reach.dialled_back(at("/ip4/8.8.8.8/tcp/9000"), false, now);
        assert_eq!(said(&reach), (Reachability::Private, Evidence::AutoNat));
        let circuit = at("/ip4/9.9.9.9/tcp/1/p2p/16Uiu2HAm6q6EQTbWkjJCuNyv6HiykzdqjmG7mYsaj9aHg9FiCtbg/p2p-circuit");
        reach.relayed(circuit.clone(), true);
        assert_eq!(said(&reach), (Reachability::Relayed, Evidence::AutoNat));
        assert_eq!(reach.known().addresses, [circuit]);
        reach.inbound(now);
        assert_eq!(
            said(&reach),
            (Reachability::Public, Evidence::Inbound),
            "somebody came in, whatever others could not"
        );
        reach.dialled_back(at("/ip4/8.8.8.8/udp/9000/quic-v1"), true, now);
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
            reach.dialled_back(at(&format!("/ip4/8.8.8.8/tcp/{port}")), true, Instant::now());
            reach.mapped(at(&format!("/ip4/8.8.8.8/tcp/{port}")), true);
        }
        assert_eq!((reach.tested.len(), reach.mapped.len()), (MAX, MAX));
    }

    #[test]
    fn what_can_be_reached_is_told_though_many_addresses_can_not() {
        let (mut reach, now) = (Reach::default(), Instant::now());
        for port in 0..100 {
            reach.dialled_back(at(&format!("/ip4/8.8.8.8/tcp/{port}")), false, now);
        }
        reach.dialled_back(at("/ip4/8.8.4.4/tcp/9000"), true, now);
        assert_eq!(reach.known().addresses, [at("/ip4/8.8.4.4/tcp/9000")]);
        assert_eq!(reach.tested.len(), MAX);
    }

    #[test]
    fn reachability_lapses_unless_it_is_found_again() {
        let is = |reach: &Reach| reach.known().reachability;
        let (mut reach, now, address) = (Reach::default(), Instant::now(), at("/ip4/8.8.8.8/tcp/9000"));
        reach.inbound(now);
        assert_eq!(reach.lapse(now + LAPSES / 2), (Vec::new(), false));
        reach.inbound(now + LAPSES / 2);
        assert_eq!(reach.lapse(now + LAPSES), (Vec::new(), false));
        assert_eq!(reach.lapse(now + LAPSES * 3 / 2), (Vec::new(), true));
        assert_eq!(is(&reach), Reachability::Unknown);

        reach.dialled_back(address.clone(), true, now);
        reach.dialled_back(address.clone(), true, now + LAPSES / 2);
        reach.dialled_back(address.clone(), false, now + LAPSES);
        assert_eq!(reach.lapse(now + LAPSES), (Vec::new(), false));
        assert_eq!(is(&reach), Reachability::Public, "one server may be wrong");
        assert_eq!(reach.lapse(now + LAPSES * 3 / 2), (vec![address.clone()], true));
        assert_eq!(is(&reach), Reachability::Private, "the last test failed");
        assert_eq!(reach.lapse(now + LAPSES * 9), (Vec::new(), false), "until a test says otherwise");
        reach.dialled_back(address.clone(), true, now);
        assert_eq!(reach.lapse(now + LAPSES), (vec![address.clone()], true));
        assert_eq!(is(&reach), Reachability::Unknown, "nobody has tested it since");
    }

    #[test]
    fn what_was_found_goes_with_the_address_of_this_node() {
        let (mut reach, now) = (Reach::default(), Instant::now());
        let (four, six) = (at("/ip4/8.8.8.8/tcp/9000"), at("/ip6/2606:4700::1/tcp/9000"));
        reach.inbound(now);
        reach.dialled_back(four.clone(), true, now);
        reach.dialled_back(six.clone(), true, now);
        assert_eq!(reach.moved("192.168.1.2".parse().unwrap()), [four]);
        assert_eq!(reach.known().addresses, [six]);
        assert!(reach.inbound.is_none());
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
