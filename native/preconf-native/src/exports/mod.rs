//! The exported functions, by subject. Nothing else in the crate is `extern "C"`.
//!
//! The C# declarations are generated from these files (`--bin generate-bindings`), so a signature uses only what the
//! generator understands: no `*const [T; N]`, no constants as array lengths, no generics.

pub mod commands;
pub mod crypto;
pub mod events;
pub mod node;
#[cfg(feature = "test-exports")]
pub mod testing;
pub mod wire;
