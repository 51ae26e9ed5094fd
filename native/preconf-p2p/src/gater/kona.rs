//! Kona's connection gater, to the letter (design/upstream-values.md, section 2; vectors/gater.json).

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use tokio::time::Instant;

use super::{DialRefusal, Subnet};

/// Entries of each map. Kona's have no bound; what is past its period is dropped first, which nobody can tell.
const MAX_ENTRIES: usize = 1 << 16;

/// What Kona thinks of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connectedness {
    /// Nothing is known.
    #[default]
    NotConnected,
    /// A dial was begun; Kona does not wait for its end.
    Connected,
    /// A rule refused it.
    CannotConnect,
}

/// A host name in an address, and which family of addresses is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `dns`, `dnsaddr`.
    Any,
    /// `dns4`.
    V4,
    /// `dns6`.
    V6,
}

#[derive(Clone, Copy)]
struct DialInfo {
    dials: u64,
    last: Instant,
}

/// Kona's gater with its quirks: no `peer_redialing` is one dial a period, the period slides with each dial, `dialing`
/// counts as connected, an IPv4-mapped address is matched by no IPv4 rule. Time and the resolver are handed in.
#[derive(Default)]
pub struct KonaGater {
    peer_redialing: Option<u64>,
    dial_period: Duration,
    current_dials: HashSet<PeerId>,
    dialed: HashMap<Multiaddr, DialInfo>,
    connectedness: HashMap<PeerId, Connectedness>,
    protected_peers: HashSet<PeerId>,
    blocked_peers: HashSet<PeerId>,
    blocked_addresses: HashSet<IpAddr>,
    blocked_subnets: HashSet<Subnet>,
}

/// The first `/p2p` of an address.
pub(super) fn peer_in(address: &Multiaddr) -> Option<PeerId> {
    address.iter().find_map(|part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    })
}

/// The first IP address within an address.
pub(crate) fn ip_in(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

fn name_in(address: &Multiaddr) -> Option<(String, Family)> {
    address.iter().find_map(|part| match part {
        Protocol::Dns(name) | Protocol::Dnsaddr(name) => Some((name.into_owned(), Family::Any)),
        Protocol::Dns4(name) => Some((name.into_owned(), Family::V4)),
        Protocol::Dns6(name) => Some((name.into_owned(), Family::V6)),
        _ => None,
    })
}

impl KonaGater {
    /// A gater without blocks.
    ///
    /// * `peer_redialing` – dials of one address after which it is refused; 0 is no limit, `None` is one.
    /// * `dial_period` – after the last dial of an address, its count starts over when this is over.
    pub fn new(peer_redialing: Option<u64>, dial_period: Duration) -> Self {
        Self { peer_redialing, dial_period, ..Self::default() }
    }

    /// Whether an address may be dialled. Changes [`Self::connectedness`] where the threshold or an address refuses.
    ///
    /// `resolve` gives the first address of a name of the wanted family; `None` skips the rules on addresses.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn can_dial(
        &mut self,
        address: &Multiaddr,
        now: Instant,
        resolve: impl FnOnce(&str, Family) -> Option<IpAddr>,
    ) -> Result<(), DialRefusal> {
        let peer = peer_in(address).ok_or(DialRefusal::InvalidMultiaddr)?;
        if self.current_dials.contains(&peer) {
            return Err(DialRefusal::AlreadyDialing);
        }
        if !self.protected_peers.contains(&peer) && self.threshold_reached(address, now) {
            self.set_connectedness(peer, Connectedness::CannotConnect);
            return Err(DialRefusal::ThresholdReached);
        }
        if self.blocked_peers.contains(&peer) {
            return Err(DialRefusal::PeerBlocked);
        }
        let ip = match name_in(address) {
            Some((name, family)) => match resolve(&name, family) {
                Some(ip) => ip,
                None => return Ok(()),
            },
            None => ip_in(address).ok_or(DialRefusal::InvalidIpAddress)?,
        };
        let allowed = self.check_ip(ip);
        if allowed == Err(DialRefusal::AddressBlocked) {
            self.set_connectedness(peer, Connectedness::CannotConnect);
        }
        allowed
    }

    /// The rules on addresses alone, exactly as they are written.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), DialRefusal> {
        if self.blocked_addresses.contains(&ip) {
            Err(DialRefusal::AddressBlocked)
        } else if self.blocked_subnets.iter().any(|subnet| subnet.contains(ip)) {
            Err(DialRefusal::SubnetBlocked)
        } else {
            Ok(())
        }
    }

    fn threshold_reached(&self, address: &Multiaddr, now: Instant) -> bool {
        let Some(info) = self.dialed.get(address).filter(|info| !self.is_expired(info, now)) else { return false };
        match self.peer_redialing {
            None => true,
            Some(0) => false,
            Some(threshold) => info.dials >= threshold,
        }
    }

    fn is_expired(&self, info: &DialInfo, now: Instant) -> bool {
        now.saturating_duration_since(info.last) > self.dial_period
    }

    /// A dial begins.
    pub fn dialing(&mut self, address: &Multiaddr) {
        if let Some(peer) = peer_in(address) {
            self.current_dials.insert(peer);
            self.set_connectedness(peer, Connectedness::Connected);
        }
    }

    /// A dial was handed to the swarm: it counts.
    pub fn dialed(&mut self, address: &Multiaddr, now: Instant) {
        if self.dialed.len() >= MAX_ENTRIES && !self.dialed.contains_key(address) {
            let period = self.dial_period;
            self.dialed.retain(|_, info| now.saturating_duration_since(info.last) <= period);
            if self.dialed.len() >= MAX_ENTRIES {
                return;
            }
        }
        let period = self.dial_period;
        let info = self.dialed.entry(address.clone()).or_insert(DialInfo { dials: 0, last: now });
        if now.saturating_duration_since(info.last) > period {
            info.dials = 0;
        }
        info.dials += 1;
        info.last = now;
    }

    /// A dial ended, or its connection did.
    pub fn remove_dial(&mut self, peer: &PeerId) {
        self.current_dials.remove(peer);
    }

    /// What is thought of a peer.
    pub fn connectedness(&self, peer: &PeerId) -> Connectedness {
        self.connectedness.get(peer).copied().unwrap_or_default()
    }

    fn set_connectedness(&mut self, peer: PeerId, value: Connectedness) {
        if value == Connectedness::NotConnected {
            self.connectedness.remove(&peer);
        } else if self.connectedness.len() < MAX_ENTRIES || self.connectedness.contains_key(&peer) {
            self.connectedness.insert(peer, value);
        }
    }

    /// Whether the peer at an address may be disconnected: all but protected ones.
    pub fn can_disconnect(&self, address: &Multiaddr) -> bool {
        peer_in(address).is_none_or(|peer| !self.protected_peers.contains(&peer))
    }

    /// Blocks a peer or lifts its block.
    pub fn set_peer_blocked(&mut self, peer: PeerId, blocked: bool) {
        if blocked {
            self.blocked_peers.insert(peer);
            self.set_connectedness(peer, Connectedness::CannotConnect);
        } else {
            self.blocked_peers.remove(&peer);
            self.set_connectedness(peer, Connectedness::NotConnected);
        }
    }

    /// Blocks an address or lifts its block.
    pub fn set_address_blocked(&mut self, address: IpAddr, blocked: bool) {
        if blocked {
            self.blocked_addresses.insert(address)
        } else {
            self.blocked_addresses.remove(&address)
        };
    }

    /// Blocks a subnet or lifts its block.
    pub fn set_subnet_blocked(&mut self, subnet: Subnet, blocked: bool) {
        if blocked {
            self.blocked_subnets.insert(subnet)
        } else {
            self.blocked_subnets.remove(&subnet)
        };
    }

    /// Protects a peer from the threshold and from being disconnected, or lifts that.
    pub fn set_protected(&mut self, peer: PeerId, protected: bool) {
        if protected {
            self.protected_peers.insert(peer)
        } else {
            self.protected_peers.remove(&peer)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_are_bounded_and_what_is_past_its_period_goes_first() {
        let now = Instant::now();
        let mut gater = KonaGater::new(Some(1), Duration::from_secs(1));
        let address = |port: u32| -> Multiaddr {
            format!("/ip4/10.{}.{}.1/tcp/{}", port >> 16, port >> 8 & 255, port & 255).parse().unwrap()
        };
        for port in 0..=MAX_ENTRIES as u32 {
            gater.dialed(&address(port), now);
        }
        assert_eq!(gater.dialed.len(), MAX_ENTRIES);
        gater.dialed(&address(u32::from(u16::MAX) + 9), now + Duration::from_secs(2));
        assert_eq!(gater.dialed.len(), 1);
        for _ in 0..MAX_ENTRIES + 9 {
            gater.set_connectedness(PeerId::random(), Connectedness::CannotConnect);
        }
        assert_eq!(gater.connectedness.len(), MAX_ENTRIES);
    }
}
