//! Synthetic events through the real ring and leases: bounds, drops, exactly-once returns, steady memory. Tests run one
//! at a time.

mod common;

use std::{
    collections::HashSet,
    fs, ptr, slice,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use common::{Host, config};
use preconf_native::{
    abi::{PcnConfig, PcnEvent, PcnEventKind, PcnStatus, PcnVerdict},
    exports::{events, testing::pcn_test_emit},
};

/// One of them counts the process' memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(change: impl FnOnce(&mut PcnConfig)) -> Host {
    let mut settings = config();
    change(&mut settings);
    let mut host = Host::start(&settings);
    host.address();
    host
}

fn emit(host: &Host, count: u32, len: u32) {
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_emit(host.node, count, len) }, PcnStatus::Ok);
}

fn number_of(event: &PcnEvent) -> u64 {
    // SAFETY: the event's lease is on loan.
    let data = unsafe { slice::from_raw_parts(event.data, event.len as usize) };
    u64::from_le_bytes(*data.first_chunk().expect("eight bytes"))
}

#[test]
fn gossip_beyond_the_leased_bytes_is_dropped_and_counted() {
    let _alone = alone();
    // Room for the texts of control events beside ten payloads.
    let mut host = start(|c| c.max_leased_bytes = 10 * 1000 + 500);
    emit(&host, 100, 1000);
    let dropped = host.next(PcnEventKind::Dropped);
    assert_eq!(dropped.count, 90);
    host.next(PcnEventKind::PeerDisconnected);
    let gossip: Vec<_> = host.seen.iter().filter(|seen| seen.kind == PcnEventKind::Gossip as u8).cloned().collect();
    assert_eq!(gossip.len(), 10);
    assert_eq!(host.stats().leased_bytes, 10 * 1000);
    for seen in &gossip {
        assert_eq!(host.verdict(seen, 1), PcnStatus::Ok);
    }
    emit(&host, 5, 1000);
    host.next(PcnEventKind::PeerDisconnected);
    let gossip = host.seen.iter().filter(|seen| seen.kind == PcnEventKind::Gossip as u8).count();
    assert_eq!(gossip, 15, "room again after the verdicts");
    host.end();
}

#[test]
fn gossip_beyond_the_ring_is_dropped_and_control_is_not() {
    let _alone = alone();
    let mut host = start(|c| (c.ring_slots, c.ring_reserved) = (64, 16));
    while host.read(300) == PcnStatus::Ok {}
    for _ in 0..50 {
        emit(&host, 100, 64);
    }
    thread::sleep(Duration::from_millis(500));
    let seen = host.end();
    let count = |kind: PcnEventKind| seen.iter().filter(|seen| seen.kind == kind as u8).count();
    assert_eq!((count(PcnEventKind::PeerConnected), count(PcnEventKind::PeerDisconnected)), (50, 50));
    let dropped: u32 = seen.iter().filter(|s| s.kind == PcnEventKind::Dropped as u8).map(|s| s.count).sum();
    assert_eq!(count(PcnEventKind::Gossip) + dropped as usize, 5000);
    assert_eq!(count(PcnEventKind::Gossip), 47, "48 slots are not reserved, the first has PeerConnected");
    let numbers: Vec<u64> =
        seen.iter().filter(|s| s.kind == PcnEventKind::PeerConnected as u8).map(|s| s.peer).collect();
    assert!(numbers.is_sorted() && numbers.iter().collect::<HashSet<_>>().len() == 50, "{numbers:?}");
}

#[test]
fn a_lease_is_good_once_whoever_gives_it_back() {
    let _alone = alone();
    let mut host = start(|_| {});
    emit(&host, 500, 382);
    host.next(PcnEventKind::PeerDisconnected);
    let gossip: Vec<_> = host.seen.iter().filter(|s| s.kind == PcnEventKind::Gossip as u8).cloned().collect();
    assert_eq!(gossip.len(), 500);
    let node = host.node;
    let fresh: usize = thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let gossip = &gossip;
                scope.spawn(move || {
                    gossip.iter().filter(|seen| give_back(node, seen, caller % 2 == 0) == PcnStatus::Ok).count()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).sum()
    });
    assert_eq!(fresh, 500);
    assert_eq!(host.stats().leased_bytes, 0);

    // The slots are in use again by now; the old leases still name nothing.
    emit(&host, 500, 382);
    host.next(PcnEventKind::PeerDisconnected);
    let old: Vec<u64> = gossip.iter().map(|seen| seen.lease).collect();
    // SAFETY: none of them is on loan.
    assert_eq!(unsafe { events::pcn_node_release(node, old.as_ptr(), 500) }, PcnStatus::StaleLease);
    assert_eq!(host.stats().leased_bytes, 500 * 382);

    let leases: Vec<u64> =
        host.seen.iter().skip_while(|s| s.kind != PcnEventKind::PeerDisconnected as u8).map(|s| s.lease).collect();
    let mixed: Vec<u64> = leases.into_iter().filter(|lease| *lease != 0).flat_map(|lease| [lease, lease, 0]).collect();
    // SAFETY: nothing reads the payloads any more.
    let status = unsafe { events::pcn_node_release(node, mixed.as_ptr(), mixed.len() as u32) };
    assert_eq!(status, PcnStatus::StaleLease);
    assert_eq!(host.stats().leased_bytes, 0, "the fresh ones among them were given back");
    host.end();
}

fn give_back(node: u64, seen: &common::Seen, by_verdict: bool) -> PcnStatus {
    let verdict = PcnVerdict { token: seen.token, lease: seen.lease, verdict: 0, reserved: [0; 7] };
    // SAFETY: the arguments live through the calls; the payload was copied.
    unsafe {
        if by_verdict {
            events::pcn_node_verdicts(node, &verdict, 1)
        } else {
            events::pcn_node_release(node, &seen.lease, 1)
        }
    }
}

/// Reads in place, without copies, until `count` gossip events came; returns how many were dropped instead.
fn consume(node: u64, count: u32) -> u64 {
    let (mut next, mut dropped) = (0, 0);
    let (mut first, mut len) = (ptr::null::<PcnEvent>(), 0);
    let mut leases = Vec::with_capacity(1024);
    let mut last_time = 0;
    loop {
        // SAFETY: the pointers are this function's own; the run and its payloads are read before they are given back.
        unsafe {
            assert_eq!(events::pcn_node_events(node, 20_000, &mut first, &mut len), PcnStatus::Ok);
            let mut ended = false;
            for event in slice::from_raw_parts(first, len as usize) {
                assert!(event.at_ns >= last_time);
                last_time = event.at_ns;
                if event.kind == PcnEventKind::Gossip as u8 {
                    assert_eq!(number_of(event), event.token);
                    assert!(event.token >= next, "reordered");
                    next = event.token + 1;
                }
                dropped += if event.kind == PcnEventKind::Dropped as u8 { u64::from(event.count) } else { 0 };
                ended |= event.kind == PcnEventKind::PeerDisconnected as u8;
                if event.lease != 0 {
                    leases.push(event.lease);
                }
            }
            let released = events::pcn_node_release(node, leases.as_ptr(), leases.len() as u32);
            assert_eq!((released, events::pcn_node_advance(node, len)), (PcnStatus::Ok, PcnStatus::Ok));
            leases.clear();
            if ended {
                assert!(next <= u64::from(count));
                return dropped;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
#[cfg(target_os = "linux")]
fn a_million_events_leave_no_memory_behind() {
    let _alone = alone();
    const ROUNDS: u32 = 10;
    const EACH: u32 = 100_000;
    let host = start(|c| (c.ring_slots, c.ring_reserved) = (16_384, 1024));
    for _ in 0..2 {
        emit(&host, EACH, 382);
        consume(host.node, EACH);
    }
    let (before, start) = (resident_kib(), Instant::now());
    let mut dropped = 0;
    for _ in 0..ROUNDS {
        emit(&host, EACH, 382);
        dropped += consume(host.node, EACH);
    }
    let grown = resident_kib().saturating_sub(before);
    println!("{ROUNDS} × {EACH} events in {:?}, {dropped} dropped, {grown} KiB more", start.elapsed());
    assert!(grown < 16 * 1024, "{grown} KiB more after a million events");
    assert_eq!(host.stats().leased_bytes, 0);
    host.end();
}
