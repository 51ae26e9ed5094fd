//! gossipsub as the network runs it: message ids, configuration, peer scores, topics.

mod message_id;

pub use message_id::{MAX_DECOMPRESSED, message_id, snappy_len};

/// The largest gossip payload (and RPC) in bytes: 10 MiB.
pub const MAX_GOSSIP_SIZE: usize = 10 << 20;

/// The largest payload that can be published: what is left of [`MAX_GOSSIP_SIZE`] for the payload when the RPC around
/// it carries author, sequence number, topic, signature and key.
pub const MAX_PUBLISH_SIZE: usize = MAX_GOSSIP_SIZE - 512;
