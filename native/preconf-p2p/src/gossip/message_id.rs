//! Message ids: the same bytes on every node of a network, or IHAVE, IWANT and IDONTWANT break.

use std::cell::RefCell;

use sha2::{Digest, Sha256};

use crate::{MessageIdMode, Topic};

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

/// The id by which this node knows a message of one of its topics: [`message_id`], but where `data` can only be of the other topic, the
/// one that binds the topic. Else a peer that sends a commitment's bytes as a txlist first would have the commitment taken for a
/// duplicate. What is of the wrong kind is rejected whatever its id, so nobody ever hears of this one.
pub(crate) fn own_id(mode: MessageIdMode, topic: Topic, name: &str, data: &[u8]) -> [u8; 20] {
    let misplaced = is_commitment(data) != (topic == Topic::Commitments);
    message_id(if misplaced { MessageIdMode::TopicBound } else { mode }, name, data)
}

/// Whether bytes can be a `SignedCommitment` rather than a `RawTxListGossip` (protocol, section 2): the one has 382, and in the other the
/// offset of the list stands behind the hash, where the block number of the one ends.
fn is_commitment(data: &[u8]) -> bool {
    data.len() == 382 && data[32..36] != [36, 0, 0, 0]
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }

        fn below(&mut self, bound: usize) -> usize {
            self.next() as usize % bound
        }
    }

    /// What the decoder says, without trusting the header for an allocation.
    fn decoder_len(data: &[u8]) -> Option<usize> {
        let len = snap::raw::decompress_len(data).ok().filter(|_| !data.is_empty())?;
        if len > 1 << 20 {
            return None;
        }
        snap::raw::Decoder::new().decompress(data, &mut vec![0; len]).ok()
    }

    #[test]
    fn the_walk_agrees_with_the_decoder() {
        let mut random = Random(1);
        let mut valid = 0;
        for round in 0..60_000 {
            // Words of a small alphabet compress into copies of every kind.
            let plain: Vec<u8> = (0..random.below(400)).map(|_| b"ab"[random.below(2)]).collect();
            let mut data = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            match round % 4 {
                0 => {}
                1 => {
                    let at = random.below(data.len());
                    data[at] = random.next() as u8;
                }
                2 => data.truncate(random.below(data.len() + 1)),
                _ => data = (0..random.below(12)).map(|_| random.next() as u8 & 0x0f).collect(),
            }
            let expected = decoder_len(&data);
            valid += usize::from(expected.is_some());
            assert_eq!(snappy_len(&data).filter(|len| *len <= 1 << 20), expected, "{data:02x?}");
        }
        assert!(valid > 15_000, "too few valid blocks to mean anything: {valid}");
    }

    #[test]
    fn long_literals_of_every_width_are_walked() {
        for len in [60usize, 61, 256, 257, 65_536, 65_537, 1 << 20] {
            let mut data = vec![];
            let mut rest = len;
            while rest >= 0x80 {
                data.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            data.push(rest as u8);
            let minus_one = (len - 1) as u32;
            match minus_one {
                0..60 => data.push((minus_one as u8) << 2),
                60..0x100 => data.extend([60 << 2, minus_one as u8]),
                0x100..0x1_0000 => data.extend([61 << 2, minus_one as u8, (minus_one >> 8) as u8]),
                _ => data.extend([62 << 2, minus_one as u8, (minus_one >> 8) as u8, (minus_one >> 16) as u8]),
            }
            data.resize(data.len() + len, 7);
            assert_eq!(snappy_len(&data), Some(len));
            assert_eq!(decoder_len(&data), Some(len));
        }
    }

    #[test]
    fn a_bomb_is_not_decompressed() {
        // One literal, then copies of 64 bytes at offset 1: 3 bytes make 64.
        let len: u32 = 64 * 200_000 + 1;
        let mut bomb = vec![len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8 | 0x80, (len >> 21) as u8];
        bomb.extend([0, 7]);
        for _ in 0..200_000 {
            bomb.extend([63 << 2 | 2, 1, 0]);
        }
        assert_eq!(snappy_len(&bomb), Some(len as usize));
        assert!(len as usize > MAX_DECOMPRESSED);
        assert_eq!(kona_id(&bomb), first_20(&[&INVALID_SNAPPY, &bomb]));
    }

    #[test]
    fn the_topic_counts_where_bytes_can_only_be_of_the_other() {
        let ids = |data: &[u8]| Topic::ALL.map(|topic| own_id(MessageIdMode::Kona, topic, "name", data));
        let network = |data: &[u8]| message_id(MessageIdMode::Kona, "name", data);
        let (commitment, mut txlist) = ([7; 382], [7; 382]);
        txlist[32..36].copy_from_slice(&[36, 0, 0, 0]);
        assert_eq!(ids(&commitment).map(|id| id == network(&commitment)), [true, false]);
        for txlist in [&txlist[..], &txlist[..36], &[7; 381], &[7; 383], &[]] {
            assert_eq!(ids(txlist).map(|id| id == network(txlist)), [false, true]);
        }
    }

    #[test]
    fn the_topic_counts_only_when_bound() {
        let id = |mode, topic| message_id(mode, topic, &[1, 2, 3]);
        assert_eq!(id(MessageIdMode::Kona, "a"), id(MessageIdMode::Kona, "b"));
        assert_ne!(id(MessageIdMode::TopicBound, "a"), id(MessageIdMode::TopicBound, "b"));
        assert_ne!(
            message_id(MessageIdMode::TopicBound, "ab", b"c"),
            message_id(MessageIdMode::TopicBound, "a", b"bc"),
        );
    }
}
