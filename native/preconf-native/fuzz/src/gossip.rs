//! A gossip message's bytes: the length that is told without decompressing is the library's, and ids are what protocol.md says.

use preconf_p2p::{
    MessageIdMode,
    fuzzing::seen_in,
    gossip::{MAX_DECOMPRESSED, message_id, snappy_len},
};
use sha2::{Digest, Sha256};

use crate::reached;

/// What its inputs come to.
pub(crate) const ENDS: &[&str] = &["snappy", "no snappy", "messages", "no message"];

/// As raw snappy, as the payload of a block that is good, and as what is written to a peer.
pub(crate) fn run(data: &[u8]) {
    check(data);
    written(data);
    let compressed = snap::raw::Encoder::new().compress_vec(data).expect("the input is small");
    assert_eq!(snappy_len(&compressed), Some(data.len()));
    check(&compressed);
}

fn check(data: &[u8]) {
    let declared = snap::raw::decompress_len(data).unwrap_or(0);
    // More than that takes half a megabyte of input, which the fuzzer does not make; and is not decompressed.
    let whole = if declared <= MAX_DECOMPRESSED { snap::raw::Decoder::new().decompress_vec(data).ok() } else { None };
    assert_eq!(snappy_len(data), whole.as_ref().map(Vec::len), "{data:02x?}");
    let kona = match &whole {
        Some(whole) => {
            reached("snappy");
            hash(&[&[1, 0, 0, 0], whole])
        }
        None => {
            reached("no snappy");
            hash(&[&[0; 4], data])
        }
    };
    assert_eq!(message_id(MessageIdMode::Kona, "topic", data), kona);
    let bound = hash(&[&5_u64.to_le_bytes(), b"topic", data]);
    assert_eq!(message_id(MessageIdMode::TopicBound, "topic", data), bound);
}

/// What was sent is known however it was cut. Forwarded messages are made of what peers sent.
fn written(data: &[u8]) {
    let stream = [b"\x13/multistream/1.0.0\n\x0f/meshsub/1.2.0\n", data].concat();
    let (whole, messages) = seen_in(&[&stream]);
    reached(if messages > 0 { "messages" } else { "no message" });
    for step in [1, 3, 64] {
        assert_eq!(seen_in(&stream.chunks(step).collect::<Vec<_>>()).0, whole, "in pieces of {step}");
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    let whole: [u8; 32] = Sha256::digest(parts.concat()).into();
    *whole.first_chunk().expect("20 of 32 bytes")
}
