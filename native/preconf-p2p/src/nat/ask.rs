//! AutoNAT v2's client, told only of addresses worth a test and not of too many, and of servers only once their connection
//! has settled. It tests an address once; so it starts anew now and then, for what was so need not be so any more.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    autonat::v2::client,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, ExpiredListenAddr,
        FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, NotifyHandler, SubstreamProtocol, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished,
        handler::{ConnectionEvent, ProtocolSupport},
    },
};
use tokio::time::{Instant, Sleep, sleep_until};

use super::reach::{is_relayed, is_testable};
use crate::single::CROSSING;

/// A dial back looks like a crossed dial on a connection that has just been made, and would be refused: what a server
/// says waits until that is over.
const SETTLED: Duration = Duration::from_secs(CROSSING.as_secs() + 1);

/// So many requests in a row that came to nothing, not even to a failure, and no more is asked for a while: each costs up
/// to 100 kB.
const IN_VAIN: u32 = 12;
const REST: Duration = Duration::from_secs(1800);

/// Addresses tested at most before all are tested anew: any peer can name any number of them.
const MAX: usize = 16;
/// So many of them are kept when they are: others find places then.
const KEPT: usize = 8;
/// When addresses are tested anew.
const RENEWED: Duration = Duration::from_secs(900);
/// What a server speaks.
const SERVER: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");

type Inner = client::Behaviour;
type Said = (PeerId, ConnectionId, THandlerOutEvent<Inner>);

/// A connection.
struct Link {
    peer: PeerId,
    since: Instant,
    serves: bool,
}

/// An address to be tested.
#[derive(Default)]
struct Candidate {
    reached: bool,
    reports: u32,
}

pub(crate) struct Behaviour {
    inner: Inner,
    local_network: bool,
    links: HashMap<ConnectionId, Link>,
    candidates: HashMap<Multiaddr, Candidate>,
    /// What was said on connections that have not settled, by when it may be heard.
    waiting: VecDeque<(Instant, Said)>,
    timer: Option<Pin<Box<Sleep>>>,
    in_vain: u32,
    rest: Option<Pin<Box<Sleep>>>,
    renewal: Option<Pin<Box<Sleep>>>,
    /// A listener's address is gone: what was tested before may not be so any more.
    moved: bool,
    /// Servers that are to present themselves again.
    again: VecDeque<(PeerId, ConnectionId)>,
}

impl Behaviour {
    pub(super) fn new(local_network: bool) -> Self {
        Self {
            inner: Inner::default(),
            local_network,
            links: HashMap::new(),
            candidates: HashMap::new(),
            waiting: VecDeque::new(),
            timer: None,
            in_vain: 0,
            rest: None,
            renewal: None,
            moved: false,
            again: VecDeque::new(),
        }
    }

    fn hear(&mut self, cx: &mut Context<'_>) {
        while let Some((due, _)) = self.waiting.front() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(*due)));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            if let Some((_, (peer, connection, event))) = self.waiting.pop_front()
                && self.links.contains_key(&connection)
            {
                self.inner.on_connection_handler_event(peer, connection, event);
            }
        }
    }

    /// Whether an address is to be tested that a peer sees this node at.
    fn takes(&mut self, address: &Multiaddr) -> bool {
        if let Some(known) = self.candidates.get_mut(address) {
            known.reports = known.reports.saturating_add(1);
            return true;
        }
        let takes = self.candidates.len() < MAX && is_testable(address, self.local_network);
        if takes {
            self.candidates.insert(address.clone(), Candidate { reached: false, reports: 1 });
        }
        takes
    }

    fn is_to_renew(&mut self, cx: &mut Context<'_>) -> bool {
        let renewal = self.renewal.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + RENEWED)));
        let is_due = renewal.as_mut().poll(cx).is_ready();
        std::mem::take(&mut self.moved) || is_due
    }

    /// Has the addresses that matter tested again.
    fn renew(&mut self) {
        self.renewal = None;
        self.inner = Inner::default();
        if self.candidates.len() > KEPT {
            let mut ranked: Vec<_> = std::mem::take(&mut self.candidates).into_iter().collect();
            ranked.sort_by_key(|(_, known)| Reverse((known.reached, known.reports)));
            self.candidates.extend(ranked.into_iter().take(KEPT));
        }
        let nowhere = ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: Multiaddr::empty() };
        for (id, link) in &self.links {
            self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: link.peer,
                connection_id: *id,
                endpoint: &nowhere,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
        let serving = self.links.iter().filter(|(_, link)| link.serves);
        self.again = serving.map(|(id, link)| (link.peer, *id)).collect();
        for addr in self.candidates.keys() {
            self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
        }
    }

    fn note(&mut self, polled: &ToSwarm<client::Event, THandlerInEvent<Inner>>) {
        match polled {
            ToSwarm::NotifyHandler { .. } => self.in_vain += 1,
            ToSwarm::GenerateEvent(event) => {
                self.in_vain = 0;
                if let Some(known) = self.candidates.get_mut(&event.tested_addr) {
                    known.reached = event.result.is_ok();
                }
            }
            _ => self.in_vain = 0,
        }
        if self.in_vain >= IN_VAIN {
            self.in_vain = 0;
            self.rest = Some(Box::pin(sleep_until(Instant::now() + REST)));
        }
    }
}

/// The library's handler, whose peer can be made to present itself as a server again.
pub(crate) struct Handler {
    inner: THandler<Inner>,
    reports: VecDeque<ProtocolSupport>,
}

impl Handler {
    fn new(inner: THandler<Inner>) -> Self {
        Self { inner, reports: VecDeque::new() }
    }
}

/// What a connection is to do.
#[derive(Debug)]
pub(crate) enum Order {
    Ask(THandlerInEvent<Inner>),
    /// Take the server's protocol off the connection's list and put it back.
    Present,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = <THandler<Inner> as ConnectionHandler>::ToBehaviour;
    type InboundProtocol = <THandler<Inner> as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <THandler<Inner> as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = <THandler<Inner> as ConnectionHandler>::InboundOpenInfo;
    type OutboundOpenInfo = <THandler<Inner> as ConnectionHandler>::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn on_behaviour_event(&mut self, order: Order) {
        match order {
            Order::Ask(event) => self.inner.on_behaviour_event(event),
            Order::Present => {
                let protocols = HashSet::from([SERVER]);
                self.reports = [ProtocolSupport::Removed(protocols.clone()), ProtocolSupport::Added(protocols)].into();
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        match self.reports.pop_front() {
            Some(report) => Poll::Ready(ConnectionHandlerEvent::ReportRemoteProtocols(report)),
            None => self.inner.poll(cx),
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx)
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.inner.on_connection_event(event);
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(Handler::new(handler))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.inner.handle_established_outbound_connection(id, peer, address, role, port)?;
        Ok(Handler::new(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }) if !self.takes(addr) => return,
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, peer_id, .. }) => {
                let link = Link { peer: *peer_id, since: Instant::now(), serves: false };
                self.links.insert(*connection_id, link);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.links.remove(connection_id);
            }
            FromSwarm::ExpiredListenAddr(ExpiredListenAddr { addr, .. }) => self.moved |= !is_relayed(addr),
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        // On the right is what comes on the connection that dialled back, which can't wait. The first thing on the left is
        // that the peer is a server.
        let due = self.links.get_mut(&id).filter(|_| event.is_left()).map(|link| {
            link.serves = true;
            link.since + SETTLED
        });
        match due.filter(|due| *due > Instant::now()) {
            Some(due) => self.waiting.push_back((due, (peer, id, event))),
            None => self.inner.on_connection_handler_event(peer, id, event),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<client::Event, THandlerInEvent<Self>>> {
        self.hear(cx);
        if let Some((peer_id, id)) = self.again.pop_front() {
            let (handler, event) = (NotifyHandler::One(id), Order::Present);
            return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
        }
        loop {
            if self.rest.as_mut().is_some_and(|rest| rest.as_mut().poll(cx).is_pending()) {
                return Poll::Pending;
            }
            self.rest = None;
            if let Poll::Ready(polled) = self.inner.poll(cx) {
                self.note(&polled);
                return Poll::Ready(polled.map_in(Order::Ask));
            }
            if !self.is_to_renew(cx) {
                return Poll::Pending;
            }
            self.renew();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(behaviour: &mut Behaviour, address: &str) {
        let addr = &address.parse().unwrap();
        behaviour.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
    }

    #[tokio::test]
    async fn no_number_of_addresses_that_peers_name_is_kept() {
        let mut behaviour = Behaviour::new(false);
        for private in ["/ip4/10.0.0.1/tcp/1", "/dns4/localhost/tcp/1", "/memory/7"] {
            name(&mut behaviour, private);
        }
        assert!(behaviour.candidates.is_empty());
        for _ in 0..3 {
            name(&mut behaviour, "/ip4/8.8.4.4/tcp/9000");
        }
        for port in 0..1000 {
            name(&mut behaviour, &format!("/ip4/8.8.8.8/tcp/{port}"));
        }
        assert_eq!(behaviour.candidates.len(), MAX);
        behaviour.renew();
        assert_eq!(behaviour.candidates.len(), KEPT, "others find places");
        assert!(behaviour.candidates.contains_key(&"/ip4/8.8.4.4/tcp/9000".parse().unwrap()), "several peers named it");
        name(&mut behaviour, "/ip4/1.1.1.1/tcp/9000");
        assert_eq!(behaviour.candidates.len(), KEPT + 1);
    }
}
