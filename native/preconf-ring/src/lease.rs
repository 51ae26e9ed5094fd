//! Payloads on loan: the host reads them in place and gives each back exactly once, from any thread.

use std::{mem, sync::OnceLock};

use crate::sync::{Arc, AtomicU32, AtomicU64, Ordering, Padded, UnsafeCell};

/// From this size on a payload is freed by who gives it back: later its memory would have gone cold.
pub const EAGER_FREE: usize = if cfg!(loom) { 3 } else { 64 << 10 };

/// Smaller ones go back to the issuer, for a free on the other thread is the dear part; at most this many bytes wait
/// there, and what is beyond is freed by who gives it back, so that an idle node holds no more.
pub const KEPT_BYTES: u64 = 1 << 20;

const FIRST_CHUNK: usize = if cfg!(loom) { 2 } else { 1024 };
const CHUNKS: usize = 14;
const INDEX_BITS: u32 = 24;
const LIVE: u64 = 1;

/// `state` is the generation, shifted by one, and whether it is on loan. It decides who owns `payload`: on loan, its
/// readers; from the moment a release cleared the bit, that releaser until it pushed the slot on the returned list;
/// then the issuer.
#[repr(align(64))]
struct Slot {
    state: AtomicU64,
    next: AtomicU32,
    payload: UnsafeCell<Vec<u8>>,
}

/// The leases of one node. A lease is slot index + 1 in its low 24 bits and the slot's generation above; 0 is none.
pub struct LeaseTable {
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
    /// Index + 1 of the slot given back last; a list through `next`, pushed by anyone, taken whole by the issuer.
    returned: Padded<AtomicU32>,
    returned_bytes: AtomicU64,
    leased_bytes: Padded<AtomicU64>,
}

// SAFETY: `state` hands the payload from one owner to the next with acquire and release, as `Slot` says.
unsafe impl Send for LeaseTable {}
// SAFETY: as above.
unsafe impl Sync for LeaseTable {}

impl LeaseTable {
    /// An empty table and the one who fills it.
    pub fn new() -> (Arc<Self>, Issuer) {
        let table = Arc::new(Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            returned: Padded(AtomicU32::new(0)),
            returned_bytes: AtomicU64::new(0),
            leased_bytes: Padded(AtomicU64::new(0)),
        });
        (Arc::clone(&table), Issuer { table, free: Vec::new(), made: 0 })
    }

    /// Bytes on loan now.
    #[inline]
    pub fn leased_bytes(&self) -> u64 {
        self.leased_bytes.0.load(Ordering::Relaxed)
    }

    /// Bytes given back and not freed yet: at most [`KEPT_BYTES`], give or take what threads return at once.
    pub fn kept_bytes(&self) -> u64 {
        self.returned_bytes.load(Ordering::Relaxed)
    }

    /// Gives a payload back; false for a lease that was given back before or never issued. Exactly one of any number
    /// of calls with the same lease succeeds. The payload must not be read after it.
    pub fn release(&self, lease: u64) -> bool {
        let Some((index, slot)) = self.slot_of(lease) else { return false };
        let generation = lease >> INDEX_BITS;
        let live = generation << 1 | LIVE;
        if slot.state.compare_exchange(live, generation << 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: the exchange made this call the payload's only owner.
        let len = slot.payload.with(|payload| unsafe { (*payload).len() });
        self.leased_bytes.0.fetch_sub(len as u64, Ordering::Relaxed);
        if len >= EAGER_FREE || self.returned_bytes.load(Ordering::Relaxed) + len as u64 > KEPT_BYTES {
            // SAFETY: as above.
            drop(slot.payload.with_mut(|payload| unsafe { mem::take(&mut *payload) }));
        } else {
            self.returned_bytes.fetch_add(len as u64, Ordering::Relaxed);
        }
        self.push_returned(index, slot);
        true
    }

    fn push_returned(&self, index: u32, slot: &Slot) {
        let mut first = self.returned.0.load(Ordering::Relaxed);
        loop {
            slot.next.store(first, Ordering::Relaxed);
            match self.returned.0.compare_exchange_weak(first, index + 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    #[inline]
    fn slot_of(&self, lease: u64) -> Option<(u32, &Slot)> {
        let index = ((lease & ((1 << INDEX_BITS) - 1)) as u32).checked_sub(1)?;
        Some((index, self.slot(index)?))
    }

    /// Chunk k holds `FIRST_CHUNK << k` slots, so a slot never moves and few chunks reach far.
    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot> {
        let (chunk, offset) = place(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }
}

#[inline]
fn place(index: u32) -> (usize, usize) {
    let shifted = index as usize + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    (chunk, shifted - (FIRST_CHUNK << chunk))
}

/// Puts payloads on loan. There is one per table, owned by the ring's producer.
pub struct Issuer {
    table: Arc<LeaseTable>,
    free: Vec<u32>,
    made: u32,
}

impl Issuer {
    /// Puts a payload on loan: its lease, and where its bytes stay until it is given back or the table is dropped.
    ///
    /// # Errors
    /// The payload, when 2²⁴ − 1024 are on loan already.
    pub fn issue(&mut self, payload: Vec<u8>) -> Result<(u64, *const u8), Vec<u8>> {
        if self.free.is_empty() {
            self.reclaim();
        }
        let Some(index) = self.free.pop().or_else(|| self.make_slot()) else { return Err(payload) };
        let slot = self.table.slot(index).expect("a free slot was made");
        let (len, data) = (payload.len() as u64, payload.as_ptr());
        self.table.leased_bytes.0.fetch_add(len, Ordering::Relaxed);
        // SAFETY: a slot on the free list belongs to the issuer; a vector's bytes do not move with it.
        slot.payload.with_mut(|place| unsafe { *place = payload });
        let generation = slot.state.load(Ordering::Relaxed) >> 1;
        slot.state.store(generation << 1 | LIVE, Ordering::Release);
        Ok((generation << INDEX_BITS | u64::from(index + 1), data))
    }

    /// Frees what was given back and makes its slots new.
    pub fn reclaim(&mut self) {
        let returned = &self.table.returned.0;
        if returned.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut next = returned.swap(0, Ordering::Acquire);
        while let Some(index) = next.checked_sub(1) {
            let slot = self.table.slot(index).expect("a returned slot was made");
            next = slot.next.load(Ordering::Relaxed);
            // SAFETY: its releaser pushed it with release order, the swap above acquired it: it is the issuer's.
            let payload = slot.payload.with_mut(|payload| unsafe { mem::take(&mut *payload) });
            self.table.returned_bytes.fetch_sub(payload.len() as u64, Ordering::Relaxed);
            let generation = (slot.state.load(Ordering::Relaxed) >> 1) + 1;
            slot.state.store((generation & (u64::MAX >> INDEX_BITS)) << 1, Ordering::Relaxed);
            self.free.push(index);
        }
    }

    #[cold]
    fn make_slot(&mut self) -> Option<u32> {
        let index = self.made;
        let (chunk, offset) = place(index);
        let place = self.table.chunks.get(chunk)?;
        if offset == 0 {
            let slots = (0..FIRST_CHUNK << chunk).map(|_| Slot {
                state: AtomicU64::new(0),
                next: AtomicU32::new(0),
                payload: UnsafeCell::new(Vec::new()),
            });
            place.get_or_init(|| slots.collect());
        }
        self.made += 1;
        Some(index)
    }
}
