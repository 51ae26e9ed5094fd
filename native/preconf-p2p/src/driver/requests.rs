//! Requests both ways. Each of this node's ends in one event; each of a peer's gets an answer or a closed stream.

use std::collections::HashMap;

use libp2p::{
    PeerId,
    request_response::{InboundRequestId, Message, OutboundRequestId, ResponseChannel},
};
use tokio::time::Instant;

use super::{Driver, outbox::deadline};
use crate::{
    Event, EventSink, Protocol, RequestError,
    reqresp::{self, FrameError, ReadRequest, frame_failure, inbound_failure, outbound_failure},
};

/// Requests of peers that may wait for the host at once; more are refused. Each holds at most 512 bytes.
const MAX_INBOUND: usize = 1024;
/// Of these, by one peer.
const MAX_INBOUND_PER_PEER: usize = 128;

/// A request of this node. It stays until the library is done with it, so that what is in flight is bounded.
struct Outbound {
    peer: PeerId,
    token: u64,
    deadline: Instant,
    /// Its event has been emitted.
    ended: bool,
}

/// A request of a peer.
struct Inbound {
    protocol: Protocol,
    id: InboundRequestId,
    peer: PeerId,
    deadline: Instant,
    /// Gone when the answer is on its way.
    answer: Option<ResponseChannel<Vec<u8>>>,
    /// Bytes of the answer on its way.
    answer_len: usize,
}

/// All requests that have not ended.
#[derive(Default)]
pub(super) struct Requests {
    outbound: HashMap<(Protocol, OutboundRequestId), Outbound>,
    inbound: HashMap<u64, Inbound>,
    channels: HashMap<(Protocol, InboundRequestId), u64>,
    places: Places,
    last_channel: u64,
}

/// How many requests of peers wait, of each and of all.
#[derive(Default)]
struct Places {
    of_peer: HashMap<PeerId, usize>,
    taken: usize,
}

impl Places {
    /// Takes a place; whether there was one. Who gets none leaves no trace.
    fn take(&mut self, peer: PeerId) -> bool {
        let of_peer = self.of_peer.get(&peer).copied().unwrap_or(0);
        let free = self.taken < MAX_INBOUND && of_peer < MAX_INBOUND_PER_PEER;
        if free {
            self.of_peer.insert(peer, of_peer + 1);
            self.taken += 1;
        }
        free
    }

    /// Gives a place back.
    fn give(&mut self, peer: &PeerId) {
        if let Some(of_peer) = self.of_peer.get_mut(peer) {
            self.taken -= 1;
            *of_peer -= 1;
            if *of_peer == 0 {
                self.of_peer.remove(peer);
            }
        }
    }
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        self.outbound.is_empty() && self.inbound.is_empty()
    }

    fn open(&mut self, inbound: Inbound) -> Option<u64> {
        if !self.places.take(inbound.peer) {
            return None;
        }
        self.last_channel += 1;
        self.channels.insert((inbound.protocol, inbound.id), self.last_channel);
        self.inbound.insert(self.last_channel, inbound);
        Some(self.last_channel)
    }

    fn close(&mut self, channel: u64) -> Option<Inbound> {
        let inbound = self.inbound.remove(&channel)?;
        self.channels.remove(&(inbound.protocol, inbound.id));
        self.places.give(&inbound.peer);
        Some(inbound)
    }
}

impl<S: EventSink> Driver<'_, S> {
    /// Sends a request; one to a peer without a connection needs a known address.
    pub(super) fn send_request(
        &mut self,
        protocol: Protocol,
        peer: PeerId,
        data: Vec<u8>,
        token: u64,
        timeout: std::time::Duration,
    ) {
        self.shared.counters.requests_out.add(1);
        let addresses = if self.peers.contains_key(&peer) { Vec::new() } else { self.known_addresses(&peer) };
        let behaviour = self.net.swarm.behaviour_mut().requests(protocol);
        let id = if addresses.is_empty() {
            behaviour.send_request(&peer, Ok(data))
        } else {
            behaviour.send_request_with_addresses(&peer, Ok(data), addresses)
        };
        let deadline = deadline(self.now, timeout.min(self.settings.request_timeout));
        self.requests.outbound.insert((protocol, id), Outbound { peer, token, deadline, ended: false });
    }

    /// An event of one of the three protocols.
    pub(super) fn on_request_event(&mut self, protocol: Protocol, event: reqresp::Event) {
        match event {
            reqresp::Event::Message { peer, message, connection_id: _ } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(protocol, peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    self.end_outbound(protocol, request_id, Ok(response));
                }
            },
            reqresp::Event::OutboundFailure { request_id, error, peer: _, connection_id: _ } => {
                self.end_outbound(protocol, request_id, Err((outbound_failure(&error), error.to_string())));
            }
            reqresp::Event::InboundFailure { request_id, error, peer: _, connection_id: _ } => {
                // What this node refused or gave up has been told.
                if let Some(channel) = self.requests.channels.get(&(protocol, request_id)).copied() {
                    self.abort(channel, inbound_failure(&error));
                }
            }
            reqresp::Event::ResponseSent { request_id, peer: _, connection_id: _ } => {
                if let Some(channel) = self.requests.channels.get(&(protocol, request_id)).copied()
                    && let Some(inbound) = self.requests.close(channel)
                {
                    self.shared.inbox.response_ended(&inbound.peer, inbound.answer_len);
                    self.sink.control(Event::ResponseSent { channel, protocol, peer: inbound.peer });
                }
            }
        }
    }

    fn on_request(
        &mut self,
        protocol: Protocol,
        peer: PeerId,
        id: InboundRequestId,
        request: ReadRequest,
        answer: ResponseChannel<Vec<u8>>,
    ) {
        self.shared.counters.requests_in.add(1);
        let data = match request {
            Ok(data) => data,
            // A stream opened and closed: nothing was asked.
            Err(FrameError::Empty) => return,
            // Dropping the answer's channel closes the stream.
            Err(error) => {
                let error = frame_failure(&error);
                self.sink.control(Event::RequestAborted { channel: u64::MAX, protocol, peer, error });
                return;
            }
        };
        let deadline = deadline(self.now, self.settings.request_timeout);
        let inbound = Inbound { protocol, id, peer, deadline, answer: Some(answer), answer_len: 0 };
        // Without room the answer's channel is dropped here, which closes the stream.
        let Some(channel) = self.requests.open(inbound) else { return };
        self.shared.inbox.channel_opened(channel, protocol, peer);
        self.sink.control(Event::Request { channel, protocol, peer, data });
    }

    /// Ends an inbound request without an answer, and says so.
    fn abort(&mut self, channel: u64, error: RequestError) {
        if let Some(inbound) = self.requests.close(channel) {
            self.shared.inbox.channel_closed(channel);
            self.shared.inbox.response_ended(&inbound.peer, inbound.answer_len);
            self.sink.control(Event::RequestAborted { channel, protocol: inbound.protocol, peer: inbound.peer, error });
        }
    }

    /// The host's answer.
    pub(super) fn respond(&mut self, channel: u64, peer: &PeerId, data: Vec<u8>) {
        let len = data.len();
        let Some(inbound) = self.requests.inbound.get_mut(&channel) else {
            // It ended between the host's call and now, and that has been told.
            self.shared.inbox.response_ended(peer, len);
            return;
        };
        inbound.answer_len = len;
        let protocol = inbound.protocol;
        let Some(answer) = inbound.answer.take() else { return };
        if self.net.swarm.behaviour_mut().requests(protocol).send_response(answer, data).is_err() {
            self.abort(channel, RequestError::ConnectionClosed);
        }
    }

    /// The host's refusal: dropping the answer's channel closes the stream.
    pub(super) fn refuse(&mut self, channel: u64) {
        self.requests.close(channel);
    }

    fn end_outbound(
        &mut self,
        protocol: Protocol,
        id: OutboundRequestId,
        result: Result<Vec<u8>, (RequestError, String)>,
    ) {
        let Some(outbound) = self.requests.outbound.remove(&(protocol, id)) else { return };
        self.shared.inbox.request_ended(protocol);
        if outbound.ended {
            return;
        }
        let Outbound { peer, token, .. } = outbound;
        self.sink.control(match result {
            Ok(data) => Event::Response { token, protocol, peer, data },
            Err((error, text)) => Event::RequestFailed { token, protocol, peer, error, text },
        });
    }

    /// Ends this node's requests that `over` picks, ahead of the library.
    fn fail_outbound(&mut self, error: RequestError, text: &str, over: impl Fn(&Outbound) -> bool) {
        for ((protocol, _), outbound) in &mut self.requests.outbound {
            if !outbound.ended && over(outbound) {
                outbound.ended = true;
                let (token, peer) = (outbound.token, outbound.peer);
                let text = text.to_owned();
                self.sink.control(Event::RequestFailed { token, protocol: *protocol, peer, error, text });
            }
        }
    }

    fn abort_inbound(&mut self, error: RequestError, over: impl Fn(&Inbound) -> bool) {
        let channels: Vec<_> =
            self.requests.inbound.iter().filter(|(_, inbound)| over(inbound)).map(|(channel, _)| *channel).collect();
        for channel in channels {
            self.abort(channel, error);
        }
    }

    /// Ends what is past its deadline, both ways.
    pub(super) fn expire_requests(&mut self) {
        let now = self.now;
        self.fail_outbound(RequestError::Timeout, "no answer in time", |outbound| outbound.deadline <= now);
        // An answer on its way is bounded by the library's own timer.
        self.abort_inbound(RequestError::Timeout, |inbound| inbound.answer.is_some() && inbound.deadline <= now);
    }

    /// The last connection with a peer is gone.
    pub(super) fn fail_requests_of(&mut self, peer: PeerId) {
        let error = RequestError::ConnectionClosed;
        self.fail_outbound(error, "the connection closed", |outbound| outbound.peer == peer);
        self.abort_inbound(error, |inbound| inbound.peer == peer);
    }

    /// The node stops.
    pub(super) fn stop_requests(&mut self) {
        self.fail_outbound(RequestError::Stopped, "the node stopped", |_| true);
        self.abort_inbound(RequestError::Stopped, |_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_no_place_leaves_no_trace() {
        let mut places = Places::default();
        let greedy = PeerId::random();
        let got = (0..MAX_INBOUND_PER_PEER * 2).filter(|_| places.take(greedy)).count();
        assert_eq!(got, MAX_INBOUND_PER_PEER);
        let others: Vec<_> = (got..MAX_INBOUND).map(|_| PeerId::random()).collect();
        assert!(others.iter().all(|peer| places.take(*peer)));
        let known = places.of_peer.len();
        for _ in 0..1000 {
            assert!(!places.take(PeerId::random()));
        }
        assert_eq!(places.of_peer.len(), known);
        others.iter().for_each(|peer| places.give(peer));
        (0..got).for_each(|_| places.give(&greedy));
        assert!(places.of_peer.is_empty() && places.taken == 0);
    }
}
