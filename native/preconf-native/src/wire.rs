//! Frames, keys and addresses, by the node's own code.

use std::path::Path;

use futures::FutureExt;
use libp2p::{Multiaddr, PeerId, multiaddr};
use preconf_p2p::{
    Protocol, buffers,
    identity::{self, IdentityError},
    reqresp::{self, Direction},
};

use crate::{abi::PcnStatus, guard::Failure};

/// Where the payload of the frame at the start of `data` lies: its offset and length.
pub(crate) fn decode_frame(protocol: Protocol, response: bool, data: &[u8]) -> Result<(usize, usize), Failure> {
    let direction = if response { Direction::Response } else { Direction::Request };
    let mut rest = data;
    let payload = reqresp::read_frame(&mut rest, reqresp::frame_cap(protocol, direction))
        .now_or_never()
        .ok_or_else(|| Failure::new(PcnStatus::Io, "the reader waits for bytes that are there"))?
        .map_err(|e| Failure::argument(e.to_string()))?;
    let len = payload.len();
    buffers::give(payload);
    Ok((data.len() - rest.len() - len, len))
}

/// A frame's length prefix: the bytes, and how many of them count.
pub(crate) fn frame_prefix(len: usize) -> Result<([u8; 5], usize), Failure> {
    let len = u32::try_from(len).map_err(|_| Failure::argument(format!("a frame holds less than 4 GiB, not {len}")))?;
    Ok(reqresp::encode_length(len))
}

pub(crate) fn peer_id_of(public_key: &[u8; 33]) -> Result<PeerId, Failure> {
    identity::peer_id_of(public_key).map_err(|e| Failure::new(PcnStatus::Crypto, e.to_string()))
}

pub(crate) fn load_key(path: &str, create: bool) -> Result<[u8; 32], Failure> {
    if path.is_empty() {
        return Err(Failure::argument("the key file's path is empty"));
    }
    identity::load_or_create(Path::new(path), create).map_err(|e| {
        let status = match e {
            IdentityError::Missing(_) | IdentityError::Io { .. } | IdentityError::Permissions { .. } => PcnStatus::Io,
            IdentityError::Malformed(_) => PcnStatus::InvalidArgument,
            IdentityError::InvalidKey => PcnStatus::Crypto,
        };
        Failure::new(status, format!("{path}: {e}"))
    })
}

/// The peer of an address' last `/p2p`.
pub(crate) fn last_peer(address: &Multiaddr) -> Option<PeerId> {
    address.iter().filter_map(|part| if let multiaddr::Protocol::P2p(peer) = part { Some(peer) } else { None }).last()
}
