//! Peers that could be dialled, within bounds.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::pause_after;
use crate::CandidateSource;

/// Candidates kept.
pub(crate) const MAX_CANDIDATES: usize = 1024;
/// Addresses kept of one.
pub(crate) const MAX_ADDRESSES: usize = 8;
/// After so many failures in a row one that discovery found is dialled again only when it is found again, and not before
/// its pause is over: whoever names it anew gives it no fresh start.
const MAX_FAILURES: u32 = 5;
/// In need, one that rests though no dial of it failed waits no longer than this,
const URGENT_PAUSE: Duration = Duration::from_secs(10);
/// one that failed no longer than this when the operator or an earlier run named it,
const URGENT_RETRY: Duration = Duration::from_secs(120);
/// and than this when discovery found it.
const URGENT_RETRY_FOUND: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct Candidate {
    addresses: Vec<Multiaddr>,
    source: CandidateSource,
    failures: u32,
    /// When the last dial failed or it was told to rest, and the jittered pause after it.
    failed: Option<(Instant, Duration)>,
    /// It failed too often since it was found last.
    given_up: bool,
}

impl Candidate {
    fn is_named(&self) -> bool {
        self.source > CandidateSource::Record
    }

    fn is_due(&self, urgent: bool, now: Instant) -> bool {
        !self.given_up
            && self.failed.is_none_or(|(at, pause)| {
                let longest = match self.failures {
                    _ if !urgent => pause,
                    0 => URGENT_PAUSE,
                    _ if self.is_named() => URGENT_RETRY,
                    _ => URGENT_RETRY_FOUND,
                };
                now.saturating_duration_since(at) >= pause.min(longest)
            })
    }

    /// Greater is better: who is dialled first.
    fn rank(&self) -> (Reverse<u32>, CandidateSource) {
        (Reverse(self.failures), self.source)
    }

    /// Greater is better: who is forgotten last. No number of strangers takes the place of those that were named.
    fn worth(&self) -> (bool, Reverse<u32>, CandidateSource) {
        (self.is_named(), Reverse(self.failures), self.source)
    }
}

/// The table of candidates.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    by_peer: HashMap<PeerId, Candidate>,
}

impl Candidates {
    /// Takes a candidate in, or further addresses of one. When the table is full, the worst gives way to a better one.
    pub(crate) fn add(
        &mut self,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Multiaddr>,
        source: CandidateSource,
    ) -> bool {
        let mut addresses: Vec<_> = addresses.into_iter().take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return false;
        }
        if let Some(known) = self.by_peer.get_mut(&peer) {
            known.source = known.source.max(source);
            known.given_up = false;
            // What was heard last comes first: a node that moved is reached where it is now.
            known.addresses.retain(|address| !addresses.contains(address));
            addresses.append(&mut known.addresses);
            addresses.truncate(MAX_ADDRESSES);
            known.addresses = addresses;
            return true;
        }
        let candidate = Candidate { addresses, source, failures: 0, failed: None, given_up: false };
        if self.by_peer.len() >= MAX_CANDIDATES && !self.make_room(&candidate) {
            return false;
        }
        self.by_peer.insert(peer, candidate);
        true
    }

    fn make_room(&mut self, candidate: &Candidate) -> bool {
        let worst = self.by_peer.iter().min_by_key(|(peer, known)| (known.worth(), **peer));
        let Some((peer, _)) = worst.filter(|(_, known)| known.worth() < candidate.worth()) else { return false };
        let peer = *peer;
        self.by_peer.remove(&peer).is_some()
    }

    /// The best `count` candidates that may be dialled now; `random` decides between equals.
    pub(crate) fn pick(
        &self,
        count: usize,
        urgent: bool,
        now: Instant,
        allowed: impl Fn(&PeerId) -> bool,
        mut random: impl FnMut() -> u64,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        if count == 0 {
            return Vec::new();
        }
        let due = self.by_peer.iter().filter(|(peer, known)| known.is_due(urgent, now) && allowed(peer));
        let mut ids: Vec<_> = due.map(|(peer, known)| (*peer, known)).collect();
        // The map's own order is random in each process: a seeded source must give the same choice again.
        ids.sort_unstable_by_key(|(peer, _)| *peer);
        let mut ranked: Vec<_> = ids.into_iter().map(|(peer, known)| (known.rank(), random(), peer, known)).collect();
        ranked.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        ranked.into_iter().take(count).map(|(_, _, peer, known)| (peer, known.addresses.clone())).collect()
    }

    /// Where a candidate is said to be, the newest address first.
    pub(crate) fn addresses_of(&self, peer: &PeerId) -> &[Multiaddr] {
        self.by_peer.get(peer).map_or(&[], |known| &known.addresses)
    }

    /// It was reached.
    pub(crate) fn succeeded(&mut self, peer: &PeerId) {
        if let Some(known) = self.by_peer.get_mut(peer) {
            known.failures = 0;
            known.failed = None;
            known.given_up = false;
        }
    }

    /// A dial came to nothing; `spread` jitters the pause.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Instant, spread: impl FnOnce(Duration) -> Duration) {
        let Some(known) = self.by_peer.get_mut(peer) else { return };
        known.failures = known.failures.saturating_add(1);
        known.failed = Some((now, spread(pause_after(known.failures - 1))));
        known.given_up = known.failures >= MAX_FAILURES && !known.is_named();
    }

    /// What made it a known peer holds no more.
    pub(crate) fn demote(&mut self, peer: &PeerId) {
        if let Some(known) = self.by_peer.get_mut(peer).filter(|known| known.source == CandidateSource::Known) {
            known.source = CandidateSource::Record;
        }
    }

    /// It was dropped or lost: others are tried first. A longer pause that it has goes on.
    pub(crate) fn rest(&mut self, peer: &PeerId, pause: Duration, now: Instant) {
        if let Some(known) = self.by_peer.get_mut(peer)
            && known.failed.is_none_or(|(at, running)| at + running < now + pause)
        {
            known.failed = Some((now, pause));
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_peer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
    }

    fn picks(table: &Candidates, count: usize, urgent: bool, now: Instant) -> Vec<PeerId> {
        table.pick(count, urgent, now, |_| true, || 0).into_iter().map(|(peer, _)| peer).collect()
    }

    #[test]
    fn known_peers_come_first_and_failed_ones_last() {
        let (found, named, known, failed) = (PeerId::random(), PeerId::random(), PeerId::random(), PeerId::random());
        let (mut table, now) = (Candidates::default(), Instant::now());
        table.add(found, [address(1)], CandidateSource::Record);
        table.add(failed, [address(2)], CandidateSource::Known);
        table.add(named, [address(3)], CandidateSource::Bootnode);
        table.add(known, [address(4)], CandidateSource::Known);
        table.failed(&failed, now, |pause| pause);
        assert_eq!(picks(&table, 9, false, now), [known, named, found]);
        assert_eq!(picks(&table, 9, false, now + Duration::from_secs(5)), [known, named, found, failed]);
        assert_eq!(picks(&table, 1, false, now), [known]);
        let but_known = table.pick(1, false, now, |peer| *peer != known, || 0);
        assert_eq!(but_known, [(named, vec![address(3)])]);
    }

    #[test]
    fn need_shortens_pauses_and_who_fails_often_waits_longer_even_then() {
        let (peer, found, mut table, now) = (PeerId::random(), PeerId::random(), Candidates::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        table.add(peer, [address(1)], CandidateSource::Bootnode);
        table.rest(&peer, Duration::from_secs(600), now);
        assert!(picks(&table, 1, true, later(9)).is_empty());
        assert_eq!(picks(&table, 1, true, later(10)), [peer]);
        for _ in 0..6 {
            table.failed(&peer, now, |pause| pause);
        }
        assert!(picks(&table, 1, true, later(31)).is_empty());
        assert_eq!(picks(&table, 1, true, later(32)), [peer]);
        for _ in 0..10 {
            table.failed(&peer, now, |pause| pause);
        }
        assert!(picks(&table, 1, true, later(119)).is_empty());
        assert_eq!(picks(&table, 1, true, later(120)), [peer]);
        assert!(picks(&table, 1, false, later(899)).is_empty());
        assert_eq!(picks(&table, 1, false, later(900)), [peer]);
        table.add(found, [address(2)], CandidateSource::Record);
        for _ in 0..20 {
            table.failed(&found, now, |pause| pause);
            table.add(found, [address(2)], CandidateSource::Record);
        }
        assert_eq!(picks(&table, 2, true, later(299)), [peer]);
        assert_eq!(picks(&table, 2, true, later(300)), [peer, found]);
        table.succeeded(&peer);
        assert_eq!(picks(&table, 1, false, now), [peer]);
    }

    #[test]
    fn what_discovery_found_and_never_reached_waits_to_be_found_again_and_keeps_its_pause() {
        let (found, named, mut table, now) =
            (PeerId::random(), PeerId::random(), Candidates::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        table.add(found, [address(1)], CandidateSource::Record);
        table.add(named, [address(1)], CandidateSource::Bootnode);
        for _ in 0..MAX_FAILURES {
            table.failed(&found, now, |pause| pause);
            table.failed(&named, now, |pause| pause);
        }
        assert_eq!(picks(&table, 9, false, later(1000)), [named]);
        table.add(found, [address(1)], CandidateSource::Record);
        assert_eq!(picks(&table, 9, true, later(15)), [], "found again at once, it has no fresh start");
        assert_eq!(picks(&table, 9, true, later(16)).len(), 2);
        table.failed(&found, later(16), |pause| pause);
        assert_eq!(picks(&table, 9, true, later(1000)), [named], "one more try each time it is found");
    }

    #[test]
    fn a_rest_is_not_cut_short() {
        let (peer, mut table, now) = (PeerId::random(), Candidates::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        table.add(peer, [address(1)], CandidateSource::Bootnode);
        table.rest(&peer, Duration::from_secs(600), now);
        table.rest(&peer, Duration::from_secs(1), later(1));
        assert_eq!(picks(&table, 1, false, later(599)), []);
        assert_eq!(picks(&table, 1, false, later(600)), [peer]);
        table.rest(&peer, Duration::from_secs(1), later(700));
        assert_eq!(picks(&table, 1, false, later(700)), []);
        assert_eq!(picks(&table, 1, false, later(701)), [peer]);
    }

    #[test]
    fn who_was_named_gives_way_to_no_number_of_strangers() {
        let (mut table, now) = (Candidates::default(), Instant::now());
        let named = PeerId::random();
        table.add(named, [address(1)], CandidateSource::Bootnode);
        table.failed(&named, now, |pause| pause);
        for _ in 0..MAX_CANDIDATES * 2 {
            table.add(PeerId::random(), [address(1)], CandidateSource::Record);
        }
        assert_eq!(table.len(), MAX_CANDIDATES);
        assert!(table.by_peer.contains_key(&named));
    }

    #[test]
    fn a_known_peer_that_is_known_no_more_is_one_of_many() {
        let (peer, mut table, now) = (PeerId::random(), Candidates::default(), Instant::now());
        table.add(peer, [address(1)], CandidateSource::Known);
        table.demote(&peer);
        for _ in 0..MAX_FAILURES {
            table.failed(&peer, now, |pause| pause);
        }
        assert!(picks(&table, 1, true, now + Duration::from_secs(1000)).is_empty());
    }

    #[test]
    fn a_full_table_keeps_the_better() {
        let (mut table, now) = (Candidates::default(), Instant::now());
        let known = PeerId::random();
        table.add(known, [address(1)], CandidateSource::Known);
        while table.len() < MAX_CANDIDATES {
            table.add(PeerId::random(), [address(1)], CandidateSource::Record);
        }
        assert!(!table.add(PeerId::random(), [address(1)], CandidateSource::Record), "no better than the others");
        let named = PeerId::random();
        assert!(table.add(named, [address(1)], CandidateSource::Bootnode));
        assert_eq!(table.len(), MAX_CANDIDATES);
        assert_eq!(picks(&table, 2, false, now), [known, named]);
    }

    #[test]
    fn the_newest_addresses_come_first_and_are_bounded() {
        let (peer, mut table) = (PeerId::random(), Candidates::default());
        assert!(!table.add(peer, [], CandidateSource::Bootnode));
        for port in 1..=20 {
            table.add(peer, [address(port), address(1)], CandidateSource::Record);
        }
        let addresses = table.pick(1, false, Instant::now(), |_| true, || 0).remove(0).1;
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(addresses[..3], [address(20), address(1), address(19)]);
    }

    #[test]
    fn chance_decides_between_equals() {
        let mut table = Candidates::default();
        for _ in 0..50 {
            table.add(PeerId::random(), [address(1)], CandidateSource::Record);
        }
        let choice = |seed: u64| {
            let mut state = seed;
            let random = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            };
            table.pick(10, false, Instant::now(), |_| true, random)
        };
        assert_eq!(choice(1), choice(1));
        assert_ne!(choice(1), choice(2));
    }
}
