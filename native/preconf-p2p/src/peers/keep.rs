//! Connections with nothing to do are kept as long as their peer is wanted; the others end by the swarm's idle time-out.
//! And those that should have something to do are made to look.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse, upgrade::DeniedUpgrade},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::ConnectionEvent,
    },
};

/// Whether one peer is wanted; its connections look at every turn, of which pings cause enough.
type Wanted = Arc<AtomicBool>;

/// Keeps connections open.
#[derive(Default)]
pub(crate) struct Behaviour {
    peers: HashMap<PeerId, Wanted>,
    looks: VecDeque<(PeerId, ConnectionId)>,
}

/// A connection is to look what there is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look;

impl Behaviour {
    /// Whether a connected peer's connections are kept without a use. At first they are not.
    pub(crate) fn set(&self, peer: &PeerId, wanted: bool) {
        if let Some(flag) = self.peers.get(peer) {
            flag.store(wanted, Ordering::Relaxed);
        }
    }

    /// Makes a connection look what there is to do. gossipsub's handler wakes for a message only once it has a stream, so
    /// that a connection which never had one, for there was another, would notice its first message by the next ping.
    pub(crate) fn look(&mut self, peer: PeerId, connection: ConnectionId) {
        self.looks.push_back((peer, connection));
    }

    /// How many connections are to look.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> usize {
        self.looks.len()
    }

    fn handler(&mut self, peer: PeerId) -> Handler {
        Handler { wanted: Arc::clone(self.peers.entry(peer).or_default()) }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, remaining_established: 0, .. }) => {
                self.peers.remove(&peer_id);
            }
            // Another behaviour may have refused what this one made a flag for.
            FromSwarm::ListenFailure(_) | FromSwarm::DialFailure(_) => {
                self.peers.retain(|_, flag| Arc::strong_count(flag) > 1);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.looks.pop_front() {
            Some((peer_id, id)) => {
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event: Look })
            }
            None => Poll::Pending,
        }
    }
}

/// One connection's side of it: no protocol, only the wish to stay.
pub(crate) struct Handler {
    wanted: Wanted,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Look;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    // That it came is all: the connection is polled for it.
    fn on_behaviour_event(&mut self, _: Look) {}

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        Poll::Pending
    }

    // No stream is ever asked for or taken.
    fn on_connection_event(&mut self, _: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade>) {}
}
