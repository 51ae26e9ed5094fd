//! Loom models: each explores every interleaving and every reordering the memory model allows, within loom's bounds.
//!
//! Two things catch a fault besides the assertions: loom reports a deadlock when every thread waits, and an access to a
//! slot or payload that is not ordered after the other side's.

use loom::{model::Builder, thread};

use crate::{Issuer, LeaseTable, Producer, Ring, Waited, sync::Arc};

/// A descriptor that shows when it was torn: the second word is the first one's complement.
#[derive(Clone, Copy)]
struct Whole(u32, u32);

impl Whole {
    fn new(n: u32) -> Self {
        Self(n, !n)
    }

    fn number(self) -> u32 {
        assert_eq!(self.1, !self.0, "torn descriptor");
        self.0
    }
}

fn explore(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Reads `count` descriptors without a deadline and holds that they are 0, 1, 2, … .
fn read_in_order(mut consumer: crate::Consumer<Whole>, count: u32) {
    let mut next = 0;
    while next < count {
        let Waited::Ready(run) = consumer.wait(None) else { panic!("nobody interrupts") };
        for _ in 0..run {
            assert_eq!(consumer.first().number(), next, "lost or reordered");
            next += 1;
            assert!(consumer.advance(1));
        }
    }
}

/// No wake-up is lost: a consumer without a deadline gets every descriptor, though it may park before, between or
/// after the two flushes. (A lost one is a deadlock.)
#[test]
fn loom_no_lost_wake_up() {
    explore(4, || {
        let (mut producer, consumer) = Ring::with_slots(4, 0);
        let reader = thread::spawn(move || read_in_order(consumer, 2));
        for n in 0..2 {
            producer.push_control(Whole::new(n));
            producer.flush();
        }
        reader.join().unwrap();
    });
}

/// Nothing is torn, reordered, lost or overwritten before it was given back, when a ring of two slots wraps around and
/// control descriptors spill: loom refuses a write to a slot whose reader has not handed it back with release order.
#[test]
fn loom_wrap_and_spill_keep_order() {
    explore(3, || {
        let (mut producer, consumer) = Ring::with_slots(2, 0);
        let reader = thread::spawn(move || read_in_order(consumer, 5));
        for n in 0..5 {
            producer.push_control(Whole::new(n));
            if n % 2 == 0 {
                producer.flush();
            }
        }
        reader.join().unwrap();
    });
}

/// Bulk descriptors that are taken arrive in order between control ones; refused ones come back whole; the reserved
/// slot stays free for control.
#[test]
fn loom_bulk_is_taken_or_refused() {
    explore(3, || {
        let (mut producer, mut consumer) = Ring::with_slots(2, 1);
        let writer = thread::spawn(move || {
            let mut taken = 0;
            for n in 0..3 {
                taken += u32::from(producer.push_bulk(Whole::new(n)).map_err(Whole::number).is_ok());
                producer.flush();
            }
            producer.push_control(Whole::new(9));
            producer.flush();
            taken
        });
        let (mut seen, mut last) = (0, None);
        while last != Some(9) {
            assert!(matches!(consumer.wait(None), Waited::Ready(_)));
            let number = consumer.first().number();
            assert!(last.is_none_or(|last| last < number), "reordered");
            last = Some(number);
            seen += 1;
            assert!(consumer.advance(1));
        }
        assert_eq!(writer.join().unwrap() + 1, seen);
    });
}

/// An interrupt is never lost, whether it comes before the wait, while the consumer parks, or beside a flush.
#[test]
fn loom_interrupt_is_latched() {
    explore(4, || {
        let (mut producer, mut consumer) = Ring::with_slots(2, 0);
        let waker = consumer.waker();
        let interrupter = thread::spawn(move || waker.interrupt());
        let writer = thread::spawn(move || {
            producer.push_control(Whole::new(0));
            producer.flush();
        });
        let (mut events, mut interrupts) = (0, 0);
        while events + interrupts < 2 {
            match consumer.wait(None) {
                Waited::Ready(run) => {
                    events += run;
                    assert!(consumer.advance(run));
                }
                Waited::Interrupted => interrupts += 1,
                Waited::TimedOut => panic!("there is no deadline"),
            }
        }
        assert_eq!((events, interrupts), (1, 1));
        interrupter.join().unwrap();
        writer.join().unwrap();
    });
}

/// Of two threads that release one lease exactly one succeeds, and the payload is freed once (a second free or a free
/// beside a read is an unordered access).
#[test]
fn loom_release_is_exactly_once() {
    for len in [1, crate::SMALL + 1] {
        explore(4, move || {
            let (table, mut issuer) = LeaseTable::new(drop);
            let (lease, _) = issuer.issue(vec![7; len]).unwrap();
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || table.release(lease))
            };
            let here = table.release(lease);
            assert!(issuer.issue(vec![8; len]).unwrap().0 != lease, "lent again as the same");
            assert!(here ^ other.join().unwrap(), "released twice or never");
            assert_eq!(table.leased_bytes(), len as u64);
        });
    }
}

/// A stale release never takes the slot's next payload, though the issuer reuses the slot at the same time.
#[test]
fn loom_stale_release_spares_the_next_payload() {
    explore(4, || {
        let (table, mut issuer) = LeaseTable::new(drop);
        let (old, _) = issuer.issue(vec![1]).unwrap();
        assert!(table.release(old));
        let stale = {
            let table = Arc::clone(&table);
            thread::spawn(move || assert!(!table.release(old), "a stale lease was taken"))
        };
        let (new, _) = issuer.issue(vec![2, 2]).unwrap();
        assert_ne!(old, new);
        assert_eq!(table.leased_bytes(), 2);
        stale.join().unwrap();
        assert!(table.release(new));
    });
}

/// Releases from two threads, one of them of two at once, while the issuer issues: every slot comes back once, none is
/// given to two payloads.
#[test]
fn loom_returned_list_loses_nothing() {
    explore(3, || {
        let (table, mut issuer) = LeaseTable::new(drop);
        let issue = |issuer: &mut Issuer| issuer.issue(vec![1]).unwrap().0;
        let (a, b, c) = (issue(&mut issuer), issue(&mut issuer), issue(&mut issuer));
        let releasers = [vec![a, b], vec![c]].map(|leases| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut returns = table.returns();
                assert!(leases.into_iter().all(|lease| returns.release(lease)));
            })
        });
        let mut again = vec![issue(&mut issuer)];
        for releaser in releasers {
            releaser.join().unwrap();
        }
        again.extend((0..3).map(|_| issue(&mut issuer)));
        let mut indices: Vec<_> = again.iter().map(|lease| lease & 0xff_ffff).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 4, "one slot, two payloads");
        assert_eq!(table.leased_bytes(), 4);
    });
}

/// The whole path: a payload is issued, its lease crosses the ring, the reader gives it back, its room is used again.
#[test]
fn loom_payload_crosses_and_returns() {
    explore(3, || {
        let (table, mut issuer) = LeaseTable::new(drop);
        let (mut producer, mut consumer): (Producer<u64>, _) = Ring::with_slots(2, 0);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                for _ in 0..2 {
                    assert!(matches!(consumer.wait(None), Waited::Ready(_)));
                    assert!(table.release(consumer.first()));
                    assert!(consumer.advance(1));
                }
            })
        };
        for n in 0..2 {
            producer.push_control(issuer.issue(vec![n]).unwrap().0);
            producer.flush();
        }
        reader.join().unwrap();
        assert_eq!(table.leased_bytes(), 0);
    });
}
