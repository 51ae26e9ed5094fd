//! From the node's events to descriptors in the ring.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
    hash::{BuildHasherDefault, Hasher},
    ptr,
    sync::Arc,
    time::Instant,
};

use libp2p::PeerId;
use preconf_p2p::{
    DialFailure, Event, EventSink, Evidence, Gossip, Protocol, PublishOutcome, Reachability, RequestError,
};
use preconf_ring::{Issuer, LeaseTable, Producer};

use crate::{
    abi::{PcnDialFailure, PcnEvent, PcnEventKind, PcnEvidence, PcnPublishOutcome, PcnReachability, PcnRequestError},
    log::{Line, Route},
};

/// Log lines sent with one flush, so that they don't keep the node's task from its work.
const LOGS_PER_FLUSH: usize = 64;

// SAFETY: `data` is an address; whose memory it is and until when, the lease says. The ring only carries it.
unsafe impl Send for PcnEvent {}

const EMPTY: PcnEvent = PcnEvent {
    kind: PcnEventKind::None as u8,
    topic: 0,
    flag: 0,
    reserved0: 0,
    code: 0,
    peer: 0,
    token: 0,
    data: ptr::null(),
    len: 0,
    count: 0,
    lease: 0,
    at_ns: 0,
    reserved1: 0,
};

/// Numbers of connected peers: given once, never again.
#[derive(Default)]
struct Peers {
    numbers: HashMap<PeerId, u64, BuildHasherDefault<PeerHasher>>,
    last: u64,
}

/// A peer id is a key or its hash already, and the connection limits bound how many there are: its last bytes will do,
/// for the table is asked once for every event.
#[derive(Default)]
struct PeerHasher(u64);

impl Hasher for PeerHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 ^= u64::from_le_bytes(*last);
        }
    }

    fn write_u64(&mut self, _: u64) {}

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Peers {
    fn connect(&mut self, peer: PeerId) -> u64 {
        *self.numbers.entry(peer).or_insert_with(|| {
            self.last += 1;
            self.last
        })
    }

    fn disconnect(&mut self, peer: &PeerId) -> u64 {
        self.numbers.remove(peer).unwrap_or(0)
    }

    /// 0 for a peer that is not connected.
    fn number(&self, peer: &PeerId) -> u64 {
        self.numbers.get(peer).copied().unwrap_or(0)
    }
}

/// The producer's side of the boundary. It belongs to the node's task.
pub(crate) struct Sink {
    producer: Producer<PcnEvent>,
    issuer: Issuer,
    leases: Arc<LeaseTable>,
    route: Arc<Route>,
    logs: VecDeque<Line>,
    peers: Peers,
    max_leased_bytes: u64,
    started: Instant,
    #[cfg(feature = "test-exports")]
    life: Arc<crate::life::Life>,
    /// The time of this batch's events, read once per batch.
    now: Option<u64>,
}

impl Sink {
    pub(crate) fn new(
        producer: Producer<PcnEvent>,
        (leases, issuer): (Arc<LeaseTable>, Issuer),
        route: Arc<Route>,
        max_leased_bytes: u64,
        #[cfg(feature = "test-exports")] life: Arc<crate::life::Life>,
    ) -> Self {
        Self {
            producer,
            issuer,
            leases,
            route,
            logs: VecDeque::new(),
            peers: Peers::default(),
            max_leased_bytes,
            started: Instant::now(),
            #[cfg(feature = "test-exports")]
            life,
            now: None,
        }
    }

    /// The node's last events; the sink is of no use after it.
    pub(crate) fn finish(&mut self, fault: Option<String>) {
        self.send_logs(usize::MAX);
        if let Some(text) = fault {
            self.control(Event::Faulted(text));
        }
        self.control(Event::Stopped);
        self.publish();
    }

    /// Sends log lines, shows the batch to the host and wakes it.
    pub(crate) fn publish(&mut self) {
        self.send_logs(LOGS_PER_FLUSH);
        self.producer.flush();
        self.now = None;
    }

    #[cfg(feature = "test-exports")]
    pub(crate) fn life(&self) -> Arc<crate::life::Life> {
        Arc::clone(&self.life)
    }

    fn now(&mut self) -> u64 {
        let started = self.started;
        *self.now.get_or_insert_with(|| started.elapsed().as_nanos().try_into().unwrap_or(u64::MAX))
    }

    /// The payload's length, lease and place; nothing is lent where it is empty.
    #[inline]
    fn lend(&mut self, payload: Vec<u8>) -> (u32, (u64, *const u8)) {
        if payload.is_empty() {
            return (0, (0, ptr::null()));
        }
        let len = u32::try_from(payload.len()).expect("no payload reaches 4 GiB");
        (len, self.issuer.issue(payload).unwrap_or_else(|_| panic!("the host holds 16 million payloads")))
    }

    fn with_payload(&mut self, event: PcnEvent, payload: Vec<u8>) -> PcnEvent {
        let at_ns = self.now();
        let (len, (lease, data)) = self.lend(payload);
        PcnEvent { at_ns, len, lease, data, ..event }
    }

    fn push(&mut self, event: PcnEvent, payload: impl Into<Vec<u8>>) {
        let event = self.with_payload(event, payload.into());
        self.producer.push_control(event);
    }

    fn send_logs(&mut self, most: usize) {
        self.route.take(&mut self.logs);
        for _ in 0..most.min(self.logs.len()) {
            let Some(line) = self.logs.pop_front() else { return };
            if !self.producer.has_bulk_room() {
                self.route.add_dropped(1);
                continue;
            }
            let event = PcnEvent { code: line.level.into(), ..of(PcnEventKind::Log) };
            let event = self.with_payload(event, line.text);
            if self.producer.push_bulk(event).is_err() {
                self.leases.release(event.lease);
            }
        }
    }
}

impl EventSink for Sink {
    fn control(&mut self, event: Event) {
        match event {
            Event::Listening(address) => self.push(of(PcnEventKind::Listening), address.to_string()),
            Event::ListenerClosed { address, error } => {
                self.push(of(PcnEventKind::ListenerClosed), lines([&address.to_string(), &error]));
            }
            Event::PeerConnected { peer, address, outbound } => {
                let event = PcnEvent {
                    peer: self.peers.connect(peer),
                    flag: outbound.into(),
                    ..of(PcnEventKind::PeerConnected)
                };
                self.push(event, lines([&peer.to_base58(), &address.to_string()]));
            }
            Event::PeerDisconnected { peer, cause } => {
                let event = PcnEvent { peer: self.peers.disconnect(&peer), ..of(PcnEventKind::PeerDisconnected) };
                self.push(event, cause);
            }
            Event::PeerMoved { peer, address, outbound } => {
                let peer = self.peers.number(&peer);
                let event = PcnEvent { peer, flag: outbound.into(), ..of(PcnEventKind::PeerMoved) };
                self.push(event, address.to_string());
            }
            Event::Reachability { reachability, evidence, addresses } => {
                let (code, flag) = (reachability_of(reachability) as u32, evidence_of(evidence) as u8);
                let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                self.push(PcnEvent { code, flag, ..of(PcnEventKind::Reachability) }, texts.join("\n"));
            }
            Event::PeerIdentified { peer, agent, protocol, observed } => {
                let event = PcnEvent { peer: self.peers.number(&peer), ..of(PcnEventKind::PeerIdentified) };
                self.push(event, lines([&one_line(agent), &one_line(protocol), &observed.to_string()]));
            }
            Event::PeerSubscription { peer, topic, subscribed } => {
                let peer = self.peers.number(&peer);
                let kind = of(PcnEventKind::PeerSubscription);
                self.push(PcnEvent { peer, topic: topic as u8, flag: subscribed.into(), ..kind }, []);
            }
            Event::DialResult { token, result } => self.dial_result(token, result),
            Event::Gossip(gossip) => {
                let event = self.gossip_event(&gossip);
                self.push(event, gossip.data);
            }
            Event::Published { token, outcome } => {
                let (code, count) = publish_outcome(outcome);
                self.push(PcnEvent { token, code: code as u32, count, ..of(PcnEventKind::Published) }, []);
            }
            Event::Request { channel, protocol, peer, data } => {
                self.exchange(PcnEventKind::Request, protocol, channel, &peer, 0, data);
            }
            Event::RequestAborted { channel, protocol, peer, error } => {
                let code = request_error(error) as u32;
                self.exchange(PcnEventKind::RequestAborted, protocol, channel, &peer, code, Vec::new());
            }
            Event::ResponseSent { channel, protocol, peer } => {
                self.exchange(PcnEventKind::ResponseSent, protocol, channel, &peer, 0, Vec::new());
            }
            Event::Response { token, protocol, peer, data } => {
                self.exchange(PcnEventKind::Response, protocol, token, &peer, 0, data);
            }
            Event::RequestFailed { token, protocol, peer, error, text } => {
                let code = request_error(error) as u32;
                self.exchange(PcnEventKind::RequestFailed, protocol, token, &peer, code, text.into_bytes());
            }
            Event::SlowPeer { peer, failed } => {
                let peer = self.peers.number(&peer);
                self.push(PcnEvent { peer, count: saturate(failed), ..of(PcnEventKind::SlowPeer) }, []);
            }
            Event::VerdictLate { peer, topic, verdict } => {
                let peer = self.peers.number(&peer);
                let kind = of(PcnEventKind::VerdictLate);
                self.push(PcnEvent { peer, topic: topic as u8, code: verdict as u32, ..kind }, []);
            }
            Event::Dropped(count) => {
                self.push(PcnEvent { count: saturate(count), ..of(PcnEventKind::Dropped) }, []);
            }
            Event::Faulted(text) => self.push(of(PcnEventKind::Faulted), text),
            Event::Stopped => self.push(of(PcnEventKind::Stopped), []),
        }
    }

    #[inline]
    fn gossip(&mut self, gossip: Gossip) -> Result<(), Gossip> {
        let peer = self.peers.number(&gossip.peer);
        let leased = self.leases.leased_bytes().saturating_add(gossip.data.len() as u64);
        // A peer without a number has disconnected: the host could neither name nor penalise it.
        if peer == 0 || leased > self.max_leased_bytes || !self.producer.has_bulk_room() {
            return Err(gossip);
        }
        let at_ns = self.now();
        let Gossip { topic, token, data, .. } = gossip;
        let (len, (lease, data)) = self.lend(data);
        let kind = PcnEventKind::Gossip as u8;
        let event = PcnEvent { kind, topic: topic as u8, peer, token, data, len, lease, at_ns, ..EMPTY };
        let pushed = self.producer.push_bulk(event);
        debug_assert!(pushed.is_ok(), "there was room");
        Ok(())
    }

    fn flush(&mut self) {
        #[cfg(feature = "test-exports")]
        crate::testing::run(self);
        self.publish();
    }
}

impl Sink {
    fn gossip_event(&self, gossip: &Gossip) -> PcnEvent {
        PcnEvent {
            topic: gossip.topic as u8,
            peer: self.peers.number(&gossip.peer),
            token: gossip.token,
            ..of(PcnEventKind::Gossip)
        }
    }

    fn exchange(
        &mut self,
        kind: PcnEventKind,
        protocol: Protocol,
        token: u64,
        peer: &PeerId,
        code: u32,
        payload: Vec<u8>,
    ) {
        let peer = self.peers.number(peer);
        self.push(PcnEvent { topic: protocol as u8, token, peer, code, ..of(kind) }, payload);
    }

    fn dial_result(&mut self, token: u64, result: Result<PeerId, (DialFailure, String)>) {
        let event = PcnEvent { token, ..of(PcnEventKind::DialResult) };
        match result {
            Ok(peer) => {
                let event = PcnEvent { peer: self.peers.number(&peer), ..event };
                self.push(event, peer.to_base58());
            }
            Err((failure, text)) => self.push(PcnEvent { code: dial_failure(failure) as u32, ..event }, text),
        }
    }
}

fn of(kind: PcnEventKind) -> PcnEvent {
    PcnEvent { kind: kind as u8, ..EMPTY }
}

fn lines<const N: usize>(parts: [&str; N]) -> String {
    let mut text = String::new();
    for (i, part) in parts.iter().enumerate() {
        let _ = write!(text, "{}{part}", if i == 0 { "" } else { "\n" });
    }
    text
}

/// A peer says what it likes about itself; it must not break the lines its words stand in.
fn one_line(text: String) -> String {
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

fn saturate(count: u64) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

fn publish_outcome(outcome: PublishOutcome) -> (PcnPublishOutcome, u32) {
    match outcome {
        PublishOutcome::Sent(peers) => (PcnPublishOutcome::Sent, peers),
        PublishOutcome::NoPeers => (PcnPublishOutcome::NoPeers, 0),
        PublishOutcome::Duplicate => (PcnPublishOutcome::Duplicate, 0),
        PublishOutcome::QueueFull => (PcnPublishOutcome::QueueFull, 0),
        PublishOutcome::TooLarge => (PcnPublishOutcome::TooLarge, 0),
        PublishOutcome::Failed => (PcnPublishOutcome::Failed, 0),
        PublishOutcome::Stopped => (PcnPublishOutcome::Stopped, 0),
    }
}

fn request_error(error: RequestError) -> PcnRequestError {
    match error {
        RequestError::DialFailed => PcnRequestError::DialFailed,
        RequestError::Timeout => PcnRequestError::Timeout,
        RequestError::ConnectionClosed => PcnRequestError::ConnectionClosed,
        RequestError::UnsupportedProtocol => PcnRequestError::UnsupportedProtocol,
        RequestError::Refused => PcnRequestError::Refused,
        RequestError::BadFrame => PcnRequestError::BadFrame,
        RequestError::Io => PcnRequestError::Io,
        RequestError::Busy => PcnRequestError::Busy,
        RequestError::Stopped => PcnRequestError::Stopped,
    }
}

fn reachability_of(reachability: Reachability) -> PcnReachability {
    match reachability {
        Reachability::Unknown => PcnReachability::Unknown,
        Reachability::Public => PcnReachability::Public,
        Reachability::Relayed => PcnReachability::Relayed,
        Reachability::Private => PcnReachability::Private,
    }
}

fn evidence_of(evidence: Evidence) -> PcnEvidence {
    match evidence {
        Evidence::None => PcnEvidence::None,
        Evidence::Configured => PcnEvidence::Configured,
        Evidence::Upnp => PcnEvidence::Upnp,
        Evidence::AutoNat => PcnEvidence::AutoNat,
        Evidence::Inbound => PcnEvidence::Inbound,
    }
}

fn dial_failure(failure: DialFailure) -> PcnDialFailure {
    match failure {
        DialFailure::Unsupported => PcnDialFailure::Unsupported,
        DialFailure::Limit => PcnDialFailure::Limit,
        DialFailure::Blocked => PcnDialFailure::Blocked,
        DialFailure::WrongPeer => PcnDialFailure::WrongPeer,
        DialFailure::LocalPeer => PcnDialFailure::LocalPeer,
        DialFailure::Transport => PcnDialFailure::Transport,
        DialFailure::Aborted => PcnDialFailure::Aborted,
    }
}
