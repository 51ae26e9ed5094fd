//! Payloads on loan: the host reads them in place and gives each back exactly once, from any thread.

use std::{
    mem::{self, MaybeUninit},
    sync::OnceLock,
};

use crate::sync::{Arc, AtomicU32, AtomicU64, Ordering, Padded, UnsafeCell};

/// Payloads up to this size, and with them every commitment, are copied into the table, for a free on the other thread
/// costs many times the copy. Larger ones are lent as they are and freed by who gives them back: later their memory
/// would have gone cold.
pub const SMALL: usize = if cfg!(loom) { 2 } else { 512 };

const FIRST_CHUNK: usize = if cfg!(loom) { 2 } else { 1024 };
const CHUNKS: usize = 14;
const INDEX_BITS: u32 = 24;
const GENERATIONS: u64 = u64::MAX >> INDEX_BITS;
const LIVE: u64 = 1;

/// `state` is the generation, shifted by one, and whether it is on loan. It decides who owns `loan`: on loan, its
/// readers; from the moment a release cleared the bit, that releaser until it pushed the slot on the returned list;
/// then the issuer.
#[repr(align(64))]
struct Slot {
    state: AtomicU64,
    next: AtomicU32,
    loan: UnsafeCell<Loan>,
}

/// A payload's length, and its bytes where they are too many for the chunk's own room.
struct Loan {
    len: u64,
    large: Vec<u8>,
}

/// Slots, and beside each the room for a small payload. Room that was never used is memory that was never touched.
struct Chunk {
    slots: Box<[Slot]>,
    rooms: Box<[UnsafeCell<MaybeUninit<[u8; SMALL]>>]>,
}

impl Chunk {
    fn of(len: usize) -> Self {
        let slot = |_| Slot {
            state: AtomicU64::new(0),
            next: AtomicU32::new(0),
            loan: UnsafeCell::new(Loan { len: 0, large: Vec::new() }),
        };
        Self {
            slots: (0..len).map(slot).collect(),
            rooms: (0..len).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        }
    }
}

/// The leases of one node. A lease is slot index + 1 in its low 24 bits and the slot's generation above; 0 is none.
pub struct LeaseTable {
    chunks: [OnceLock<Chunk>; CHUNKS],
    /// Index + 1 of the slot given back last; a list through `next`, pushed by anyone, taken whole by the issuer.
    returned: Padded<AtomicU32>,
    /// Bytes lent since the start; written by the issuer alone.
    issued_bytes: Padded<AtomicU64>,
    /// Bytes given back since the start.
    released_bytes: Padded<AtomicU64>,
}

// SAFETY: `state` hands the loan and its room from one owner to the next with acquire and release, as `Slot` says.
unsafe impl Send for LeaseTable {}
// SAFETY: as above.
unsafe impl Sync for LeaseTable {}

impl LeaseTable {
    /// An empty table and the one who fills it.
    pub fn new() -> (Arc<Self>, Issuer) {
        let table = Arc::new(Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            returned: Padded(AtomicU32::new(0)),
            issued_bytes: Padded(AtomicU64::new(0)),
            released_bytes: Padded(AtomicU64::new(0)),
        });
        (Arc::clone(&table), Issuer { table, issued_bytes: 0, free: 0, made: 0 })
    }

    /// Bytes on loan now.
    #[inline]
    pub fn leased_bytes(&self) -> u64 {
        // What was given back after the first load was lent before the second.
        let released = self.released_bytes.0.load(Ordering::Acquire);
        self.issued_bytes.0.load(Ordering::Relaxed).saturating_sub(released)
    }

    /// Gives a payload back; false for a lease that was given back before or never issued. Exactly one of any number
    /// of calls with the same lease succeeds. The payload must not be read after it.
    pub fn release(&self, lease: u64) -> bool {
        self.returns().release(lease)
    }

    /// Gives several back, the parts that other threads look at done once for all of them.
    pub fn returns(&self) -> Returns<'_> {
        Returns { table: self, first: 0, last: None, bytes: 0 }
    }

    /// Chunk k holds `FIRST_CHUNK << k` slots, so a slot never moves and few chunks reach far.
    #[inline]
    fn chunk(&self, index: u32) -> Option<(&Chunk, usize)> {
        let (chunk, offset) = place(index);
        Some((self.chunks.get(chunk)?.get()?, offset))
    }
}

#[inline]
fn place(index: u32) -> (usize, usize) {
    let shifted = index as usize + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    (chunk, shifted - (FIRST_CHUNK << chunk))
}

/// Leases being given back; their slots can be used again once this is dropped.
pub struct Returns<'a> {
    table: &'a LeaseTable,
    /// Index + 1 of the slot released last, the head of a list through `next`.
    first: u32,
    /// The slot released first, the end of that list.
    last: Option<&'a Slot>,
    bytes: u64,
}

impl Returns<'_> {
    /// As [`LeaseTable::release`].
    #[inline]
    pub fn release(&mut self, lease: u64) -> bool {
        let Some(index) = ((lease & ((1 << INDEX_BITS) - 1)) as u32).checked_sub(1) else { return false };
        let Some((chunk, offset)) = self.table.chunk(index) else { return false };
        let Some(slot) = chunk.slots.get(offset) else { return false };
        let generation = lease >> INDEX_BITS;
        let next = (generation + 1 & GENERATIONS) << 1;
        if slot.state.compare_exchange(generation << 1 | LIVE, next, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: the exchange made this call the loan's only owner.
        self.bytes += slot.loan.with(|loan| unsafe { (*loan).len });
        // SAFETY: as above.
        slot.loan.with_mut(|loan| unsafe {
            if (*loan).len > SMALL as u64 {
                drop(mem::take(&mut (*loan).large));
            }
        });
        slot.next.store(self.first, Ordering::Relaxed);
        self.first = index + 1;
        self.last.get_or_insert(slot);
        true
    }
}

impl Drop for Returns<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(last) = self.last else { return };
        self.table.released_bytes.0.fetch_add(self.bytes, Ordering::AcqRel);
        let returned = &self.table.returned.0;
        let mut head = returned.load(Ordering::Relaxed);
        loop {
            last.next.store(head, Ordering::Relaxed);
            match returned.compare_exchange_weak(head, self.first, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// Puts payloads on loan. There is one per table, owned by the ring's producer.
pub struct Issuer {
    table: Arc<LeaseTable>,
    issued_bytes: u64,
    /// Index + 1 of the first slot that can be used again; a list through `next`.
    free: u32,
    made: u32,
}

impl Issuer {
    /// Puts a payload on loan: its lease, and where its bytes stay until it is given back or the table is dropped.
    ///
    /// # Errors
    /// The payload, when 2²⁴ − 1024 are on loan already.
    pub fn issue(&mut self, payload: Vec<u8>) -> Result<(u64, *const u8), Vec<u8>> {
        let Some(index) = self.take_slot() else { return Err(payload) };
        let (chunk, offset) = self.table.chunk(index).expect("a free slot was made");
        let slot = &chunk.slots[offset];
        let len = payload.len();
        self.issued_bytes += len as u64;
        self.table.issued_bytes.0.store(self.issued_bytes, Ordering::Relaxed);
        let data = if len > SMALL {
            // A vector's bytes do not move with it.
            let data = payload.as_ptr();
            // SAFETY: a slot on the free list belongs to the issuer.
            slot.loan.with_mut(|loan| unsafe { *loan = Loan { len: len as u64, large: payload } });
            data
        } else {
            // SAFETY: as above.
            slot.loan.with_mut(|loan| unsafe { (*loan).len = len as u64 });
            // SAFETY: the room goes with the slot, and is large enough.
            chunk.rooms[offset].with_mut(|room| unsafe {
                room.cast::<u8>().copy_from_nonoverlapping(payload.as_ptr(), len);
                room.cast::<u8>().cast_const()
            })
        };
        let generation = slot.state.load(Ordering::Relaxed) >> 1;
        slot.state.store(generation << 1 | LIVE, Ordering::Release);
        Ok((generation << INDEX_BITS | u64::from(index + 1), data))
    }

    #[inline]
    fn take_slot(&mut self) -> Option<u32> {
        if self.free == 0 {
            let returned = &self.table.returned.0;
            if returned.load(Ordering::Relaxed) == 0 {
                return self.make_slot();
            }
            // What its releasers did to each slot before they pushed it with release order is seen from here on.
            self.free = returned.swap(0, Ordering::Acquire);
        }
        let index = self.free - 1;
        let (chunk, offset) = self.table.chunk(index).expect("a returned slot was made");
        self.free = chunk.slots[offset].next.load(Ordering::Relaxed);
        Some(index)
    }

    #[cold]
    fn make_slot(&mut self) -> Option<u32> {
        let index = self.made;
        let (chunk, offset) = place(index);
        let place = self.table.chunks.get(chunk)?;
        if offset == 0 {
            place.get_or_init(|| Chunk::of(FIRST_CHUNK << chunk));
        }
        self.made += 1;
        Some(index)
    }
}
