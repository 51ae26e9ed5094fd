//! Peers that were found or known, dialled by need; and those that have to go when there are too many.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    swarm::{ConnectionId, DialError, dial_opts::PeerCondition},
};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    Driver,
    connections::Peer,
    dials::{is_own_limit, to_peer},
};
use crate::{
    CandidateSource, Config, EventSink,
    gater::ip_in,
    gossip::peer_score_thresholds,
    nat::is_relayed,
    peers::{Candidates, Census, KnownGood, PeerLimits, View, need, short_of_places, surplus, to_drop, to_free},
};

/// A peer that left is dialled again no sooner; others come first.
const AFTER_LOSS: Duration = Duration::from_secs(1);
/// One that a limit of this node kept from being dialled.
const AT_LIMIT: Duration = Duration::from_secs(10);
/// One that was dropped for being too many.
const AFTER_DROP: Duration = Duration::from_secs(600);
/// A peer that this node dialled is worth keeping when it has been of use for so long, or has brought anything good.
const USEFUL: Duration = Duration::from_secs(60);
/// The file of known peers is written no more often.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Whom to dial, and how many.
pub(super) struct Seeking {
    table: Candidates,
    flights: HashMap<ConnectionId, PeerId>,
    limits: PeerLimits,
    inbound_cap: Option<u32>,
    known: Option<KnownGood>,
    /// Connected peers that brought a message which the host accepted.
    delivered: HashSet<PeerId>,
    saving: Option<JoinHandle<()>>,
    saved: Instant,
}

impl Seeking {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let known = config.known_peers_file.clone().and_then(known_peers);
        let mut table = Candidates::default();
        for (peer, address) in known.iter().flat_map(KnownGood::peers) {
            table.add(peer, [address.clone()], CandidateSource::Known);
        }
        Self {
            table,
            flights: HashMap::new(),
            limits: config.peers,
            inbound_cap: config.caps.established_incoming,
            known,
            delivered: HashSet::new(),
            saving: None,
            saved: now,
        }
    }
}

#[cfg(test)]
impl Seeking {
    pub(super) fn is_dialling(&self, peer: &PeerId) -> bool {
        self.flights.values().any(|flying| flying == peer)
    }

    pub(super) fn known_peers(&self) -> Vec<PeerId> {
        self.known.iter().flat_map(KnownGood::peers).map(|(peer, _)| peer).collect()
    }
}

/// A file that can't be read costs the head start that it gives, no more.
fn known_peers(path: PathBuf) -> Option<KnownGood> {
    let shown = path.display().to_string();
    KnownGood::load(path)
        .inspect_err(|error| tracing::warn!(path = shown, %error, "the file of known peers can't be read"))
        .ok()
}

impl<S: EventSink> Driver<'_, S> {
    /// A peer that could be dialled, with addresses known of it, each with `/p2p`.
    pub(super) fn candidate(&mut self, peer: PeerId, mut addresses: Vec<Multiaddr>, source: CandidateSource) {
        addresses.retain(|address| self.dials.takes(address));
        if peer == self.shared.peer_id || self.dials.is_static(&peer) {
            return;
        }
        if self.seeking.table.add(peer, addresses, source) {
            tracing::debug!(%peer, ?source, "candidate");
            self.dial_candidates();
        }
    }

    /// Makes the dials that the number of peers calls for.
    pub(super) fn dial_candidates(&mut self) {
        let outbound = self.peers.values().filter(|peer| peer.outbound).count();
        let dialling = self.seeking.flights.len();
        let need = need(&self.seeking.limits, Census { connected: self.peers.len(), outbound, dialling });
        let (peers, flights, dials) = (&self.peers, &self.seeking.flights, &mut self.dials);
        let free = |peer: &PeerId| !peers.contains_key(peer) && !flights.values().any(|flying| flying == peer);
        let picked = self.seeking.table.pick(need.dials, need.urgent, self.now, free, || dials.random());
        for (peer, addresses) in picked {
            let options = to_peer(peer, addresses.clone(), PeerCondition::DisconnectedAndNotDialing);
            let connection = options.connection_id();
            match self.dial_raced(&addresses, options) {
                Ok(()) => {
                    self.seeking.flights.insert(connection, peer);
                }
                Err(DialError::DialPeerConditionFalse(_)) => self.seeking.table.rest(&peer, AFTER_LOSS, self.now),
                Err(error) => {
                    tracing::debug!(%peer, %error, "candidate not dialled");
                    self.candidate_failed(peer, &error);
                }
            }
        }
    }

    pub(super) fn candidate_reached(&mut self, peer: PeerId, connection: ConnectionId) {
        // Of one that came by itself it is not known whether it can be dialled.
        if self.seeking.flights.remove(&connection).is_none() {
            return;
        }
        self.seeking.table.succeeded(&peer);
        if let Some(known) = &mut self.seeking.known {
            known.reached(&peer);
        }
    }

    pub(super) fn candidate_dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        if let Some(peer) = self.seeking.flights.remove(&connection)
            && !self.peers.contains_key(&peer)
        {
            self.candidate_failed(peer, error);
        }
    }

    fn candidate_failed(&mut self, peer: PeerId, error: &DialError) {
        if is_own_limit(error) {
            let pause = self.dials.spread(AT_LIMIT);
            self.seeking.table.rest(&peer, pause, self.now);
            return;
        }
        let dials = &mut self.dials;
        self.seeking.table.failed(&peer, self.now, |pause| dials.spread(pause));
        // With nobody connected, it may be this node that reaches nobody.
        if !self.peers.is_empty()
            && let Some(known) = &mut self.seeking.known
            && known.failed(&peer)
        {
            tracing::debug!(%peer, "no longer known: it can't be reached");
            self.seeking.table.demote(&peer);
        }
    }

    /// The last connection with a peer is gone.
    pub(super) fn candidate_lost(&mut self, peer: PeerId) {
        self.seeking.delivered.remove(&peer);
        let pause = self.dials.spread(AFTER_LOSS);
        self.seeking.table.rest(&peer, pause, self.now);
    }

    /// Drops the worst while there are too many; and bad inbound ones while these have hardly a place left, for a better
    /// one to find room.
    pub(super) fn prune_peers(&mut self) {
        let staying = || self.peers.iter().filter(|(_, peer)| peer.closing.is_none());
        let surplus = surplus(&self.seeking.limits, staying().count());
        let inbound = staying().filter(|(_, peer)| !peer.outbound).count();
        let short = short_of_places(self.seeking.inbound_cap, inbound);
        if surplus == 0 && short == 0 {
            return;
        }
        let views: Vec<_> = staying().map(|(id, peer)| self.view(*id, peer)).collect();
        let (going, cause) = if surplus > 0 {
            (to_drop(&views, surplus, self.seeking.limits.min_outbound), "there are more peers than wanted")
        } else {
            (to_free(&views, short), "its place is wanted for a better peer")
        };
        for id in going {
            self.disconnect(id, cause);
            self.seeking.table.rest(&id, AFTER_DROP, self.now);
        }
    }

    fn view(&self, id: PeerId, peer: &Peer) -> View {
        View {
            peer: id,
            score: self.net.swarm.behaviour().gossip.peer_score(&id).unwrap_or(0.0),
            age: self.now.saturating_duration_since(peer.since),
            outbound: peer.outbound,
            ip: ip_in(&peer.remote).filter(|_| !is_relayed(&peer.remote)),
            useful: peer.subscribed.contains(&true),
            protected: self.is_indispensable(&id),
        }
    }

    /// Static, trusted, or what this node is reached through.
    fn is_indispensable(&self, id: &PeerId) -> bool {
        self.dials.is_static(id) || self.shared.gate.is_protected(id) || self.is_relay_in_use(id)
    }

    /// Whether a connection with a peer is kept though it has nothing to do.
    pub(super) fn keep_if_wanted(&mut self, id: PeerId) {
        let useful = self.peers.get(&id).is_some_and(|peer| peer.subscribed.contains(&true));
        let wanted = useful || self.is_indispensable(&id);
        self.net.swarm.behaviour().keep.set(&id, wanted);
    }

    /// A peer brought a message that the host accepted.
    pub(super) fn peer_delivered(&mut self, id: PeerId) {
        if self.seeking.known.is_some() && self.peers.contains_key(&id) {
            self.seeking.delivered.insert(id);
        }
    }

    /// Keeps where good peers are: where this node itself reached them, and while hardly any are known, where their records
    /// say that they are.
    pub(super) fn note_good_peers(&mut self) {
        let Some(known) = &mut self.seeking.known else { return };
        let gossip = &self.net.swarm.behaviour().gossip;
        for (id, peer) in &self.peers {
            let age = self.now.saturating_duration_since(peer.since);
            let dialled = peer.dialled.as_ref().filter(|address| !is_relayed(address));
            let proven = dialled.is_some() && (age >= USEFUL || self.seeking.delivered.contains(id));
            if let Some(address) = dialled.or_else(|| self.seeking.table.addresses_of(id).first())
                && peer.closing.is_none()
                && peer.subscribed.contains(&true)
                && gossip.peer_score(id).unwrap_or(0.0) >= 0.0
            {
                known.note(*id, address, proven, self.now);
            }
        }
    }

    /// The host's score of a peer: one that it greylists is not worth keeping.
    pub(super) fn peer_is_judged(&mut self, id: PeerId, score: f64) {
        let greylisted = score <= peer_score_thresholds().graylist_threshold;
        if let Some(known) = self.seeking.known.as_mut().filter(|_| greylisted) {
            known.forget(&id);
            self.seeking.table.demote(&id);
        }
    }

    /// Writes the file of known peers when it has changed, where it holds nobody up.
    pub(super) fn save_known(&mut self) {
        let seeking = &mut self.seeking;
        let is_free = seeking.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if !is_free || self.now.saturating_duration_since(seeking.saved) < SAVE_EVERY {
            return;
        }
        if let Some(changes) = seeking.known.as_mut().and_then(KnownGood::changes) {
            seeking.saved = self.now;
            seeking.saving = Some(tokio::task::spawn_blocking(|| told(changes.write())));
        }
    }

    /// Writes what is not written yet; the node stops.
    pub(super) async fn save_known_at_last(&mut self) {
        if let Some(saving) = self.seeking.saving.take() {
            let _ = saving.await;
        }
        if let Some(changes) = self.seeking.known.as_mut().and_then(KnownGood::changes) {
            let _ = tokio::task::spawn_blocking(|| told(changes.write())).await;
        }
    }
}

fn told(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the file of known peers can't be written");
    }
}
