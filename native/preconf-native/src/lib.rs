//! The C ABI of [`preconf_p2p`]: the only place with exported functions. This page is the contract.
//!
//! # Calling
//! - Every function returns a [`abi::PcnStatus`]; what it gives goes through pointers, written only when the status is
//!   Ok (and a needed length also when it is `BufferTooSmall`). A `PcnDetail` may be null; when it is not, a status
//!   other than Ok may come with a text in it: what, where, what to do. It is left alone when the status is Ok.
//! - Only blittable types cross: flags are a `u8` of 0 or 1, texts are UTF-8 with a length, never zero-terminated.
//! - A null pointer where one is needed is `NullPointer`; one that goes with a length may be null when that is 0.
//!   Output may overlap input, except in `pcn_frame_encode` and `pcn_recover_batch`.
//! - At load, `pcn_abi` tells the ABI's version and each struct's size; a caller built for others must not go on.
//! - Any function may be called from any thread at any time, but there is one reader: `pcn_node_events` and
//!   `pcn_node_advance` by a second thread while the first is inside are `Busy`.
//! - Only `pcn_node_events` and `pcn_node_wait_stopped` wait, at most as long as they are told to; `pcn_node_start`
//!   works until listeners are bound and the key file is read.
//!
//! # Who owns what
//! - A node is named by a token of slot and generation, never by a pointer: a freed, forged or twice-freed one is
//!   `InvalidHandle`.
//! - What the caller passes is read within the call and copied when it is kept.
//! - Events stand in the node's ring. A run that `pcn_node_events` names is readable until `pcn_node_advance` gives
//!   it back, in order. Payloads (`data`) stand in the node's memory, where the network put them, and are readable
//!   until their lease is given back: by `pcn_node_release`, or by `pcn_node_verdicts`, once, in any order, from any
//!   thread, before or after the event was advanced over. A second time is `StaleLease` and harms nothing.
//! - Every event with a lease other than 0 has to be given back, also those that carry no gossip. `pcn_node_free`
//!   ends all leases.
//! - Who gives a payload of 64 KiB or more back frees it; smaller ones are freed by the node's task.
//!
//! # What always and what never happens
//! - Control events (all but Gossip and Log) are never lost. Gossip that finds the ring's room or `max_leased_bytes`
//!   used up is answered Ignore to the network, counted, and told by `Dropped`. Log lines are dropped and counted.
//! - `Stopped` is the last event, exactly once. `Faulted` comes right before it when the node did not end in order:
//!   its task panicked, an export called on it panicked, or it did not come to rest in time. What was asked of it and
//!   not answered by then gets no answer.
//! - The order to end in: `pcn_node_stop`, read until `Stopped`, `pcn_node_wait_stopped`, `pcn_node_free`. After
//!   `pcn_node_wait_stopped` said Ok no native thread of the node is left. If it says `Timeout`, leave the node alone:
//!   what may still be used is never freed.
//! - No panic crosses: it is the status `Panic`, and ends the node it happened on. The crate does not build with
//!   `panic = "abort"`.
//! - No native thread ever runs the caller's code: there are no callbacks. Threads are named `pcn-…`.
//! - The library installs no signal handler and no allocator, and prints nothing.

#[cfg(panic = "abort")]
compile_error!("preconf-native catches panics at the boundary: build it with panic = \"unwind\"");

// secp256k1-sys defines these under C names, which a cdylib would export; hidden where the object format knows that.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
core::arch::global_asm!(
    ".hidden rustsecp256k1_v0_14_context_create",
    ".hidden rustsecp256k1_v0_14_context_destroy",
    ".hidden rustsecp256k1_v0_14_default_error_callback_fn",
    ".hidden rustsecp256k1_v0_14_default_illegal_callback_fn",
);
#[cfg(target_vendor = "apple")]
core::arch::global_asm!(
    ".private_extern _rustsecp256k1_v0_14_context_create",
    ".private_extern _rustsecp256k1_v0_14_context_destroy",
    ".private_extern _rustsecp256k1_v0_14_default_error_callback_fn",
    ".private_extern _rustsecp256k1_v0_14_default_illegal_callback_fn",
);

pub mod abi;
mod args;
mod config;
mod crypto;
pub mod exports;
mod guard;
mod life;
mod log;
mod node;
mod sink;
mod supervise;
mod table;
#[cfg(feature = "test-exports")]
mod testing;
mod wire;
