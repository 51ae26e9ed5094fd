//! One node behind its handle: start, the supervised task, the reader, stop, and the thread that joins everything.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use preconf_p2p::{Handle, Verdict};
use preconf_ring::{Consumer, LeaseTable, Ring, Waited, Waker};
use tokio::runtime::{Builder, Runtime};

use crate::{
    abi::{PcnEvent, PcnEventKind, PcnStats, PcnStatus, PcnVerdict},
    config::Settings,
    guard::{self, Failure, Outcome},
    life::Life,
    log::{self, Route},
    sink::Sink,
    supervise::supervise,
    table::{self, MAX_NODES},
};

/// A node asked to stop that has not come to rest by itself after this is cut off at its next await.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A node and what is shared with its threads.
pub(crate) struct Node {
    handle: Handle,
    request_timeout: Duration,
    reader: Mutex<Reader>,
    waker: Waker<PcnEvent>,
    leases: Arc<LeaseTable>,
    route: Arc<Route>,
    life: Arc<Life>,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

/// The ring's end of the host. Whoever holds its lock is the one reader.
struct Reader {
    consumer: Consumer<PcnEvent>,
    /// The `Stopped` event was advanced over, or the node is freed.
    finished: bool,
}

/// Builds a node, starts its task and names it.
pub(crate) fn start(settings: Settings) -> Result<u64, Failure> {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    log::install();
    guard::install_panic_hook();
    // Thread names are cut at 15 bytes by Linux, so the number wraps in them.
    let name = format!("pcn-{}", STARTED.fetch_add(1, Ordering::Relaxed) % 1_000_000);
    let route = Route::new(settings.log_level);
    let runtime = runtime(&name, settings.worker_threads, &route)?;
    match start_on(runtime, &name, settings, route) {
        Ok(node) => register(node),
        Err((runtime, failure)) => {
            // Nothing of a node that could not start is left: listeners it had bound close with its tasks.
            runtime.shutdown_timeout(Duration::from_secs(1));
            Err(failure)
        }
    }
}

fn register(node: Arc<Node>) -> Result<u64, Failure> {
    table::nodes().insert(node).map_err(|node| {
        node.request_stop();
        node.wait_stopped(Some(STOP_GRACE));
        Failure::new(PcnStatus::QueueFull, format!("this process has {MAX_NODES} nodes already: free some"))
    })
}

fn runtime(name: &str, workers: usize, route: &Arc<Route>) -> Result<Runtime, Failure> {
    let route = Arc::clone(route);
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(8)
        .thread_name(format!("{name}-rt"))
        .on_thread_start(move || drop(log::enter(Some(Arc::clone(&route)))))
        .on_thread_stop(|| drop(log::enter(None)))
        .enable_all()
        .build()
        .map_err(|e| Failure::new(PcnStatus::StartFailed, format!("the node's {workers} threads: {e}")))
}

fn start_on(
    runtime: Runtime,
    name: &str,
    settings: Settings,
    route: Arc<Route>,
) -> Result<Arc<Node>, (Runtime, Failure)> {
    let request_timeout = settings.p2p.request_timeout;
    let built = {
        let _context = runtime.enter();
        log::within(&route, || preconf_p2p::Node::build(settings.p2p))
    };
    let (p2p, handle) = match built {
        Ok(built) => built,
        Err(e) => return Err((runtime, Failure::new(PcnStatus::StartFailed, e.to_string()))),
    };

    let (producer, consumer) = Ring::with_slots(settings.ring_slots, settings.ring_reserved);
    let (leases, issuer) = LeaseTable::new(preconf_p2p::buffers::give);
    let life = Arc::new(Life::default());
    let sink = Sink::new(
        producer,
        (Arc::clone(&leases), issuer),
        Arc::clone(&route),
        settings.max_leased_bytes,
        #[cfg(feature = "test-exports")]
        Arc::clone(&life),
    );
    let waker = consumer.waker();

    // The reaper is there before the task, so that a task always has someone to join it.
    let (reaper, give) = match spawn_reaper(name, &life) {
        Ok(reaper) => reaper,
        Err(e) => return Err((runtime, Failure::new(PcnStatus::StartFailed, format!("the node's last thread: {e}")))),
    };
    runtime.spawn(supervise(p2p, sink, Arc::clone(&life)));
    give.send(runtime).expect("the reaper waits for the runtime");
    Ok(Arc::new(Node {
        handle,
        request_timeout,
        reader: Mutex::new(Reader { consumer, finished: false }),
        waker,
        leases,
        route,
        life,
        reaper: Mutex::new(Some(reaper)),
    }))
}

fn spawn_reaper(name: &str, life: &Arc<Life>) -> io::Result<(JoinHandle<()>, SyncSender<Runtime>)> {
    let (give, take) = sync_channel(1);
    let life = Arc::clone(life);
    let reaper = thread::Builder::new().name(format!("{name}-end")).spawn(move || reap(&take, &life))?;
    Ok((reaper, give))
}

/// Waits for the node's task to end, then for every thread of its runtime. Only this thread ever blocks on them.
fn reap(runtime: &Receiver<Runtime>, life: &Life) {
    let Ok(runtime) = runtime.recv() else { return };
    life.wait_ended(STOP_GRACE);
    // Cancels what is left at its next await, the node's task among it if it overran the grace, and joins.
    drop(runtime);
    life.set_joined();
}

impl Node {
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The handle, as long as the node takes commands.
    pub(crate) fn live(&self) -> Result<&Handle, Failure> {
        if self.life.is_live() {
            Ok(&self.handle)
        } else {
            Err(Failure::new(PcnStatus::Stopped, "the node is stopping or has stopped; start a new node"))
        }
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(crate) fn log(&self) -> &Route {
        &self.route
    }

    /// Has the task do this at its next flush, which the verdict on no message brings about.
    #[cfg(feature = "test-exports")]
    pub(crate) fn ask(&self, test: crate::testing::Test) {
        self.life.tests.ask(test);
        self.handle.report(&[(u64::MAX, Verdict::Ignore)]);
    }

    /// Ends the node because its state can't be trusted any more: `Faulted` with this text, then `Stopped`.
    pub(crate) fn poison(&self, text: &str) {
        self.life.fault(text);
    }

    pub(crate) fn request_stop(&self) {
        if self.life.request_stop() {
            self.handle.stop();
        }
    }

    /// Whether all threads are joined within the time.
    pub(crate) fn wait_stopped(&self, timeout: Option<Duration>) -> bool {
        self.life.wait_joined(timeout) && self.join_reaper()
    }

    /// Whether nothing of the node runs and nobody reads its ring. When so, a reader on its way in finds nothing any more:
    /// what it would be shown may be freed before it looks.
    pub(crate) fn may_free(&self) -> bool {
        self.life.is_joined() && self.join_reaper() && self.reader().map(|mut reader| reader.finished = true).is_ok()
    }

    /// The reaper has said its last word; joining it takes no time.
    fn join_reaper(&self) -> bool {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        reaper.take().is_none_or(|reaper| reaper.join().is_ok())
    }

    fn reader(&self) -> Result<MutexGuard<'_, Reader>, Failure> {
        match self.reader.try_lock() {
            Ok(reader) => Ok(reader),
            Err(TryLockError::Poisoned(reader)) => Ok(reader.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(PcnStatus::Busy, "another thread reads this node's events"))
            }
        }
    }

    /// The next run of events: its first one, and how many.
    pub(crate) fn wait_events(&self, timeout: Option<Duration>) -> Result<(*const PcnEvent, u32), Failure> {
        let mut reader = self.reader()?;
        if reader.finished {
            return Err(PcnStatus::Stopped.into());
        }
        let consumer = &mut reader.consumer;
        let count = match consumer.poll() {
            0 => match consumer.wait(timeout.map(|timeout| Instant::now() + timeout)) {
                Waited::Ready(count) => count,
                Waited::Interrupted | Waited::TimedOut => return Err(PcnStatus::Timeout.into()),
            },
            count => count,
        };
        Ok((consumer.run().as_ptr(), u32::try_from(count).expect("a ring has at most 2²⁰ slots")))
    }

    pub(crate) fn advance(&self, count: u32) -> Outcome {
        let mut reader = self.reader()?;
        let run = reader.consumer.run();
        let last = (count as usize).checked_sub(1).and_then(|last| run.get(last));
        let stopped = last.is_some_and(|event| event.kind == PcnEventKind::Stopped as u8);
        let had = run.len();
        if !reader.consumer.advance(count as usize) {
            return Err(Failure::argument(format!("the run has {had} events, not {count}")));
        }
        reader.finished |= stopped;
        Ok(())
    }

    pub(crate) fn interrupt(&self) {
        self.waker.interrupt();
    }

    /// Gives payloads back; false when one was stale.
    pub(crate) fn release(&self, leases: &[u64]) -> bool {
        self.leases.returns().release_all(leases)
    }

    /// Reports verdicts (each 0, 1 or 2) and releases their leases; false when one was stale.
    pub(crate) fn report(&self, verdicts: &[PcnVerdict]) -> bool {
        const BATCH: usize = 64;
        let mut all_fresh = true;
        let mut batch = [(0, Verdict::Ignore); BATCH];
        let mut returns = self.leases.returns();
        for chunk in verdicts.chunks(BATCH) {
            let mut len = 0;
            for verdict in chunk {
                if verdict.lease != 0 && !returns.release(verdict.lease) {
                    all_fresh = false;
                    continue;
                }
                batch[len] = (verdict.token, verdict_of(verdict.verdict));
                len += 1;
            }
            self.handle.report(&batch[..len]);
        }
        all_fresh
    }

    pub(crate) fn stats(&self) -> PcnStats {
        let p2p = self.handle.stats();
        PcnStats {
            peers: p2p.peers,
            connections: p2p.connections,
            gossip_received: p2p.gossip_received,
            gossip_dropped: p2p.gossip_dropped,
            published: p2p.published,
            publish_failed: p2p.publish_failed,
            requests_in: p2p.requests_in,
            requests_out: p2p.requests_out,
            leased_bytes: self.leases.leased_bytes(),
            outbox_bytes: p2p.outbox_bytes,
            ring_used: self.waker.used() as u64,
            verdicts_late: p2p.verdicts_late,
            logs_dropped: self.route.dropped(),
            bytes_in: p2p.bytes_in,
            bytes_out: p2p.bytes_out,
            mesh_commitments: p2p.mesh_commitments,
            mesh_txlists: p2p.mesh_txlists,
            stalled_peers: p2p.stalled_peers,
            inbound_blocked: p2p.inbound_blocked,
            dials_blocked: p2p.dials_blocked,
            connections_limited: p2p.connections_limited,
            streams: p2p.streams,
            streams_refused: p2p.streams_refused,
            queued_bytes: p2p.queued_bytes,
        }
    }
}

fn verdict_of(verdict: u8) -> Verdict {
    match verdict {
        0 => Verdict::Accept,
        1 => Verdict::Ignore,
        _ => Verdict::Reject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_on_its_way_in_when_the_node_is_freed_is_told_that_it_stopped() {
        let p2p = preconf_p2p::Config { enable_quic: false, ..preconf_p2p::Config::default() };
        let (ring_slots, ring_reserved) = (64, 16);
        let settings =
            Settings { p2p, worker_threads: 1, ring_slots, ring_reserved, max_leased_bytes: 1 << 20, log_level: 0 };
        let token = start(settings).unwrap_or_else(|failure| panic!("{}", failure.text));
        // As a reader has it that comes first to the table and last to the reader's lock.
        let node = table::nodes().get(token).expect("it lives");
        node.request_stop();
        assert!(node.wait_stopped(Some(STOP_GRACE)));
        let unread = node.waker.used();
        assert!(unread > 0, "Stopped at least");
        table::nodes().remove_if(token, Node::may_free).unwrap_or_else(|failure| panic!("{}", failure.text));
        let late = node.wait_events(Some(Duration::ZERO));
        assert!(matches!(late, Err(Failure { status: PcnStatus::Stopped, .. })));
    }
}
