//! Reading what the caller passed and writing what it asked for. Every pointer is checked here before it is used.

use std::{ptr, slice, str, time::Duration};

use libp2p::{Multiaddr, PeerId};
use preconf_p2p::{
    MessageIdMode, Protocol, Topic,
    gater::{GaterMode, Target},
};

use crate::{
    abi::{PcnBytes, PcnStatus},
    guard::{Failure, Outcome},
};

pub(crate) fn non_null<T>(pointer: *const T, name: &str) -> Outcome {
    if pointer.is_null() { Err(Failure::null(name)) } else { Ok(()) }
}

/// `len` values at `pointer`, which may be null only when there are none.
///
/// # Safety
/// A pointer that is not null is readable for `len` values and is not written to while the slice lives.
pub(crate) unsafe fn slice<'a, T: Copy>(pointer: *const T, len: usize, name: &str) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    non_null(pointer, name)?;
    if !pointer.is_aligned() {
        return Err(Failure::argument(format!("{name} is not aligned to {} bytes", align_of::<T>())));
    }
    if len.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Failure::argument(format!("{name} can't have {len} elements")));
    }
    // SAFETY: checked above as far as it can be; the caller's contract.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// `N` bytes at `pointer`.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn array<'a, const N: usize>(pointer: *const u8, name: &str) -> Result<&'a [u8; N], Failure> {
    non_null(pointer, name)?;
    // SAFETY: not null; the caller's contract.
    Ok(unsafe { &*pointer.cast() })
}

/// # Safety
/// As for [`slice`]; the result lives as long as the bytes, not as the struct that names them.
pub(crate) unsafe fn bytes<'a>(bytes: &PcnBytes, name: &str) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's contract.
    unsafe { slice(bytes.ptr, bytes.len, name) }
}

/// A payload of two parts, copied into one.
///
/// # Safety
/// As for [`bytes`] and [`slice`].
pub(crate) unsafe fn joined(head: &PcnBytes, data: *const u8, len: usize) -> Result<Vec<u8>, Failure> {
    // SAFETY: the caller's contract.
    let (head, data) = unsafe { (bytes(head, "head")?, slice(data, len, "data")?) };
    Ok(preconf_p2p::buffers::joined(&[head, data]))
}

/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn text<'a>(text: &PcnBytes, name: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's contract.
    let bytes = unsafe { bytes(text, name) }?;
    str::from_utf8(bytes).map_err(|e| Failure::argument(format!("{name} is not UTF-8: {e}")))
}

/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn peer_id(peer: &PcnBytes) -> Result<PeerId, Failure> {
    // SAFETY: the caller's contract.
    parse_peer_id(unsafe { text(peer, "peer") }?)
}

/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn multiaddr(address: &PcnBytes) -> Result<Multiaddr, Failure> {
    // SAFETY: the caller's contract.
    parse_multiaddr(unsafe { text(address, "address") }?)
}

pub(crate) fn parse_peer_id(text: &str) -> Result<PeerId, Failure> {
    text.parse().map_err(|e| Failure::argument(format!("{text:?} is not a peer id: {e}")))
}

pub(crate) fn parse_multiaddr(text: &str) -> Result<Multiaddr, Failure> {
    if text.is_empty() {
        return Err(Failure::argument("a multiaddr is not empty: for example /ip4/127.0.0.1/tcp/9000"));
    }
    text.parse().map_err(|e| Failure::argument(format!("{text:?} is not a multiaddr: {e}")))
}

/// A peer id, an IP address or a subnet.
pub(crate) fn parse_target(text: &str) -> Result<Target, Failure> {
    text.parse().map_err(|e| Failure::argument(format!("{e}")))
}

pub(crate) fn gater_mode(mode: u32) -> Result<GaterMode, Failure> {
    match mode {
        0 => Ok(GaterMode::Default),
        1 => Ok(GaterMode::Kona),
        _ => Err(Failure::argument(format!("gater_mode {mode} is not 0 (default) or 1 (Kona's)"))),
    }
}

pub(crate) fn topic(topic: u8) -> Result<Topic, Failure> {
    match topic {
        0 => Ok(Topic::Commitments),
        1 => Ok(Topic::TxLists),
        _ => Err(Failure::argument(format!("topic {topic} is not 0 (commitments) or 1 (txlists)"))),
    }
}

pub(crate) fn protocol(protocol: u8) -> Result<Protocol, Failure> {
    match protocol {
        0 => Ok(Protocol::Head),
        1 => Ok(Protocol::Commitments),
        2 => Ok(Protocol::TxList),
        _ => Err(Failure::argument(format!("protocol {protocol} is not 0 (head), 1 (commitments) or 2 (txlist)"))),
    }
}

pub(crate) fn message_id_mode(mode: u8) -> Result<MessageIdMode, Failure> {
    match mode {
        0 => Ok(MessageIdMode::Kona),
        1 => Ok(MessageIdMode::TopicBound),
        _ => Err(Failure::argument(format!("message id mode {mode} is not 0 (Kona's) or 1 (topic-bound)"))),
    }
}

pub(crate) fn flag(value: u8, name: &str) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Failure::argument(format!("{name} is {value}, not 0 or 1"))),
    }
}

/// `u32::MAX` is no limit.
pub(crate) fn timeout(ms: u32) -> Option<Duration> {
    (ms != u32::MAX).then(|| Duration::from_millis(ms.into()))
}

/// # Safety
/// `to` is null or writable.
pub(crate) unsafe fn write<T>(to: *mut T, value: T, name: &str) -> Outcome {
    non_null(to, name)?;
    // SAFETY: not null; the caller's contract.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// # Safety
/// `to` is null or writable for `N` bytes.
pub(crate) unsafe fn write_array<const N: usize>(to: *mut u8, value: &[u8; N], name: &str) -> Outcome {
    non_null(to, name)?;
    // SAFETY: not null; the caller's contract; the value is this crate's own memory.
    unsafe { ptr::copy_nonoverlapping(value.as_ptr(), to, N) };
    Ok(())
}

/// # Safety
/// As for [`write_parts`].
pub(crate) unsafe fn write_text(text: &str, buf: *mut u8, cap: usize, len: *mut usize) -> Outcome {
    // SAFETY: the caller's contract.
    unsafe { write_parts(&[text.as_bytes()], buf, cap, len) }
}

/// Writes the parts one behind the other and their length to `len`; all or nothing.
///
/// # Safety
/// `buf` is null or writable for `cap` bytes and overlaps no part, `len` is null or writable.
pub(crate) unsafe fn write_parts(parts: &[&[u8]], buf: *mut u8, cap: usize, len: *mut usize) -> Outcome {
    let needed = parts.iter().map(|part| part.len()).sum();
    // SAFETY: the caller's contract.
    unsafe { write(len, needed, "len") }?;
    if needed == 0 {
        return Ok(());
    }
    non_null(buf, "buf")?;
    if cap < needed {
        return Err(Failure::new(
            PcnStatus::BufferTooSmall,
            format!("{needed} bytes are needed, the buffer has {cap}"),
        ));
    }
    let mut at = buf;
    for part in parts {
        // SAFETY: the sum of the parts fits `cap`; the caller's contract.
        unsafe {
            ptr::copy_nonoverlapping(part.as_ptr(), at, part.len());
            at = at.add(part.len());
        }
    }
    Ok(())
}
