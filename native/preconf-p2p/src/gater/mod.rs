//! Who may be dialled and who may connect.

mod kona;
mod subnet;

pub use kona::{Connectedness, Family, KonaGater};
pub use subnet::{Subnet, Target, TargetError};

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
