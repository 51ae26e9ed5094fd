//! The swarm's events, each by name.

use libp2p::{gossipsub, identify, ping, swarm::SwarmEvent};

use super::Driver;
use crate::{Event, EventSink, Protocol, Topic, behaviour::BehaviourEvent};

/// Texts of peers are cut to this many bytes.
const MAX_TEXT: usize = 256;

/// A text fit for a host's log: bounded, and without line breaks or other control characters.
pub(super) fn bounded(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        if out.len() + character.len_utf8() > MAX_TEXT {
            break;
        }
        out.push(character);
    }
    out
}

impl<S: EventSink> Driver<'_, S> {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                self.on_disconnected(peer_id, connection_id, cause);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, peer_id } => {
                tracing::debug!(peer = ?peer_id, %error, "dial failed");
                self.on_dial_failed(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "inbound connection failed");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                if let Some(discovery) = &mut self.discovery {
                    discovery.listening(listener_id, &address);
                }
                self.relay_stands(listener_id);
                self.sink.control(Event::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.on_listen_address_gone(&address);
                self.sink.control(Event::ListenerClosed { address, error: String::new() });
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                let error = reason.err().map(|error| bounded(&error.to_string())).unwrap_or_default();
                self.on_listener_closed(listener_id, &error);
                for address in addresses {
                    self.on_listen_address_gone(&address);
                    self.sink.control(Event::ListenerClosed { address, error: error.clone() });
                }
            }
            SwarmEvent::ListenerError { listener_id, error } => {
                tracing::warn!(%listener_id, %error, "listener error");
            }
            SwarmEvent::ExternalAddrConfirmed { address } => self.on_external_address(address, true),
            SwarmEvent::ExternalAddrExpired { address } => self.on_external_address(address, false),
            SwarmEvent::IncomingConnection { .. }
            | SwarmEvent::Dialing { .. }
            | SwarmEvent::NewExternalAddrCandidate { .. }
            | SwarmEvent::NewExternalAddrOfPeer { .. } => {}
            // The library keeps this enum open; what it adds is at least seen.
            event => tracing::debug!(?event, "unknown swarm event"),
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gater(never) | BehaviourEvent::Single(never) | BehaviourEvent::Keep(never) => {
                match never {}
            }
            BehaviourEvent::Blocked(never) => match never {},
            BehaviourEvent::Identify(event) => self.on_identify_event(event),
            BehaviourEvent::Nat(event) => self.on_nat_event(event),
            BehaviourEvent::Ping(event) => self.on_ping_event(event),
            BehaviourEvent::Gossip(event) => self.on_gossip_event(event),
            BehaviourEvent::Head(event) => self.on_request_event(Protocol::Head, event),
            BehaviourEvent::Commitments(event) => self.on_request_event(Protocol::Commitments, event),
            BehaviourEvent::Txlist(event) => self.on_request_event(Protocol::TxList, event),
        }
    }

    fn on_identify_event(&mut self, event: identify::Event) {
        match event {
            identify::Event::Received { peer_id, info, .. } if self.may_announce(peer_id) => {
                self.on_identified(peer_id, &info);
                self.sink.control(Event::PeerIdentified {
                    peer: peer_id,
                    agent: bounded(&info.agent_version),
                    protocol: bounded(&info.protocol_version),
                    observed: info.observed_addr,
                });
            }
            identify::Event::Received { .. } | identify::Event::Sent { .. } | identify::Event::Pushed { .. } => {}
            identify::Event::Error { peer_id, error, .. } => {
                tracing::debug!(peer = %peer_id, %error, "identify failed");
            }
        }
    }

    fn on_ping_event(&mut self, event: ping::Event) {
        match event.result {
            Ok(_) => self.on_pong(event.peer, event.connection),
            Err(ping::Failure::Unsupported) => {}
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                self.on_ping_lost(event.peer, event.connection);
            }
        }
    }

    fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip(propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => self.on_topic(peer_id, &topic, true),
            gossipsub::Event::Unsubscribed { peer_id, topic } => self.on_topic(peer_id, &topic, false),
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(peer = %peer_id, "peer speaks no gossipsub");
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let failed = (failed_messages.priority + failed_messages.non_priority) as u64;
                self.sink.control(Event::SlowPeer { peer: peer_id, failed });
            }
        }
    }

    fn on_topic(&mut self, peer: libp2p::PeerId, hash: &gossipsub::TopicHash, subscribed: bool) {
        if let Some(topic) = Topic::ALL.into_iter().find(|topic| self.settings.topics[topic.index()] == *hash) {
            self.on_subscription(peer, topic, subscribed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character_and_hold_no_line_break() {
        assert_eq!(bounded("a\nb\tc"), "a b c");
        let long = "é".repeat(1000);
        assert_eq!(bounded(&long).len(), MAX_TEXT);
        assert_eq!(bounded(&format!("x{long}")).len(), MAX_TEXT - 1);
    }
}
