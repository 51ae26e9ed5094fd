//! Two nodes that dial each other at once would have two connections. One of them is refused before anything uses it:
//! gossipsub sends its first message on either, and would lose it with the one that closes later.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
    },
};
use tokio::time::Instant;

use crate::nat::is_relayed;

/// Dials cross when their connections are up within this of each other. Of an older connection it is not known whether
/// it still lives: a peer that restarted must not be kept out by what it left behind.
pub(crate) const CROSSING: Duration = Duration::from_secs(5);

/// Why a connection was refused: the other one is kept.
#[derive(Debug)]
pub(crate) struct Crossed;

impl fmt::Display for Crossed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("both nodes dialled each other, and the other connection is up")
    }
}

impl std::error::Error for Crossed {}

struct Connection {
    id: ConnectionId,
    outbound: bool,
    relayed: bool,
    since: Instant,
}

/// Refuses the second of two connections that crossed, on the side with the smaller id only: were both to refuse, each
/// might refuse the one that the other keeps.
pub(crate) struct Behaviour {
    local: PeerId,
    connections: HashMap<PeerId, Vec<Connection>>,
}

impl Behaviour {
    pub(crate) fn new(local: PeerId) -> Self {
        Self { local, connections: HashMap::new() }
    }

    /// `address` is the one that was dialled, or was listened at. A direct connection never crosses a relayed one: it is
    /// to replace it.
    fn check(
        &self,
        peer: &PeerId,
        outbound: bool,
        address: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let relayed = is_relayed(address);
        let crosses =
            |open: &Connection| open.outbound != outbound && open.relayed == relayed && open.since.elapsed() < CROSSING;
        let of_peer = self.connections.get(peer);
        if self.local < *peer && of_peer.is_some_and(|connections| connections.iter().any(crosses)) {
            return Err(ConnectionDenied::new(Crossed));
        }
        Ok(dummy::ConnectionHandler)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, false, local)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, true, address)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                let (outbound, relayed, since) = (endpoint.is_dialer(), endpoint.is_relayed(), Instant::now());
                let connection = Connection { id: connection_id, outbound, relayed, since };
                self.connections.entry(peer_id).or_default().push(connection);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.retain(|open| open.id != connection_id);
                    if connections.is_empty() {
                        self.connections.remove(&peer_id);
                    }
                }
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
