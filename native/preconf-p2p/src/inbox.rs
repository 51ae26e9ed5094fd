//! What handles hand to the node's task: one queue of commands and one of verdicts, behind one short lock.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use tokio::sync::Notify;

use crate::{
    Protocol, SubmitError, Topic, Verdict, gater::Target, reqresp::Direction, reqresp::frame_cap, stats::Counters,
};

/// Responses taken from the host and not yet written to their streams.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Of these, for one peer: one that reads slowly leaves room for others.
const MAX_PEER_RESPONSE_BYTES: usize = 16 << 20;
/// Dials with a token in flight.
const MAX_DIALS: usize = 256;
/// What a publish weighs in the outbox beside its payload, so that many empty ones are bounded too.
pub(crate) const PUBLISH_OVERHEAD: usize = 128;

/// Requests of one protocol in flight: bounds their answers, which are held whole.
const fn max_requests(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Head => 1024,
        Protocol::Commitments => 256,
        Protocol::TxList => 128,
    }
}

/// What the host asks of the node.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { topic: Topic, data: Vec<u8>, token: u64, deadline: Duration },
    Request { protocol: Protocol, peer: PeerId, data: Vec<u8>, token: u64, timeout: Duration },
    Respond { channel: u64, peer: PeerId, data: Vec<u8> },
    Refuse { channel: u64 },
    Dial { address: Multiaddr, token: u64 },
    Disconnect(PeerId),
    SetBlocked(PeerId, bool),
    GateChanged(Target, bool),
    SetScore(PeerId, f64),
}

/// Everything taken from the inbox at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) verdicts: Vec<(u64, Verdict)>,
    pub(crate) stop: bool,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    closed: bool,
    /// Inbound requests that wait for the host, by channel.
    channels: HashMap<u64, (Protocol, PeerId)>,
    outbox_bytes: usize,
    response_bytes: usize,
    response_bytes_of: HashMap<PeerId, usize>,
    requests: [usize; 3],
    dials: usize,
}

/// The queue between handles and the task, with every bound on what may wait.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    wake: Notify,
    max_outbox_bytes: usize,
}

impl Inbox {
    pub(crate) fn new(max_outbox_bytes: usize) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), max_outbox_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut state: MutexGuard<'_, State>, command: Command) {
        let was_empty = state.batch.commands.is_empty() && state.batch.verdicts.is_empty();
        state.batch.commands.push_back(command);
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, SubmitError> {
        let state = self.lock();
        if state.closed { Err(SubmitError::Stopped) } else { Ok(state) }
    }

    /// A command that is always taken: it is small, and the host has no reason to send many.
    pub(crate) fn send(&self, command: Command) {
        if let Ok(state) = self.open() {
            self.push(state, command);
        }
    }

    pub(crate) fn publish(
        &self,
        counters: &Counters,
        topic: Topic,
        data: Vec<u8>,
        token: u64,
        deadline: Duration,
    ) -> Result<(), SubmitError> {
        if data.len() > crate::gossip::MAX_PUBLISH_SIZE {
            return Err(SubmitError::TooLarge);
        }
        let mut state = self.open()?;
        let total = state.outbox_bytes + data.len() + PUBLISH_OVERHEAD;
        if total > self.max_outbox_bytes {
            return Err(SubmitError::Full);
        }
        state.outbox_bytes = total;
        counters.outbox_bytes.set(total as u64);
        self.push(state, Command::Publish { topic, data, token, deadline });
        Ok(())
    }

    /// A publish of `len` payload bytes has ended.
    pub(crate) fn published(&self, counters: &Counters, len: usize) {
        let mut state = self.lock();
        state.outbox_bytes -= len + PUBLISH_OVERHEAD;
        counters.outbox_bytes.set(state.outbox_bytes as u64);
    }

    pub(crate) fn request(
        &self,
        protocol: Protocol,
        peer: PeerId,
        data: Vec<u8>,
        token: u64,
        timeout: Duration,
    ) -> Result<(), SubmitError> {
        if data.len() > frame_cap(protocol, Direction::Request) {
            return Err(SubmitError::TooLarge);
        }
        let mut state = self.open()?;
        if state.requests[protocol.index()] >= max_requests(protocol) {
            return Err(SubmitError::Full);
        }
        state.requests[protocol.index()] += 1;
        self.push(state, Command::Request { protocol, peer, data, token, timeout });
        Ok(())
    }

    /// One of this node's requests has ended.
    pub(crate) fn request_ended(&self, protocol: Protocol) {
        self.lock().requests[protocol.index()] -= 1;
    }

    /// An inbound request waits for the host.
    pub(crate) fn channel_opened(&self, channel: u64, protocol: Protocol, peer: PeerId) {
        self.lock().channels.insert(channel, (protocol, peer));
    }

    /// An inbound request waits no longer.
    pub(crate) fn channel_closed(&self, channel: u64) {
        self.lock().channels.remove(&channel);
    }

    pub(crate) fn respond(&self, channel: u64, data: Vec<u8>) -> Result<(), SubmitError> {
        let mut state = self.open()?;
        let (protocol, peer) = *state.channels.get(&channel).ok_or(SubmitError::NotFound)?;
        if data.len() > frame_cap(protocol, Direction::Response) {
            return Err(SubmitError::TooLarge);
        }
        let of_peer = state.response_bytes_of.get(&peer).copied().unwrap_or(0) + data.len();
        if state.response_bytes + data.len() > MAX_RESPONSE_BYTES || of_peer > MAX_PEER_RESPONSE_BYTES {
            return Err(SubmitError::Full);
        }
        state.response_bytes += data.len();
        state.response_bytes_of.insert(peer, of_peer);
        state.channels.remove(&channel);
        self.push(state, Command::Respond { channel, peer, data });
        Ok(())
    }

    /// A response of `len` bytes to the peer is written or lost.
    pub(crate) fn response_ended(&self, peer: &PeerId, len: usize) {
        let mut state = self.lock();
        state.response_bytes -= len;
        if let Some(bytes) = state.response_bytes_of.get_mut(peer) {
            *bytes -= len;
            if *bytes == 0 {
                state.response_bytes_of.remove(peer);
            }
        }
    }

    pub(crate) fn refuse(&self, channel: u64) {
        if let Ok(mut state) = self.open()
            && state.channels.remove(&channel).is_some()
        {
            self.push(state, Command::Refuse { channel });
        }
    }

    pub(crate) fn dial(&self, address: Multiaddr, token: u64) -> Result<(), SubmitError> {
        let mut state = self.open()?;
        if state.dials >= MAX_DIALS {
            return Err(SubmitError::Full);
        }
        state.dials += 1;
        self.push(state, Command::Dial { address, token });
        Ok(())
    }

    /// A dial with a token has ended.
    pub(crate) fn dial_ended(&self) {
        self.lock().dials -= 1;
    }

    pub(crate) fn report(&self, verdicts: &[(u64, Verdict)]) {
        let Ok(mut state) = self.open() else { return };
        let was_empty = state.batch.commands.is_empty() && state.batch.verdicts.is_empty();
        state.batch.verdicts.extend_from_slice(verdicts);
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Closes admission and tells the task to end.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.batch.stop = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Closes admission: the task is gone.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Waits until [`Self::take`] may give something.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// Moves all that waits into `batch`, which must be empty and lends its memory.
    pub(crate) fn take(&self, batch: &mut Batch) {
        std::mem::swap(&mut self.lock().batch, batch);
    }
}
