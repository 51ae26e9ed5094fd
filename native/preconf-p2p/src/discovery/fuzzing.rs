//! As [`crate::fuzzing`] says.

use discv5::Enr;
use libp2p::{Multiaddr, PeerId};

use super::{
    bootnode::Bootnode,
    record::{Network, addresses_of, network_of, peer_of_record},
};

/// The record's peer, all addresses and the public ones, and whether it is of this network, if it says.
pub(crate) fn read(enr: &Enr, chain_id: u64) -> Option<(PeerId, [Vec<Multiaddr>; 2], Option<bool>)> {
    let peer = peer_of_record(enr)?;
    let same = match network_of(enr, chain_id) {
        Network::Same => Some(true),
        Network::Other => Some(false),
        Network::Unsaid => None,
    };
    Some((peer, [false, true].map(|public_only| addresses_of(enr, peer, public_only)), same))
}

pub(crate) fn bootnode(text: &str) -> Result<Option<Multiaddr>, String> {
    Ok(match Bootnode::parse(text)? {
        Bootnode::Record(_) => None,
        Bootnode::Ask(address) | Bootnode::Dial(_, address) => Some(address),
    })
}
