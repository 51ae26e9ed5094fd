//! A node of Taiko's permissionless-preconfirmation network, in plain Rust.
//!
//! It moves bytes: transports, gossipsub with Kona's rules, requests with their frames and caps. What the bytes mean is
//! the host's to decide: each gossip message waits for a [`Verdict`], each request for an answer.

mod behaviour;
pub mod buffers;
mod config;
mod discovery;
mod driver;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod gater;
pub mod gossip;
mod handle;
pub mod identity;
mod inbox;
mod names;
mod nat;
mod node;
mod peers;
pub mod reqresp;
mod single;
mod stats;
mod transport;

pub use config::{Author, Config, ConnectionCaps, IdentitySource, MeshSize, MessageIdMode};
pub use discovery::{CandidateSource, DiscoveryConfig};
pub use error::{StartError, SubmitError};
pub use event::{DialFailure, Event, EventSink, Gossip, Protocol, PublishOutcome, RequestError, Topic};
pub use handle::Handle;
pub use names::{protocol_name, topic_name};
pub use nat::{Evidence, NatConfig, Reachability};
pub use node::Node;
pub use peers::{PeerLimits, Way};
pub use stats::Stats;

/// The host's verdict on a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Valid: forward it.
    Accept = 0,
    /// Neither forward nor penalise.
    Ignore = 1,
    /// Invalid by the sender's fault: drop it and penalise.
    Reject = 2,
}
