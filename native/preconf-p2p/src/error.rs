//! Typed errors of the public API.

use libp2p::Multiaddr;

use crate::identity::IdentityError;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A value of the configuration makes no node.
    #[error("configuration: {0}")]
    Config(String),
    /// The identity key could not be read or made.
    #[error("identity: {0}")]
    Identity(#[from] IdentityError),
    /// A transport could not be set up.
    #[error("transport: {0}")]
    Transport(String),
    /// Discovery could not be set up: its socket, this node's record, or the file it is kept in.
    #[error("discovery: {0}")]
    Discovery(String),
    /// gossipsub refused its configuration, the peer-score parameters or a subscription.
    #[error("gossipsub: {0}")]
    Gossip(String),
    /// An address could not be listened on.
    #[error("listen on {address}: {error}")]
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// The transport's error.
        error: String,
    },
}

/// Why something submitted to a node was not taken. Nothing of it happens then, and no event follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// A bound on what the node holds at once is reached: outbox bytes, requests or dials in flight, response bytes.
    #[error("the node's queue is full")]
    Full,
    /// The node is stopping or has stopped.
    #[error("the node has stopped")]
    Stopped,
    /// The thing named is gone: the request was answered, refused, timed out or cut.
    #[error("not found")]
    NotFound,
    /// Over the wire's cap for it (10 MiB for gossip, `reqresp::frame_cap` for frames).
    #[error("over the wire's size cap")]
    TooLarge,
}
