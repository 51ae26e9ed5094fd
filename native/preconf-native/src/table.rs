//! Node handles: tokens of slot index and generation, never pointers, so that a freed, forged or twice-freed one is
//! told apart from a live one.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::{abi::PcnStatus, guard::Failure, node::Node};

const CHUNK: usize = 64;
const CHUNKS: usize = 64;

/// Nodes one process can have at once.
pub(crate) const MAX_NODES: usize = CHUNK * CHUNKS;

/// One handle's place. Each has a lock of its own, so that nodes don't meet on one.
struct Slot<T> {
    value: RwLock<(u32, Option<Arc<T>>)>,
}

/// A slab whose slots never move.
pub(crate) struct Table<T> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    /// Free slots that were used before, and how many were ever made.
    free: Mutex<(Vec<u32>, u32)>,
}

/// All nodes of the process.
pub(crate) fn nodes() -> &'static Table<Node> {
    static NODES: Table<Node> = Table::new();
    &NODES
}

impl<T> Table<T> {
    const fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], free: Mutex::new((Vec::new(), 0)) }
    }

    /// Takes a value in and names it; the value comes back when there are [`MAX_NODES`] already.
    pub(crate) fn insert(&self, value: Arc<T>) -> Result<u64, Arc<T>> {
        let index = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            match free.0.pop() {
                Some(index) => index,
                None if (free.1 as usize) < MAX_NODES => {
                    free.1 += 1;
                    free.1 - 1
                }
                None => return Err(value),
            }
        };
        let chunk = self.chunks[index as usize / CHUNK]
            .get_or_init(|| (0..CHUNK).map(|_| Slot { value: RwLock::new((0, None)) }).collect());
        let mut slot = chunk[index as usize % CHUNK].value.write().unwrap_or_else(PoisonError::into_inner);
        slot.0 = slot.0.wrapping_add(1).max(1);
        slot.1 = Some(value);
        Ok(u64::from(slot.0) << 32 | u64::from(index))
    }

    /// The value a token names.
    #[inline]
    pub(crate) fn get(&self, token: u64) -> Option<Arc<T>> {
        let slot = self.slot(token)?.value.read().unwrap_or_else(PoisonError::into_inner);
        if slot.0 == generation_of(token) { slot.1.clone() } else { None }
    }

    /// Takes a value out if `may` agrees; it is dropped after the last call that uses it has ended.
    pub(crate) fn remove_if(&self, token: u64, may: impl FnOnce(&T) -> bool) -> Result<(), Failure> {
        let removed = {
            let slot = self.slot(token).ok_or_else(|| Failure::handle(token))?;
            let mut slot = slot.value.write().unwrap_or_else(PoisonError::into_inner);
            match &slot.1 {
                Some(value) if slot.0 == generation_of(token) => {
                    if !may(value) {
                        return Err(Failure::from(PcnStatus::Busy));
                    }
                }
                _ => return Err(Failure::handle(token)),
            }
            slot.1.take()
        };
        self.free.lock().unwrap_or_else(PoisonError::into_inner).0.push(token as u32);
        drop(removed);
        Ok(())
    }

    #[inline]
    fn slot(&self, token: u64) -> Option<&Slot<T>> {
        let index = token as u32 as usize;
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }
}

#[inline]
fn generation_of(token: u64) -> u32 {
    (token >> 32) as u32
}
