//! Peers and their connections.

use std::{sync::Arc, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    swarm::{ConnectionError, ConnectionId},
};
use tokio::time::Instant;

use super::Driver;
use crate::{Event, EventSink, Topic, behaviour::PING_TIMEOUT, gossip::peer_score_thresholds, transport::Ledger};

/// A peer whose full queue keeps messages waiting is given up when it takes no byte for this long,
const FULL_AND_STUCK: Duration = Duration::from_secs(2);
/// or when it stays full for this long while others have room.
const FULL_AMONG_OTHERS: Duration = Duration::from_secs(5);
/// A gossip stream that takes no byte for this long although some wait is dead.
const STUCK: Duration = Duration::from_secs(15);
/// So is one that closed and was not opened again within this, in either direction.
const STREAM_LOST: Duration = Duration::from_secs(30);
/// Host scores kept.
const MAX_SCORES: usize = 1 << 16;

/// A connected peer.
pub(super) struct Peer {
    pub(super) ledger: Arc<Ledger>,
    /// Joined topics.
    pub(super) subscribed: [bool; 2],
    /// Its gossipsub score lets messages of this node go to it.
    pub(super) publishable: bool,
    /// Since when messages wait for room in its queue.
    pub(super) full_since: Option<Instant>,
    connections: Vec<ConnectionId>,
    /// Where this node last reached it.
    dialled: Option<Multiaddr>,
    /// Why this node closes its connections.
    closing: Option<&'static str>,
}

impl<S: EventSink> Driver<'_, S> {
    pub(super) fn on_connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        self.shared.counters.connections.add(1);
        let dialled = endpoint.is_dialer().then(|| endpoint.get_remote_address().clone());
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.connections.push(connection);
            peer.dialled = dialled.or(peer.dialled.take());
        } else {
            let peer = Peer {
                ledger: self.ledgers.of(id),
                subscribed: [false; 2],
                publishable: true,
                full_since: None,
                connections: vec![connection],
                dialled,
                closing: None,
            };
            self.peers.insert(id, peer);
            self.shared.counters.peers.set(self.peers.len() as u64);
            if let Some(score) = self.scores.get(&id) {
                self.net.swarm.behaviour_mut().gossip.set_application_score(&id, *score);
            }
            let address = endpoint.get_remote_address().clone();
            self.sink.control(Event::PeerConnected { peer: id, address, outbound: endpoint.is_dialer() });
        }
        self.dial_succeeded(id, connection);
    }

    pub(super) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId, cause: Option<ConnectionError>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let before = peer.connections.len();
        peer.connections.retain(|open| *open != connection);
        self.shared.counters.connections.sub((before - peer.connections.len()) as u64);
        if !peer.connections.is_empty() {
            return;
        }
        let cause = match (peer.closing, cause) {
            (Some(closing), _) => closing.to_owned(),
            (None, Some(error)) => super::events::bounded(&error.to_string()),
            (None, None) => "closed".to_owned(),
        };
        self.peers.remove(&id);
        self.shared.counters.peers.set(self.peers.len() as u64);
        self.fail_requests_of(id);
        self.sink.control(Event::PeerDisconnected { peer: id, cause });
        self.dials.lost(id, self.now);
    }

    /// Closes all connections with a peer.
    pub(super) fn disconnect(&mut self, id: PeerId, cause: &'static str) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.closing = Some(cause);
            let _ = self.net.swarm.disconnect_peer_id(id);
        }
    }

    pub(super) fn set_blocked(&mut self, id: PeerId, blocked: bool) {
        if blocked {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.closing = Some("blocked");
            }
            // Closes its connections too.
            self.net.swarm.behaviour_mut().blocked.block_peer(id);
        } else if self.net.swarm.behaviour_mut().blocked.unblock_peer(id) {
            self.dials.lost(id, self.now);
        }
    }

    pub(super) fn set_score(&mut self, id: PeerId, score: f64) {
        if score == 0.0 {
            self.scores.remove(&id);
        } else if self.scores.len() < MAX_SCORES || self.scores.contains_key(&id) {
            self.scores.insert(id, score);
        }
        self.net.swarm.behaviour_mut().gossip.set_application_score(&id, score);
        self.refresh_publishable(id);
    }

    fn refresh_publishable(&mut self, id: PeerId) {
        let score = self.net.swarm.behaviour().gossip.peer_score(&id).unwrap_or(0.0);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.publishable = score >= peer_score_thresholds().publish_threshold;
        }
    }

    pub(super) fn on_subscription(&mut self, id: PeerId, topic: Topic, subscribed: bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if std::mem::replace(&mut peer.subscribed[topic.index()], subscribed) != subscribed {
            self.sink.control(Event::PeerSubscription { peer: id, topic, subscribed });
        }
    }

    /// A ping was lost. A connection that still brings bytes is only slow.
    pub(super) fn on_ping_lost(&mut self, id: PeerId, connection: ConnectionId) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let heard = peer.ledger.health(now).last_read;
        if heard.is_none_or(|heard| now.saturating_duration_since(heard) >= PING_TIMEOUT) {
            peer.closing = Some("no answer to a ping");
            self.net.swarm.close_connection(connection);
        }
    }

    /// Finds peers whose gossip streams have died or hold up others, and starts over with them.
    pub(super) fn check_peers(&mut self) {
        let now = self.now;
        if self.outbox.is_empty() && !self.accepts_wait() {
            for peer in self.peers.values_mut() {
                peer.full_since = None;
            }
        }
        let others_have_room = self
            .peers
            .values()
            .any(|peer| peer.full_since.is_none() && peer.publishable && peer.subscribed.contains(&true));
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            self.refresh_publishable(id);
            let Some(peer) = self.peers.get(&id).filter(|peer| peer.closing.is_none()) else { continue };
            if let Some(cause) = verdict_on(peer, others_have_room, now) {
                self.start_over(id, cause);
            }
        }
    }

    fn start_over(&mut self, id: PeerId, cause: &'static str) {
        let Some(peer) = self.peers.get(&id) else { return };
        let (bytes, messages) = peer.ledger.queued();
        tracing::info!(peer = %id, cause, bytes, messages, "starting over with a peer");
        self.shared.counters.stalled_peers.add(1);
        if messages > 0 {
            self.sink.control(Event::SlowPeer { peer: id, failed: messages as u64 });
        }
        if let Some(address) = peer.dialled.clone() {
            self.dials.again(id, address, self.now);
        }
        self.disconnect(id, cause);
    }
}

/// Why a peer's connections are to be closed, if they are.
fn verdict_on(peer: &Peer, others_have_room: bool, now: Instant) -> Option<&'static str> {
    let health = peer.ledger.health(now);
    let for_longer =
        |since: Option<Instant>, limit| since.is_some_and(|since| now.saturating_duration_since(since) >= limit);
    if for_longer(health.stuck_since, STUCK) {
        return Some("the gossip stream is stuck");
    }
    if peer.full_since.is_some() && for_longer(health.stuck_since, FULL_AND_STUCK) {
        return Some("the gossip queue is full and stuck");
    }
    if others_have_room && for_longer(peer.full_since, FULL_AMONG_OTHERS) {
        return Some("the gossip queue stays full");
    }
    let subscribed = peer.subscribed.contains(&true);
    if subscribed && for_longer(health.deaf_since, STREAM_LOST) {
        return Some("the inbound gossip stream was lost");
    }
    if subscribed && for_longer(health.mute_since, STREAM_LOST) {
        return Some("the outbound gossip stream was lost");
    }
    None
}
