//! The ring and the leases beside a model of them: any order of pushes, flushes, reads and releases, of leases that were given back
//! before and of made up ones.

use std::collections::{HashMap, VecDeque};

use arbitrary::{Arbitrary, Unstructured};
use preconf_ring::{Issuer, LeaseTable, Ring, SMALL};

use crate::reached;

/// What its inputs come to.
pub(crate) const ENDS: &[&str] =
    &["read", "spilled", "no room", "given back", "many given back", "stale", "made up", "second chunk"];

const SLOTS: usize = 8;
const RESERVED: usize = 2;

#[derive(Arbitrary, Debug)]
enum Step {
    Bulk,
    Control,
    Flush,
    Poll,
    Advance(u8),
    Issue { len: u16, times: u8 },
    Release(u8),
    ReleaseAll(Vec<u8>),
    ReleaseTwice(u8),
    Stale(u8),
    MadeUp(u8, u64),
}

#[derive(Default)]
struct Model {
    /// Pushed and not read yet; how many of them are flushed.
    waiting: VecDeque<u64>,
    flushed: usize,
    next: u64,
    /// Bulk taken since the consumer gave anything back: never more than the ring has for it.
    bulk: usize,
    /// Most leases that were on loan at once: no more slots than that are ever needed.
    peak: usize,
    /// The lease, what it holds and where it stands.
    loans: Vec<(u64, Vec<u8>, *const u8)>,
    returned: Vec<u64>,
    bytes: u64,
}

impl Model {
    fn check_loans(&self) {
        let mut places = HashMap::new();
        for (lease, expected, at) in &self.loans {
            // SAFETY: the lease is on loan: its bytes stay.
            let bytes = unsafe { std::slice::from_raw_parts(*at, expected.len()) };
            assert!(bytes == expected, "lease {lease:x} changed");
            assert!(expected.is_empty() || places.insert(*at, *lease).is_none(), "two loans in one place");
        }
    }

    fn issue(&mut self, issuer: &mut Issuer, len: u16) {
        let payload = vec![self.next as u8; usize::from(len) % (3 * SMALL)];
        self.next += 1;
        let (lease, at) = issuer.issue(payload.clone()).expect("few are on loan");
        assert!(self.loans.iter().all(|(other, ..)| *other != lease));
        assert!(!self.returned.contains(&lease), "a lease is issued once");
        self.bytes += payload.len() as u64;
        self.loans.push((lease, payload, at));
        self.peak = self.peak.max(self.loans.len());
        if self.peak > 64 {
            reached("second chunk");
        }
        assert!((1..=self.peak).contains(&(lease as usize & 0xff_ffff)), "a slot that was given back is lost");
    }

    fn take(&mut self, index: u8) -> Option<u64> {
        (!self.loans.is_empty()).then(|| {
            let (lease, held, _) = self.loans.swap_remove(usize::from(index) % self.loans.len());
            self.bytes -= held.len() as u64;
            self.returned.push(lease);
            lease
        })
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(data)) else { return };
    let (mut producer, mut consumer) = Ring::with_slots::<[u64; 8]>(SLOTS, RESERVED);
    let (table, mut issuer) = LeaseTable::new(drop);
    let mut model = Model::default();
    let mut run = 0;
    for step in steps {
        match step {
            Step::Bulk => {
                let had_room = producer.has_bulk_room();
                let taken = producer.push_bulk([model.next; 8]).is_ok();
                assert_eq!(had_room, taken);
                // Nothing in the ring: there is room.
                assert!(taken || !model.waiting.is_empty());
                if !taken {
                    reached("no room");
                } else {
                    model.waiting.push_back(model.next);
                    model.bulk += 1;
                    assert!(model.bulk <= SLOTS - RESERVED, "bulk in the reserved slots");
                }
                model.next += 1;
            }
            Step::Control => {
                producer.push_control([model.next; 8]);
                if model.waiting.len() >= SLOTS {
                    reached("spilled");
                }
                model.waiting.push_back(model.next);
                model.next += 1;
            }
            Step::Flush => {
                producer.flush();
                model.flushed = model.waiting.len();
            }
            Step::Poll => {
                run = consumer.poll();
                let seen: Vec<u64> = consumer.run().iter().map(|wide| wide[0]).collect();
                assert_eq!((seen.len(), consumer.run().len()), (run, run));
                assert!(model.waiting.iter().take(run).copied().eq(seen), "out of order");
                assert!(run > 0 || model.flushed == 0, "flushed and not seen");
                assert!(run == 0 || Some(&consumer.first()[0]) == model.waiting.front());
            }
            Step::Advance(count) => {
                // One more than there is, at times.
                let count = usize::from(count) % (run + 2);
                let advanced = consumer.advance(count);
                assert_eq!(advanced, count <= run);
                if advanced {
                    run -= count;
                    model.waiting.drain(..count);
                    if count > 0 {
                        reached("read");
                    }
                    model.flushed = model.flushed.saturating_sub(count);
                    model.bulk = if count > 0 { 0 } else { model.bulk };
                }
            }
            Step::Issue { len, times } => (0..=times % 16).for_each(|_| model.issue(&mut issuer, len)),
            Step::Release(index) => {
                if let Some(lease) = model.take(index) {
                    assert!(table.release(lease));
                    reached("given back");
                }
            }
            Step::ReleaseAll(indices) => {
                let leases: Vec<u64> = indices.iter().filter_map(|index| model.take(*index)).collect();
                assert!(table.returns().release_all(&leases));
                if leases.len() > 8 {
                    reached("many given back");
                }
            }
            Step::ReleaseTwice(index) => {
                if let Some(lease) = model.take(index) {
                    assert!(!table.returns().release_all(&[lease, lease]), "given back twice");
                }
            }
            Step::Stale(index) => {
                if let Some(lease) = model.returned.iter().rev().nth(usize::from(index)) {
                    assert!(!table.release(*lease), "given back twice");
                    reached("stale");
                }
            }
            Step::MadeUp(index, bits) => {
                // Near a real one, or anything.
                let lease = model.returned.get(usize::from(index)).copied().unwrap_or_default() ^ bits;
                if model.loans.iter().all(|(issued, ..)| *issued != lease) {
                    assert!(!table.release(lease), "never issued, or given back");
                    reached("made up");
                }
            }
        }
        model.check_loans();
        assert_eq!(table.leased_bytes(), model.bytes);
    }
}
