//! The ring.

use std::{
    collections::VecDeque,
    hint, mem,
    mem::MaybeUninit,
    time::{Duration, Instant},
};

use crate::{
    park::Parker,
    sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, Padded, UnsafeCell, lock},
};

/// Looks at an empty ring before the consumer parks, about ten microseconds' worth, where its last sleep was a
/// [`NAP`]: in a burst the producer flushes again by then, and neither pays for a sleep and a wake-up. At the rates
/// gossip has the sleeps are longer, and looking would only burn a core.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 256 };

/// A sleep that was hardly worth it.
const NAP: Duration = Duration::from_micros(15);

/// One descriptor's place: on a cache line of its own when the descriptor has 64 bytes.
#[repr(C, align(64))]
struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

/// What producer and consumer share. Positions only grow (wrapping); `position & mask` is the slot.
struct Shared<T> {
    /// First position not published yet. Written by the producer.
    tail: Padded<AtomicUsize>,
    /// First position not given back yet. Written by the consumer.
    head: Padded<AtomicUsize>,
    parker: Padded<Parker>,
    interrupted: AtomicBool,
    /// Whether the producer writes to `spill` instead of the ring. Set by the producer, cleared by the consumer, both
    /// under the lock.
    spilling: AtomicBool,
    spill: Mutex<Spill<T>>,
    spilled: AtomicUsize,
    slots: Box<[Slot<T>]>,
    mask: usize,
    reserved: usize,
}

/// Control descriptors that found the ring full, in order.
struct Spill<T>(Vec<T>);

// SAFETY: a slot is written only by the producer while it lies outside head..tail, and read only by the consumer while
// it lies inside; the release stores and acquire loads of head and tail order the two. The rest synchronises itself.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn used(&self) -> usize {
        let head = self.head.0.load(Ordering::Relaxed);
        let tail = self.tail.0.load(Ordering::Relaxed);
        // Two loads at two moments: a head that overtook the tail read is an empty ring.
        let used = tail.wrapping_sub(head);
        (if used > self.slots.len() { 0 } else { used }) + self.spilled.load(Ordering::Relaxed)
    }
}

/// Makes the two ends of a ring.
pub struct Ring;

impl Ring {
    /// A ring of `slots` descriptors, of which `reserved` are kept free of bulk ones.
    ///
    /// # Panics
    /// When `slots` is no power of two or `reserved` is not below it.
    pub fn with_slots<T: Copy + Send>(slots: usize, reserved: usize) -> (Producer<T>, Consumer<T>) {
        assert!(slots.is_power_of_two() && reserved < slots, "{slots} slots, {reserved} reserved");
        let shared = Arc::new(Shared {
            tail: Padded(AtomicUsize::new(0)),
            head: Padded(AtomicUsize::new(0)),
            parker: Padded(Parker::new()),
            interrupted: AtomicBool::new(false),
            spilling: AtomicBool::new(false),
            spill: Mutex::new(Spill(Vec::new())),
            spilled: AtomicUsize::new(0),
            slots: (0..slots).map(|_| Slot(UnsafeCell::new(MaybeUninit::uninit()))).collect(),
            mask: slots - 1,
            reserved,
        });
        let producer = Producer { shared: Arc::clone(&shared), tail: 0, published: 0, known_head: 0, unsaid: false };
        let consumer = Consumer { shared, head: 0, known_tail: 0, spill: VecDeque::new(), handed: 0, looks: 0 };
        (producer, consumer)
    }
}

/// The end that one task writes to. What is pushed becomes visible with the next [`Producer::flush`].
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    published: usize,
    known_head: usize,
    /// Something became visible since the consumer was last woken.
    unsaid: bool,
}

impl<T: Copy + Send> Producer<T> {
    /// Whether a bulk descriptor would be taken now.
    #[inline]
    pub fn has_bulk_room(&mut self) -> bool {
        !self.shared.spilling.load(Ordering::Relaxed) && self.has_room(self.shared.reserved)
    }

    /// Takes a descriptor that may be refused.
    ///
    /// # Errors
    /// The descriptor, when only reserved slots are left or control descriptors wait for room.
    #[inline]
    pub fn push_bulk(&mut self, value: T) -> Result<(), T> {
        if !self.has_bulk_room() {
            return Err(value);
        }
        self.write(value);
        Ok(())
    }

    /// Takes a descriptor that must not be lost. When even the reserved slots are taken it waits in an unbounded queue
    /// behind the ring; everything after it goes there too until the consumer has emptied that queue, so order holds.
    #[inline]
    pub fn push_control(&mut self, value: T) {
        if !self.shared.spilling.load(Ordering::Relaxed) && self.has_room(0) {
            self.write(value);
        } else {
            self.push_spill(value);
        }
    }

    /// Publishes what was pushed and wakes the consumer if it is parked.
    #[inline]
    pub fn flush(&mut self) {
        self.publish();
        if mem::take(&mut self.unsaid) {
            self.shared.parker.0.wake();
        }
    }

    #[inline]
    fn has_room(&mut self, beyond: usize) -> bool {
        let wanted = self.tail.wrapping_add(beyond);
        if wanted.wrapping_sub(self.known_head) < self.shared.slots.len() {
            return true;
        }
        self.known_head = self.shared.head.0.load(Ordering::Acquire);
        wanted.wrapping_sub(self.known_head) < self.shared.slots.len()
    }

    #[inline]
    fn write(&mut self, value: T) {
        let slot = &self.shared.slots[self.tail & self.shared.mask];
        // SAFETY: the position is outside head..tail as the consumer sees it: not published, and given back if it was
        // used before (`known_head` was loaded with acquire).
        slot.0.with_mut(|slot| unsafe { (*slot).write(value) });
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline]
    fn publish(&mut self) {
        if self.published != self.tail {
            self.shared.tail.0.store(self.tail, Ordering::Release);
            self.published = self.tail;
            self.unsaid = true;
        }
    }

    #[cold]
    fn push_spill(&mut self, value: T) {
        // The consumer takes the spill only once it sees the ring empty: everything older must be visible before.
        self.publish();
        let mut spill = lock(&self.shared.spill);
        spill.0.push(value);
        self.shared.spilled.fetch_add(1, Ordering::Relaxed);
        self.shared.spilling.store(true, Ordering::Release);
        self.unsaid = true;
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// A run of so many descriptors is there.
    Ready(usize),
    /// [`Waker::interrupt`] was called.
    Interrupted,
    /// The deadline passed.
    TimedOut,
}

/// The end that one thread at a time reads.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    known_tail: usize,
    /// Taken from the shared spill; older than anything in the ring.
    spill: VecDeque<T>,
    handed: usize,
    /// Looks at an empty ring before parking.
    looks: u32,
}

impl<T: Copy + Send> Consumer<T> {
    /// Any number of these can interrupt the consumer's wait.
    pub fn waker(&self) -> Waker<T> {
        Waker { shared: Arc::clone(&self.shared) }
    }

    /// The length of the run that can be read in place, 0 when nothing is there.
    #[inline]
    pub fn poll(&mut self) -> usize {
        self.handed = if self.refill() { self.run_len() } else { 0 };
        self.handed
    }

    #[inline]
    fn poll_awhile(&mut self) -> usize {
        for _ in 0..self.looks {
            let run = self.poll();
            if run > 0 {
                return run;
            }
            hint::spin_loop();
        }
        self.poll()
    }

    /// Waits for a run until `deadline` (`None`: for ever).
    pub fn wait(&mut self, deadline: Option<Instant>) -> Waited {
        loop {
            let run = self.poll_awhile();
            if run > 0 {
                return Waited::Ready(run);
            }
            if self.shared.interrupted.swap(false, Ordering::Acquire) {
                return Waited::Interrupted;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Waited::TimedOut;
            }
            let shared = &self.shared;
            shared.parker.0.prepare();
            if shared.tail.0.load(Ordering::Relaxed) != self.head
                || shared.spilling.load(Ordering::Relaxed)
                || shared.interrupted.load(Ordering::Relaxed)
            {
                shared.parker.0.cancel();
            } else {
                let began = Instant::now();
                shared.parker.0.sleep(deadline);
                self.looks = if began.elapsed() < NAP { LOOKS } else { 0 };
            }
        }
    }

    /// The run that the last [`Consumer::poll`] or [`Consumer::wait`] found, less what was advanced over.
    #[cfg(not(loom))]
    pub fn run(&self) -> &[T] {
        const { assert!(size_of::<Slot<T>>() == size_of::<T>(), "a run is contiguous only without padding") };
        if !self.spill.is_empty() {
            return &self.spill.as_slices().0[..self.handed];
        }
        let from = self.head & self.shared.mask;
        let slots = &self.shared.slots[from..from + self.handed];
        // SAFETY: these positions are published (`known_tail` was loaded with acquire) and not given back, so they are
        // initialised and the producer leaves them alone; a slot is as large as its descriptor, so they are contiguous.
        unsafe { std::slice::from_raw_parts(slots.as_ptr().cast(), slots.len()) }
    }

    /// A copy of the run's first descriptor.
    ///
    /// # Panics
    /// When the run is empty.
    pub fn first(&self) -> T {
        assert!(self.handed > 0, "no run");
        match self.spill.front() {
            Some(value) => *value,
            // SAFETY: as in `run`.
            None => self.shared.slots[self.head & self.shared.mask].0.with(|slot| unsafe { (*slot).assume_init() }),
        }
    }

    /// Gives the run's first `count` descriptors back; false, and nothing happens, when the run has fewer.
    #[inline]
    pub fn advance(&mut self, count: usize) -> bool {
        if count > self.handed {
            return false;
        }
        self.handed -= count;
        if self.spill.is_empty() {
            self.head = self.head.wrapping_add(count);
            self.shared.head.0.store(self.head, Ordering::Release);
        } else {
            self.spill.drain(..count);
            self.shared.spilled.fetch_sub(count, Ordering::Relaxed);
        }
        true
    }

    fn run_len(&self) -> usize {
        if !self.spill.is_empty() {
            return self.spill.as_slices().0.len();
        }
        let from = self.head & self.shared.mask;
        self.known_tail.wrapping_sub(self.head).min(self.shared.slots.len() - from)
    }

    #[inline]
    fn refill(&mut self) -> bool {
        !self.spill.is_empty() || self.known_tail != self.head || self.see_tail() || self.take_spill()
    }

    #[inline]
    fn see_tail(&mut self) -> bool {
        self.known_tail = self.shared.tail.0.load(Ordering::Acquire);
        self.known_tail != self.head
    }

    fn take_spill(&mut self) -> bool {
        if !self.shared.spilling.load(Ordering::Acquire) {
            return false;
        }
        // What was published before the spill began is older; the acquire load above makes it visible.
        if self.see_tail() {
            return true;
        }
        let mut spill = lock(&self.shared.spill);
        self.spill = VecDeque::from(mem::take(&mut spill.0));
        self.shared.spilling.store(false, Ordering::Release);
        true
    }
}

/// Interrupts the consumer's wait and looks at the ring, from any thread.
pub struct Waker<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Waker<T> {
    /// Ends the consumer's wait, or else its next one that finds nothing, once.
    pub fn interrupt(&self) {
        self.shared.interrupted.swap(true, Ordering::AcqRel);
        self.shared.parker.0.wake();
    }

    /// Descriptors published and not given back, about.
    pub fn used(&self) -> usize {
        self.shared.used()
    }
}
