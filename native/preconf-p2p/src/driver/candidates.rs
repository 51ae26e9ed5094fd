//! Peers that were found, and dialled while there are few.

use std::{collections::HashMap, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    swarm::{ConnectionId, DialError, dial_opts::PeerCondition},
};
use tokio::time::Instant;

use super::{Driver, dials::to_peer};
use crate::{CandidateSource, EventSink};

/// Candidates are dialled while fewer peers than this are connected,
const ENOUGH: usize = 50;
/// and this many at once.
const MAX_FLIGHTS: usize = 8;
/// Candidates kept, connected ones too; more are not taken.
const MAX: usize = 256;
/// A candidate that fails so often in a row is forgotten until it is found again.
const MAX_FAILURES: u32 = 5;
/// Addresses kept of one.
const MAX_ADDRESSES: usize = 8;
/// The wait after the first failed dial; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

struct Candidate {
    addresses: Vec<Multiaddr>,
    failures: u32,
    /// When to dial next; `None` while connected or dialling.
    due: Option<Instant>,
}

/// All candidates, and those being dialled.
#[derive(Default)]
pub(super) struct Candidates {
    known: HashMap<PeerId, Candidate>,
    flights: HashMap<ConnectionId, PeerId>,
}

impl<S: EventSink> Driver<'_, S> {
    /// A peer that could be dialled, with all addresses known of it, each with `/p2p`. They replace those known before.
    pub(super) fn candidate(&mut self, peer: PeerId, mut addresses: Vec<Multiaddr>, source: CandidateSource) {
        addresses.retain(|address| self.dials.takes(address));
        addresses.truncate(MAX_ADDRESSES);
        if peer == self.shared.peer_id || addresses.is_empty() || self.dials.is_static(&peer) {
            return;
        }
        if let Some(known) = self.candidates.known.get_mut(&peer) {
            if known.addresses != addresses {
                known.addresses = addresses;
                known.due = known.due.map(|due| due.min(self.now));
            }
            return;
        }
        if self.candidates.known.len() < MAX {
            tracing::debug!(%peer, ?source, ?addresses, "candidate");
            let due = (!self.peers.contains_key(&peer)).then_some(self.now);
            self.candidates.known.insert(peer, Candidate { addresses, failures: 0, due });
        }
        self.dial_candidates();
    }

    /// Dials those whose time has come.
    pub(super) fn dial_candidates(&mut self) {
        let now = self.now;
        let room =
            ENOUGH.saturating_sub(self.peers.len()).min(MAX_FLIGHTS).saturating_sub(self.candidates.flights.len());
        let due = |candidate: &Candidate| candidate.due.is_some_and(|due| due <= now);
        let due: Vec<PeerId> =
            self.candidates.known.iter().filter(|(_, one)| due(one)).map(|(peer, _)| *peer).take(room).collect();
        for peer in due {
            let Some(candidate) = self.candidates.known.get_mut(&peer) else { continue };
            candidate.due = None;
            if self.peers.contains_key(&peer) {
                continue;
            }
            let options = to_peer(peer, candidate.addresses.clone(), PeerCondition::DisconnectedAndNotDialing);
            let connection = options.connection_id();
            match self.net.swarm.dial(options) {
                Ok(()) => {
                    self.candidates.flights.insert(connection, peer);
                }
                Err(DialError::DialPeerConditionFalse(_)) => candidate.due = Some(now + FIRST_WAIT),
                Err(error) => {
                    tracing::debug!(%peer, %error, "candidate not dialled");
                    self.candidate_failed(peer);
                }
            }
        }
    }

    pub(super) fn candidate_reached(&mut self, peer: PeerId, connection: ConnectionId) {
        self.candidates.flights.remove(&connection);
        if let Some(candidate) = self.candidates.known.get_mut(&peer) {
            candidate.failures = 0;
            candidate.due = None;
        }
    }

    pub(super) fn candidate_dial_failed(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.candidates.flights.remove(&connection) {
            self.candidate_failed(peer);
        }
    }

    fn candidate_failed(&mut self, peer: PeerId) {
        if self.peers.contains_key(&peer) {
            return;
        }
        let Some(candidate) = self.candidates.known.get_mut(&peer) else { return };
        candidate.failures += 1;
        if candidate.failures >= MAX_FAILURES {
            self.candidates.known.remove(&peer);
            return;
        }
        let wait = FIRST_WAIT * 2u32.pow(candidate.failures - 1);
        candidate.due = Some(self.now + self.dials.spread(wait));
    }

    /// The last connection with a peer is gone.
    pub(super) fn candidate_lost(&mut self, peer: PeerId) {
        if let Some(candidate) = self.candidates.known.get_mut(&peer) {
            candidate.due = Some(self.now + self.dials.spread(FIRST_WAIT));
        }
    }
}
