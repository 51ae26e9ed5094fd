//! The gate and the limits on connections, as the swarm asks them.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    hash::Hash,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, DialFailure, FromSwarm, ListenFailure, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
    },
};
use tokio::time::Instant;

use super::{DialRefusal, Gate, Subnet, Target, kona::ip_in, owned_subnet, voice::Reason};
use crate::ConnectionCaps;

/// One subnet's share of the inbound connections is a quarter, and so many at least.
const LEAST_OF_SUBNET: u32 = 8;

/// A limit is reached.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a limit is reached: at most {limit} {what}")]
pub(crate) struct Limited {
    limit: u64,
    what: &'static str,
}

/// An established connection.
struct Open {
    peer: PeerId,
    outbound: bool,
    ip: Option<IpAddr>,
}

/// Refuses what the gate does not let through, and what is over a limit. Protected peers are over none once they are
/// known: before its handshake nobody is.
pub(crate) struct Behaviour {
    gate: Arc<Gate>,
    caps: ConnectionCaps,
    /// With the range that each comes from, if it has an owner.
    pending_in: HashMap<ConnectionId, Option<Subnet>>,
    pending_of_subnet: HashMap<Subnet, u32>,
    pending_out: HashSet<ConnectionId>,
    open: HashMap<ConnectionId, Open>,
    per_peer: HashMap<PeerId, u32>,
    inbound: u32,
    /// Inbound connections of each subnet that has a bound.
    of_subnet: HashMap<Subnet, u32>,
}

impl Behaviour {
    pub(crate) fn new(gate: Arc<Gate>, caps: ConnectionCaps) -> Self {
        Self {
            gate,
            caps,
            pending_in: HashMap::new(),
            pending_of_subnet: HashMap::new(),
            pending_out: HashSet::new(),
            open: HashMap::new(),
            per_peer: HashMap::new(),
            inbound: 0,
            of_subnet: HashMap::new(),
        }
    }

    /// The connections that a block just set does not allow.
    pub(crate) fn blocked_connections(&self, target: &Target) -> Vec<(PeerId, ConnectionId)> {
        let hit = |open: &Open| match target {
            Target::Peer(peer) => open.peer == *peer,
            Target::Address(_) | Target::Subnet(_) => self.gate.check_open(&open.peer, open.ip, open.outbound).is_err(),
        };
        self.open.iter().filter(|(_, open)| hit(open)).map(|(id, open)| (open.peer, *id)).collect()
    }

    /// What is due by time alone.
    pub(crate) fn tick(&self, now: Instant) {
        self.gate.tick(now);
    }

    fn outbound(&self) -> u32 {
        self.open.len() as u32 - self.inbound
    }

    fn limit(
        &self,
        limit: Option<u32>,
        have: u32,
        reason: Reason,
        address: Option<&Multiaddr>,
    ) -> Result<(), ConnectionDenied> {
        let Some(limit) = limit.filter(|limit| have >= *limit) else { return Ok(()) };
        let what = match reason {
            Reason::PendingIncoming => "inbound connections in their handshake",
            Reason::PendingOutgoing => "dials in flight",
            Reason::EstablishedIncoming => "inbound connections",
            Reason::EstablishedOutgoing => "outbound connections",
            Reason::EstablishedPerPeer => "connections with one peer",
            Reason::EstablishedPerSubnet => "inbound connections of one subnet",
            _ => "connections",
        };
        let limited = Limited { limit: limit.into(), what };
        match address {
            Some(address) => self.gate.refused(reason, address, Instant::now()),
            None => self.gate.refused(reason, &limited, Instant::now()),
        }
        Err(ConnectionDenied::new(limited))
    }

    fn check_memory(&self, address: Option<&Multiaddr>) -> Result<(), ConnectionDenied> {
        let Some(ceiling) = self.gate.over_memory() else { return Ok(()) };
        let limited = Limited { limit: ceiling, what: "resident bytes of the process" };
        match address {
            Some(address) => self.gate.refused(Reason::Memory, address, Instant::now()),
            None => self.gate.refused(Reason::Memory, &limited, Instant::now()),
        }
        Err(ConnectionDenied::new(limited))
    }

    fn refuse(&self, refusal: DialRefusal, inbound: bool, address: Option<&Multiaddr>) -> ConnectionDenied {
        let reason = if inbound { Reason::BlockedInbound } else { reason_of(refusal) };
        match address {
            Some(address) => self.gate.refused(reason, address, Instant::now()),
            None => self.gate.refused(reason, &refusal, Instant::now()),
        }
        ConnectionDenied::new(refusal)
    }

    fn check_established(
        &self,
        peer: &PeerId,
        address: &Multiaddr,
        outbound: bool,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.gate
            .check_open(peer, ip_in(address), outbound)
            .map_err(|refusal| self.refuse(refusal, !outbound, Some(address)))?;
        if !self.gate.is_protected(peer) {
            let caps = &self.caps;
            if outbound {
                self.limit(caps.established_outgoing, self.outbound(), Reason::EstablishedOutgoing, Some(address))?;
            } else {
                self.limit(caps.established_incoming, self.inbound, Reason::EstablishedIncoming, Some(address))?;
                let share = share_of(caps.established_incoming);
                let of_subnet = ip_in(address).and_then(owned_subnet).and_then(|subnet| self.of_subnet.get(&subnet));
                self.limit(share, of_subnet.copied().unwrap_or(0), Reason::EstablishedPerSubnet, Some(address))?;
            }
            let of_peer = self.per_peer.get(peer).copied().unwrap_or(0);
            self.limit(caps.established_per_peer, of_peer, Reason::EstablishedPerPeer, Some(address))?;
            self.limit(caps.established_total, self.open.len() as u32, Reason::EstablishedTotal, Some(address))?;
        }
        Ok(dummy::ConnectionHandler)
    }

    fn on_established(&mut self, id: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        let outbound = endpoint.is_dialer();
        let reached = if outbound { self.gate.take_reached(&peer) } else { None };
        let ip = ip_in(endpoint.get_remote_address()).or(reached);
        if self.open.insert(id, Open { peer, outbound, ip }).is_none() {
            *self.per_peer.entry(peer).or_insert(0) += 1;
            if !outbound {
                self.inbound += 1;
                if let Some(subnet) = ip.and_then(owned_subnet) {
                    *self.of_subnet.entry(subnet).or_insert(0) += 1;
                }
            }
        }
    }

    fn no_longer_pending(&mut self, id: ConnectionId) {
        if let Some(subnet) = self.pending_in.remove(&id).flatten() {
            release(&mut self.pending_of_subnet, &subnet);
        }
    }

    fn on_closed(&mut self, id: ConnectionId) {
        let Some(open) = self.open.remove(&id) else { return };
        if !open.outbound {
            self.inbound -= 1;
            if let Some(subnet) = open.ip.and_then(owned_subnet) {
                release(&mut self.of_subnet, &subnet);
            }
        }
        release(&mut self.per_peer, &open.peer);
    }
}

/// How much of a cap one owner of addresses may have.
fn share_of(cap: Option<u32>) -> Option<u32> {
    cap.map(|cap| (cap / 4).max(LEAST_OF_SUBNET))
}

/// One less of `key`.
fn release<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// The reason under which a refused dial is counted and said.
pub(super) fn reason_of(refusal: DialRefusal) -> Reason {
    match refusal {
        DialRefusal::ThresholdReached | DialRefusal::AlreadyDialing => Reason::Redial,
        _ => Reason::BlockedDial,
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.gate.check_inbound(remote).map_err(|refusal| self.refuse(refusal, true, Some(remote)))?;
        self.check_memory(Some(remote))?;
        let pending = self.pending_in.len() as u32;
        self.limit(self.caps.pending_incoming, pending, Reason::PendingIncoming, Some(remote))?;
        // Or one owner of addresses that begins many and ends none would keep everybody out.
        let subnet = ip_in(remote).and_then(owned_subnet);
        let of_subnet = subnet.and_then(|subnet| self.pending_of_subnet.get(&subnet)).copied().unwrap_or(0);
        self.limit(share_of(self.caps.pending_incoming), of_subnet, Reason::PendingIncoming, Some(remote))?;
        self.pending_in.insert(id, subnet);
        if let Some(subnet) = subnet {
            *self.pending_of_subnet.entry(subnet).or_insert(0) += 1;
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.no_longer_pending(id);
        self.check_established(&peer, remote, false)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !peer.is_some_and(|peer| self.gate.is_protected(&peer)) {
            self.check_memory(addresses.first())?;
            let pending = self.pending_out.len() as u32;
            self.limit(self.caps.pending_outgoing, pending, Reason::PendingOutgoing, addresses.first())?;
        }
        // Dials without addresses get them of other behaviours; each passes the gate below.
        if !addresses.is_empty() {
            self.gate
                .begin_dial(id, peer, addresses, Instant::now())
                .map_err(|refusal| self.refuse(refusal, false, addresses.first()))?;
        }
        self.pending_out.insert(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_out.remove(&id);
        self.check_established(&peer, address, true)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.gate.end_dial(connection_id);
                self.on_established(connection_id, peer_id, endpoint);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => self.on_closed(connection_id),
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.gate.end_dial(connection_id);
                self.pending_out.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.no_longer_pending(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gater::GaterConfig, stats::Counters};

    struct Net {
        behaviour: Behaviour,
        counters: Arc<Counters>,
        next: usize,
    }

    impl Net {
        fn new(incoming: u32, friend: PeerId) -> Self {
            let counters = Arc::new(Counters::default());
            let config = GaterConfig { protected_peers: vec![friend], ..GaterConfig::default() };
            let gate = Gate::new(&config, std::iter::empty(), None, Arc::clone(&counters)).unwrap();
            let caps = ConnectionCaps { established_incoming: Some(incoming), ..ConnectionCaps::default() };
            Self { behaviour: Behaviour::new(Arc::new(gate), caps), counters, next: 0 }
        }

        /// A connection from `ip` as the swarm tells it; its id when it is let in.
        fn connect(&mut self, peer: PeerId, ip: &str) -> Option<ConnectionId> {
            let family = if ip.contains(':') { "ip6" } else { "ip4" };
            let remote: Multiaddr = format!("/{family}/{ip}/tcp/1").parse().unwrap();
            let id = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            let local = Multiaddr::empty();
            self.behaviour.handle_pending_inbound_connection(id, &local, &remote).ok()?;
            self.behaviour.handle_established_inbound_connection(id, peer, &local, &remote).ok()?;
            let endpoint = ConnectedPoint::Listener { local_addr: local, send_back_addr: remote };
            self.behaviour.on_established(id, peer, &endpoint);
            Some(id)
        }

        fn let_in(&mut self, count: usize, ip: impl Fn(usize) -> String) -> usize {
            (0..count).filter(|n| self.connect(PeerId::random(), &ip(*n)).is_some()).count()
        }
    }

    #[test]
    fn one_subnet_has_a_quarter_of_the_inbound_connections() {
        let friend = PeerId::random();
        let mut net = Net::new(100, friend);
        let first = net.connect(PeerId::random(), "1.2.3.4").unwrap();
        assert_eq!(net.let_in(50, |n| format!("1.2.3.{n}")), 24);
        assert_eq!(net.counters.snapshot().connections_limited, 26);
        assert_eq!(net.let_in(1, |_| "::ffff:1.2.3.9".to_owned()), 0, "mapped addresses are the same ones");
        assert!(net.connect(friend, "1.2.3.200").is_some(), "a protected peer is over no limit");
        assert_eq!(net.let_in(1, |_| "1.2.4.1".to_owned()), 1);
        net.behaviour.on_closed(first);
        assert_eq!(net.let_in(1, |_| "1.2.3.5".to_owned()), 0, "the protected peer's counts");
        assert_eq!(net.let_in(30, |n| format!("2606:4700:0:{:x}::1", n)), 25, "a /56");
        assert_eq!(net.let_in(1, |_| "2606:4700:0:100::1".to_owned()), 1, "another /56");
    }

    #[test]
    fn who_begins_many_connections_and_ends_none_keeps_nobody_out() {
        let mut net = Net::new(100, PeerId::random());
        let begin = |net: &mut Net, ip: &str| {
            let id = ConnectionId::new_unchecked(net.next);
            net.next += 1;
            let remote = format!("/ip4/{ip}/tcp/1").parse().unwrap();
            net.behaviour.handle_pending_inbound_connection(id, &Multiaddr::empty(), &remote).ok().map(|()| id)
        };
        let begun: Vec<_> = (0..40).filter_map(|n| begin(&mut net, &format!("1.2.3.{n}"))).collect();
        assert_eq!(begun.len(), 10, "a quarter");
        assert!(begin(&mut net, "9.9.9.9").is_some());
        net.behaviour.no_longer_pending(begun[0]);
        assert!(begin(&mut net, "1.2.3.4").is_some() && begin(&mut net, "1.2.3.4").is_none());
        begun[1..].iter().for_each(|id| net.behaviour.no_longer_pending(*id));
        assert_eq!((net.behaviour.pending_in.len(), net.behaviour.pending_of_subnet.len()), (2, 2));
        assert_eq!(
            (0..40).filter(|_| begin(&mut net, "127.0.0.1").is_some()).count(),
            38,
            "none of these has an owner"
        );
    }

    #[test]
    fn local_networks_have_no_bound_and_small_caps_a_floor() {
        let mut net = Net::new(16, PeerId::random());
        assert_eq!(net.let_in(12, |n| format!("8.8.8.{n}")), 8);
        assert_eq!(net.let_in(4, |_| "127.0.0.1".to_owned()), 4);
        assert_eq!(net.let_in(10, |n| format!("10.0.0.{n}")), 4, "up to the cap of all");
    }

    #[test]
    fn what_closed_is_forgotten() {
        let mut net = Net::new(40, PeerId::random());
        for round in 0..100 {
            let ids: Vec<_> = (0..10).map(|n| net.connect(PeerId::random(), &format!("9.9.{round}.{n}"))).collect();
            ids.into_iter().for_each(|id| net.behaviour.on_closed(id.unwrap()));
        }
        assert!(net.behaviour.of_subnet.is_empty() && net.behaviour.per_peer.is_empty());
    }
}
