//! The gate and the limits on connections, as the swarm asks them.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
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

use super::{DialRefusal, Gate, Target, kona::ip_in, voice::Reason};
use crate::ConnectionCaps;

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
    pending_in: HashSet<ConnectionId>,
    pending_out: HashSet<ConnectionId>,
    open: HashMap<ConnectionId, Open>,
    per_peer: HashMap<PeerId, u32>,
    inbound: u32,
}

impl Behaviour {
    pub(crate) fn new(gate: Arc<Gate>, caps: ConnectionCaps) -> Self {
        Self {
            gate,
            caps,
            pending_in: HashSet::new(),
            pending_out: HashSet::new(),
            open: HashMap::new(),
            per_peer: HashMap::new(),
            inbound: 0,
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
            self.inbound += u32::from(!outbound);
        }
    }

    fn on_closed(&mut self, id: ConnectionId) {
        let Some(open) = self.open.remove(&id) else { return };
        self.inbound -= u32::from(!open.outbound);
        if let Some(count) = self.per_peer.get_mut(&open.peer) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&open.peer);
            }
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
        self.pending_in.insert(id);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_in.remove(&id);
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
                self.pending_in.remove(&connection_id);
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
