//! Who may be dialled and who may connect.
//!
//! Blocks and protected peers are the operator's: peers, IP addresses and subnets, changed at any time. Rules on
//! addresses are applied where an address is known for good: to a dial below name resolution, to an inbound connection
//! before its handshake.

use std::time::Duration;

use libp2p::PeerId;

mod behaviour;
mod gate;
mod kona;
mod memory;
mod redials;
mod subnet;
mod transport;
mod voice;

pub(crate) use behaviour::{Behaviour, Limited};
pub(crate) use gate::Gate;
pub use gate::MAX_TARGETS;
pub(crate) use kona::ip_in;
pub use kona::{Connectedness, Family, KonaGater};
pub(crate) use subnet::owned_subnet;
pub use subnet::{Subnet, Target, TargetError};
pub(crate) use transport::{Gated, refusal_in};

/// Whose rules hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GaterMode {
    /// Names are resolved without waiting and judged by what they resolve to, IPv4 rules hold for IPv4-mapped
    /// addresses, blocks hold for inbound connections too, a dial period begins with its first dial and is not
    /// prolonged, and no threshold means none.
    #[default]
    Default,
    /// Kona's, with its quirks ([`KonaGater`]): for dials only. A dial with several addresses goes ahead when one may
    /// be dialled, and counts for that one; names are judged as in the default mode.
    Kona,
}

/// The gater's rules at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaterConfig {
    /// Whose rules hold.
    pub mode: GaterMode,
    /// Blocked peers, addresses and subnets, at most [`MAX_TARGETS`]; more can be added and these lifted at run time.
    pub blocked: Vec<Target>,
    /// Peers that are over no limit on dials and connections, at most [`MAX_TARGETS`] with the static ones, which are
    /// protected too. A block outweighs it.
    pub protected_peers: Vec<PeerId>,
    /// Dials of one address within [`Self::dial_period`]; `None` is unlimited (with Kona's rules: one), 0 is too.
    pub peer_redialing: Option<u64>,
    /// The period in which dials of one address are counted.
    pub dial_period: Duration,
}

impl Default for GaterConfig {
    /// design/protocol.md, section 7: dial period 1 h, redials unlimited.
    fn default() -> Self {
        Self {
            mode: GaterMode::Default,
            blocked: Vec::new(),
            protected_peers: Vec::new(),
            peer_redialing: None,
            dial_period: Duration::from_secs(3600),
        }
    }
}

/// The rule that refuses a dial (Kona's `DialError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialRefusal {
    /// The address names no peer.
    #[error("the address names no peer: /p2p/… is missing")]
    InvalidMultiaddr,
    /// A dial of the peer is in flight.
    #[error("a dial of this peer is in flight")]
    AlreadyDialing,
    /// The address was dialled as often as its period allows.
    #[error("the address was dialled as often as the dial period allows")]
    ThresholdReached,
    /// The peer is blocked.
    #[error("the peer is blocked")]
    PeerBlocked,
    /// The address has neither an IP address nor a name.
    #[error("the address has neither an IP address nor a host name")]
    InvalidIpAddress,
    /// The IP address is blocked.
    #[error("the IP address is blocked")]
    AddressBlocked,
    /// The IP address lies in a blocked subnet.
    #[error("the IP address lies in a blocked subnet")]
    SubnetBlocked,
}
