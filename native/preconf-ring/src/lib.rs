//! What lies between a node's own task and the host's pump thread: a bounded single-producer single-consumer [`Ring`]
//! of small descriptors, and a [`LeaseTable`] of the payloads they point at.
//!
//! The crate knows neither libp2p nor the C ABI, so that loom can explore it: `src/model.rs` holds the models, run by
//! `RUSTFLAGS="--cfg loom" cargo test -p preconf-ring --release`.

mod lease;
#[cfg(all(test, loom))]
mod model;
mod park;
mod ring;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;

pub use lease::{Issuer, LeaseTable, Returns, SMALL};
pub use ring::{Consumer, Producer, Ring, Waited, Waker};
