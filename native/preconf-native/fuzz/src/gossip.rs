//! A gossip message's bytes: the length that is told without decompressing is the library's, and ids are what the rules say.

use preconf_p2p::{
    MessageIdMode,
    gossip::{MAX_DECOMPRESSED, message_id, snappy_len},
};

/// As raw snappy, and as the payload of a block that is good.
pub(crate) fn run(data: &[u8]) {
    check(data);
    let compressed = snap::raw::Encoder::new().compress_vec(data).expect("the input is small");
    assert_eq!(snappy_len(&compressed), Some(data.len()));
    check(&compressed);
}

fn check(data: &[u8]) {
    let told = snappy_len(data);
    // What declares more is not decompressed here either.
    let declared = snap::raw::decompress_len(data).unwrap_or(0);
    if declared <= MAX_DECOMPRESSED {
        let whole = snap::raw::Decoder::new().decompress_vec(data).ok();
        assert_eq!(told, whole.map(|whole| whole.len()), "{data:02x?}");
    } else {
        assert!(told.is_none_or(|told| told == declared));
    }
    let id = message_id(MessageIdMode::Kona, "topic", data);
    assert_eq!(id, message_id(MessageIdMode::Kona, "another", data), "the topic does not count");
    assert_ne!(id, message_id(MessageIdMode::TopicBound, "topic", data));
}
