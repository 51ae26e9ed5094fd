//! What the fuzz targets reach beyond the public interface. Built with the feature `fuzzing` alone.

use std::{
    io,
    task::{Context, Poll},
};

use discv5::Enr;
use futures::AsyncRead;
use libp2p::{Multiaddr, PeerId};

use crate::{
    discovery::fuzzing as discovery,
    transport::{Negotiation, Proposals},
};

/// From here on memory of payloads is kept and used again, as while a node runs.
pub fn keeping_buffers() {
    static RUNNING: std::sync::OnceLock<crate::buffers::Running> = std::sync::OnceLock::new();
    RUNNING.get_or_init(crate::buffers::Running::new);
}

/// What is seen in bytes written to a substream, given in these pieces: what it carries and its messages, and how many those are.
pub fn seen_in(pieces: &[&[u8]]) -> (impl PartialEq + std::fmt::Debug + use<>, usize) {
    let (mut frames, mut messages) = (crate::transport::Frames::new(), Vec::new());
    pieces.iter().for_each(|piece| frames.feed(piece, |message| messages.push(message)));
    let count = messages.len();
    ((frames.kind(), messages), count)
}

/// A stream of which one of some protocols is taken for accepted.
pub struct Negotiating(Negotiation);

impl Negotiating {
    /// A stream that nothing was written to. At most eight names, each of at most 126 bytes.
    pub fn new(names: &[&str]) -> Self {
        Self(Negotiation::new(Proposals::new(names.iter().map(|name| (*name).to_owned()))))
    }

    /// Takes bytes that the dialer wrote.
    pub fn written(&mut self, bytes: &[u8]) {
        self.0.written(bytes);
    }

    /// Tells the dialer of the acceptance: so many bytes of it, `None` when there is nothing to tell.
    pub fn tell(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.0.tell(buf)
    }

    /// Whether the acceptance is to be read before anything else is.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Reads of an open acceptance what has come.
    ///
    /// # Errors
    /// What comes is no acceptance, or the stream's own.
    pub fn poll_confirm<T: AsyncRead + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.0.poll_confirm(io, cx)
    }
}

/// What is read from another node's record.
#[derive(Debug)]
pub struct Read {
    /// The peer of the record's key.
    pub peer: PeerId,
    /// Where it says that it is dialled.
    pub all: Vec<Multiaddr>,
    /// Those of them that are public.
    pub public: Vec<Multiaddr>,
    /// Whether it is of this network; `None` when it does not say.
    pub same: Option<bool>,
}

/// Reads a record that a node signed over these keys and raw values; `None` when there is no such record.
pub fn read_record<'a>(pairs: impl IntoIterator<Item = (&'a str, Vec<u8>)>, chain_id: u64) -> Option<Read> {
    let key = enr::CombinedKey::secp256k1_from_bytes(&mut [7; 32]).ok()?;
    let mut builder = Enr::builder();
    pairs.into_iter().for_each(|(name, value)| {
        builder.add_value_rlp(name, value.into());
    });
    let enr = builder.build(&key).ok()?;
    // As it comes from the network: not all that can be signed is read.
    let enr: Enr = enr.to_base64().parse().ok()?;
    let (peer, [all, public], same) = discovery::read(&enr, chain_id)?;
    Some(Read { peer, all, public, same })
}

/// Where a bootnode's text says that it is asked or dialled; `None` for a record.
///
/// # Errors
/// What is wrong with the text.
pub fn bootnode(text: &str) -> Result<Option<Multiaddr>, String> {
    discovery::bootnode(text)
}
