//! What a node tells its host.

use libp2p::{Multiaddr, PeerId};

use crate::{Evidence, Reachability};

/// The two gossip topics of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Topic {
    /// `/taiko/{chainId}/0/preconfirmationCommitments`
    Commitments = 0,
    /// `/taiko/{chainId}/0/rawTxLists`
    TxLists = 1,
}

/// The three request protocols of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// `/taiko/{chainId}/preconf/1/get_head`
    Head = 0,
    /// `/taiko/{chainId}/preconf/1/get_commitments_by_number`
    Commitments = 1,
    /// `/taiko/{chainId}/preconf/1/get_raw_txlist`
    TxList = 2,
}

/// A gossip message that waits for its verdict ([`crate::Handle::report`]).
#[derive(Debug)]
pub struct Gossip {
    /// Its topic.
    pub topic: Topic,
    /// The peer that forwarded it to this node (not its author).
    pub peer: PeerId,
    /// Names it in the verdict.
    pub token: u64,
    /// The payload, as carried.
    pub data: Vec<u8>,
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Handed to this many peers' queues, at least one.
    Sent(u32),
    /// No peer was subscribed until the deadline.
    NoPeers,
    /// The same payload was published or received before.
    Duplicate,
    /// Every peer's queue stayed full until the deadline.
    QueueFull,
    /// Over the 10 MiB transmit size.
    TooLarge,
    /// Signing failed, or another internal error.
    Failed,
    /// The node stopped first.
    Stopped,
}

/// Why an outbound request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Not connected and no dial succeeded.
    DialFailed,
    /// No answer within the request's time-out.
    Timeout,
    /// The connection closed first.
    ConnectionClosed,
    /// The peer speaks none of the protocol.
    UnsupportedProtocol,
    /// The peer ended the stream before any of an answer, or reset it before it accepted the protocol: it refused (rate limit,
    /// ban, no room for another stream) or does not know.
    Refused,
    /// The answer's frame was malformed (bad varint, over the cap): the sender's fault.
    BadFrame,
    /// The stream broke: cut within an answer; reset within one or, over QUIC, before one of an accepted protocol; or the peer
    /// speaks no multistream-select.
    Io,
    /// Too many requests in flight on this node.
    Busy,
    /// The node stopped first.
    Stopped,
}

/// Why a dial came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// No transport takes the address, or it is malformed.
    Unsupported,
    /// A connection limit of this node, or its dial period.
    Limit,
    /// The peer or its address is blocked here.
    Blocked,
    /// Another peer id answered.
    WrongPeer,
    /// It is this node itself.
    LocalPeer,
    /// Refused, unreachable, reset or timed out.
    Transport,
    /// The node stopped, or the dial was cancelled.
    Aborted,
}

/// What happened. Every event but [`Event::Gossip`] is a control event: it is never dropped.
#[derive(Debug)]
pub enum Event {
    /// A listener is bound; the address has its real port and no `/p2p`.
    Listening(Multiaddr),
    /// A listener is gone, with the error's text when there was one.
    ListenerClosed {
        /// The address it had.
        address: Multiaddr,
        /// Why; empty when it was asked for.
        error: String,
    },
    /// The first connection with a peer is up. Comes before any other event of that peer.
    PeerConnected {
        /// Who.
        peer: PeerId,
        /// The remote address of the connection.
        address: Multiaddr,
        /// Whether this node dialled.
        outbound: bool,
    },
    /// The last connection with a peer is gone.
    PeerDisconnected {
        /// Who.
        peer: PeerId,
        /// Why, for people.
        cause: String,
    },
    /// A peer is connected another way now: directly instead of through a relay, or by what is left when the connection last
    /// told of has closed.
    PeerMoved {
        /// Who.
        peer: PeerId,
        /// The remote address of the connection that is used.
        address: Multiaddr,
        /// Whether this node dialled it.
        outbound: bool,
    },
    /// Whether and how others reach this node has changed; before the first, nothing is known.
    Reachability {
        /// Whether.
        reachability: Reachability,
        /// What tells.
        evidence: Evidence,
        /// Where, as far as it is known: direct addresses, and those at relays.
        addresses: Vec<Multiaddr>,
    },
    /// identify told what a peer is.
    PeerIdentified {
        /// Who.
        peer: PeerId,
        /// Its agent version, bounded to 256 bytes.
        agent: String,
        /// Its protocol version, bounded to 256 bytes.
        protocol: String,
        /// How it sees this node.
        observed: Multiaddr,
    },
    /// A peer joined or left a topic.
    PeerSubscription {
        /// Who.
        peer: PeerId,
        /// What.
        topic: Topic,
        /// Joined (`true`) or left.
        subscribed: bool,
    },
    /// A dial asked for with a token ended.
    DialResult {
        /// The caller's token.
        token: u64,
        /// The peer reached, or why not, with the error's text.
        result: Result<PeerId, (DialFailure, String)>,
    },
    /// A gossip message; the only event that may be dropped (then gossipsub is answered Ignore).
    Gossip(Gossip),
    /// A publish ended.
    Published {
        /// The caller's token.
        token: u64,
        /// How.
        outcome: PublishOutcome,
    },
    /// A peer asks. Answer with [`crate::Handle::respond`] or refuse with [`crate::Handle::refuse`].
    Request {
        /// Names the open stream.
        channel: u64,
        /// Which protocol.
        protocol: Protocol,
        /// Who asks.
        peer: PeerId,
        /// The request's SSZ bytes.
        data: Vec<u8>,
    },
    /// An inbound request ended without its answer having been sent (time-out, closed, malformed frame).
    RequestAborted {
        /// The stream, or `u64::MAX` when the request itself could not be read.
        channel: u64,
        /// Which protocol.
        protocol: Protocol,
        /// Who had asked.
        peer: PeerId,
        /// Why.
        error: RequestError,
    },
    /// An answer has been flushed to the peer.
    ResponseSent {
        /// The stream.
        channel: u64,
        /// Which protocol.
        protocol: Protocol,
        /// Who had asked.
        peer: PeerId,
    },
    /// An answer to one of this node's requests.
    Response {
        /// The caller's token.
        token: u64,
        /// Which protocol.
        protocol: Protocol,
        /// Who answered.
        peer: PeerId,
        /// The response's SSZ bytes.
        data: Vec<u8>,
    },
    /// One of this node's requests failed.
    RequestFailed {
        /// The caller's token.
        token: u64,
        /// Which protocol.
        protocol: Protocol,
        /// Who was asked.
        peer: PeerId,
        /// Why.
        error: RequestError,
        /// The error's text.
        text: String,
    },
    /// A peer does not take messages as fast as they come.
    SlowPeer {
        /// Who.
        peer: PeerId,
        /// Messages dropped for it since the last such event.
        failed: u64,
    },
    /// A verdict came after gossipsub had forgotten the message: nothing was forwarded or penalised by it.
    VerdictLate {
        /// The peer that had forwarded it.
        peer: PeerId,
        /// The topic.
        topic: Topic,
        /// The verdict.
        verdict: crate::Verdict,
    },
    /// Gossip messages that found no room since the last such event; each was answered Ignore.
    Dropped(u64),
    /// The swarm's task died. Only [`Event::Stopped`] follows.
    Faulted(String),
    /// The last event.
    Stopped,
}

/// Where a node's events go. Called from the node's own task only, so it must not block.
pub trait EventSink: Send + 'static {
    /// Takes a control event. It is kept whatever happens.
    fn control(&mut self, event: Event);

    /// Takes a gossip message, or gives it back when there is no room.
    ///
    /// # Errors
    /// The message itself: the node then answers Ignore and counts the drop.
    fn gossip(&mut self, gossip: Gossip) -> Result<(), Gossip>;

    /// Called once after each batch of events; publishes them and wakes the reader.
    fn flush(&mut self);
}
