//! What tests want done on the node's own task. Built with the feature `test-exports` only.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use libp2p::{Multiaddr, PeerId};
use preconf_p2p::{Event, EventSink, Gossip, Topic};

use crate::sink::Sink;

/// One thing.
pub(crate) enum Test {
    /// Synthetic gossip: so many events of so many bytes.
    Emit(u32, u32),
    /// A panic.
    Panic,
    /// The task hangs for so many milliseconds without an await.
    Hang(u32),
}

/// What was asked for and not done yet.
#[derive(Default)]
pub(crate) struct Tests {
    any: AtomicBool,
    asked: Mutex<Vec<Test>>,
}

impl Tests {
    pub(crate) fn ask(&self, test: Test) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(test);
        self.any.store(true, Ordering::Release);
    }

    fn next(&self) -> Option<Test> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Does what was asked for; called by the sink at each flush.
pub(crate) fn run(sink: &mut Sink) {
    while let Some(test) = sink.life().tests.next() {
        match test {
            Test::Emit(count, len) => emit(sink, count, len),
            Test::Panic => panic!("asked for by a test"),
            Test::Hang(ms) => std::thread::sleep(std::time::Duration::from_millis(ms.into())),
        }
    }
}

/// Nanoseconds of the monotonic clock since it was first asked.
pub(crate) fn clock() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    ZERO.get_or_init(Instant::now).elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Synthetic gossip through the real ring and leases.
fn emit(sink: &mut Sink, count: u32, len: u32) {
    let peer = PeerId::random();
    sink.control(Event::PeerConnected { peer, address: Multiaddr::empty(), outbound: true });
    let (mut dropped, mut at) = (0, 0);
    let mut stamp = vec![0; (len as usize).max(16)];
    for token in 0..u64::from(count) {
        if token % 16 == 0 {
            at = clock();
        }
        // As gossip's decoder makes it: taken for this message and filled by one copy.
        let mut data = Vec::with_capacity(len as usize);
        stamp[..8].copy_from_slice(&token.to_le_bytes());
        stamp[8..16].copy_from_slice(&at.to_le_bytes());
        data.extend_from_slice(&stamp[..len as usize]);
        dropped += u64::from(sink.gossip(Gossip { topic: Topic::Commitments, peer, token, data }).is_err());
        if token % 16 == 15 {
            sink.publish();
        }
    }
    if dropped > 0 {
        sink.control(Event::Dropped(dropped));
    }
    sink.control(Event::PeerDisconnected { peer, cause: String::new() });
}
