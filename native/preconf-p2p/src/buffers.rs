//! Memory of large payloads, used again.
//!
//! A general allocator gives the pages of a large block back when it is freed, and takes new ones for the next: for a
//! txlist of 1 MiB these are 256 page faults, more work than to copy it. What payloads leave behind is kept here for a
//! few seconds instead, bounded, for all nodes of the process.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Payloads below are left to the allocator, which serves them well.
const LEAST: usize = 64 << 10;
/// Capacities kept: four steps to each doubling, so that lists of about one length serve each other, each with room for
/// the head of a list of a round length; nobody else's vectors have just these. The last is enough for any frame.
const CLASSES: usize = 22;
/// Bytes kept at most.
const MOST: usize = 32 << 20;
/// A class that nobody has taken anything of for so long is freed.
const KEPT_FOR: Duration = Duration::from_secs(3);

static SHELF: Mutex<Shelf> = Mutex::new(Shelf::new());
/// Nodes that run: while there is none, nothing is kept.
static NODES: AtomicUsize = AtomicUsize::new(0);

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held by each node while it runs.
pub(crate) struct Running(());

impl Running {
    pub(crate) fn new() -> Self {
        NODES.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if NODES.fetch_sub(1, Ordering::Relaxed) == 1 {
            let old = mem::replace(&mut *shelf(), Shelf::new());
            drop(old);
        }
    }
}

/// The parts, one after the other, in a vector that has been used before where there is one.
pub fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut data = kept(len).unwrap_or_else(|| Vec::with_capacity(room_for(len)));
    data.clear();
    parts.iter().for_each(|part| data.extend_from_slice(part));
    data
}

/// Leaves a payload's memory to the next one. Vectors of other capacities than [`joined`] makes are freed.
pub fn give(data: Vec<u8>) {
    if made_for(data.capacity()).is_none() {
        return;
    }
    let mut shelf = shelf();
    // Under the lock, or the last node's end could miss it.
    let refused = if NODES.load(Ordering::Relaxed) == 0 { Some(data) } else { shelf.give(data, Instant::now()) };
    // Freed, if so, where nobody waits for it.
    drop(shelf);
    drop(refused);
}

/// A vector that leaves its memory to the next one, unless it is taken out.
#[derive(Default)]
pub(crate) struct Lent(Vec<u8>);

impl Lent {
    /// `len` bytes, which may be those of some other payload until they are written over.
    pub(crate) fn of(len: usize) -> Self {
        match kept(len) {
            Some(mut data) => {
                data.resize(len, 0);
                Self(data)
            }
            None => {
                // Cleared by who has cleared memory at hand.
                let mut data = vec![0; room_for(len)];
                data.truncate(len);
                Self(data)
            }
        }
    }

    pub(crate) fn take(mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give(mem::take(&mut self.0));
    }
}

/// Frees what nobody has asked for in a while; to be called now and then.
pub(crate) fn age(now: Instant) {
    let old = shelf().age(now);
    drop(old);
}

fn kept(len: usize) -> Option<Vec<u8>> {
    let class = class_of(len)?;
    shelf().take(class, Instant::now())
}

/// The capacity to make a vector of `len` bytes with, so that [`give`] can keep it.
fn room_for(len: usize) -> usize {
    class_of(len).map_or(len, capacity)
}

const fn capacity(class: usize) -> usize {
    ((4 + class % 4) << (14 + class / 4)) + 64
}

/// The class whose capacity is the next from `len` up.
fn class_of(len: usize) -> Option<usize> {
    if len < LEAST { None } else { (0..CLASSES).find(|class| len <= capacity(*class)) }
}

/// The class whose capacity is just this.
fn made_for(room: usize) -> Option<usize> {
    class_of(room).filter(|class| capacity(*class) == room)
}

/// Vectors of one capacity, their bytes as they were left: initialised, of no meaning.
struct Class {
    idle: Vec<Vec<u8>>,
    /// When one was taken last, or the first was left.
    since: Option<Instant>,
}

struct Shelf {
    classes: [Class; CLASSES],
    bytes: usize,
}

impl Shelf {
    const fn new() -> Self {
        Self { classes: [const { Class { idle: Vec::new(), since: None } }; CLASSES], bytes: 0 }
    }

    /// A vector with room for what the class is for, or of one of the next two: less than twice as much.
    fn take(&mut self, class: usize, now: Instant) -> Option<Vec<u8>> {
        let classes = &mut self.classes[class..CLASSES.min(class + 3)];
        let data = classes.iter_mut().find_map(|class| {
            let data = class.idle.pop()?;
            class.since = Some(now);
            Some(data)
        })?;
        self.bytes -= data.capacity();
        Some(data)
    }

    /// Gives back what is not kept.
    fn give(&mut self, data: Vec<u8>, now: Instant) -> Option<Vec<u8>> {
        let room = data.capacity();
        match made_for(room).filter(|_| self.bytes + room <= MOST) {
            Some(class) => {
                self.bytes += room;
                self.classes[class].since.get_or_insert(now);
                self.classes[class].idle.push(data);
                None
            }
            None => Some(data),
        }
    }

    fn age(&mut self, now: Instant) -> Vec<Vec<Vec<u8>>> {
        let is_old =
            |class: &&mut Class| class.since.is_some_and(|since| now.saturating_duration_since(since) >= KEPT_FOR);
        let old = self.classes.iter_mut().filter(is_old).map(|class| {
            class.since = None;
            mem::take(&mut class.idle)
        });
        let old: Vec<_> = old.collect();
        self.bytes -= old.iter().flatten().map(Vec::capacity).sum::<usize>();
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(len: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(room_for(len));
        data.resize(len, 1);
        data
    }

    #[test]
    fn capacities_step_up_to_the_largest_frame() {
        assert!((LEAST..LEAST + 100).contains(&capacity(0)));
        for class in 1..CLASSES {
            assert!((capacity(class - 1) + 1..=capacity(class - 1) / 4 * 5).contains(&capacity(class)), "{class}");
        }
        assert!(class_of((2 << 20) + 4096).is_some());
        assert_eq!(class_of(LEAST - 1), None);
        assert_eq!(class_of(LEAST), Some(0));
        assert_eq!(class_of(LEAST + 36), Some(0));
        assert_eq!(class_of(LEAST + 100), Some(1));
        assert_eq!(class_of(capacity(CLASSES - 1) + 1), None);
    }

    #[test]
    fn parts_are_joined_whatever_was_there_before() {
        let _running = Running::new();
        // Other tests use the shelf of the process, too: what comes from it is not told here.
        for len in [0, 1000, LEAST, 900_000, 1 << 20, 5 << 20] {
            let body: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let data = joined(&[&[7; 36], &body]);
            assert!(data[..36] == [7; 36] && data[36..] == body, "{len}");
            give(data);
            let other = joined(&[&vec![9; len / 2]]);
            assert!(other.len() == len / 2 && other.iter().all(|byte| *byte == 9), "{len}");
            give(other);
        }
    }

    #[test]
    fn what_was_given_is_taken_once() {
        let (mut shelf, now) = (Shelf::new(), Instant::now());
        let data = made((1 << 20) + 36);
        let at = data.as_ptr();
        assert!(shelf.give(data, now).is_none());
        let class = class_of(1 << 20).unwrap();
        let taken = shelf.take(class, now).unwrap();
        assert!(taken.as_ptr() == at && taken.len() == (1 << 20) + 36, "its bytes are still initialised");
        assert!(shelf.take(class, now).is_none() && shelf.bytes == 0);
    }

    #[test]
    fn a_payload_takes_less_than_twice_what_it_needs() {
        let (mut shelf, now) = (Shelf::new(), Instant::now());
        (0..CLASSES).for_each(|class| assert!(shelf.give(made(capacity(class)), now).is_none()));
        for len in (LEAST..2 << 20).step_by(1777) {
            let class = class_of(len).unwrap();
            let data = shelf.take(class, now).unwrap();
            assert!((len..2 * len).contains(&data.capacity()), "{len}");
            shelf.give(data, now);
        }
        let mut shelf = Shelf::new();
        shelf.give(made(2 << 20), now);
        assert!(shelf.take(class_of(1 << 20).unwrap(), now).is_none());
    }

    #[test]
    fn nothing_is_kept_of_other_capacities_and_no_more_than_the_bound() {
        let mut shelf = Shelf::new();
        for other in [1000, LEAST, 1 << 20, (1 << 20) + 36, 64 << 20] {
            assert!(shelf.give(Vec::with_capacity(other), Instant::now()).is_some());
        }
        assert_eq!(shelf.bytes, 0);
        let room = room_for(1 << 20);
        let refused = (0..MOST / room + 5).filter_map(|_| shelf.give(made(1 << 20), Instant::now())).count();
        assert_eq!((shelf.bytes, refused), (MOST / room * room, 5));
    }

    #[test]
    fn what_nobody_asks_for_is_freed_whatever_comes() {
        let (mut shelf, now) = (Shelf::new(), Instant::now());
        let later = now + KEPT_FOR - Duration::from_millis(1);
        assert!(shelf.age(now).is_empty());
        shelf.give(made(LEAST), now);
        shelf.give(made(1 << 20), now);
        shelf.give(made(LEAST), later);
        assert!(shelf.age(later).is_empty());
        let used = shelf.take(class_of(1 << 20).unwrap(), later).unwrap();
        shelf.give(used, later);
        assert_eq!(shelf.age(now + KEPT_FOR).iter().flatten().count(), 2, "only the small ones");
        assert_eq!(shelf.bytes, room_for(1 << 20));
        assert_eq!(shelf.age(later + KEPT_FOR).len(), 1);
        assert!(shelf.bytes == 0 && shelf.take(0, later).is_none());
    }
}
