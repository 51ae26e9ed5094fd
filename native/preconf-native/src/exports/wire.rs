//! Frames, message ids, keys and addresses as the node itself handles them; no node is needed.

use crate::{
    abi::{PcnBytes, PcnDetail, PcnStatus},
    args,
    guard::{self, Failure},
    wire,
};

/// Runs the node's own frame reader over the bytes of one stream and says where the payload lies. `response` is 0 for
/// a request's frame, 1 for an answer's: their caps differ. `InvalidArgument` for a frame the node would refuse: its
/// length cut short, not minimal or over the cap, or its payload cut short. What follows the frame is not looked at.
///
/// # Safety
/// `data` is readable for `len` bytes; `offset` and `payload_len` are null or writable; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_frame_decode(
    protocol: u8,
    response: u8,
    data: *const u8,
    len: usize,
    offset: *mut usize,
    payload_len: *mut usize,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run(detail, || {
        let (protocol, response) = (args::protocol(protocol)?, args::flag(response, "response")?);
        args::non_null(offset, "offset")?;
        args::non_null(payload_len, "payload_len")?;
        // SAFETY: the caller's contract.
        let data = unsafe { args::slice(data, len, "data") }?;
        let (at, payload) = wire::decode_frame(protocol, response, data)?;
        // SAFETY: both checked non-null above; the caller's contract otherwise.
        unsafe {
            args::write(offset, at, "offset")?;
            args::write(payload_len, payload, "payload_len")
        }
    })
}

/// Writes one frame: unsigned-varint length, then the payload. `BufferTooSmall` says in `out_len` what is needed.
///
/// # Safety
/// `data` is readable for `len` bytes, `buf` writable for `cap` bytes, `out_len` writable; the two do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_frame_encode(
    data: *const u8,
    len: usize,
    buf: *mut u8,
    cap: usize,
    out_len: *mut usize,
) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let data = unsafe { args::slice(data, len, "data") }?;
        let (prefix, prefix_len) = wire::frame_prefix(data.len())?;
        // SAFETY: the caller's contract.
        unsafe { args::write_parts(&[&prefix[..prefix_len], data], buf, cap, out_len) }
    })
}

/// A gossip message's id, 20 bytes. `mode` 0 is Kona's, 1 binds the topic.
///
/// # Safety
/// `topic` and `data` are readable for their lengths; `out20` is null or writable for 20 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_message_id(
    mode: u8,
    topic: PcnBytes,
    data: *const u8,
    len: usize,
    out20: *mut u8,
) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        let mode = args::message_id_mode(mode)?;
        // SAFETY: the caller's contract.
        let (topic, data) = unsafe { (args::text(&topic, "topic")?, args::slice(data, len, "data")?) };
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out20, &preconf_p2p::gossip::message_id(mode, topic, data), "out20") }
    })
}

/// The base58 peer id of a compressed secp256k1 public key. `Crypto` when it is no point.
///
/// # Safety
/// `pub33` is readable for 33 bytes, `buf` writable for `cap` bytes, `len` writable; null is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_peer_id_from_public_key(
    pub33: *const u8,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let key = unsafe { args::array::<33>(pub33, "pub33") }?;
        let peer = wire::peer_id_of(key)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_text(&peer.to_base58(), buf, cap, len) }
    })
}

/// Reads the identity's key file as the node does; with `create` 1 a missing one is made (64 hex digits and a newline,
/// mode 0600, all or nothing). `Io` says path and cause, `InvalidArgument` what is wrong with its text.
///
/// # Safety
/// `path` is readable for its length; `out32` is null or writable for 32 bytes; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_key_load(path: PcnBytes, create: u8, out32: *mut u8, detail: *mut PcnDetail) -> PcnStatus {
    guard::run(detail, || {
        let create = args::flag(create, "create")?;
        args::non_null(out32, "out32")?;
        // SAFETY: the caller's contract.
        let path = unsafe { args::text(&path, "path") }?;
        let key = wire::load_key(path, create)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out32, &key, "out32") }
    })
}

/// Whether a text is a multiaddr; the base58 text of its last `/p2p` goes to `peer_buf` (length 0: it has none).
///
/// # Safety
/// `text` is readable for its length, `peer_buf` writable for `peer_cap` bytes, `peer_len` writable; `detail` is null
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_multiaddr_check(
    text: PcnBytes,
    peer_buf: *mut u8,
    peer_cap: usize,
    peer_len: *mut usize,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run(detail, || {
        // SAFETY: the caller's contract.
        let address = unsafe { args::multiaddr(&text) }?;
        let peer = wire::last_peer(&address).map(|p| p.to_base58()).unwrap_or_default();
        // SAFETY: the caller's contract.
        unsafe { args::write_text(&peer, peer_buf, peer_cap, peer_len) }
    })
}

/// Whether a text is a peer id.
///
/// # Safety
/// `text` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_peer_id_check(text: PcnBytes, detail: *mut PcnDetail) -> PcnStatus {
    guard::run(detail, || {
        // SAFETY: the caller's contract.
        unsafe { args::peer_id(&text) }?;
        Ok::<(), Failure>(())
    })
}
