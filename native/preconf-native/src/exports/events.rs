//! The ring's reader, leases and verdicts.

use crate::{
    abi::{PcnEvent, PcnStatus, PcnVerdict},
    args,
    guard::{self, Failure},
};

/// Waits for events and names a contiguous run of them, readable in place until `pcn_node_advance`. `Timeout` when
/// `timeout_ms` (`u32::MAX`: none) passes or `pcn_node_interrupt` was called; `Busy` while another reader is inside;
/// `Stopped` once the `Stopped` event has been advanced over.
///
/// # Safety
/// `first` and `count` are null or writable. The run is not read after it was advanced over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_events(
    node: u64,
    timeout_ms: u32,
    first: *mut *const PcnEvent,
    count: *mut u32,
) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        args::non_null(first, "first")?;
        args::non_null(count, "count")?;
        let (run, len) = node.wait_events(args::timeout(timeout_ms))?;
        // SAFETY: both checked non-null above; the caller's contract otherwise.
        unsafe {
            args::write(first, run, "first")?;
            args::write(count, len, "count")
        }
    })
}

/// Gives the first `count` events of the run back to the ring. Payloads are given back by their leases.
/// `InvalidArgument` when the run has fewer.
///
/// # Safety
/// The events given back are not read any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_advance(node: u64, count: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| node.advance(count))
}

/// Makes the reader's current wait, or else its next one, end with `Timeout` once. Any thread.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_interrupt(node: u64) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.interrupt();
        Ok(())
    })
}

/// Gives payloads back, from any thread. `StaleLease` when one had been given back before; the others still are.
///
/// # Safety
/// `leases` is readable for `count` values; the payloads named are not read any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_release(node: u64, leases: *const u64, count: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        // SAFETY: the caller's contract.
        let leases = unsafe { args::slice(leases, count as usize, "leases") }?;
        if node.release(leases) { Ok(()) } else { Err(PcnStatus::StaleLease.into()) }
    })
}

/// Answers gossip events, from any thread, and gives their leases back (lease 0: the verdict only). A verdict value
/// other than 0, 1 or 2 refuses the whole batch. `StaleLease` as in `pcn_node_release`: such a verdict is not
/// reported, the others are.
///
/// # Safety
/// `verdicts` is readable for `count` values; the payloads named are not read any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_verdicts(node: u64, verdicts: *const PcnVerdict, count: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        // SAFETY: the caller's contract.
        let verdicts = unsafe { args::slice(verdicts, count as usize, "verdicts") }?;
        if let Some(bad) = verdicts.iter().find(|v| v.verdict > 2) {
            return Err(Failure::argument(format!("verdict {} is not one of 0, 1, 2", bad.verdict)));
        }
        if node.report(verdicts) { Ok(()) } else { Err(PcnStatus::StaleLease.into()) }
    })
}
