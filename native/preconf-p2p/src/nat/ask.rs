//! AutoNAT v2's client, told only of addresses worth a test, and of servers only once their connection has settled.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::client,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};
use tokio::time::{Instant, Sleep, sleep_until};

use super::reach::is_testable;
use crate::single::CROSSING;

/// A dial back looks like a crossed dial on a connection that has just been made, and would be refused: what a server
/// says waits until that is over.
const SETTLED: Duration = Duration::from_secs(CROSSING.as_secs() + 1);

/// So many requests in a row that came to nothing, not even to a failure, and no more is asked for a while: each costs up
/// to 100 kB.
const IN_VAIN: u32 = 12;
const REST: Duration = Duration::from_secs(1800);

type Said = (PeerId, ConnectionId, THandlerOutEvent<client::Behaviour>);

pub(crate) struct Behaviour {
    inner: client::Behaviour,
    local_network: bool,
    since: HashMap<ConnectionId, Instant>,
    /// What was said on connections that have not settled, by when it may be heard.
    waiting: VecDeque<(Instant, Said)>,
    timer: Option<Pin<Box<Sleep>>>,
    in_vain: u32,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Behaviour {
    pub(super) fn new(local_network: bool) -> Self {
        Self {
            inner: client::Behaviour::default(),
            local_network,
            since: HashMap::new(),
            waiting: VecDeque::new(),
            timer: None,
            in_vain: 0,
            rest: None,
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
                && self.since.contains_key(&connection)
            {
                self.inner.on_connection_handler_event(peer, connection, event);
            }
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr })
                if !is_testable(addr, self.local_network) =>
            {
                return;
            }
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, .. }) => {
                self.since.insert(*connection_id, Instant::now());
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.since.remove(connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        // On the right is what comes on the connection that dialled back, which can't wait.
        let due = self.since.get(&id).filter(|_| event.is_left()).map(|since| *since + SETTLED);
        match due.filter(|due| *due > Instant::now()) {
            Some(due) => self.waiting.push_back((due, (peer, id, event))),
            None => self.inner.on_connection_handler_event(peer, id, event),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<client::Event, THandlerInEvent<Self>>> {
        self.hear(cx);
        if self.rest.as_mut().is_some_and(|rest| rest.as_mut().poll(cx).is_pending()) {
            return Poll::Pending;
        }
        self.rest = None;
        let polled = self.inner.poll(cx);
        match &polled {
            Poll::Ready(ToSwarm::NotifyHandler { .. }) => self.in_vain += 1,
            Poll::Ready(_) => self.in_vain = 0,
            Poll::Pending => {}
        }
        if self.in_vain >= IN_VAIN {
            self.in_vain = 0;
            self.rest = Some(Box::pin(sleep_until(Instant::now() + REST)));
        }
        polled
    }
}
