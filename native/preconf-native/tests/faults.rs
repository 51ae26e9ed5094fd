//! What a node does when its own code goes wrong: always a `Faulted` that says where, then `Stopped`, and no panic or
//! hang in the caller.

mod common;

use std::time::{Duration, Instant};

use common::{Host, Seen, config, pair};
use preconf_native::{
    abi::{PcnEventKind, PcnStatus},
    exports::testing::{pcn_test_hang, pcn_test_panic, pcn_test_panic_task},
};

fn assert_fault(seen: &[Seen], text: &str) {
    let [.., fault, stopped] = seen else { panic!("{seen:?}") };
    assert_eq!(stopped.kind, PcnEventKind::Stopped as u8);
    assert_eq!(fault.kind, PcnEventKind::Faulted as u8);
    assert!(fault.text().contains(text), "{}", fault.text());
    assert_eq!(seen.iter().filter(|seen| seen.kind == PcnEventKind::Faulted as u8).count(), 1);
}

#[test]
fn a_panic_in_an_export_ends_that_node_alone() {
    let (mut a, b) = pair(|_| {});
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_panic(a.node) }, PcnStatus::Panic);
    assert_eq!(a.publish(0, b"x", 1), PcnStatus::Stopped);
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_panic(a.node) }, PcnStatus::Panic, "again, on a node that is going");
    let seen = a.end_by_itself();
    assert_fault(&seen, "exports/testing.rs");
    assert_fault(&seen, "asked for by a test");
    assert_eq!(b.publish(0, b"x", 1), PcnStatus::Ok);
    b.end();
}

#[test]
fn a_panic_in_the_nodes_task_is_told() {
    let (mut a, mut b) = pair(|_| {});
    assert_eq!(a.request(0, &b.peer_id(), b"", 3), PcnStatus::Ok);
    b.next(PcnEventKind::Request);
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_panic_task(a.node) }, PcnStatus::Ok);
    let seen = a.end_by_itself();
    assert_fault(&seen, "src/testing.rs");
    b.next(PcnEventKind::PeerDisconnected);
    b.end();
}

#[test]
fn a_stop_while_it_faults_still_ends_once() {
    for _ in 0..20 {
        let mut host = Host::start(&config());
        // SAFETY: no pointer is passed.
        unsafe { pcn_test_panic_task(host.node) };
        assert_eq!(host.stop(), PcnStatus::Ok);
        // SAFETY: no pointer is passed.
        assert_eq!(unsafe { pcn_test_panic(host.node) }, PcnStatus::Panic);
        host.end_by_itself();
    }
}

#[test]
fn a_task_that_hangs_holds_nobody_up() {
    let mut host = Host::start(&config());
    host.address();
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_hang(host.node, 2000) }, PcnStatus::Ok);
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(host.stop(), PcnStatus::Ok);
    assert_eq!(host.wait_stopped(100), PcnStatus::Timeout);
    assert_eq!(host.free(), PcnStatus::Busy);
    assert!(start.elapsed() < Duration::from_millis(1500), "a call waited for the task");
    host.end_by_itself();
}

#[test]
fn a_task_that_overruns_the_grace_is_cut_off() {
    let mut host = Host::start(&config());
    host.address();
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { pcn_test_hang(host.node, 12_000) }, PcnStatus::Ok);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(host.stop(), PcnStatus::Ok);
    assert_eq!(host.wait_stopped(20_000), PcnStatus::Ok);
    let seen = host.end_by_itself();
    assert_eq!(seen.last().map(|seen| seen.kind), Some(PcnEventKind::Stopped as u8));
}
