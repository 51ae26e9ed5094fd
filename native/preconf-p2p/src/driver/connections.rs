//! Peers and their connections.

use std::{net::IpAddr, sync::Arc, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    multiaddr::Protocol,
    swarm::{ConnectionError, ConnectionId},
};
use tokio::time::Instant;

use super::Driver;
use crate::{
    Event, EventSink, Topic,
    behaviour::{PING_TIMEOUT, SILENCE},
    gater::Target,
    gossip::peer_score_thresholds,
    transport::{Health, Ledger},
};

/// How long messages wait for room in a peer's queue while others have some; then it is passed over.
const PATIENCE: Duration = Duration::from_millis(400);
/// A gossip stream that takes no byte for this long although some wait is dead.
const STUCK: Duration = Duration::from_secs(10);
/// So is one that closed and was not opened again within this, in either direction.
const STREAM_LOST: Duration = Duration::from_secs(30);
/// For so long it is held against a peer that its connection had to be given up.
const STRIKE: Duration = Duration::from_secs(600);
/// Peers of which this is known; beyond, the newest are not remembered.
const MAX_STRIKES: usize = 1024;
/// The host is told of messages that a peer missed no more often than this.
const TELL_MISSED: Duration = Duration::from_secs(1);
/// The score of a peer that is to leave the mesh, and is sent and asked for gossip even so.
const BENCHED: f64 = -0.5;
/// Host scores kept.
const MAX_SCORES: usize = 1 << 16;

/// A connected peer.
pub(super) struct Peer {
    pub(super) ledger: Arc<Ledger>,
    /// Joined topics.
    pub(super) subscribed: [bool; 2],
    /// Its gossipsub score lets messages of this node go to it.
    pub(super) publishable: bool,
    /// How long messages may wait for room in its queue while others have some.
    pub(super) patience: Duration,
    /// Messages of this node that passed it over since the host was told.
    pub(super) passed_over: u64,
    /// When the host was told last.
    told: Option<Instant>,
    /// It is kept out of the mesh until it takes what is queued.
    benched: bool,
    pub(super) answers_pings: bool,
    pub(super) links: Vec<Link>,
    /// It lets others be reached through it.
    pub(super) offers_relay: bool,
    /// Where this node last reached it.
    pub(super) dialled: Option<Multiaddr>,
    /// The connection that the host was told of,
    pub(super) shown: ConnectionId,
    /// where it came from or went to,
    pub(super) remote: Multiaddr,
    /// and whether this node dialled it.
    pub(super) outbound: bool,
    /// Since when it is connected.
    pub(super) since: Instant,
    /// Why this node closes its connections.
    pub(super) closing: Option<&'static str>,
    /// A further connection has come up beside one that was there.
    pub(super) further: bool,
    pub(super) announced: Announced,
}

/// What a peer says of itself in a minute: changes of its subscriptions, and who it is. Each is an event, and who reads events slowly
/// loses others to them.
const ANNOUNCEMENTS: u32 = 64;
const MINUTE: Duration = Duration::from_secs(60);

/// How often a peer said something of itself since when.
pub(super) struct Announced {
    count: u32,
    since: Instant,
}

/// One connection with a peer.
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) relayed: bool,
    /// This node dialled it.
    pub(super) outbound: bool,
    /// Where it came from or went to.
    pub(super) remote: Multiaddr,
    /// At which address of this node the peer arrived by itself.
    pub(super) came_to: Option<IpAddr>,
    /// When the peer last answered a ping on it; at first, when it came up.
    heard: Instant,
}

/// How often, and when last, this node had to give up its connections with a peer that took nothing.
#[derive(Clone, Copy)]
pub(super) struct Strikes {
    count: u32,
    at: Instant,
}

impl<S: EventSink> Driver<'_, S> {
    pub(super) fn on_connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        self.shared.counters.connections.add(1);
        let dialled = endpoint.is_dialer().then(|| endpoint.get_remote_address().clone());
        let (outbound, remote) = (endpoint.is_dialer(), remote_of(id, endpoint));
        let came_to = self.on_inbound(id, endpoint);
        let (relayed, heard) = (endpoint.is_relayed(), self.now);
        let link = Link { id: connection, relayed, outbound, remote, came_to, heard };
        if self.peers.contains_key(&id) {
            self.on_further_connection(id, connection, endpoint);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.links.push(link);
            peer.dialled = dialled.or(peer.dialled.take());
            // Whatever was closed, the peer stays.
            peer.closing = None;
            peer.further = true;
        } else {
            let peer = Peer {
                ledger: self.ledgers.of(id),
                subscribed: [false; 2],
                publishable: true,
                patience: PATIENCE / (1 + self.strikes_of(&id)),
                passed_over: 0,
                told: None,
                benched: false,
                answers_pings: false,
                shown: connection,
                remote: link.remote.clone(),
                outbound,
                links: vec![link],
                offers_relay: false,
                dialled,
                since: self.now,
                closing: None,
                further: false,
                announced: Announced { count: 0, since: self.now },
            };
            self.peers.insert(id, peer);
            self.shared.counters.peers.set(self.peers.len() as u64);
            // gossipsub may still have the score that kept it out of the mesh before.
            self.apply_score(id);
            let address = remote_of(id, endpoint);
            self.sink.control(Event::PeerConnected { peer: id, address, outbound });
        }
        self.keep_if_wanted(id);
        self.dial_succeeded(id, connection);
    }

    pub(super) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId, cause: Option<ConnectionError>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let before = peer.links.len();
        peer.links.retain(|open| open.id != connection);
        self.shared.counters.connections.sub((before - peer.links.len()) as u64);
        if !peer.links.is_empty() {
            peer.ledger.moved();
            self.changed.insert(id);
            self.show_another(id);
            return;
        }
        self.changed.remove(&id);
        let cause = match (peer.closing, cause) {
            (Some(closing), _) => closing.to_owned(),
            (None, Some(error)) => super::events::bounded(&error.to_string()),
            (None, None) => "closed".to_owned(),
        };
        self.peers.remove(&id);
        self.shared.counters.peers.set(self.peers.len() as u64);
        self.fail_requests_of(id);
        self.sink.control(Event::PeerDisconnected { peer: id, cause });
        self.dials.lost(id, self.strikes_of(&id), self.now);
        self.candidate_lost(id);
    }

    /// The host is told of another connection with a peer when the one it knows is gone: a direct one before a relayed one.
    fn show_another(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.links.iter().any(|link| link.id == peer.shown) {
            return;
        }
        let Some(link) = peer.links.iter().min_by_key(|link| link.relayed) else { return };
        peer.shown = link.id;
        if (&peer.remote, peer.outbound) != (&link.remote, link.outbound) {
            (peer.remote, peer.outbound) = (link.remote.clone(), link.outbound);
            let (address, outbound) = (peer.remote.clone(), peer.outbound);
            self.sink.control(Event::PeerMoved { peer: id, address, outbound });
        }
    }

    /// Closes all connections with a peer.
    pub(super) fn disconnect(&mut self, id: PeerId, cause: &'static str) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.closing = Some(cause);
            let _ = self.net.swarm.disconnect_peer_id(id);
        }
    }

    /// Has the connections that are left of several look for messages until one has a gossip stream: at once when a message
    /// waits, at ticks for the rest, which may never come.
    pub(super) fn look_at_changed(&mut self, ticked: bool) {
        let (peers, keep) = (&self.peers, &mut self.net.swarm.behaviour_mut().keep);
        self.changed.retain(|id| {
            let Some(peer) = peers.get(id).filter(|peer| !peer.ledger.has_outbound()) else { return false };
            if ticked || peer.ledger.queued().1 > 0 {
                peer.links.iter().for_each(|link| keep.look(*id, link.id));
            }
            true
        });
    }

    pub(super) fn set_blocked(&mut self, id: PeerId, blocked: bool) {
        if blocked {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.closing = Some("blocked");
            }
            // Closes its connections too.
            self.net.swarm.behaviour_mut().blocked.block_peer(id);
        } else if self.net.swarm.behaviour_mut().blocked.unblock_peer(id) {
            self.dials.lost(id, 0, self.now);
        }
    }

    /// Brings the connections into line with a block that was set or lifted.
    pub(super) fn gate_changed(&mut self, target: Target, blocked: bool) {
        if !blocked {
            if let Target::Peer(id) = target
                && !self.peers.contains_key(&id)
            {
                self.dials.lost(id, 0, self.now);
            }
            return;
        }
        let blocked = self.net.swarm.behaviour().gater.blocked_connections(&target);
        for (id, connection) in &blocked {
            let is_blocked = |link: &Link| blocked.iter().any(|(_, blocked)| *blocked == link.id);
            if let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.links.iter().all(is_blocked)) {
                peer.closing = Some("blocked");
            }
            self.net.swarm.close_connection(*connection);
        }
    }

    pub(super) fn set_score(&mut self, id: PeerId, score: f64) {
        if score == 0.0 {
            self.scores.remove(&id);
        } else if self.scores.len() < MAX_SCORES || self.scores.contains_key(&id) {
            self.scores.insert(id, score);
        }
        self.apply_score(id);
        self.refresh_publishable(id);
        self.peer_is_judged(id, score);
    }

    /// Gives gossipsub the host's score of a peer, lowered as far as it takes to keep a benched one out of the mesh.
    pub(super) fn apply_score(&mut self, id: PeerId) {
        let host = self.scores.get(&id).copied().unwrap_or(0.0);
        let gossip = &mut self.net.swarm.behaviour_mut().gossip;
        gossip.set_application_score(&id, host);
        if self.peers.get(&id).is_some_and(|peer| peer.benched) {
            let surplus = gossip.peer_score(&id).unwrap_or(0.0) - BENCHED;
            if surplus > 0.0 {
                gossip.set_application_score(&id, host - surplus);
            }
        }
    }

    /// Has gossipsub prune a peer from the mesh at its next heartbeat: what is forwarded goes to all of the mesh.
    pub(super) fn bench(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.benched) {
            peer.benched = true;
            tracing::debug!(peer = %id, "out of the mesh until it takes what is queued");
            self.apply_score(id);
        }
    }

    fn strikes_of(&self, id: &PeerId) -> u32 {
        let fresh = |strikes: &&Strikes| self.now.saturating_duration_since(strikes.at) < STRIKE;
        self.strikes.get(id).filter(fresh).map_or(0, |strikes| strikes.count)
    }

    fn strike(&mut self, id: PeerId) -> u32 {
        let (count, now) = (self.strikes_of(&id) + 1, self.now);
        if self.strikes.len() >= MAX_STRIKES {
            self.strikes.retain(|_, strikes| now.saturating_duration_since(strikes.at) < STRIKE);
        }
        if self.strikes.len() < MAX_STRIKES || self.strikes.contains_key(&id) {
            self.strikes.insert(id, Strikes { count, at: now });
        }
        count
    }

    fn refresh_publishable(&mut self, id: PeerId) {
        let score = self.net.swarm.behaviour().gossip.peer_score(&id).unwrap_or(0.0);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.publishable = score >= peer_score_thresholds().publish_threshold;
        }
    }

    pub(super) fn on_subscription(&mut self, id: PeerId, topic: Topic, subscribed: bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        // It says what it said before: it has forgotten this node, whose gossipsub says so on a first connection alone. It would never
        // learn what this node subscribes to, and send nothing.
        if subscribed && peer.subscribed[topic.index()] && peer.further {
            self.disconnect(id, "it came back and had forgotten this node");
            return;
        }
        if std::mem::replace(&mut peer.subscribed[topic.index()], subscribed) != subscribed && self.may_announce(id) {
            self.sink.control(Event::PeerSubscription { peer: id, topic, subscribed });
            self.keep_if_wanted(id);
        }
    }

    /// Whether what a peer says of itself is told; one that says too much is let go.
    pub(super) fn may_announce(&mut self, id: PeerId) -> bool {
        let now = self.now;
        let Some(Peer { announced, .. }) = self.peers.get_mut(&id) else { return false };
        if now.saturating_duration_since(announced.since) >= MINUTE {
            *announced = Announced { count: 0, since: now };
        }
        announced.count += 1;
        let count = announced.count;
        if count == ANNOUNCEMENTS + 1 {
            self.disconnect(id, "it said too much of itself");
        }
        count <= ANNOUNCEMENTS
    }

    pub(super) fn on_pong(&mut self, id: PeerId, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.answers_pings = true;
            if let Some(link) = peer.links.iter_mut().find(|link| link.id == connection) {
                link.heard = self.now;
            }
        }
    }

    /// A ping was lost. The only connection is but slow while it brings bytes; of several it is not known which one does,
    /// and the peer has another.
    pub(super) fn on_ping_lost(&mut self, id: PeerId, connection: ConnectionId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let is_only = peer.links.iter().all(|link| link.id == connection);
        let heard = peer.ledger.health(now).last_read;
        if !is_only || heard.is_none() || is_over(heard, PING_TIMEOUT, now) {
            if is_only {
                peer.closing = Some("no answer to a ping");
            }
            self.net.swarm.close_connection(connection);
        }
    }

    /// Closes what is dead of several connections with a peer. Messages go into any of them, and the bytes of one say
    /// nothing of the others: the answers to pings tell. The one heard last is left to the ways of those that are alone.
    fn close_silent(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.answers_pings && peer.links.len() > 1) else { return };
        let Some(last) = peer.links.iter().max_by_key(|link| link.heard).map(|link| link.id) else { return };
        for link in &peer.links {
            if link.id != last && is_over(Some(link.heard), SILENCE, now) {
                tracing::debug!(peer = %id, remote = %link.remote, "a connection is dead and another one is not");
                self.net.swarm.close_connection(link.id);
            }
        }
    }

    /// Finds peers whose gossip streams have died, and starts over with them; tells what slow ones missed.
    pub(super) fn check_peers(&mut self) {
        let now = self.now;
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            self.refresh_publishable(id);
            self.keep_if_wanted(id);
            self.tell_missed(id);
            self.close_silent(id);
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.benched {
                peer.benched = peer.ledger.queued().0 > 0;
                self.apply_score(id);
            }
            let Some(peer) = self.peers.get(&id).filter(|peer| peer.closing.is_none()) else { continue };
            let health = peer.ledger.health(now);
            if peer.answers_pings && is_over(health.last_read, SILENCE, now) {
                self.disconnect(id, "nothing was heard of it");
            } else if let Some(cause) = verdict_on(health, peer.subscribed.contains(&true), now) {
                self.start_over(id, cause);
            }
        }
    }

    fn tell_missed(&mut self, id: PeerId) {
        let now = self.now;
        let due = |told: Option<Instant>| told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_MISSED);
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.passed_over > 0 && due(peer.told)) else { return };
        peer.told = Some(now);
        let failed = std::mem::take(&mut peer.passed_over);
        self.sink.control(Event::SlowPeer { peer: id, failed });
    }

    fn start_over(&mut self, id: PeerId, cause: &'static str) {
        let strikes = self.strike(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (bytes, messages) = peer.ledger.queued();
        tracing::info!(peer = %id, cause, bytes, messages, strikes, "starting over with a peer");
        self.shared.counters.stalled_peers.add(1);
        let failed = messages as u64 + std::mem::take(&mut peer.passed_over);
        if failed > 0 {
            self.sink.control(Event::SlowPeer { peer: id, failed });
        }
        if let Some(address) = peer.dialled.clone() {
            self.dials.again(id, address, strikes, self.now);
        }
        self.disconnect(id, cause);
    }
}

/// Where a peer is. Of one that came through a relay the library says only who it is: the relay is where this node listens.
fn remote_of(peer: PeerId, endpoint: &ConnectedPoint) -> Multiaddr {
    match endpoint {
        ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => {
            let relay: Multiaddr = local_addr.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
            relay.with(Protocol::P2pCircuit).with(Protocol::P2p(peer))
        }
        _ => endpoint.get_remote_address().clone(),
    }
}

fn is_over(since: Option<Instant>, limit: Duration, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
}

/// Why this node should start over with a peer, if it should.
fn verdict_on(health: Health, subscribed: bool, now: Instant) -> Option<&'static str> {
    if is_over(health.stuck_since, STUCK, now) {
        Some("the gossip stream is stuck")
    } else if subscribed && is_over(health.deaf_since, STREAM_LOST, now) {
        Some("the inbound gossip stream was lost")
    } else if subscribed && is_over(health.mute_since, STREAM_LOST, now) {
        Some("the outbound gossip stream was lost")
    } else {
        None
    }
}
