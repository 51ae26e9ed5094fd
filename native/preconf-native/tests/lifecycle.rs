//! Start, stop, wait, free: in order, twice, at once, and what is left behind. Tests run one at a time, for they count
//! the process' threads and memory.

mod common;

use std::{
    fs, ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Host, config, pair};
use preconf_native::{
    abi::{PcnEventKind, PcnStats, PcnStatus, PcnVerdict},
    exports::{commands, events, node},
};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names of this process' threads that belong to nodes.
#[cfg(target_os = "linux")]
fn node_threads() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .expect("procfs")
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("pcn-"))
        .collect()
}

/// The kernel takes a joined thread off its list a moment after it let go of its joiner.
#[cfg(target_os = "linux")]
fn assert_no_node_threads() {
    let deadline = Instant::now() + Duration::from_millis(500);
    while !node_threads().is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", node_threads());
        thread::yield_now();
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
fn no_thread_is_left_after_the_wait() {
    let _alone = alone();
    assert_no_node_threads();
    let mut settings = config();
    settings.worker_threads = 3;
    let host = Host::start(&settings);
    // A thread takes its name itself, a moment after it was started.
    let deadline = Instant::now() + Duration::from_secs(10);
    while node_threads().len() != 4 {
        assert!(Instant::now() < deadline, "not three workers and the reaper: {:?}", node_threads());
        thread::yield_now();
    }
    assert_eq!(host.stop(), PcnStatus::Ok);
    assert_eq!(host.wait_stopped(10_000), PcnStatus::Ok);
    assert_no_node_threads();
    // Nobody has read an event yet; they are all still there, in order.
    assert_eq!(host.end().last().map(|seen| seen.kind), Some(PcnEventKind::Stopped as u8));
}

/// How often the nodes' threads went to sleep, and the library's timer thread with them.
#[cfg(target_os = "linux")]
fn sleeps() -> u64 {
    let count = |task: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let of = |key: &str| status.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
        let name = of("Name:")?;
        let counts = name.starts_with("pcn-") || name == "futures-timer";
        of("voluntary_ctxt_switches:")?.parse::<u64>().ok().filter(|_| counts)
    };
    fs::read_dir("/proc/self/task").expect("procfs").filter_map(count).sum::<u64>()
}

#[test]
#[cfg(target_os = "linux")]
fn idle_nodes_rest() {
    const SECONDS: u64 = 8;
    let _alone = alone();
    let (a, b) = pair(|c| (c.heartbeat_ms, c.worker_threads) = (500, 2));
    // Past the first heartbeat, which mends the mesh.
    thread::sleep(Duration::from_secs(7));
    let before = sleeps();
    thread::sleep(Duration::from_secs(SECONDS));
    let each = (sleeps() - before) as f64 / (2 * SECONDS) as f64;
    println!("{each:.1} sleeps a second for each node");
    // Two heartbeats with their timer, one look around, a ping now and then.
    assert!(each < 15.0, "{each:.1} sleeps a second for each node");
    a.end();
    b.end();
}

#[test]
#[cfg(target_os = "linux")]
fn a_failed_start_leaves_nothing() {
    let _alone = alone();
    let mut settings = config();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = format!("/ip4/127.0.0.1/tcp/0\n/ip4/127.0.0.1/tcp/{}", taken.local_addr().expect("bound").port());
    settings.listen = common::bytes(listen.as_bytes());
    assert_eq!(common::start(&settings).expect_err("the port is taken").0, PcnStatus::StartFailed);
    assert_no_node_threads();
}

#[test]
fn stop_and_free_may_be_called_twice() {
    let _alone = alone();
    let mut host = Host::start(&config());
    assert_eq!(host.free(), PcnStatus::Busy, "it runs");
    assert_eq!(host.wait_stopped(20), PcnStatus::Timeout, "nobody asked it to stop");
    assert_eq!((host.stop(), host.stop()), (PcnStatus::Ok, PcnStatus::Ok));
    assert_eq!((host.wait_stopped(u32::MAX), host.wait_stopped(0)), (PcnStatus::Ok, PcnStatus::Ok));
    assert_eq!(host.stop(), PcnStatus::Ok);
    while host.read(0) == PcnStatus::Ok {}
    assert_eq!(host.read(0), PcnStatus::Stopped);
    assert_eq!(host.read(u32::MAX), PcnStatus::Stopped);
    assert_eq!((host.free(), host.free()), (PcnStatus::Ok, PcnStatus::InvalidHandle));
}

#[test]
fn a_stopped_node_takes_no_commands_and_still_answers_questions() {
    let _alone = alone();
    let host = Host::start(&config());
    let id = host.peer_id();
    assert_eq!(host.stop(), PcnStatus::Ok);
    for wait in [0, 10_000] {
        host.wait_stopped(wait);
        assert_eq!(host.publish(0, b"x", 1), PcnStatus::Stopped);
        assert_eq!(host.request(0, &id, b"", 1), PcnStatus::Stopped);
        assert_eq!(host.dial("/memory/1", 1), PcnStatus::Stopped);
        assert_eq!(host.respond(1, b""), PcnStatus::Stopped);
        assert_eq!(host.peer_id(), id);
        host.stats();
        // SAFETY: the verdict lives through the call.
        let status = unsafe {
            events::pcn_node_verdicts(host.node, &PcnVerdict { token: 1, lease: 0, verdict: 0, reserved: [0; 7] }, 1)
        };
        assert_eq!(status, PcnStatus::Ok);
    }
    let seen = host.end();
    assert!(!seen.iter().any(|seen| seen.kind == PcnEventKind::Published as u8), "a refused command has no result");
}

#[test]
fn what_was_taken_before_the_stop_ends_with_a_result() {
    let _alone = alone();
    let host = Host::start(&config());
    let other = Host::start(&config());
    for token in 0..50_u32 {
        assert_eq!(host.publish(0, &token.to_le_bytes(), u64::from(token)), PcnStatus::Ok);
        assert_eq!(host.request(0, &other.peer_id(), b"", 100 + u64::from(token)), PcnStatus::Ok);
    }
    let seen = host.end();
    for token in 0..50_u32 {
        let results = |kind: PcnEventKind, token: u64| {
            seen.iter().filter(|seen| seen.kind == kind as u8 && seen.token == token).count()
        };
        assert_eq!(results(PcnEventKind::Published, token.into()), 1, "publish {token}");
        assert_eq!(results(PcnEventKind::RequestFailed, 100 + u64::from(token)), 1, "request {token}");
    }
    other.end();
}

#[test]
fn there_is_one_reader() {
    let _alone = alone();
    let mut host = Host::start(&config());
    while host.read(300) == PcnStatus::Ok {}
    let node = host.node;
    let inside = thread::spawn(move || {
        let (mut first, mut count) = (ptr::null(), 0);
        // SAFETY: the pointers are this function's own.
        unsafe { events::pcn_node_events(node, 20_000, &mut first, &mut count) }
    });
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    assert_eq!(host.read(5000), PcnStatus::Busy);
    // SAFETY: no event is given back.
    assert_eq!(unsafe { events::pcn_node_advance(node, 0) }, PcnStatus::Busy);
    assert!(start.elapsed() < Duration::from_secs(2), "Busy does not wait");
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { events::pcn_node_interrupt(node) }, PcnStatus::Ok);
    assert_eq!(inside.join().expect("no panic"), PcnStatus::Timeout);
    assert_eq!(host.read(0), PcnStatus::Timeout);

    let inside = thread::spawn(move || {
        let (mut first, mut count) = (ptr::null(), 0);
        // SAFETY: the pointers are this function's own.
        unsafe { events::pcn_node_events(node, u32::MAX, &mut first, &mut count) }
    });
    thread::sleep(Duration::from_millis(100));
    assert_eq!(host.stop(), PcnStatus::Ok);
    assert_eq!(inside.join().expect("no panic"), PcnStatus::Ok, "Stopped wakes the reader");
    host.end();
}

#[test]
fn an_interrupt_ends_one_wait() {
    let _alone = alone();
    let mut host = Host::start(&config());
    while host.read(300) == PcnStatus::Ok {}
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { events::pcn_node_interrupt(host.node) }, PcnStatus::Ok);
    let start = Instant::now();
    assert_eq!(host.read(10_000), PcnStatus::Timeout);
    assert!(start.elapsed() < Duration::from_secs(5), "the interrupt was kept for the next wait");
    let start = Instant::now();
    assert_eq!(host.read(150), PcnStatus::Timeout);
    assert!(start.elapsed() >= Duration::from_millis(150), "one interrupt ended two waits");
    host.end();
}

#[test]
fn eight_threads_call_while_it_stops() {
    let _alone = alone();
    for round in 0..10 {
        let (mut host, other) = pair(|_| {});
        let (node, peer) = (host.node, other.peer_id());
        let (done, taken, results) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for caller in 0..8_u64 {
                let (done, taken, peer) = (&done, &taken, &peer);
                scope.spawn(move || {
                    let mut n = caller << 32;
                    while !done.load(Ordering::Relaxed) {
                        n += 1;
                        taken.fetch_add(call_everything(node, peer, n), Ordering::Relaxed);
                    }
                });
            }
            // A failed assertion must end the callers too, or the scope would wait for them for ever.
            let _ended = Ended(&done);
            thread::sleep(Duration::from_millis(20 + 10 * round));
            let asked = Instant::now();
            assert_eq!(host.stop(), PcnStatus::Ok);
            let seen = host.end_but_keep(&done);
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?} to stop", asked.elapsed());
            let kinds = [PcnEventKind::Published as u8, PcnEventKind::RequestFailed as u8];
            results.store(seen.filter(|seen| kinds.contains(&seen.kind)).count() as u32, Ordering::Relaxed);
        });
        assert!(taken.load(Ordering::Relaxed) > 0);
        assert_eq!(results.into_inner(), taken.into_inner(), "each command taken has one result");
        assert_eq!(host.free(), PcnStatus::Ok);
        other.end();
    }
}

/// Sets its flag when it goes out of scope, however that happens.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many of the commands will have a result.
fn call_everything(token: u64, peer: &str, n: u64) -> u32 {
    let (head, data, peer) = (common::bytes(b"head"), n.to_le_bytes(), common::bytes(peer.as_bytes()));
    // Of a generation that no slot reaches: a small number could be a lease that the reader holds.
    let forged = 1 << 60 | n;
    let mut stats = PcnStats::default();
    // SAFETY: all arguments live through their calls.
    let statuses = unsafe {
        node::pcn_node_stats(token, &mut stats);
        commands::pcn_node_refuse(token, n);
        events::pcn_node_release(token, &forged, 1);
        events::pcn_node_interrupt(token);
        [
            commands::pcn_node_publish(token, 0, head, data.as_ptr(), 8, n, 100, ptr::null_mut()),
            commands::pcn_node_request(token, 0, peer, data.as_ptr(), 8, n, 50, ptr::null_mut()),
        ]
    };
    for status in statuses {
        let expected = [PcnStatus::Ok, PcnStatus::Stopped, PcnStatus::QueueFull, PcnStatus::InvalidHandle];
        assert!(expected.contains(&status), "{status:?}");
    }
    statuses.iter().filter(|status| **status == PcnStatus::Ok).count() as u32
}

impl Host {
    /// Reads to the end, ends the callers, waits; the node stays.
    fn end_but_keep(&mut self, done: &AtomicBool) -> impl Iterator<Item = &common::Seen> {
        loop {
            match self.read(1000) {
                PcnStatus::Stopped => break,
                PcnStatus::Ok | PcnStatus::Timeout => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.wait_stopped(20_000), PcnStatus::Ok);
        done.store(true, Ordering::Relaxed);
        self.seen.iter()
    }
}

#[test]
fn payloads_stay_readable_after_the_stop_until_the_free() {
    let _alone = alone();
    let (a, mut b) = pair(|_| {});
    for _ in 0..2 {
        b.next(PcnEventKind::PeerSubscription);
    }
    let payload = vec![0xa5; 300_000];
    assert_eq!(b.publish(1, &payload, 1), PcnStatus::Ok);
    let (mut first, mut count) = (ptr::null(), 0);
    let (data, len, lease) = 'found: loop {
        // SAFETY: the pointers are this function's own; the run is read before it is advanced over.
        unsafe {
            assert_eq!(events::pcn_node_events(a.node, 10_000, &mut first, &mut count), PcnStatus::Ok);
            let run = std::slice::from_raw_parts(first, count as usize);
            let gossip = run.iter().find(|event| event.kind == PcnEventKind::Gossip as u8);
            let found = gossip.map(|event| (event.data, event.len as usize, event.lease));
            assert_eq!(events::pcn_node_advance(a.node, count), PcnStatus::Ok);
            if let Some(found) = found {
                break 'found found;
            }
        }
    };
    b.end();
    assert_eq!(a.stop(), PcnStatus::Ok);
    assert_eq!(a.wait_stopped(10_000), PcnStatus::Ok);
    assert!(a.stats().leased_bytes >= 300_000);
    // SAFETY: the lease was not given back and the node not freed.
    assert_eq!(unsafe { std::slice::from_raw_parts(data, len) }, payload);
    // SAFETY: the payload is not read any more.
    assert_eq!(unsafe { events::pcn_node_release(a.node, &lease, 1) }, PcnStatus::Ok);
    // SAFETY: the same lease again, which harms nothing.
    assert_eq!(unsafe { events::pcn_node_release(a.node, &lease, 1) }, PcnStatus::StaleLease);
    // The texts of its other events are on loan still, and some were never read: they die with the node.
    assert_eq!(a.free(), PcnStatus::Ok);
}

#[test]
#[cfg(target_os = "linux")]
fn nodes_come_and_go_without_growth() {
    let _alone = alone();
    let connected = || {
        let (a, b) = pair(|_| {});
        a.end();
        b.end();
    };
    let lone = || {
        Host::start(&config()).end();
    };
    for _ in 0..50 {
        connected();
        lone();
    }
    let before = resident_kib();
    for _ in 0..50 {
        connected();
        (0..20).for_each(|_| lone());
    }
    let grown = resident_kib().saturating_sub(before);
    println!("{grown} KiB more after 1100 nodes");
    assert!(grown < 4096, "{grown} KiB more after 1100 nodes");
    assert_no_node_threads();
}

/// Everything on loan, given back in no order, some of it after the stop, some after the free.
#[test]
fn leases_come_back_in_any_order_and_late() {
    let _alone = alone();
    let (mut a, mut b) = pair(|_| {});
    for _ in 0..2 {
        b.next(PcnEventKind::PeerSubscription);
    }
    for token in 0..90_u64 {
        let payload = vec![token as u8; 1000 + token as usize * 100];
        assert_eq!(b.publish(0, &payload, token), PcnStatus::Ok);
    }
    let mut held: Vec<_> = (0..90).map(|_| a.next(PcnEventKind::Gossip)).collect();
    let bytes_of = |held: &[common::Seen]| held.iter().map(|seen| seen.data.len() as u64).sum::<u64>();
    let node = a.node;
    let release = |seen: &common::Seen| {
        // SAFETY: the payload was copied.
        unsafe { events::pcn_node_release(node, &seen.lease, 1) }
    };
    // 37 and 90 have no common divisor: each once, in leaps.
    held = (0..90).map(|n| held[n * 37 % 90].clone()).collect();
    let (early, late) = held.split_at(30);
    assert!(early.iter().all(|seen| release(seen) == PcnStatus::Ok));
    b.end();
    assert_eq!((a.stop(), a.wait_stopped(10_000)), (PcnStatus::Ok, PcnStatus::Ok));
    while a.read(0) == PcnStatus::Ok {}
    assert_eq!(a.stats().leased_bytes, bytes_of(late));
    let (late, never) = late.split_at(30);
    assert!(late.iter().rev().all(|seen| release(seen) == PcnStatus::Ok));
    assert!(late.iter().chain(early).all(|seen| release(seen) == PcnStatus::StaleLease));
    assert_eq!(a.stats().leased_bytes, bytes_of(never));
    assert_eq!(a.free(), PcnStatus::Ok);
    assert!(never.iter().all(|seen| release(seen) == PcnStatus::InvalidHandle));
}

#[test]
fn a_node_keeps_its_key_file_and_its_identity() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("preconf-native-{}.key", std::process::id()));
    let text = path.to_str().expect("UTF-8").to_owned();
    let _ = fs::remove_file(&path);
    let mut settings = config();
    (settings.ephemeral_key, settings.key_file) = (0, common::bytes(text.as_bytes()));
    let id = |host: Host| {
        let id = host.peer_id();
        host.end();
        id
    };
    let first = id(Host::start(&settings));
    assert_eq!(id(Host::start(&settings)), first);
    let mut secret = [0; 32];
    // SAFETY: the path lives through the call.
    let status = unsafe {
        preconf_native::exports::wire::pcn_key_load(
            common::bytes(text.as_bytes()),
            0,
            secret.as_mut_ptr(),
            ptr::null_mut(),
        )
    };
    assert_eq!(status, PcnStatus::Ok);
    settings.secret_key = common::bytes(&secret);
    assert_eq!(id(Host::start(&settings)), first);
    fs::remove_file(path).expect("it was made");
}
