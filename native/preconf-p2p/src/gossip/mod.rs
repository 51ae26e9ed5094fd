//! gossipsub as the network runs it: message ids, configuration, peer scores, topics.

use std::io;

use libp2p::{
    gossipsub::{
        self, DataTransform, IdentTopic, MaxCountSubscriptionFilter, Message, MessageAuthenticity, RawMessage,
        TopicHash, WhitelistSubscriptionFilter,
    },
    identity::Keypair,
};

use crate::{Author, Config, StartError, Topic, topic_name};

mod config;
mod message_id;
mod scores;

pub use config::gossipsub_config;
pub(crate) use message_id::own_id;
pub use message_id::{MAX_DECOMPRESSED, message_id, snappy_len};
pub use scores::{peer_score_params, peer_score_thresholds};

/// The largest gossip payload (and RPC) in bytes: 10 MiB.
pub const MAX_GOSSIP_SIZE: usize = 10 << 20;

/// The largest payload that can be published: [`MAX_GOSSIP_SIZE`] bounds the whole RPC (with author, sequence number,
/// topic, signature and key), and receivers measure it together with up to 8 KiB that they have read behind it.
pub const MAX_PUBLISH_SIZE: usize = MAX_GOSSIP_SIZE - (16 << 10);

/// gossipsub, with only the network's topics let through.
pub(crate) type Gossipsub = gossipsub::Behaviour<OwnTopics, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Lets through what is of these topics, before it has an id: gossipsub remembers the ids of all topics' messages, and for a while the
/// messages, also of those that it gives to nobody. Where ids do not bind the topic, a peer that sends a commitment's bytes under a topic
/// of its own would have the commitment taken for a duplicate.
pub(crate) struct OwnTopics([TopicHash; Topic::ALL.len()]);

impl DataTransform for OwnTopics {
    fn inbound_transform(&self, message: RawMessage) -> io::Result<Message> {
        if !self.0.contains(&message.topic) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a topic that nobody here asked for"));
        }
        let RawMessage { source, data, sequence_number, topic, .. } = message;
        Ok(Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

/// Subscriptions taken from one RPC; a reference node announces at most six topics.
const MAX_SUBSCRIPTIONS_PER_RPC: usize = 100;

/// gossipsub subscribed to both topics, with peer scores on.
pub(crate) fn behaviour(config: &Config, identity: &Keypair) -> Result<Gossipsub, StartError> {
    let gossipsub_config = gossipsub_config(config).map_err(|error| StartError::Gossip(error.to_string()))?;
    let author = match config.author {
        Author::Identity => identity.clone(),
        Author::Ed25519 => Keypair::generate_ed25519(),
    };
    let topics = Topic::ALL.map(|topic| IdentTopic::new(topic_name(config.chain_id, topic)));
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS_PER_RPC,
    };
    let mut gossip = gossipsub::Behaviour::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Signed(author),
        gossipsub_config,
        filter,
        OwnTopics(topics.each_ref().map(IdentTopic::hash)),
    )
    .map_err(|error| StartError::Gossip(error.to_owned()))?;
    gossip
        .with_peer_score(peer_score_params(config.chain_id), peer_score_thresholds())
        .map_err(|error| StartError::Gossip(format!("peer scores: {error}")))?;
    for topic in &topics {
        gossip.subscribe(topic).map_err(|error| StartError::Gossip(format!("subscription: {error}")))?;
    }
    Ok(gossip)
}
