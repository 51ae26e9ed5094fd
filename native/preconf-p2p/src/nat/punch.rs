//! Hole punching that dials, and names, no address which a stranger has no business to name.

use std::{
    collections::HashSet,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    dcutr,
    swarm::{
        ConnectionDenied, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

use super::reach::is_testable;

/// Addresses dialled for one hole: so many of its own the library names at most.
const MAX: usize = 20;

/// Why no hole is punched.
#[derive(Debug, thiserror::Error)]
enum NotPunched {
    #[error("no hole is punched to {0}: it is not public, or not TCP or QUIC")]
    Address(Multiaddr),
    #[error("no hole is punched to a peer that names over {MAX} addresses")]
    Number,
}

/// `DCUtR`, within bounds.
pub(crate) struct Behaviour {
    inner: dcutr::Behaviour,
    local_network: bool,
    /// Its dials in flight.
    own: HashSet<ConnectionId>,
}

impl Behaviour {
    pub(super) fn new(local: PeerId, local_network: bool) -> Self {
        Self { inner: dcutr::Behaviour::new(local), local_network, own: HashSet::new() }
    }

    fn check(&self, addresses: &[Multiaddr]) -> Result<(), NotPunched> {
        if addresses.len() > MAX {
            return Err(NotPunched::Number);
        }
        match addresses.iter().find(|address| !is_testable(address, self.local_network)) {
            Some(address) => Err(NotPunched::Address(address.clone())),
            None => Ok(()),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<dcutr::Behaviour>;
    type ToSwarm = dcutr::Event;

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
        if self.own.contains(&id) {
            self.check(addresses).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.own.remove(&id);
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr })
                if !is_testable(addr, self.local_network) =>
            {
                return;
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.own.remove(connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<dcutr::Event, THandlerInEvent<Self>>> {
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.own.insert(opts.connection_id());
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        format!("{text}/p2p/16Uiu2HAm6q6EQTbWkjJCuNyv6HiykzdqjmG7mYsaj9aHg9FiCtbg").parse().unwrap()
    }

    #[test]
    fn holes_are_punched_to_a_few_public_addresses_only_and_other_dials_are_left_alone() {
        let dial = |behaviour: &mut Behaviour, id, addresses: &[Multiaddr]| {
            behaviour.handle_pending_outbound_connection(id, None, addresses, Endpoint::Dialer).is_ok()
        };
        let (own, other) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        let mut behaviour = Behaviour::new(PeerId::random(), false);
        behaviour.own.insert(own);
        let public = [at("/ip4/8.8.8.8/tcp/9000"), at("/ip6/2606:4700::1/udp/9000/quic-v1")];
        assert!(dial(&mut behaviour, own, &public));
        for private in ["/ip4/127.0.0.1/tcp/22", "/ip4/192.168.1.1/tcp/80", "/ip6/::1/tcp/1", "/dns4/localhost/tcp/1"] {
            let addresses = [public[0].clone(), at(private)];
            assert!(!dial(&mut behaviour, own, &addresses), "{private}");
            assert!(dial(&mut behaviour, other, &addresses), "{private}");
        }
        let many: Vec<_> = (0..=MAX).map(|port| at(&format!("/ip4/8.8.8.8/tcp/{}", port + 1))).collect();
        assert!(!dial(&mut behaviour, own, &many));
        assert!(dial(&mut behaviour, own, &many[..MAX]));
        behaviour.local_network = true;
        assert!(dial(&mut behaviour, own, &[at("/ip4/192.168.1.1/tcp/9000")]));
    }
}
