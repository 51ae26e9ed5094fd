//! The names of topics and protocols (design/protocol.md, section 1).

use crate::{Protocol, Topic};

impl Topic {
    /// Both topics, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Commitments, Self::TxLists];

    /// The topic's number.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl Protocol {
    /// The three protocols, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Head, Self::Commitments, Self::TxList];

    /// The protocol's number.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// The gossip topic's name on the chain `chain_id`; its hash on the wire is the name itself.
pub fn topic_name(chain_id: u64, topic: Topic) -> String {
    let name = match topic {
        Topic::Commitments => "preconfirmationCommitments",
        Topic::TxLists => "rawTxLists",
    };
    format!("/taiko/{chain_id}/0/{name}")
}

/// The request protocol's name on the chain `chain_id`.
pub fn protocol_name(chain_id: u64, protocol: Protocol) -> String {
    let name = match protocol {
        Protocol::Head => "get_head",
        Protocol::Commitments => "get_commitments_by_number",
        Protocol::TxList => "get_raw_txlist",
    };
    format!("/taiko/{chain_id}/preconf/1/{name}")
}
