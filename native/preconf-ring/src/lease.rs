//! Payloads on loan: the host reads them in place and gives each back exactly once, from any thread.

use std::{
    mem::{self, MaybeUninit},
    sync::OnceLock,
};

use crate::sync::{Arc, AtomicU32, AtomicU64, Ordering, Padded, UnsafeCell};

/// Payloads up to this size, and with them every commitment, are copied into the table, for a free on the other thread
/// costs many times the copy. Larger ones are lent as they are and freed, or left for the next, by who gives them
/// back: later their memory would have gone cold.
pub const SMALL: usize = if cfg!(loom) { 2 } else { 576 };

const FIRST_CHUNK: usize = if cfg!(loom) { 2 } else { 64 };
const CHUNKS: usize = 18;
const INDEX_BITS: u32 = 24;
const GENERATIONS: u64 = u64::MAX >> INDEX_BITS;
const LIVE: u64 = 1;

/// What fills a slot's cache line.
const MORE: usize = 5;

/// `state` is the generation, shifted by one, and whether it is on loan. It decides who owns `loan`: on loan, its
/// readers; from the moment a release cleared the bit, that releaser until it pushed the slot on the returned list;
/// then the issuer. Processors fetch cache lines in pairs: the second has the payload's first bytes.
#[repr(C, align(128))]
struct Slot {
    state: AtomicU64,
    next: AtomicU32,
    loan: UnsafeCell<Loan>,
    room: UnsafeCell<MaybeUninit<[u8; SMALL]>>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 640 && mem::offset_of!(Slot, room) == 64);

/// A payload's length, and its bytes where they are too many for the chunk's own room.
struct Loan {
    len: u32,
    large: Vec<u8>,
    /// While the slot is on the returned list: index + 1 of slots that came back with it, to the first 0. So the issuer
    /// knows several slots from one cache line and fetches them all at once, instead of one after the other.
    more: [u32; MORE],
}

/// The leases of one node. A lease is slot index + 1 in its low 24 bits and the slot's generation above; 0 is none.
pub struct LeaseTable {
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
    /// Takes large payloads that were given back.
    recycle: fn(Vec<u8>),
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
    /// An empty table and the one who fills it. Payloads too large for the table's own room go to `recycle` when they are
    /// given back, on the thread that does; `drop` will do.
    pub fn new(recycle: fn(Vec<u8>)) -> (Arc<Self>, Issuer) {
        let table = Arc::new(Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            recycle,
            returned: Padded(AtomicU32::new(0)),
            issued_bytes: Padded(AtomicU64::new(0)),
            released_bytes: Padded(AtomicU64::new(0)),
        });
        (Arc::clone(&table), Issuer { table, issued_bytes: 0, free: [0; MORE + 1], ready: 0, returned: 0, made: 0 })
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
        Returns { table: self, first: None, last: None, more: 0, bytes: 0 }
    }

    /// Fetches a slot's cache line from whichever core has it, to be written: several are then under way at once.
    #[inline]
    fn prefetch(&self, lease: u64) {
        #[cfg(all(target_arch = "x86_64", not(loom)))]
        if let Some(index) = index_of(lease)
            && let Some(slot) = self.slot(index)
        {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            // SAFETY: a hint about memory that is there.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(std::ptr::from_ref(slot).cast()) };
        }
        #[cfg(not(all(target_arch = "x86_64", not(loom))))]
        let _ = lease;
    }

    /// Chunk k holds `FIRST_CHUNK << k` slots, so a slot never moves and few chunks reach far.
    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot> {
        let (chunk, offset) = place(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }
}

#[inline]
fn index_of(lease: u64) -> Option<u32> {
    ((lease & ((1 << INDEX_BITS) - 1)) as u32).checked_sub(1)
}

#[inline]
fn place(index: u32) -> (usize, usize) {
    let shifted = index as usize + FIRST_CHUNK;
    let chunk = (shifted.ilog2() - FIRST_CHUNK.ilog2()) as usize;
    (chunk, shifted - (FIRST_CHUNK << chunk))
}

/// Leases whose slots are fetched before one is written.
const AHEAD: usize = 8;

/// Leases being given back; their slots can be used again once this is dropped.
pub struct Returns<'a> {
    table: &'a LeaseTable,
    /// The head of the list: index + 1 and its slot.
    first: Option<(u32, &'a Slot)>,
    /// The end of the list.
    last: Option<&'a Slot>,
    /// How many slots came with the head.
    more: usize,
    bytes: u64,
}

impl<'a> Returns<'a> {
    /// As [`LeaseTable::release`] for each; false when any was stale.
    pub fn release_all(&mut self, leases: &[u64]) -> bool {
        let mut all_fresh = true;
        leases.iter().take(AHEAD).for_each(|lease| self.table.prefetch(*lease));
        for (i, lease) in leases.iter().enumerate() {
            if let Some(ahead) = leases.get(i + AHEAD) {
                self.table.prefetch(*ahead);
            }
            all_fresh &= self.release(*lease);
        }
        all_fresh
    }

    /// As [`LeaseTable::release`].
    #[inline]
    pub fn release(&mut self, lease: u64) -> bool {
        let Some(index) = index_of(lease) else { return false };
        let Some(slot) = self.table.slot(index) else { return false };
        let generation = lease >> INDEX_BITS;
        let next = ((generation + 1) & GENERATIONS) << 1;
        if slot.state.compare_exchange((generation << 1) | LIVE, next, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: the exchange made this call the loan's only owner.
        self.bytes += slot.loan.with_mut(|loan| unsafe {
            if (*loan).len > SMALL as u32 {
                (self.table.recycle)(mem::take(&mut (*loan).large));
            }
            u64::from((*loan).len)
        });
        self.add(index, slot);
        true
    }

    #[inline]
    fn add(&mut self, index: u32, slot: &'a Slot) {
        match self.first {
            Some((_, head)) if self.more < MORE => {
                // SAFETY: the head was released by this value and is not pushed yet.
                head.loan.with_mut(|loan| unsafe { (*loan).more[self.more] = index + 1 });
                self.more += 1;
            }
            head => {
                slot.next.store(head.map_or(0, |(head, _)| head), Ordering::Relaxed);
                // SAFETY: as in `release`.
                slot.loan.with_mut(|loan| unsafe { (*loan).more = [0; MORE] });
                self.first = Some((index + 1, slot));
                self.last.get_or_insert(slot);
                self.more = 0;
            }
        }
    }
}

impl Drop for Returns<'_> {
    #[inline]
    fn drop(&mut self) {
        let (Some((first, _)), Some(last)) = (self.first, self.last) else { return };
        self.table.released_bytes.0.fetch_add(self.bytes, Ordering::AcqRel);
        let returned = &self.table.returned.0;
        let mut head = returned.load(Ordering::Relaxed);
        loop {
            last.next.store(head, Ordering::Relaxed);
            match returned.compare_exchange_weak(head, first, Ordering::Release, Ordering::Relaxed) {
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
    /// Index + 1 of slots that can be used again, the last first, and how many.
    free: [u32; MORE + 1],
    ready: usize,
    /// Index + 1 of the head of a list of further ones.
    returned: u32,
    made: u32,
}

impl Issuer {
    /// Puts a payload on loan: its lease, and where its bytes stay until it is given back or the table is dropped.
    ///
    /// # Errors
    /// The payload, when 2²⁴ − 64 are on loan already, or it has 4 GiB.
    #[inline]
    pub fn issue(&mut self, payload: Vec<u8>) -> Result<(u64, *const u8), Vec<u8>> {
        if payload.len() > u32::MAX as usize {
            return Err(payload);
        }
        let Some(index) = self.take_slot() else { return Err(payload) };
        let slot = self.table.slot(index).expect("a free slot was made");
        let len = payload.len();
        self.issued_bytes += len as u64;
        self.table.issued_bytes.0.store(self.issued_bytes, Ordering::Relaxed);
        let data = if len > SMALL {
            // A vector's bytes do not move with it.
            let data = payload.as_ptr();
            // SAFETY: a slot on the free list belongs to the issuer.
            slot.loan.with_mut(|loan| unsafe { (*loan).large = payload });
            data
        } else {
            // SAFETY: the room goes with the slot, and is large enough.
            slot.room.with_mut(|room| unsafe {
                room.cast::<u8>().copy_from_nonoverlapping(payload.as_ptr(), len);
                room.cast::<u8>().cast_const()
            })
        };
        // SAFETY: as above.
        slot.loan.with_mut(|loan| unsafe { (*loan).len = len as u32 });
        let generation = slot.state.load(Ordering::Relaxed) >> 1;
        slot.state.store(generation << 1 | LIVE, Ordering::Release);
        Ok((generation << INDEX_BITS | u64::from(index + 1), data))
    }

    #[inline]
    fn take_slot(&mut self) -> Option<u32> {
        if self.ready == 0 && !self.take_returned() {
            return self.make_slot();
        }
        self.ready -= 1;
        Some(self.free[self.ready] - 1)
    }

    fn take_returned(&mut self) -> bool {
        if self.returned == 0 {
            let returned = &self.table.returned.0;
            if returned.load(Ordering::Relaxed) == 0 {
                return false;
            }
            // What its releasers did to each slot before they pushed it with release order is seen from here on.
            self.returned = returned.swap(0, Ordering::Acquire);
        }
        let head = self.returned;
        let slot = self.table.slot(head - 1).expect("a returned slot was made");
        self.returned = slot.next.load(Ordering::Relaxed);
        self.table.prefetch(self.returned.into());
        self.free[0] = head;
        // SAFETY: a returned slot belongs to the issuer.
        slot.loan.with(|loan| unsafe { self.free[1..].copy_from_slice(&(*loan).more) });
        self.ready = 1 + self.free[1..].iter().take_while(|index| **index != 0).count();
        self.free[1..self.ready].iter().for_each(|index| self.table.prefetch((*index).into()));
        true
    }

    #[cold]
    fn make_slot(&mut self) -> Option<u32> {
        let index = self.made;
        let (chunk, offset) = place(index);
        let place = self.table.chunks.get(chunk)?;
        if offset == 0 {
            let slot = |_| Slot {
                state: AtomicU64::new(0),
                next: AtomicU32::new(0),
                loan: UnsafeCell::new(Loan { len: 0, large: Vec::new(), more: [0; MORE] }),
                room: UnsafeCell::new(MaybeUninit::uninit()),
            };
            place.get_or_init(|| (0..FIRST_CHUNK << chunk).map(slot).collect());
        }
        self.made += 1;
        Some(index)
    }
}
