//! AutoNAT v2's server, which dials back no address that a stranger has no business to name, and not without end.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::server,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use tokio::time::{Instant, Sleep, sleep_until};

use super::reach::is_testable;

/// Dials back in a [`MINUTE`], of all peers: a node asks for one for each address of its own, once.
const DIALS: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// A dial back that has come to nothing by then has failed: the library gives up its answer after ten seconds, and who
/// asked would never learn that a router swallows what comes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a peer is not dialled back.
#[derive(Debug, thiserror::Error)]
enum NotDialled {
    #[error("peers are not dialled back at {0}: it is not public, or not TCP or QUIC")]
    Address(Multiaddr),
    #[error("{DIALS} peers were dialled back within a minute")]
    Budget,
}

pub(crate) struct Behaviour {
    inner: server::Behaviour,
    local_network: bool,
    /// Dials back in flight, and their connections.
    own: HashSet<ConnectionId>,
    /// Dials back in flight, by when they have failed.
    flights: VecDeque<(Instant, PeerId, ConnectionId)>,
    timer: Option<Pin<Box<Sleep>>>,
    recent: VecDeque<Instant>,
}

impl Behaviour {
    pub(super) fn new(local_network: bool) -> Self {
        Self {
            inner: server::Behaviour::default(),
            local_network,
            own: HashSet::new(),
            flights: VecDeque::new(),
            timer: None,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn is_dial_back(&self, connection: ConnectionId) -> bool {
        self.own.contains(&connection)
    }

    /// Ends dials back that take too long.
    fn give_up(&mut self, cx: &mut Context<'_>) {
        while let Some((due, peer, connection)) = self.flights.front().copied() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            self.flights.pop_front();
            let failed = DialFailure { peer_id: Some(peer), error: &DialError::Aborted, connection_id: connection };
            self.inner.on_swarm_event(FromSwarm::DialFailure(failed));
        }
    }

    fn landed(&mut self, connection: ConnectionId) {
        if let Some(at) = self.flights.iter().position(|(.., flying)| *flying == connection) {
            self.flights.remove(at);
            self.timer = None;
        }
    }

    fn spend(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.recent.pop_front();
        }
        let some = self.recent.len() < DIALS;
        if some {
            self.recent.push_back(now);
        }
        some
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = server::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !self.own.contains(&id) {
            return Ok(Vec::new());
        }
        if let Some(address) = addresses.iter().find(|address| !is_testable(address, self.local_network)) {
            return Err(ConnectionDenied::new(NotDialled::Address(address.clone())));
        }
        if self.spend(Instant::now()) { Ok(Vec::new()) } else { Err(ConnectionDenied::new(NotDialled::Budget)) }
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.landed(id);
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::DialFailure(DialFailure { connection_id, .. })
        | FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) = &event
            && self.own.remove(connection_id)
        {
            self.landed(*connection_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<server::Event, THandlerInEvent<Self>>> {
        self.give_up(cx);
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.own.insert(opts.connection_id());
            if let Some(peer) = opts.get_peer_id() {
                self.flights.push_back((Instant::now() + PATIENCE, peer, opts.connection_id()));
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dials_back_are_bounded_in_a_minute() {
        let mut behaviour = Behaviour::new(true);
        let now = Instant::now();
        for _ in 0..DIALS {
            assert!(behaviour.spend(now));
        }
        assert!(!behaviour.spend(now + MINUTE / 2));
        assert!(behaviour.spend(now + MINUTE));
    }

    #[tokio::test]
    async fn only_public_addresses_are_dialled_back_and_other_dials_are_left_alone() {
        let dial = |behaviour: &mut Behaviour, id, address: &str| {
            let addresses = [address.parse().unwrap()];
            behaviour.handle_pending_outbound_connection(id, None, &addresses, Endpoint::Dialer).is_ok()
        };
        let (own, other) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        let mut behaviour = Behaviour::new(false);
        behaviour.own.insert(own);
        assert!(dial(&mut behaviour, own, "/ip4/8.8.8.8/tcp/9000"));
        assert!(dial(&mut behaviour, own, "/ip4/8.8.8.8/udp/9000/quic-v1"));
        for address in ["/ip4/10.0.0.1/tcp/9000", "/ip4/127.0.0.1/tcp/22", "/dns4/localhost/tcp/9000", "/memory/7"] {
            assert!(!dial(&mut behaviour, own, address), "{address}");
            assert!(dial(&mut behaviour, other, address), "{address}");
        }
        behaviour.local_network = true;
        assert!(dial(&mut behaviour, own, "/ip4/10.0.0.1/tcp/9000"));
    }
}
