//! Dials: the host's, and those of static peers, which are repeated for ever.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, TransportError, allow_block_list,
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::time::Instant;

use super::{Driver, events::bounded};
use crate::{
    Config, DialFailure, Event, EventSink,
    gater::{DialRefusal, Limited, refusal_in},
    single::Crossed,
};

/// The wait after the first failed dial of a static peer; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Every so many failures in a row one is logged, beside the first.
const LOG_EVERY: u32 = 10;
/// Peers without a static address that are dialled once more after this node gave up their connection.
const MAX_ONCE: usize = 64;

/// A peer dialled for ever.
struct Static {
    addresses: Vec<Multiaddr>,
    failures: u32,
    /// When to dial next; `None` while connected or dialling.
    due: Option<Instant>,
}

/// All dials in flight or to come.
pub(super) struct Dials {
    statics: HashMap<PeerId, Static>,
    /// The dial in flight of each static peer.
    flights: HashMap<ConnectionId, PeerId>,
    /// The host's dials in flight, with their tokens.
    tokens: HashMap<ConnectionId, u64>,
    /// Dials to make once.
    once: HashMap<PeerId, (Multiaddr, Instant)>,
    jitter: Jitter,
    enabled: Enabled,
}

impl Dials {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut statics: HashMap<PeerId, Static> = HashMap::new();
        for address in &config.static_peers {
            if let Some(peer) = peer_of(address) {
                let entry =
                    statics.entry(peer).or_insert(Static { addresses: Vec::new(), failures: 0, due: Some(now) });
                entry.addresses.push(address.clone());
            }
        }
        Self {
            statics,
            flights: HashMap::new(),
            tokens: HashMap::new(),
            once: HashMap::new(),
            jitter: Jitter::new(config.seed),
            enabled: Enabled {
                tcp: config.enable_tcp,
                quic: config.enable_quic,
                memory: config.enable_memory,
                relay: config.nat.relay_client,
            },
        }
    }

    /// The last connection with a peer is gone, or a block was lifted: a static one is dialled soon, or later the more
    /// often this node had to give it up.
    pub(super) fn lost(&mut self, peer: PeerId, strikes: u32, now: Instant) {
        let soon = self.jitter.spread(wait_after(strikes));
        let in_flight = self.flights.values().any(|dialled| *dialled == peer);
        if let Some(entry) = self.statics.get_mut(&peer).filter(|_| !in_flight) {
            entry.due = Some(now + soon);
        }
    }

    /// Whether an enabled transport takes this address.
    pub(super) fn takes(&self, address: &Multiaddr) -> bool {
        self.enabled.take(address)
    }

    pub(super) fn is_static(&self, peer: &PeerId) -> bool {
        self.statics.contains_key(peer)
    }

    /// A number for choices between equals.
    pub(super) fn random(&mut self) -> u64 {
        self.jitter.next()
    }

    /// Between half of `wait` and all of it.
    pub(super) fn spread(&mut self, wait: Duration) -> Duration {
        self.jitter.spread(wait)
    }

    /// A peer whose connection this node gave up is dialled once more.
    pub(super) fn again(&mut self, peer: PeerId, address: Multiaddr, strikes: u32, now: Instant) {
        if !self.statics.contains_key(&peer) && self.once.len() < MAX_ONCE {
            self.once.insert(peer, (address, now + self.jitter.spread(wait_after(strikes))));
        }
    }
}

/// How long to wait after so many failures beyond the first.
fn wait_after(failures: u32) -> Duration {
    (FIRST_WAIT * 2u32.pow(failures.min(6))).min(LONGEST_WAIT)
}

/// Which transports are on, to tell an address that none takes from one that can't be reached: the library's own error
/// is lost on its way through the DNS transport.
#[derive(Clone, Copy)]
struct Enabled {
    tcp: bool,
    quic: bool,
    memory: bool,
    relay: bool,
}

impl Enabled {
    /// A relayed address is taken when its relay's is, and both peers are named.
    fn take(self, address: &Multiaddr) -> bool {
        let parts: Vec<_> = address.iter().collect();
        if let Some(at) = parts.iter().position(|part| *part == Protocol::P2pCircuit) {
            let (relay, beyond) = (parts[..at].iter().cloned().collect::<Multiaddr>(), &parts[at + 1..]);
            return self.relay
                && matches!(beyond, [Protocol::P2p(_)])
                && peer_of(&relay).is_some()
                && self.take_direct(&relay);
        }
        self.take_direct(address)
    }

    fn take_direct(self, address: &Multiaddr) -> bool {
        let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
        let known = match (parts.next(), parts.next()) {
            (Some(Protocol::Memory(_)), None) => return self.memory,
            (Some(Protocol::Dnsaddr(_)), None) => return self.tcp || self.quic,
            (Some(host), Some(port)) if is_host(&host) => port,
            _ => return false,
        };
        match (known, parts.next(), parts.next()) {
            (Protocol::Tcp(_), None, None) => self.tcp,
            (Protocol::Udp(_), Some(Protocol::QuicV1), None) => self.quic,
            _ => false,
        }
    }
}

fn is_host(part: &Protocol<'_>) -> bool {
    matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))
}

/// The last `/p2p` of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// A fresh port for each dial: with the listener's port, two nodes that dial each other at once would meet in TCP's
/// simultaneous open and fail both.
pub(super) fn to_peer(peer: PeerId, addresses: Vec<Multiaddr>, condition: PeerCondition) -> DialOpts {
    DialOpts::peer_id(peer).condition(condition).addresses(addresses).allocate_new_port().build()
}

impl<S: EventSink> Driver<'_, S> {
    pub(super) fn known_addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.dials.statics.get(peer).map(|entry| entry.addresses.clone()).unwrap_or_default()
    }

    /// A dial with a token.
    pub(super) fn dial_for_host(&mut self, address: Multiaddr, token: u64) {
        if !self.dials.enabled.take(&address) {
            self.dial_ended(token, Err((DialFailure::Unsupported, format!("no enabled transport takes {address}"))));
            return;
        }
        let peer = peer_of(&address);
        if peer == Some(self.shared.peer_id) {
            self.dial_ended(token, Err((DialFailure::LocalPeer, format!("{address} is this node"))));
            return;
        }
        if let Some(peer) = peer.filter(|peer| self.peers.contains_key(peer)) {
            self.dial_ended(token, Ok(peer));
            return;
        }
        let options = match peer {
            Some(peer) => to_peer(peer, vec![address], PeerCondition::Always),
            None => DialOpts::unknown_peer_id().address(address).allocate_new_port().build(),
        };
        let connection = options.connection_id();
        match self.net.swarm.dial(options) {
            Ok(()) => {
                self.dials.tokens.insert(connection, token);
            }
            Err(error) => self.dial_ended(token, Err(failure_of(&error))),
        }
    }

    fn dial_ended(&mut self, token: u64, result: Result<PeerId, (DialFailure, String)>) {
        self.shared.inbox.dial_ended();
        self.sink.control(Event::DialResult { token, result });
    }

    pub(super) fn dial_stopped(&mut self, token: u64) {
        self.dial_ended(token, Err((DialFailure::Aborted, "the node stopped".to_owned())));
    }

    pub(super) fn stop_dials(&mut self) {
        for (_, token) in std::mem::take(&mut self.dials.tokens) {
            self.dial_stopped(token);
        }
    }

    /// A connection is up, whoever dialled.
    pub(super) fn dial_succeeded(&mut self, peer: PeerId, connection: ConnectionId) {
        self.candidate_reached(peer, connection);
        self.dials.flights.remove(&connection);
        self.dials.once.remove(&peer);
        if let Some(entry) = self.dials.statics.get_mut(&peer) {
            if entry.failures > 0 {
                tracing::info!(%peer, failures = entry.failures, "static peer reached again");
            }
            entry.failures = 0;
            entry.due = None;
        }
        if let Some(token) = self.dials.tokens.remove(&connection) {
            self.dial_ended(token, Ok(peer));
        }
    }

    pub(super) fn on_dial_failed(&mut self, connection: ConnectionId, peer: Option<PeerId>, error: &DialError) {
        if let Some(token) = self.dials.tokens.remove(&connection) {
            // The peer's own dial was faster.
            let there = peer.filter(|peer| is_crossed(error) && self.peers.contains_key(peer));
            self.dial_ended(token, there.ok_or_else(|| failure_of(error)));
        }
        self.candidate_dial_failed(connection, error);
        if let Some(peer) = self.dials.flights.remove(&connection) {
            self.static_failed(peer, error);
        }
    }

    fn static_failed(&mut self, peer: PeerId, error: &DialError) {
        let connected = self.peers.contains_key(&peer);
        let Some(entry) = self.dials.statics.get_mut(&peer) else { return };
        if connected {
            entry.due = None;
            return;
        }
        entry.failures = entry.failures.saturating_add(1);
        if entry.failures == 1 || entry.failures.is_multiple_of(LOG_EVERY) {
            let (_, text) = failure_of(error);
            tracing::warn!(%peer, failures = entry.failures, error = text, "static peer can't be reached");
        }
        let wait = wait_after(entry.failures - 1);
        entry.due = Some(self.now + self.dials.jitter.spread(wait));
    }

    /// Dials a peer at all of its addresses at once; of TCP and QUIC the preferred one starts first.
    pub(super) fn dial_raced(&mut self, addresses: &[Multiaddr], options: DialOpts) -> Result<(), DialError> {
        let swarm = &mut self.net.swarm;
        self.net.head_start.during(self.settings.preferred, addresses, || swarm.dial(options))
    }

    /// Makes the dials whose time has come.
    pub(super) fn dial_due(&mut self) {
        let now = self.now;
        let due: Vec<_> = self
            .dials
            .statics
            .iter_mut()
            .filter(|(_, entry)| entry.due.is_some_and(|due| due <= now))
            .map(|(peer, entry)| {
                entry.due = None;
                (*peer, entry.addresses.clone())
            })
            .collect();
        for (peer, addresses) in due {
            if self.peers.contains_key(&peer) {
                continue;
            }
            // Another dial of the same peer may be in flight: the host's, or a request's.
            let options = to_peer(peer, addresses.clone(), PeerCondition::DisconnectedAndNotDialing);
            let connection = options.connection_id();
            match self.dial_raced(&addresses, options) {
                Ok(()) => {
                    self.dials.flights.insert(connection, peer);
                }
                Err(DialError::DialPeerConditionFalse(_)) => self.dials.lost(peer, 0, now),
                Err(error) => self.static_failed(peer, &error),
            }
        }
        let again: Vec<_> = self.dials.once.iter().filter(|(_, (_, due))| *due <= now).map(|(peer, _)| *peer).collect();
        for peer in again {
            if let Some((address, _)) = self.dials.once.remove(&peer) {
                let options = to_peer(peer, vec![address], PeerCondition::DisconnectedAndNotDialing);
                if let Err(error) = self.net.swarm.dial(options) {
                    tracing::debug!(%peer, %error, "not dialled again");
                }
            }
        }
    }
}

fn is_crossed(error: &DialError) -> bool {
    matches!(error, DialError::Denied { cause } if cause.downcast_ref::<Crossed>().is_some())
}

/// Whether a dial came to nothing for a limit of this node: it says nothing of the peer.
pub(super) fn is_own_limit(error: &DialError) -> bool {
    failure_of(error).0 == DialFailure::Limit
}

/// The typed cause of a failed dial, and its text.
fn failure_of(error: &DialError) -> (DialFailure, String) {
    let failure = match error {
        // No dial goes without an address, and the library drops only those that this node listens on.
        DialError::LocalPeerId { .. } | DialError::NoAddresses => DialFailure::LocalPeer,
        DialError::DialPeerConditionFalse(_) | DialError::Aborted => DialFailure::Aborted,
        DialError::WrongPeerId { .. } => DialFailure::WrongPeer,
        DialError::Denied { cause } => denial_of(cause),
        DialError::Transport(errors) => {
            let unsupported =
                |(_, error): &(_, TransportError<_>)| matches!(error, TransportError::MultiaddrNotSupported(_));
            match refusal_of_all(errors) {
                Some(refusal) => refused(refusal),
                None if errors.iter().all(unsupported) => DialFailure::Unsupported,
                None => DialFailure::Transport,
            }
        }
    };
    (failure, bounded(&error.to_string()))
}

/// What the gate said of the last address when it refused each.
fn refusal_of_all(errors: &[(Multiaddr, TransportError<io::Error>)]) -> Option<DialRefusal> {
    let refusals = errors.iter().map(|(_, error)| match error {
        TransportError::Other(error) => refusal_in(error),
        TransportError::MultiaddrNotSupported(_) => None,
    });
    refusals.collect::<Option<Vec<_>>>()?.pop()
}

fn refused(refusal: DialRefusal) -> DialFailure {
    match refusal {
        DialRefusal::PeerBlocked | DialRefusal::AddressBlocked | DialRefusal::SubnetBlocked => DialFailure::Blocked,
        DialRefusal::ThresholdReached | DialRefusal::AlreadyDialing => DialFailure::Limit,
        DialRefusal::InvalidMultiaddr | DialRefusal::InvalidIpAddress => DialFailure::Unsupported,
    }
}

fn denial_of(cause: &ConnectionDenied) -> DialFailure {
    if cause.downcast_ref::<Limited>().is_some() {
        DialFailure::Limit
    } else if let Some(refusal) = cause.downcast_ref::<DialRefusal>() {
        refused(*refusal)
    } else if cause.downcast_ref::<allow_block_list::Blocked>().is_some() {
        DialFailure::Blocked
    } else {
        DialFailure::Aborted
    }
}

/// Spreads waits, so that nodes started together do not dial together. SplitMix64.
struct Jitter(u64);

impl Jitter {
    fn new(seed: Option<u64>) -> Self {
        Self(seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between half of `wait` and all of it.
    fn spread(&mut self, wait: Duration) -> Duration {
        let share = (self.next() >> 32) as u32;
        wait / 2 + (wait / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_by_their_transport() {
        let peer = PeerId::random();
        let all = Enabled { tcp: true, quic: true, memory: true, relay: true };
        let take = |enabled: Enabled, text: &str| {
            let plain: Multiaddr = text.parse().unwrap();
            let named = plain.clone().with(Protocol::P2p(peer));
            assert_eq!(enabled.take(&plain), enabled.take(&named));
            enabled.take(&plain)
        };
        for text in [
            "/ip4/1.2.3.4/tcp/1",
            "/ip6/::1/tcp/1",
            "/dns/a.b/tcp/1",
            "/dns4/a.b/udp/1/quic-v1",
            "/ip6/::1/udp/1/quic-v1",
            "/dnsaddr/a.b",
            "/memory/7",
        ] {
            assert!(take(all, text), "{text}");
        }
        for text in
            ["/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/udp/1/quic", "/ip4/1.2.3.4/tcp/1/ws", "/unix/x"]
        {
            assert!(!take(all, text), "{text}");
        }
        assert!(!take(Enabled { tcp: false, ..all }, "/ip4/1.2.3.4/tcp/1"));
        assert!(!take(Enabled { quic: false, ..all }, "/ip4/1.2.3.4/udp/1/quic-v1"));
        assert!(!take(Enabled { memory: false, ..all }, "/memory/7"));
        let (relay, other) = (PeerId::random(), PeerId::random());
        let circuit = |text: &str| text.replace("RELAY", &relay.to_base58()).replace("PEER", &other.to_base58());
        let relayed = |enabled: Enabled, text: &str| enabled.take(&circuit(text).parse().unwrap());
        assert!(relayed(all, "/ip4/1.2.3.4/tcp/1/p2p/RELAY/p2p-circuit/p2p/PEER"));
        assert!(!relayed(Enabled { relay: false, ..all }, "/ip4/1.2.3.4/tcp/1/p2p/RELAY/p2p-circuit/p2p/PEER"));
        assert!(!relayed(Enabled { tcp: false, ..all }, "/ip4/1.2.3.4/tcp/1/p2p/RELAY/p2p-circuit/p2p/PEER"));
        assert!(!relayed(all, "/ip4/1.2.3.4/tcp/1/p2p/RELAY/p2p-circuit"));
        assert!(!relayed(all, "/ip4/1.2.3.4/tcp/1/p2p-circuit/p2p/PEER"));
    }

    #[test]
    fn jitter_is_reproducible_and_stays_within_bounds() {
        let waits = |seed| {
            let mut jitter = Jitter::new(Some(seed));
            (0..1000).map(|_| jitter.spread(LONGEST_WAIT)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
        assert!(waits(3).iter().all(|wait| (LONGEST_WAIT / 2..=LONGEST_WAIT).contains(wait)));
    }
}
