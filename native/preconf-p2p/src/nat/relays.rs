//! Through which relays this node is to be reached, and when to ask them (again).

use std::{collections::HashMap, time::Duration};

use libp2p::{Multiaddr, PeerId, core::transport::ListenerId, multiaddr::Protocol};
use tokio::time::Instant;

use crate::driver::peer_of;

/// Relays that are asked without being configured, while this node is not reached directly.
const WANTED: usize = 2;
/// Waits after a refusal or a loss: doubled each time. A relay counts requests, so they are long.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Relays remembered.
const MAX: usize = 64;

/// A peer that offers to be a relay.
pub(crate) struct RelaySource {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
}

enum State {
    Waiting(Instant),
    Listening(ListenerId),
}

struct Relay {
    state: State,
    failures: u32,
    /// Where it was reached; configured ones say so themselves.
    configured: Option<Multiaddr>,
}

/// Relays that are in use, or were.
pub(crate) struct Relays {
    of: HashMap<PeerId, Relay>,
}

impl Relays {
    /// With those of the configuration, each with `/p2p`.
    pub(crate) fn new(configured: &[Multiaddr], now: Instant) -> Self {
        let relay = |address: &Multiaddr| {
            let relay = Relay { state: State::Waiting(now), failures: 0, configured: Some(address.clone()) };
            Some((peer_of(address)?, relay))
        };
        Self { of: configured.iter().filter_map(relay).collect() }
    }

    /// Whether this node is, or is about to be, reached through a peer.
    pub(crate) fn uses(&self, peer: &PeerId) -> bool {
        self.of.get(peer).is_some_and(|relay| relay.configured.is_some() || matches!(relay.state, State::Listening(_)))
    }

    /// Where to listen now: at the configured relays, and while `needed` at some of those that offer it.
    pub(crate) fn due(
        &self,
        needed: bool,
        offers: impl IntoIterator<Item = RelaySource>,
        now: Instant,
    ) -> Vec<(PeerId, Multiaddr)> {
        let is_due = |relay: &Relay| matches!(relay.state, State::Waiting(at) if at <= now);
        let mut due: Vec<_> = self
            .of
            .iter()
            .filter(|(_, relay)| is_due(relay))
            .filter_map(|(peer, relay)| Some((*peer, circuit_of(relay.configured.clone()?, *peer))))
            .collect();
        let has_own = self.of.values().any(|relay| relay.configured.is_some());
        if needed && !has_own {
            let used = self.of.values().filter(|relay| matches!(relay.state, State::Listening(_))).count();
            let free = |offer: &RelaySource| self.of.get(&offer.peer).is_none_or(is_due);
            let new = offers.into_iter().filter(free).take(WANTED.saturating_sub(used));
            due.extend(new.map(|offer| (offer.peer, circuit_of(offer.address, offer.peer))));
        }
        due
    }

    /// A listener was made at a relay.
    pub(crate) fn asked(&mut self, peer: PeerId, listener: ListenerId) {
        let state = State::Listening(listener);
        match self.of.get_mut(&peer) {
            Some(relay) => relay.state = state,
            None => {
                if self.of.len() >= MAX {
                    self.of.retain(|_, relay| relay.configured.is_some() || matches!(relay.state, State::Listening(_)));
                }
                self.of.insert(peer, Relay { state, failures: 0, configured: None });
            }
        }
    }

    /// A listener has an address: the reservation stands.
    pub(crate) fn stands(&mut self, listener: ListenerId) {
        if let Some((_, relay)) = self.by_listener(listener) {
            relay.failures = 0;
        }
    }

    /// A listener is gone. Returns its relay, and how often in a row it has failed.
    pub(crate) fn lost(
        &mut self,
        listener: ListenerId,
        now: Instant,
        spread: impl FnOnce(Duration) -> Duration,
    ) -> Option<(PeerId, u32)> {
        let (peer, relay) = self.by_listener(listener)?;
        let wait = (FIRST_WAIT * 2u32.pow(relay.failures.min(10))).min(LONGEST_WAIT);
        relay.failures = relay.failures.saturating_add(1);
        relay.state = State::Waiting(now + spread(wait));
        Some((peer, relay.failures))
    }

    /// A relay that can't be listened at, at all.
    pub(crate) fn failed(&mut self, peer: PeerId, now: Instant) {
        if let Some(relay) = self.of.get_mut(&peer) {
            relay.failures = relay.failures.saturating_add(1);
            relay.state = State::Waiting(now + LONGEST_WAIT);
        }
    }

    fn by_listener(&mut self, listener: ListenerId) -> Option<(PeerId, &mut Relay)> {
        let is = |relay: &Relay| matches!(relay.state, State::Listening(id) if id == listener);
        self.of.iter_mut().find(|(_, relay)| is(relay)).map(|(peer, relay)| (*peer, relay))
    }
}

/// Where to listen to be reached through a relay.
fn circuit_of(mut address: Multiaddr, relay: PeerId) -> Multiaddr {
    if peer_of(&address).is_none() {
        address.push(Protocol::P2p(relay));
    }
    address.with(Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(address: &str) -> RelaySource {
        RelaySource { peer: PeerId::random(), address: address.parse().unwrap() }
    }

    #[tokio::test]
    async fn some_of_those_that_offer_are_asked_while_it_is_needed() {
        let now = Instant::now();
        let offers = || (0..5).map(|n| offer(&format!("/ip4/10.0.0.{n}/tcp/1")));
        let mut relays = Relays::new(&[], now);
        assert!(relays.due(false, offers(), now).is_empty());
        let due = relays.due(true, offers(), now);
        assert_eq!(due.len(), WANTED);
        let (peer, address) = &due[0];
        assert!(address.to_string().ends_with(&format!("/p2p/{peer}/p2p-circuit")));
        let listener = ListenerId::next();
        relays.asked(*peer, listener);
        assert!(relays.uses(peer));
        relays.stands(listener);
        assert_eq!(relays.due(true, offers(), now).len(), WANTED - 1);
        assert_eq!(relays.lost(ListenerId::next(), now, |wait| wait), None);
        assert_eq!(relays.lost(listener, now, |wait| wait), Some((*peer, 1)));
        assert!(!relays.uses(peer));
        let again = || [RelaySource { peer: *peer, address: "/ip4/10.0.0.1/tcp/1".parse().unwrap() }];
        assert!(relays.due(true, again(), now).is_empty(), "not at once");
        assert_eq!(relays.due(true, again(), now + FIRST_WAIT).len(), 1);
    }

    #[tokio::test]
    async fn configured_relays_are_asked_for_ever_and_alone() {
        let now = Instant::now();
        let relay = PeerId::random();
        let address: Multiaddr = format!("/ip4/10.0.0.1/tcp/1/p2p/{relay}").parse().unwrap();
        let mut relays = Relays::new(std::slice::from_ref(&address), now);
        assert!(relays.uses(&relay));
        let mut at = now;
        for failures in 1..20 {
            let due = relays.due(true, [offer("/ip4/10.0.0.2/tcp/1")], at);
            assert_eq!(due, [(relay, address.clone().with(Protocol::P2pCircuit))]);
            let listener = ListenerId::next();
            relays.asked(relay, listener);
            assert!(relays.due(true, [], at).is_empty());
            assert_eq!(relays.lost(listener, at, |wait| wait), Some((relay, failures)));
            at += LONGEST_WAIT;
        }
    }
}
