//! What all connections together hold: inbound streams, and gossip queued in gossipsub.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::Ledger;
use crate::stats::Counters;

/// Inbound streams that a peer has whatever the others hold: without them a dozen peers that take all there are would cut off everybody
/// else's requests, pings and gossip. The caps of connections bound what these add.
const STREAMS_OF_ANY: usize = 8;

/// Caps over all connections, and over those of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadCaps {
    /// Inbound streams of one peer.
    pub(crate) streams_of_peer: usize,
    /// Inbound streams of all, beyond [`STREAMS_OF_ANY`] each.
    pub(crate) streams: usize,
    /// Gossip bytes queued for all.
    pub(crate) queued: usize,
}

/// The load of a node.
#[derive(Debug)]
pub(crate) struct Load {
    caps: LoadCaps,
    streams: AtomicUsize,
    queued: AtomicUsize,
    counters: Arc<Counters>,
}

impl Load {
    pub(crate) fn new(caps: LoadCaps, counters: Arc<Counters>) -> Self {
        Self { caps, streams: AtomicUsize::new(0), queued: AtomicUsize::new(0), counters }
    }

    /// Whether `bytes` more may be queued.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.queued.load(Ordering::Relaxed).saturating_add(bytes) <= self.caps.queued
    }

    pub(super) fn queued(&self, bytes: usize) {
        let total = self.queued.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.counters.queued_bytes.set(total as u64);
    }

    pub(super) fn unqueued(&self, bytes: usize) {
        let total = self.queued.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        self.counters.queued_bytes.set(total as u64);
    }
}

/// The place of one inbound stream, given back when it is dropped.
pub(super) struct Slot {
    ledger: Arc<Ledger>,
}

impl Slot {
    /// A place, unless the peer has as many streams as it may, or [`STREAMS_OF_ANY`] and all together have as many as they may.
    pub(super) fn take(ledger: &Arc<Ledger>) -> Option<Self> {
        let load = ledger.load();
        let all = load.streams.fetch_add(1, Ordering::Relaxed);
        let of_peer = ledger.streams().fetch_add(1, Ordering::Relaxed);
        load.counters.streams.set(all as u64 + 1);
        let slot = Self { ledger: Arc::clone(ledger) };
        if of_peer < load.caps.streams_of_peer && (all < load.caps.streams || of_peer < STREAMS_OF_ANY) {
            return Some(slot);
        }
        load.counters.streams_refused.add(1);
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let load = self.ledger.load();
        self.ledger.streams().fetch_sub(1, Ordering::Relaxed);
        let all = load.streams.fetch_sub(1, Ordering::Relaxed) - 1;
        load.counters.streams.set(all as u64);
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::{super::Ledgers, *};

    #[test]
    fn streams_are_capped_for_a_peer_and_for_all_and_places_come_back() {
        let counters = Arc::new(Counters::default());
        let caps = LoadCaps { streams_of_peer: 20, streams: 30, queued: 0 };
        let ledgers = Ledgers::new(Load::new(caps, Arc::clone(&counters)));
        let [one, other, third] = [(); 3].map(|()| ledgers.of(PeerId::random()));
        let take = |ledger, count: usize| (0..count).map_while(|_| Slot::take(ledger)).collect::<Vec<_>>();
        let mut held = take(&one, 30);
        assert_eq!(held.len(), 20, "of a peer");
        held.extend(take(&other, 30));
        assert_eq!(held.len(), 30, "of all");
        let stats = counters.snapshot();
        assert_eq!((stats.streams, stats.streams_refused), (30, 2));
        let last = take(&third, 30);
        assert_eq!(last.len(), STREAMS_OF_ANY, "whatever the others hold");
        drop(last);
        held.remove(0);
        held.push(Slot::take(&other).expect("a place came back"));
        assert!(Slot::take(&one).is_none());
        held.clear();
        assert_eq!(counters.snapshot().streams, 0);
    }
}
