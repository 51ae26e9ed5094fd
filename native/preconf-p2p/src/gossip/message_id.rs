//! Message ids: the same bytes on every node of a network, or IHAVE, IWANT and IDONTWANT break.

use std::cell::RefCell;

use sha2::{Digest, Sha256};

use crate::MessageIdMode;

/// The largest decompressed payload that an id is made of: the network's gossip limit. A payload that is valid snappy
/// and longer is a bomb: its id is that of the raw bytes.
pub const MAX_DECOMPRESSED: usize = 10 << 20;

const INVALID_SNAPPY: [u8; 4] = [0, 0, 0, 0];
const VALID_SNAPPY: [u8; 4] = [1, 0, 0, 0];

/// A thread's buffer is kept up to this size; a larger one is freed after use.
const KEPT_BUFFER: usize = 1 << 20;

/// The id of a gossip message, 20 bytes.
///
/// [`MessageIdMode::Kona`]: when `data` is a valid raw snappy block of at most [`MAX_DECOMPRESSED`] bytes, the start of
/// SHA-256(0x01000000 ‖ decompressed), else of SHA-256(0x00000000 ‖ data); `topic` does not count.
/// [`MessageIdMode::TopicBound`]: the start of SHA-256(length of topic, 8 bytes little-endian ‖ topic ‖ data).
pub fn message_id(mode: MessageIdMode, topic: &str, data: &[u8]) -> [u8; 20] {
    match mode {
        MessageIdMode::Kona => kona_id(data),
        MessageIdMode::TopicBound => {
            let length = (topic.len() as u64).to_le_bytes();
            first_20(&[&length, topic.as_bytes(), data])
        }
    }
}

fn first_20(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut id = [0; 20];
    id.copy_from_slice(&hash.finalize()[..20]);
    id
}

fn kona_id(data: &[u8]) -> [u8; 20] {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let Some(len) = snappy_len(data).filter(|len| *len <= MAX_DECOMPRESSED) else {
        return first_20(&[&INVALID_SNAPPY, data]);
    };
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(len, 0);
        let id = match snap::raw::Decoder::new().decompress(data, buffer) {
            Ok(written) => first_20(&[&VALID_SNAPPY, &buffer[..written]]),
            Err(_) => first_20(&[&INVALID_SNAPPY, data]),
        };
        if buffer.capacity() > KEPT_BUFFER {
            *buffer = Vec::new();
        }
        id
    })
}

/// The decompressed length of a raw snappy block, or `None` when it is none: the tags are walked, nothing is
/// allocated or copied. Says yes exactly when the decoder of the `snap` crate would.
pub fn snappy_len(data: &[u8]) -> Option<usize> {
    let (expected, mut rest) = header(data)?;
    let mut written: u64 = 0;
    while let Some((&tag, after)) = rest.split_first() {
        let length = match tag & 0b11 {
            0 => {
                let (length, after) = literal(tag, after)?;
                rest = after.get(usize::try_from(length).ok()?..)?;
                length
            }
            kind => {
                let (offset, length, after) = copy(kind, tag, after)?;
                if offset == 0 || offset > written {
                    return None;
                }
                rest = after;
                length
            }
        };
        written += length;
        if written > expected {
            return None;
        }
    }
    if written == expected { usize::try_from(expected).ok() } else { None }
}

/// The block's length: a varint of at most five bytes and 32 bits.
fn header(data: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in data.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| (u64::from(value), &data[index + 1..]));
        }
    }
    None
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn literal(tag: u8, after: &[u8]) -> Option<(u64, &[u8])> {
    let short = u64::from(tag >> 2);
    if short < 60 {
        return Some((short + 1, after));
    }
    let (length, after) = after.split_at_checked(usize::try_from(short - 59).ok()?)?;
    Some((little_endian(length) + 1, after))
}

fn copy(kind: u8, tag: u8, after: &[u8]) -> Option<(u64, u64, &[u8])> {
    let width = if kind == 3 { 4 } else { usize::from(kind) };
    let (offset, after) = after.split_at_checked(width)?;
    let offset = little_endian(offset);
    Some(match kind {
        1 => (u64::from(tag >> 5) << 8 | offset, u64::from(tag >> 2 & 0b111) + 4, after),
        _ => (offset, u64::from(tag >> 2) + 1, after),
    })
}
