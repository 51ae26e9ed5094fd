//! How this node is reached: what the parts behind [`crate::nat`] find out, what is told of it, relays and direct ways.

use std::{net::IpAddr, time::Duration};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol, core::ConnectedPoint, core::transport::ListenerId, identify,
    multiaddr::Protocol, swarm::ConnectionId,
};
use tokio::time::Instant;

use super::{Driver, events::bounded};
use crate::{
    Config, Event, EventSink, Reachability,
    gater::ip_in,
    nat::{BehaviourEvent, Happened, Known, Reach, RelaySource, Relays, Votes, is_reachable, is_relayed},
};

/// What a relay offers.
const HOP: StreamProtocol = StreamProtocol::new("/libp2p/circuit/relay/0.2.0/hop");
/// A connection that another one replaces is closed after this; what is on its way arrives until then.
const REPLACED: Duration = Duration::from_secs(2);
/// One that a peer was dialled back with, when it has had its message.
const DIALLED_BACK: Duration = Duration::from_secs(10);
/// Every so many refusals of a relay one is logged, beside the first.
const LOG_EVERY: u32 = 10;

/// Where this node stands towards the outside.
pub(super) struct Nat {
    pub(super) reach: Reach,
    told: Option<Known>,
    relays: Relays,
    uses_relays: bool,
    votes: Option<Votes>,
    local_network: bool,
    /// Connections that are of no more use, by when they are closed.
    closing: Vec<(Instant, PeerId, ConnectionId)>,
}

impl Nat {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let relays: &[_] = if config.nat.relay_client { &config.nat.relays } else { &[] };
        Self {
            reach: Reach::new(&config.external),
            told: None,
            relays: Relays::new(relays, now),
            uses_relays: config.nat.relay_client,
            votes: (config.nat.observed_address && config.external.is_empty()).then(Votes::default),
            local_network: config.local_network,
            closing: Vec::new(),
        }
    }
}

impl<S: EventSink> Driver<'_, S> {
    /// The addresses of the configuration are told to peers as any that is found.
    pub(super) fn begin_nat(&mut self) {
        let configured: Vec<_> = self.nat.reach.configured().cloned().collect();
        for address in configured {
            self.net.swarm.add_external_address(address);
        }
        self.tell_reachability();
    }

    pub(super) fn on_nat_event(&mut self, event: BehaviourEvent) {
        match event.read() {
            Happened::Mapped(address, is_mapped) => {
                tracing::info!(%address, is_mapped, "port mapping on the router");
                self.found_at(&address, is_mapped);
                self.nat.reach.mapped(address, is_mapped);
            }
            Happened::DialledBack(address, server, reached) => {
                tracing::debug!(%address, %server, reached, "dialled back");
                self.found_at(&address, reached);
                self.nat.reach.dialled_back(address, reached, self.now);
            }
            Happened::Punched(peer, result) => match result {
                Ok(()) => tracing::info!(%peer, "reached directly: a hole was punched"),
                Err(error) => tracing::debug!(%peer, error, "no hole was punched"),
            },
            Happened::Said(text) => tracing::debug!("{text}"),
        }
        self.tell_reachability();
    }

    fn found_at(&mut self, address: &Multiaddr, found: bool) {
        if let Some(discovery) = self.discovery.as_mut().filter(|_| found) {
            discovery.reached_at(address);
        }
    }

    /// An address is confirmed to be this node's, or is not any more. Direct ones have been told by who confirmed them.
    pub(super) fn on_external_address(&mut self, address: Multiaddr, confirmed: bool) {
        if is_relayed(&address) {
            tracing::info!(%address, confirmed, "reached through a relay");
            self.nat.reach.relayed(address, confirmed);
            self.tell_reachability();
        }
    }

    /// How a peer sees this node, and what it offers.
    pub(super) fn on_identified(&mut self, id: PeerId, info: &identify::Info) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.offers_relay = info.protocols.contains(&HOP);
        let (Some(from), Some(seen)) = (ip_in(&peer.remote), ip_in(&info.observed_addr)) else { return };
        if is_relayed(&info.observed_addr) || is_relayed(&peer.remote) || !is_reachable(seen, self.nat.local_network) {
            return;
        }
        let unknown = self.nat.reach.known().evidence == crate::Evidence::None;
        let agreed = self.nat.votes.as_mut().and_then(|votes| votes.add(from, seen));
        if let Some(ip) = agreed.filter(|_| unknown) {
            self.found_at(&Multiaddr::empty().with(protocol_of(ip)), true);
        }
    }

    /// A connection is up beside those that the peer had. What it replaces, or is worth only for a moment, is closed soon.
    pub(super) fn on_further_connection(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let was_relayed = is_relayed(&peer.remote) || peer.links.iter().all(|link| link.relayed);
        if endpoint.is_relayed() {
            return;
        }
        if self.net.swarm.behaviour().nat.is_dial_back(connection) {
            self.nat.closing.push((self.now + DIALLED_BACK, id, connection));
            return;
        }
        let replaced = peer.links.iter().filter(|link| link.relayed).map(|link| link.id);
        self.nat.closing.extend(replaced.map(|link| (self.now + REPLACED, id, link)));
        if was_relayed {
            let (address, outbound) = (endpoint.get_remote_address().clone(), endpoint.is_dialer());
            peer.shown = connection;
            peer.remote = address.clone();
            peer.outbound = outbound;
            self.sink.control(Event::PeerMoved { peer: id, address, outbound });
        }
    }

    /// A peer came by itself: this node is reached. Not so when a hole was punched for it. Returns where it came to.
    pub(super) fn on_inbound(&mut self, id: PeerId, endpoint: &ConnectedPoint) -> Option<IpAddr> {
        let ConnectedPoint::Listener { local_addr, send_back_addr } = endpoint else { return None };
        let punched = self.peers.get(&id).is_some_and(|peer| peer.links.iter().any(|link| link.relayed));
        let stranger = ip_in(send_back_addr).is_some_and(|ip| is_reachable(ip, self.nat.local_network));
        if endpoint.is_relayed() || punched || !stranger {
            return None;
        }
        self.nat.reach.inbound(self.now);
        if ip_in(local_addr).is_some_and(|ip| is_reachable(ip, self.nat.local_network)) {
            self.net.swarm.add_external_address(local_addr.clone());
        }
        self.tell_reachability();
        ip_in(local_addr)
    }

    /// A listener no longer has an address.
    pub(super) fn on_listen_address_gone(&mut self, address: &Multiaddr) {
        let Some(ip) = ip_in(address).filter(|_| !is_relayed(address)) else { return };
        for link in self.peers.values_mut().flat_map(|peer| &mut peer.links) {
            link.came_to.take_if(|to| *to == ip);
        }
        let gone = self.nat.reach.moved(ip);
        self.no_longer_at(&gone);
    }

    /// What was found out of how this node is reached does not hold for ever. While a peer that came stays, this node is
    /// where it was.
    fn forget_reachability(&mut self) {
        if self.peers.values().flat_map(|peer| &peer.links).any(|link| link.came_to.is_some()) {
            self.nat.reach.inbound(self.now);
        }
        let (gone, has_changed) = self.nat.reach.lapse(self.now);
        if has_changed {
            self.no_longer_at(&gone);
        }
    }

    fn no_longer_at(&mut self, addresses: &[Multiaddr]) {
        for address in addresses {
            tracing::info!(%address, "not known to be reached here any more");
            self.net.swarm.remove_external_address(address);
        }
        self.tell_reachability();
    }

    fn tell_reachability(&mut self) {
        let known = self.nat.reach.known();
        if self.nat.told.as_ref() == Some(&known)
            || (self.nat.told.is_none() && known.reachability == Reachability::Unknown)
        {
            return;
        }
        let Known { reachability, evidence, addresses } = known.clone();
        self.nat.told = Some(known);
        self.sink.control(Event::Reachability { reachability, evidence, addresses });
    }

    /// Whether a peer is a relay of this node's.
    pub(super) fn is_relay_in_use(&self, id: &PeerId) -> bool {
        self.nat.relays.uses(id)
    }

    /// A listener has an address.
    pub(super) fn relay_stands(&mut self, listener: ListenerId) {
        self.nat.relays.stands(listener);
    }

    /// A listener is gone.
    pub(super) fn on_listener_closed(&mut self, listener: ListenerId, error: &str) {
        self.net.listener_closed(listener);
        let dials = &mut self.dials;
        if let Some((peer, failures)) = self.nat.relays.lost(listener, self.now, |wait| dials.spread(wait))
            && (failures == 1 || failures.is_multiple_of(LOG_EVERY))
        {
            tracing::warn!(relay = %peer, failures, error, "not reached through a relay any more, or not yet");
        }
    }

    /// What is due by time alone: connections to close, relays to ask.
    pub(super) fn tick_nat(&mut self) {
        self.close_replaced();
        self.forget_reachability();
        if !self.nat.uses_relays {
            return;
        }
        let is = self.nat.told.as_ref().map(|told| told.reachability);
        let needed = matches!(is, Some(Reachability::Private | Reachability::Relayed));
        let offers = self.peers.iter().filter(|(_, peer)| peer.offers_relay).filter_map(|(id, peer)| {
            let address = peer.dialled.as_ref().filter(|address| !is_relayed(address))?;
            Some(RelaySource { peer: *id, address: address.clone() })
        });
        for (peer, circuit) in self.nat.relays.due(needed, offers, self.now) {
            match self.net.listen_at(circuit.clone()) {
                Ok(listener) => self.nat.relays.asked(peer, listener),
                Err(error) => {
                    tracing::warn!(relay = %peer, %circuit, error = bounded(&error.to_string()), "no such relay");
                    self.nat.relays.failed(peer, self.now);
                }
            }
        }
    }

    /// Closes what is of no more use, unless it is all that is left of the peer.
    fn close_replaced(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.nat.closing).into_iter().partition(|(at, ..)| *at <= now);
        self.nat.closing = later;
        let due: Vec<(Instant, PeerId, ConnectionId)> = due;
        for (_, id, connection) in due {
            let others = |peer: &super::Peer| peer.links.iter().any(|link| link.id != connection && !link.relayed);
            if self.peers.get(&id).is_some_and(others) {
                self.net.swarm.close_connection(connection);
            }
        }
    }
}

fn protocol_of(ip: IpAddr) -> Protocol<'static> {
    match ip {
        IpAddr::V4(ip) => Protocol::Ip4(ip),
        IpAddr::V6(ip) => Protocol::Ip6(ip),
    }
}
