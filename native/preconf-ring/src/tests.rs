use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{Consumer, LeaseTable, Ring, SMALL, Waited};

/// As large as a slot, like the real descriptor.
type Wide = [u64; 8];

fn wide(n: u64) -> Wide {
    [n, !n, n, !n, n, !n, n, !n]
}

fn drain(consumer: &mut Consumer<Wide>) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let run = consumer.poll();
        if run == 0 {
            return seen;
        }
        seen.extend(consumer.run().iter().map(|w| w[0]));
        assert!(consumer.advance(run));
    }
}

#[test]
fn nothing_is_seen_before_the_flush() {
    let (mut producer, mut consumer) = Ring::with_slots(64, 8);
    producer.push_control(wide(1));
    assert_eq!(consumer.poll(), 0);
    producer.flush();
    assert_eq!(drain(&mut consumer), [1]);
}

#[test]
fn bulk_leaves_the_reserved_slots_to_control() {
    let (mut producer, mut consumer) = Ring::with_slots(8, 3);
    let taken = (0..8).filter(|n| producer.push_bulk(wide(*n)).is_ok()).count();
    assert_eq!(taken, 5);
    for n in 10..13 {
        producer.push_control(wide(n));
    }
    producer.flush();
    assert_eq!(consumer.waker().used(), 8);
    assert_eq!(drain(&mut consumer), [0, 1, 2, 3, 4, 10, 11, 12]);
    assert!(producer.push_bulk(wide(20)).is_ok());
}

#[test]
fn control_beyond_the_ring_spills_and_keeps_its_order() {
    let (mut producer, mut consumer) = Ring::with_slots(4, 1);
    for n in 0..10 {
        producer.push_control(wide(n));
    }
    assert!(producer.push_bulk(wide(99)).is_err(), "bulk must not overtake what spilled");
    producer.flush();
    assert_eq!(consumer.waker().used(), 10);
    assert_eq!(consumer.poll(), 4);
    assert!(consumer.advance(3));
    // There is room in the ring now, but 4 to 9 are older.
    producer.push_control(wide(10));
    producer.flush();
    assert_eq!(drain(&mut consumer), (3..11).collect::<Vec<_>>());
    assert!(producer.push_bulk(wide(11)).is_ok());
    producer.flush();
    assert_eq!(drain(&mut consumer), [11]);
}

#[test]
fn a_run_is_contiguous_and_stays_until_given_back() {
    let (mut producer, mut consumer) = Ring::with_slots(8, 0);
    for n in 0..6 {
        producer.push_control(wide(n));
    }
    producer.flush();
    assert_eq!(drain(&mut consumer).len(), 6);
    for n in 6..12 {
        producer.push_control(wide(n));
    }
    producer.flush();
    assert_eq!(consumer.poll(), 2, "a run ends at the end of the slots");
    assert!(!consumer.advance(3), "more than the run");
    let before = consumer.run().as_ptr();
    assert_eq!(before.addr() % 64, 0);
    for n in 12..14 {
        producer.push_control(wide(n));
    }
    producer.flush();
    assert_eq!(consumer.run().iter().map(|w| w[0]).collect::<Vec<_>>(), [6, 7]);
    assert_eq!(drain(&mut consumer), (6..14).collect::<Vec<_>>());
}

#[test]
fn waits_end_by_deadline_interrupt_or_event() {
    let (mut producer, mut consumer) = Ring::with_slots(64, 8);
    let start = Instant::now();
    assert_eq!(consumer.wait(Some(start + Duration::from_millis(30))), Waited::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(30));

    let waker = consumer.waker();
    waker.interrupt();
    assert_eq!(consumer.wait(None), Waited::Interrupted);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            waker.interrupt();
        });
        assert_eq!(consumer.wait(None), Waited::Interrupted);
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            producer.push_control(wide(5));
            producer.flush();
        });
        assert_eq!(consumer.wait(None), Waited::Ready(1));
    });
    assert_eq!(consumer.run(), [wide(5)]);
}

#[test]
fn a_million_cross_whole_and_in_order() {
    const COUNT: u64 = 1_000_000;
    let (mut producer, mut consumer) = Ring::with_slots(256, 16);
    thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..COUNT {
                if n % 7 == 0 {
                    producer.push_control(wide(n));
                } else {
                    while producer.push_bulk(wide(n)).is_err() {
                        producer.flush();
                        thread::yield_now();
                    }
                }
                if n % 16 == 0 {
                    producer.flush();
                }
            }
            producer.flush();
        });
        let mut next = 0;
        while next < COUNT {
            let Waited::Ready(run) = consumer.wait(None) else { unreachable!() };
            for (seen, n) in consumer.run().iter().zip(next..) {
                assert_eq!(*seen, wide(n));
            }
            next += run as u64;
            assert!(consumer.advance(run));
        }
    });
}

#[test]
fn a_lease_is_given_back_once() {
    let (table, mut issuer) = LeaseTable::new(drop);
    let (lease, data) = issuer.issue(vec![1, 2, 3]).unwrap();
    assert_ne!(lease, 0);
    // SAFETY: the lease is on loan.
    assert_eq!(unsafe { std::slice::from_raw_parts(data, 3) }, [1, 2, 3]);
    assert_eq!(table.leased_bytes(), 3);
    assert!(table.release(lease));
    assert!(!table.release(lease));
    assert_eq!(table.leased_bytes(), 0);
    let (next, _) = issuer.issue(vec![4]).unwrap();
    assert_ne!(next, lease);
    assert!(!table.release(lease), "the slot's new payload was taken by the old lease");
    for forged in [0, 1 << 24, u64::MAX, next + 1, next ^ 1 << 40] {
        assert!(!table.release(forged), "{forged:#x}");
    }
    assert!(table.release(next));
}

#[test]
fn slots_are_reused_and_grow() {
    let (table, mut issuer) = LeaseTable::new(drop);
    let mut indices = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let (lease, _) = issuer.issue(vec![0; 100]).unwrap();
        indices.insert(lease & 0xff_ffff);
        assert!(table.release(lease));
    }
    assert_eq!(indices.len(), 1);
    let held: Vec<_> = (0..5000).map(|n: u32| issuer.issue(n.to_le_bytes().to_vec()).unwrap()).collect();
    for (n, (_, data)) in held.iter().enumerate() {
        // SAFETY: the lease is on loan.
        let bytes = unsafe { std::slice::from_raw_parts(*data, 4) };
        assert_eq!(bytes, (n as u32).to_le_bytes());
    }
    assert!(held.iter().all(|(lease, _)| table.release(*lease)));
}

#[test]
fn releases_from_many_threads_add_up() {
    let (table, mut issuer) = LeaseTable::new(drop);
    for round in 0..20 {
        let size = if round % 2 == 0 { 382 } else { 64 << 10 };
        let leases: Vec<u64> = (0..400).map(|_| issuer.issue(vec![1; size]).unwrap().0).collect();
        let released: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (table, leases) = (Arc::clone(&table), &leases);
                    scope.spawn(move || leases.iter().filter(|lease| table.release(**lease)).count())
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(released, 400);
        assert_eq!(table.leased_bytes(), 0);
    }
}

#[test]
fn bytes_arrive_whole_on_both_sides_of_the_bound() {
    let (table, mut issuer) = LeaseTable::new(drop);
    for len in [1, SMALL - 1, SMALL, SMALL + 1, 1 << 20] {
        let payload: Vec<u8> = (0..len).map(|n| (n * 7 + len) as u8).collect();
        let (lease, data) = issuer.issue(payload.clone()).unwrap();
        // SAFETY: the lease is on loan.
        assert_eq!(unsafe { std::slice::from_raw_parts(data, len) }, payload, "{len}");
        assert_eq!(table.leased_bytes(), len as u64);
        assert!(table.release(lease));
    }
    assert_eq!(table.leased_bytes(), 0);
}

#[test]
fn leases_given_back_together_come_back_each() {
    let (table, mut issuer) = LeaseTable::new(drop);
    let leases: Vec<u64> = (0..100).map(|n| issuer.issue(vec![1; n * 20 + 1]).unwrap().0).collect();
    let mut returns = table.returns();
    assert!(leases.iter().all(|lease| returns.release(*lease)));
    assert!(!leases.iter().any(|lease| returns.release(*lease)), "twice");
    drop(returns);
    assert_eq!(table.leased_bytes(), 0);
    let again: std::collections::HashSet<u64> =
        (0..100).map(|_| issuer.issue(vec![1]).unwrap().0 & 0xff_ffff).collect();
    assert_eq!(again, leases.iter().map(|lease| lease & 0xff_ffff).collect(), "the slots are used again");
}
