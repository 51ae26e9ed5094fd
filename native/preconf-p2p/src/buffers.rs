//! Memory of large payloads, used again.
//!
//! A general allocator gives the pages of a large block back when it is freed, and takes new ones for the next: for a
//! txlist of 1 MiB these are 256 page faults, more work than to copy it. What payloads leave behind is kept here for a
//! few seconds instead, bounded, for all nodes of the process.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Payloads below are left to the allocator, which serves them well.
const LEAST: usize = 64 << 10;
/// Capacities kept: four steps to each doubling, so that lists of about one length serve each other. The last one has
/// room for the largest frame.
const CLASSES: usize = 22;
/// Bytes kept at most.
const MOST: usize = 32 << 20;
/// What nobody has taken or left anything for so long goes back to the allocator.
const KEPT_FOR: Duration = Duration::from_secs(3);

static SHELF: Mutex<Shelf> = Mutex::new(Shelf::new());

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parts, one after the other, in a vector that has been used before where there is one.
pub fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.len()).sum();
    let kept = shelf().take(len);
    let mut data = kept.unwrap_or_else(|| Vec::with_capacity(room_for(len)));
    data.clear();
    parts.iter().for_each(|part| data.extend_from_slice(part));
    data
}

/// Leaves a payload's memory to the next one. Vectors of other capacities than [`joined`] makes are freed.
pub fn give(data: Vec<u8>) {
    // Freed, if so, where nobody waits for it.
    let refused = shelf().give(data, Instant::now());
    drop(refused);
}

/// The capacity to make a vector of `len` bytes with, so that [`give`] can keep it.
pub(crate) fn room_for(len: usize) -> usize {
    class_of(len).map_or(len, capacity)
}

/// A kept vector of `len` bytes, which are those of some other payload until they are written over.
pub(crate) fn filled(len: usize) -> Option<Vec<u8>> {
    let mut data = shelf().take(len)?;
    data.resize(len, 0);
    Some(data)
}

/// Frees everything when nobody has asked for any of it in a while; to be called now and then.
pub(crate) fn age(now: Instant) {
    let old = shelf().age(now);
    drop(old);
}

const fn capacity(class: usize) -> usize {
    (4 + class % 4) << (14 + class / 4)
}

/// The class whose capacity is the next from `len` up.
fn class_of(len: usize) -> Option<usize> {
    if len < LEAST { None } else { (0..CLASSES).find(|class| len <= capacity(*class)) }
}

type Classes = [Vec<Vec<u8>>; CLASSES];

struct Shelf {
    /// Vectors of each class, their bytes as they were left: initialised, of no meaning.
    idle: Classes,
    bytes: usize,
    used: Option<Instant>,
}

impl Shelf {
    const fn new() -> Self {
        Self { idle: [const { Vec::new() }; CLASSES], bytes: 0, used: None }
    }

    /// A vector with room for so many bytes, of up to twice that.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let class = class_of(len)?;
        let data = self.idle[class..CLASSES.min(class + 5)].iter_mut().find_map(Vec::pop)?;
        self.bytes -= data.capacity();
        Some(data)
    }

    /// Gives back what is not kept.
    fn give(&mut self, data: Vec<u8>, now: Instant) -> Option<Vec<u8>> {
        let room = data.capacity();
        match class_of(room).filter(|class| capacity(*class) == room && self.bytes + room <= MOST) {
            Some(class) => {
                self.bytes += room;
                self.used = Some(now);
                self.idle[class].push(data);
                None
            }
            None => Some(data),
        }
    }

    fn age(&mut self, now: Instant) -> Option<Classes> {
        self.used.filter(|used| now.saturating_duration_since(*used) >= KEPT_FOR)?;
        Some(mem::replace(self, Self::new()).idle)
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
        assert_eq!(capacity(0), LEAST);
        for class in 1..CLASSES {
            assert!((capacity(class - 1) + 1..=capacity(class - 1) / 4 * 5).contains(&capacity(class)), "{class}");
        }
        assert!(class_of((2 << 20) + 4096).is_some());
        assert_eq!(class_of(LEAST - 1), None);
        assert_eq!(class_of(LEAST), Some(0));
        assert_eq!(class_of(LEAST + 1), Some(1));
        assert_eq!(class_of(capacity(CLASSES - 1) + 1), None);
    }

    #[test]
    fn parts_are_joined_whatever_was_there_before() {
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
        let mut shelf = Shelf::new();
        let data = made((1 << 20) + 36);
        let at = data.as_ptr();
        assert!(shelf.give(data, Instant::now()).is_none());
        let taken = shelf.take(1 << 20).unwrap();
        assert!(taken.as_ptr() == at && taken.len() == (1 << 20) + 36, "its bytes are still initialised");
        assert!(shelf.take(1 << 20).is_none() && shelf.bytes == 0);
    }

    #[test]
    fn a_small_payload_takes_no_large_vector() {
        let mut shelf = Shelf::new();
        shelf.give(made(2 << 20), Instant::now());
        assert!(shelf.take(1000).is_none() && shelf.take(LEAST).is_none());
        assert!(shelf.take(1 << 20).is_some(), "half of it is used");
    }

    #[test]
    fn nothing_is_kept_of_other_capacities_and_no_more_than_the_bound() {
        let mut shelf = Shelf::new();
        for other in [1000, (1 << 20) + 36, 64 << 20] {
            assert!(shelf.give(Vec::with_capacity(other), Instant::now()).is_some());
        }
        assert_eq!(shelf.bytes, 0);
        let refused = (0..MOST / (1 << 20) + 5).filter_map(|_| shelf.give(made(1 << 20), Instant::now())).count();
        assert_eq!((shelf.bytes, refused), (MOST, 5));
    }

    #[test]
    fn what_nobody_asks_for_is_freed() {
        let (mut shelf, now) = (Shelf::new(), Instant::now());
        assert!(shelf.age(now).is_none());
        shelf.give(made(LEAST), now);
        assert!(shelf.age(now + KEPT_FOR - Duration::from_millis(1)).is_none());
        assert!(shelf.age(now + KEPT_FOR).is_some());
        assert!(shelf.bytes == 0 && shelf.take(LEAST).is_none());
    }
}
