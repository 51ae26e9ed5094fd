//! What tests need and the shipped library has not: built with the feature `test-exports` only.

use crate::{
    abi::{PcnConfig, PcnDetail, PcnStatus},
    config, guard,
    testing::Test,
};

/// Panics inside the export, as a bug in one would: the status is `Panic`, the node ends with `Faulted`, `Stopped`.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_panic(node: u64) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |_| panic!("asked for by a test"))
}

/// Panics inside the node's own task, as a bug in the swarm would.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_panic_task(node: u64) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.live()?;
        node.ask(Test::Panic);
        Ok(())
    })
}

/// Does nothing, guarded as every export: what a call costs.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_nothing() -> PcnStatus {
    guard::run(std::ptr::null_mut(), || Ok(()))
}

/// The clock of [`pcn_test_emit`]'s payloads: nanoseconds of the monotonic clock, from when it was first asked.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_clock() -> u64 {
    crate::testing::clock()
}

/// Sends `count` synthetic gossip events of `len` bytes (starting with their number, which is their token too, and
/// the time of its flush's first by [`pcn_test_clock`], both little-endian) through the real ring and leases, 16 per flush, between a `PeerConnected` and a `PeerDisconnected`.
/// Those that found no room are counted in one `Dropped`.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_emit(node: u64, count: u32, len: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.live()?;
        node.ask(Test::Emit(count, len));
        Ok(())
    })
}

/// Blocks the node's own task for `ms`, as a bug that never awaits would.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_hang(node: u64, ms: u32) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.live()?;
        node.ask(Test::Hang(ms));
        Ok(())
    })
}

/// Reads a configuration as `pcn_node_start` does and starts nothing.
///
/// # Safety
/// As for `pcn_node_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_test_config(config: *const PcnConfig, detail: *mut PcnDetail) -> PcnStatus {
    // SAFETY: the caller's contract.
    guard::run(detail, || unsafe { config::read(config) }.map(drop))
}
