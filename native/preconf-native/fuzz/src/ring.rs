//! The ring and the leases beside a model of them: any order of pushes, flushes, reads and releases, of leases that were given back
//! before, of other tables and made up ones.

use std::collections::{HashMap, VecDeque};

use arbitrary::{Arbitrary, Unstructured};
use preconf_ring::{LeaseTable, Ring, SMALL};

const SLOTS: usize = 8;
const RESERVED: usize = 2;

#[derive(Arbitrary, Debug)]
enum Step {
    Bulk,
    Control,
    Flush,
    Poll,
    Advance(u8),
    Issue(u16),
    Release(u8),
    ReleaseAll([u8; 4]),
    Stale(u8),
    MadeUp(u64),
}

#[derive(Default)]
struct Model {
    /// Pushed, and how many of them are flushed; those not read yet.
    waiting: VecDeque<u64>,
    flushed: usize,
    next: u64,
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
                if taken {
                    model.waiting.push_back(model.next);
                }
                model.next += 1;
            }
            Step::Control => {
                producer.push_control([model.next; 8]);
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
            }
            Step::Advance(count) => {
                let count = usize::from(count);
                let advanced = consumer.advance(count);
                assert_eq!(advanced, count <= run);
                if advanced {
                    run -= count;
                    model.waiting.drain(..count);
                    model.flushed = model.flushed.saturating_sub(count);
                }
            }
            Step::Issue(len) => {
                let payload = vec![model.next as u8; usize::from(len) % (3 * SMALL)];
                model.next += 1;
                let (lease, at) = issuer.issue(payload.clone()).expect("few are on loan");
                assert!(lease != 0 && model.loans.iter().all(|(other, ..)| *other != lease));
                assert!(!model.returned.contains(&lease), "a lease is issued once");
                model.bytes += payload.len() as u64;
                model.loans.push((lease, payload, at));
            }
            Step::Release(index) => {
                if let Some(lease) = model.take(index) {
                    assert!(table.release(lease));
                }
            }
            Step::ReleaseAll(indices) => {
                let leases: Vec<u64> = indices.iter().filter_map(|index| model.take(*index)).collect();
                assert!(table.returns().release_all(&leases));
            }
            Step::Stale(index) => {
                if let Some(lease) = model.returned.get(usize::from(index)) {
                    assert!(!table.release(*lease), "given back twice");
                }
            }
            Step::MadeUp(lease) => {
                if model.loans.iter().all(|(issued, ..)| *issued != lease) {
                    assert!(!table.release(lease), "never issued, or given back");
                }
            }
        }
        model.check_loans();
        assert_eq!(table.leased_bytes(), model.bytes);
    }
}
