//! The handle: what any thread may ask of a running node.

use std::{fmt, sync::Arc, time::Duration};

use libp2p::{Multiaddr, PeerId};

use crate::{
    Protocol, Stats, SubmitError, Topic, Verdict,
    discovery::LocalRecord,
    gater::{Gate, Target},
    inbox::{Command, Inbox},
    stats::Counters,
};

/// What the node's task and its handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) peer_id: PeerId,
    pub(crate) public_key: [u8; 33],
    pub(crate) counters: Arc<Counters>,
    pub(crate) inbox: Inbox,
    pub(crate) gate: Arc<Gate>,
    pub(crate) record: Option<Arc<LocalRecord>>,
}

/// Commands a running node from any thread. Clones are cheap and speak to the same node; none of the calls blocks.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("peer_id", &self.shared.peer_id).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// This node's peer id.
    pub fn local_peer_id(&self) -> PeerId {
        self.shared.peer_id
    }

    /// The identity's compressed secp256k1 public key.
    pub fn public_key(&self) -> [u8; 33] {
        self.shared.public_key
    }

    /// This node's own record as it is now, `enr:…`; `None` without discovery. It tells the ports of listeners once they
    /// are bound ([`crate::Event::Listening`]).
    pub fn record(&self) -> Option<String> {
        self.shared.record.as_ref().map(|record| record.text())
    }

    /// Gossips `data`. Ends in exactly one [`crate::Event::Published`] with `token`, at the latest about `deadline`
    /// from now; messages of one topic leave in the order in which they were submitted.
    ///
    /// # Errors
    /// [`SubmitError::Full`] when the outbox holds [`crate::Config::outbox_bytes`], [`SubmitError::TooLarge`] over
    /// [`crate::gossip::MAX_PUBLISH_SIZE`], [`SubmitError::Stopped`].
    pub fn publish(&self, topic: Topic, data: Vec<u8>, token: u64, deadline: Duration) -> Result<(), SubmitError> {
        self.shared.inbox.publish(&self.shared.counters, topic, data, token, deadline)
    }

    /// Gives verdicts on gossip messages, by their tokens. A token that is not (or no longer) known is skipped.
    pub fn report(&self, verdicts: &[(u64, Verdict)]) {
        if !verdicts.is_empty() {
            self.shared.inbox.report(verdicts);
        }
    }

    /// Asks a connected peer. Ends in exactly one [`crate::Event::Response`] or [`crate::Event::RequestFailed`] with
    /// `token`, at the latest `timeout` from now (the node's own [`crate::Config::request_timeout`] bounds it too).
    ///
    /// # Errors
    /// [`SubmitError::Full`] with too many requests of the protocol in flight (1024 for the head, 256 for
    /// commitments, 128 for txlists), [`SubmitError::TooLarge`] over the request's frame cap, [`SubmitError::Stopped`].
    pub fn request(
        &self,
        protocol: Protocol,
        peer: PeerId,
        data: Vec<u8>,
        token: u64,
        timeout: Duration,
    ) -> Result<(), SubmitError> {
        self.shared.inbox.request(protocol, peer, data, token, timeout)
    }

    /// Answers a peer's request ([`crate::Event::Request`]). Then exactly one [`crate::Event::ResponseSent`] or
    /// [`crate::Event::RequestAborted`] follows.
    ///
    /// # Errors
    /// [`SubmitError::NotFound`] when the request was answered, refused, timed out or cut; [`SubmitError::TooLarge`]
    /// over the response's frame cap and [`SubmitError::Full`] while 64 MiB of responses, or 16 MiB for that
    /// peer, wait to be written: in both cases the request stays open; [`SubmitError::Stopped`].
    pub fn respond(&self, channel: u64, data: Vec<u8>) -> Result<(), SubmitError> {
        self.shared.inbox.respond(channel, data)
    }

    /// Closes a peer's request without an answer; no event follows. One that is gone is left alone.
    pub fn refuse(&self, channel: u64) {
        self.shared.inbox.refuse(channel);
    }

    /// Dials an address, with or without `/p2p`. Ends in exactly one [`crate::Event::DialResult`] with `token`.
    ///
    /// # Errors
    /// [`SubmitError::Full`] with 256 such dials in flight, [`SubmitError::Stopped`].
    pub fn dial(&self, address: Multiaddr, token: u64) -> Result<(), SubmitError> {
        self.shared.inbox.dial(address, token)
    }

    /// Closes all connections with a peer. A static peer is dialled again.
    pub fn disconnect(&self, peer: PeerId) {
        self.shared.inbox.send(Command::Disconnect(peer));
    }

    /// Blocks a peer (its connections are closed, new ones refused both ways) or lifts the block.
    pub fn set_blocked(&self, peer: PeerId, blocked: bool) {
        self.shared.inbox.send(Command::SetBlocked(peer, blocked));
    }

    /// Blocks a peer, an IP address or a subnet, or lifts the block: connections it is about are closed, none is made or
    /// taken. A peer blocked here and by [`Self::set_blocked`] has two blocks, each with its own end.
    ///
    /// # Errors
    /// [`SubmitError::Full`] with [`crate::gater::MAX_TARGETS`] blocked.
    pub fn block(&self, target: Target, blocked: bool) -> Result<(), SubmitError> {
        self.shared.gate.set_blocked(target, blocked)?;
        self.shared.inbox.send(Command::GateChanged(target, blocked));
        Ok(())
    }

    /// Protects a peer from the limits on dials and connections, or lifts that. A block outweighs it.
    ///
    /// # Errors
    /// [`SubmitError::Full`] with [`crate::gater::MAX_TARGETS`] protected.
    pub fn protect(&self, peer: PeerId, protected: bool) -> Result<(), SubmitError> {
        self.shared.gate.set_protected(peer, protected)
    }

    /// Sets a peer's application-specific gossipsub score; kept for peers that connect later. Not a number is skipped.
    pub fn set_application_score(&self, peer: PeerId, score: f64) {
        if score.is_finite() {
            self.shared.inbox.send(Command::SetScore(peer, score));
        }
    }

    /// The counters and gauges of this moment.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Ends the node: nothing more is taken, all that is pending ends as stopped, sockets close, and
    /// [`crate::Node::run`] returns. May be called again.
    pub fn stop(&self) {
        self.shared.inbox.stop();
    }
}
