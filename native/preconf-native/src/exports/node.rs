//! Probe, start, stop and the state of a node.

use std::mem::size_of;

use crate::{
    abi::{ABI_VERSION, PcnAbi, PcnBytes, PcnConfig, PcnDetail, PcnEvent, PcnStats, PcnStatus, PcnVerdict},
    args, config,
    guard::{self, Failure},
    node, table,
};

/// The load-time probe: the ABI's version and the size of each shared struct. Never fails but for a null `abi`.
///
/// # Safety
/// `abi` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_abi(abi: *mut PcnAbi) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        let value = PcnAbi {
            version: ABI_VERSION,
            detail: size_of::<PcnDetail>() as u32,
            bytes: size_of::<PcnBytes>() as u32,
            config: size_of::<PcnConfig>() as u32,
            event: size_of::<PcnEvent>() as u32,
            verdict: size_of::<PcnVerdict>() as u32,
            stats: size_of::<PcnStats>() as u32,
            pointer: size_of::<usize>() as u32,
        };
        // SAFETY: the caller's contract.
        unsafe { args::write(abi, value, "abi") }
    })
}

/// The crate's version as text.
///
/// # Safety
/// `buf` is writable for `cap` bytes, `len` is writable; either may be null, which is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_version(buf: *mut u8, cap: usize, len: *mut usize) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        unsafe { args::write_text(env!("CARGO_PKG_VERSION"), buf, cap, len) }
    })
}

/// Builds and starts a node: identity, transports and listeners are ready when it returns. On failure nothing is left
/// behind and `detail` says what, where and what to do.
///
/// # Safety
/// `config` is readable and so are the bytes its texts name; `node` and `detail` are writable; `detail` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_start(config: *const PcnConfig, node: *mut u64, detail: *mut PcnDetail) -> PcnStatus {
    guard::run(detail, || {
        args::non_null(node, "node")?;
        // SAFETY: the caller's contract.
        let settings = unsafe { config::read(config) }?;
        let token = node::start(settings)?;
        // SAFETY: checked non-null above; the caller's contract otherwise.
        unsafe { args::write(node, token, "node") }
    })
}

/// The local peer id's base58 text.
///
/// # Safety
/// `buf` is writable for `cap` bytes, `len` is writable; either may be null, which is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_peer_id(node: u64, buf: *mut u8, cap: usize, len: *mut usize) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        // SAFETY: the caller's contract.
        unsafe { args::write_text(&node.handle().local_peer_id().to_base58(), buf, cap, len) }
    })
}

/// The node's compressed secp256k1 public key, 33 bytes.
///
/// # Safety
/// `out33` is null or writable for 33 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_public_key(node: u64, out33: *mut u8) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out33, &node.handle().public_key(), "out33") }
    })
}

/// The node's own record, `enr:…`, as it is now; `NotFound` without discovery. It tells a listener's port once that is bound.
///
/// # Safety
/// `buf` is writable for `cap` bytes, `len` is writable; either may be null, which is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_enr(node: u64, buf: *mut u8, cap: usize, len: *mut usize) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        let record = node.handle().record().ok_or(PcnStatus::NotFound)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_text(&record, buf, cap, len) }
    })
}

/// Asks the node to stop and returns at once. Calling it again changes nothing. `Stopped` will be the last event.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_stop(node: u64) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.request_stop();
        Ok(())
    })
}

/// Waits until every native thread of the node has been joined; `Timeout` when `timeout_ms` passes first.
/// `u32::MAX` waits for ever. It does not ask the node to stop.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_wait_stopped(node: u64, timeout_ms: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        if node.wait_stopped(args::timeout(timeout_ms)) { Ok(()) } else { Err(PcnStatus::Timeout.into()) }
    })
}

/// Frees a node whose threads have been joined; its leases and its events in the ring die with it. `Busy` before
/// that, or while a reader is inside `pcn_node_events`. Never blocks.
///
/// # Safety
/// No event or payload of the node is read after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_free(node: u64) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || table::nodes().remove_if(node, |node| node.may_free()))
}

/// Counters and gauges.
///
/// # Safety
/// `stats` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_stats(node: u64, stats: *mut PcnStats) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        // SAFETY: the caller's contract.
        unsafe { args::write(stats, node.stats(), "stats") }
    })
}

/// The most verbose level this node's log lines may have: 0 off, 1 error, 2 warn, 3 info, 4 debug, 5 trace.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_set_log_level(node: u64, level: u8) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        if level > 5 {
            return Err(Failure::argument(format!("log level {level} is not one of 0 to 5")));
        }
        node.log().set_level(level);
        Ok(())
    })
}
