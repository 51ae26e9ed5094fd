//! What a node keeps: bounded, in memory.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::wire::{Address, COMMITMENT, Commitment, Hash, TXLIST_PREFIX};

/// How much is kept.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Commitments; the lowest blocks go first.
    pub commitments: usize,
    /// Bytes of txlists; the oldest go first.
    pub txlist_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { commitments: 65_536, txlist_bytes: 64 << 20 }
    }
}

struct Kept {
    commitment: Commitment,
    hash: Hash,
    #[expect(dead_code, reason = "kept because the library keeps it; nothing here asks for it")]
    signer: Address,
}

#[derive(Default)]
struct Shelves {
    by_block: BTreeMap<u64, Kept>,
    by_hash: HashMap<Hash, u64>,
    txlists: HashMap<Hash, Arc<Vec<u8>>>,
    oldest: VecDeque<Hash>,
    txlist_bytes: usize,
}

/// Commitments by block and by hash, txlists by hash.
pub struct Store {
    bounds: Bounds,
    shelves: Mutex<Shelves>,
}

impl Store {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, shelves: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a checked commitment; the latest of a block wins. False when it is below what is held.
    pub fn add_commitment(&self, commitment: &Commitment, hash: Hash, signer: Address) -> bool {
        let mut shelves = self.lock();
        let block = commitment.block();
        if shelves.by_block.len() == self.bounds.commitments && !shelves.by_block.contains_key(&block) {
            match shelves.by_block.first_entry() {
                Some(lowest) if *lowest.key() < block => {
                    let gone = lowest.remove();
                    shelves.by_hash.remove(&gone.hash);
                }
                _ => return false,
            }
        }
        if let Some(before) = shelves.by_block.insert(block, Kept { commitment: *commitment, hash, signer }) {
            shelves.by_hash.remove(&before.hash);
        }
        shelves.by_hash.insert(hash, block);
        true
    }

    /// Keeps an encoded txlist whose hash was checked, as it came.
    pub fn add_txlist(&self, hash: Hash, encoded: Vec<u8>) {
        let mut shelves = self.lock();
        if shelves.txlists.contains_key(&hash) {
            return;
        }
        shelves.txlist_bytes += encoded.len() - TXLIST_PREFIX;
        shelves.txlists.insert(hash, Arc::new(encoded));
        shelves.oldest.push_back(hash);
        while shelves.txlist_bytes > self.bounds.txlist_bytes {
            let Some(hash) = shelves.oldest.pop_front() else { break };
            if let Some(gone) = shelves.txlists.remove(&hash) {
                shelves.txlist_bytes -= gone.len() - TXLIST_PREFIX;
            }
        }
    }

    /// Commitments and txlists held.
    pub fn held(&self) -> (usize, usize) {
        let shelves = self.lock();
        (shelves.by_block.len(), shelves.txlists.len())
    }

    /// What it may hold.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A txlist's encoding.
    pub fn txlist(&self, hash: &Hash) -> Option<Arc<Vec<u8>>> {
        self.lock().txlists.get(hash).cloned()
    }

    /// The highest block held and the end of its window.
    pub fn head(&self) -> (u64, u64) {
        let shelves = self.lock();
        shelves.by_block.last_key_value().map_or((0, 0), |(block, kept)| {
            let end = &kept.commitment.bytes()[213..221];
            (*block, u64::from_le_bytes(end.try_into().expect("8 bytes")))
        })
    }

    /// An encoded response with up to `count` commitments from a block on.
    pub fn page(&self, start: u64, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + count * COMMITMENT);
        out.extend_from_slice(&4u32.to_le_bytes());
        for (_, kept) in self.lock().by_block.range(start..).take(count) {
            out.extend_from_slice(kept.commitment.bytes());
        }
        out
    }
}
