//! What gossipsub has queued for each peer: gossipsub does not say, so it is kept here.
//!
//! The node enters each message before it hands it to gossipsub; the connection's own writes strike it out
//! ([`super::meter`]). The queue is first-in, first-out, so a message that is written also strikes out everything
//! entered before it: what gossipsub never queued for this peer, or has dropped since.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use libp2p::PeerId;
use tokio::{sync::Notify, time::Instant};

use super::{load::Load, wire::Fingerprint};

/// A stream that has been idle this long after a flush had nothing more to take at that flush.
const IDLE: Duration = Duration::from_millis(100);
/// After this, what an idle stream has not written is in no queue: gossipsub gives a publish five seconds.
const LOST: Duration = Duration::from_secs(6);
/// How often the rate at which a peer takes bytes is measured.
const RATE_WINDOW: Duration = Duration::from_millis(500);
/// A message of this size or more is large: it may hold up a slow peer for seconds.
const LARGE: usize = 64 << 10;
/// Bytes of small messages that may be queued for a peer; at 52 kB/s they are gone before gossipsub drops them.
const SMALL_WINDOW: usize = 256 << 10;
/// Large messages are queued for a peer as far as it takes them in this time.
const LARGE_WINDOW_SECS: usize = 2;
/// The oldest large message of a peer may be this old while it takes bytes: its window, and a little.
const LARGE_LAG: Duration = Duration::from_millis(LARGE_WINDOW_SECS as u64 * 1000 + 500);

/// What may be queued for one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes; one message may exceed it when nothing else is queued.
    pub(crate) bytes: usize,
    /// Messages.
    pub(crate) messages: usize,
}

/// Whether a message can be queued for a peer and will be written before gossipsub drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It can.
    Free,
    /// Not yet; the peer takes what is queued at a fair pace.
    Full,
    /// Not yet, and others should not wait: the peer takes nothing, or too little.
    Overdue,
}

/// How a peer's gossip streams are doing, for those who must decide whether to give it up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Health {
    /// Since when the peer has taken no byte although some wait; `None` when none wait or it takes them.
    pub(crate) stuck_since: Option<Instant>,
    /// Since when no outbound gossip stream is open, though one was.
    pub(crate) mute_since: Option<Instant>,
    /// Since when no inbound gossip stream is open, though one was.
    pub(crate) deaf_since: Option<Instant>,
    /// When anything was last read from the peer.
    pub(crate) last_read: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    bytes: usize,
    /// When gossipsub had surely queued it; `None` while it is being handed over.
    at: Option<Instant>,
    /// Set when it is written; only of one that is watched.
    written: Option<Arc<AtomicBool>>,
}

/// What became of one message at some peers: gossipsub does not say whether a peer's queue took a forwarded one.
#[derive(Debug, Default)]
pub(crate) struct Watch(Vec<Arc<AtomicBool>>);

impl Watch {
    /// How many peers it was written to.
    pub(crate) fn written(&self) -> usize {
        self.0.iter().filter(|written| written.load(Ordering::Acquire)).count()
    }

    /// Whether it may still be written to any.
    pub(crate) fn is_open(&self) -> bool {
        // An entry that is struck out unwritten lets go of its half.
        self.0.iter().any(|written| Arc::strong_count(written) > 1)
    }
}

#[derive(Debug)]
struct Outbound {
    id: u64,
    /// When all that was given was flushed; `None` while something is being written.
    flushed: Option<Instant>,
    blocked: bool,
}

/// The large messages among the entries.
#[derive(Debug, Default)]
struct Tally {
    messages: usize,
    bytes: usize,
}

/// How fast a peer takes bytes.
#[derive(Debug)]
struct Rate {
    /// Grows at most twofold with each measurement: a socket's empty buffers are fast only once.
    per_second: usize,
    from: Instant,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Entry>,
    bytes: usize,
    large: Tally,
    rate: Rate,
    last_write: Instant,
    outbound: Vec<Outbound>,
    inbound: usize,
    next_stream: u64,
    mute_since: Option<Instant>,
    deaf_since: Option<Instant>,
    last_read: Option<Instant>,
}

/// Wakes the node's task when a peer that was full has room again.
#[derive(Debug, Default)]
struct Bell {
    notify: Notify,
    wanted: AtomicBool,
}

impl Bell {
    fn made(&self) {
        if self.wanted.swap(false, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }
}

/// The ledger of one peer, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    /// Inbound streams open.
    streams: AtomicUsize,
    bell: Arc<Bell>,
    load: Arc<Load>,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.load.unqueued(self.lock().bytes);
    }
}

impl Ledger {
    fn new(bell: Arc<Bell>, load: Arc<Load>) -> Self {
        let now = Instant::now();
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            large: Tally::default(),
            rate: Rate { per_second: 0, from: now, bytes: 0 },
            last_write: now,
            outbound: Vec::new(),
            inbound: 0,
            next_stream: 0,
            mute_since: None,
            deaf_since: None,
            last_read: None,
        };
        Self { state: Mutex::new(state), streams: AtomicUsize::new(0), bell, load }
    }

    pub(super) fn load(&self) -> &Load {
        &self.load
    }

    pub(super) fn streams(&self) -> &AtomicUsize {
        &self.streams
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a message of `bytes`. A peer that lets messages wait for longer than `patience` is
    /// overdue; one that takes large messages at all has more.
    pub(crate) fn room(&self, bytes: usize, budget: Budget, patience: Duration, now: Instant) -> Room {
        let state = self.state_at(now);
        if state.has_room(bytes, budget) && (state.queue.is_empty() || self.load.has_room(bytes)) {
            Room::Free
        } else if state.is_overdue(bytes, patience, now) {
            Room::Overdue
        } else {
            Room::Full
        }
    }

    /// Enters a message that is about to be handed to gossipsub.
    pub(crate) fn enter(&self, fingerprint: Fingerprint, bytes: usize) {
        self.push(fingerprint, bytes, None);
    }

    /// The same, of a message whose end is watched.
    pub(crate) fn enter_watched(&self, fingerprint: Fingerprint, bytes: usize, watch: &mut Watch) {
        let written = Arc::new(AtomicBool::new(false));
        watch.0.push(Arc::clone(&written));
        self.push(fingerprint, bytes, Some(written));
    }

    fn push(&self, fingerprint: Fingerprint, bytes: usize, written: Option<Arc<AtomicBool>>) {
        let mut state = self.lock();
        if state.queue.is_empty() {
            // The wait of an empty queue is not a stall.
            state.last_write = Instant::now();
        }
        state.queue.push_back(Entry { fingerprint, bytes, at: None, written });
        state.count(bytes);
        self.load.queued(bytes);
    }

    /// The message last entered has been handed over.
    pub(crate) fn settle(&self, fingerprint: Fingerprint) {
        let mut state = self.lock();
        if let Some(entry) = state.queue.iter_mut().rev().find(|entry| entry.fingerprint == fingerprint) {
            entry.at = Some(Instant::now());
        }
    }

    /// Takes back the last entry of a message that gossipsub refused.
    pub(crate) fn withdraw(&self, fingerprint: Fingerprint) {
        let mut state = self.lock();
        if let Some(index) = state.queue.iter().rposition(|entry| entry.fingerprint == fingerprint)
            && let Some(entry) = state.queue.remove(index)
        {
            state.uncount(entry.bytes);
            self.load.unqueued(entry.bytes);
        }
    }

    /// The state without what no queue holds any more.
    fn state_at(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let before = state.bytes;
        state.forget_gone(now);
        self.load.unqueued(before - state.bytes);
        state
    }

    /// Bytes and messages entered and not struck out.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let state = self.lock();
        (state.bytes, state.queue.len())
    }

    pub(crate) fn health(&self, now: Instant) -> Health {
        let state = self.state_at(now);
        let blocked = !state.outbound.is_empty() && state.outbound.iter().all(|stream| stream.blocked);
        let waiting = blocked || (state.outbound.is_empty() && !state.queue.is_empty());
        Health {
            stuck_since: waiting.then_some(state.last_write),
            mute_since: state.mute_since,
            deaf_since: state.deaf_since,
            last_read: state.last_read,
        }
    }

    /// An outbound gossip stream is open; the number names it.
    pub(crate) fn outbound_opened(&self) -> u64 {
        let mut state = self.lock();
        let id = state.next_stream;
        state.next_stream += 1;
        state.outbound.push(Outbound { id, flushed: None, blocked: false });
        state.mute_since = None;
        state.last_write = Instant::now();
        id
    }

    pub(super) fn outbound_closed(&self, id: u64) {
        let mut state = self.lock();
        state.outbound.retain(|stream| stream.id != id);
        if state.outbound.is_empty() {
            state.mute_since = Some(Instant::now());
        }
    }

    /// Whether a gossip stream of this node is open.
    pub(crate) fn has_outbound(&self) -> bool {
        !self.lock().outbound.is_empty()
    }

    pub(super) fn inbound_opened(&self) {
        let mut state = self.lock();
        state.inbound += 1;
        state.deaf_since = None;
    }

    pub(super) fn inbound_closed(&self) {
        let mut state = self.lock();
        state.inbound -= 1;
        if state.inbound == 0 {
            state.deaf_since = Some(Instant::now());
        }
    }

    /// A connection of the peer closed and another stays: its streams open there when there is something to say.
    pub(crate) fn moved(&self) {
        let mut state = self.lock();
        state.mute_since = None;
        state.deaf_since = None;
    }

    /// Something came from the peer.
    pub(crate) fn read(&self, now: Instant) {
        self.lock().last_read = Some(now);
    }

    /// `bytes` were written to stream `id`, and with them these messages ended.
    pub(super) fn wrote(&self, id: u64, bytes: usize, messages: &[Fingerprint], now: Instant) {
        let mut state = self.lock();
        state.last_write = now;
        state.rate.measure(bytes, now);
        if let Some(stream) = state.outbound.iter_mut().find(|stream| stream.id == id) {
            stream.flushed = None;
            stream.blocked = false;
        }
        let before = state.bytes;
        for message in messages {
            state.strike_out(*message);
        }
        self.load.unqueued(before - state.bytes);
        drop(state);
        if !messages.is_empty() {
            self.bell.made();
        }
    }

    /// Stream `id` takes nothing for now.
    pub(super) fn blocked(&self, id: u64) {
        if let Some(stream) = self.lock().outbound.iter_mut().find(|stream| stream.id == id) {
            stream.blocked = true;
        }
    }

    /// All that stream `id` was given is on its way.
    pub(super) fn flushed(&self, id: u64, now: Instant) {
        if let Some(stream) = self.lock().outbound.iter_mut().find(|stream| stream.id == id) {
            stream.blocked = false;
            stream.flushed = Some(now);
        }
    }
}

impl Rate {
    fn measure(&mut self, bytes: usize, now: Instant) {
        let elapsed = now.saturating_duration_since(self.from);
        if elapsed >= RATE_WINDOW {
            let millis = usize::try_from(elapsed.as_millis()).unwrap_or(usize::MAX).max(1);
            let measured = self.bytes.saturating_mul(1000) / millis;
            // After a pause the first measurement counts the pause, and the next ones correct it.
            self.per_second = if self.per_second == 0 { measured / 2 } else { measured.min(self.per_second * 2) };
            self.from = now;
            self.bytes = 0;
        }
        self.bytes += bytes;
    }
}

impl State {
    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        if bytes >= LARGE {
            self.large.messages += 1;
            self.large.bytes += bytes;
        }
    }

    fn uncount(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if bytes >= LARGE {
            self.large.messages -= 1;
            self.large.bytes -= bytes;
        }
    }

    fn pop(&mut self) {
        if let Some(entry) = self.queue.pop_front() {
            self.uncount(entry.bytes);
        }
    }

    fn strike_out(&mut self, message: Fingerprint) {
        if let Some(index) = self.queue.iter().position(|entry| entry.fingerprint == message) {
            if let Some(written) = &self.queue[index].written {
                written.store(true, Ordering::Release);
            }
            for _ in 0..=index {
                self.pop();
            }
        }
    }

    fn has_room(&self, bytes: usize, budget: Budget) -> bool {
        if self.queue.is_empty() {
            return true;
        }
        if self.bytes + bytes > budget.bytes || self.queue.len() >= budget.messages {
            return false;
        }
        if bytes < LARGE {
            self.bytes - self.large.bytes + bytes <= SMALL_WINDOW
        } else {
            self.large.messages == 0 || self.bytes + bytes <= self.rate.per_second * LARGE_WINDOW_SECS
        }
    }

    fn is_overdue(&self, bytes: usize, patience: Duration, now: Instant) -> bool {
        if now.saturating_duration_since(self.last_write) >= patience {
            return true;
        }
        let (lag, oldest) = if bytes < LARGE {
            (patience, self.queue.iter().find(|entry| entry.bytes < LARGE))
        } else {
            (LARGE_LAG, self.queue.front())
        };
        oldest.and_then(|entry| entry.at).is_some_and(|at| now.saturating_duration_since(at) >= lag)
    }

    /// Strikes out what no queue holds any more. After a flush the stream takes the next message at once, so one that
    /// stays idle after its flush had none: what was handed over before that flush was never queued here, or dropped.
    fn forget_gone(&mut self, now: Instant) {
        let Some(flushed) = self.outbound.iter().filter_map(|stream| stream.flushed).max() else { return };
        let idle = now.saturating_duration_since(flushed);
        if idle < IDLE {
            return;
        }
        let gone = |at: Instant| at <= flushed || (idle >= LOST && now.saturating_duration_since(at) >= LOST);
        while self.queue.front().and_then(|entry| entry.at).is_some_and(gone) {
            self.pop();
        }
    }
}

/// The ledgers of all peers that have a connection.
#[derive(Debug)]
pub(crate) struct Ledgers {
    peers: Mutex<HashMap<PeerId, Weak<Ledger>>>,
    bell: Arc<Bell>,
    load: Arc<Load>,
}

impl Ledgers {
    pub(crate) fn new(load: Load) -> Self {
        Self { peers: Mutex::default(), bell: Arc::default(), load: Arc::new(load) }
    }

    /// The peer's ledger; a new one when none of its connections and nobody else holds one.
    pub(crate) fn of(&self, peer: PeerId) -> Arc<Ledger> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = peers.get(&peer).and_then(Weak::upgrade) {
            return ledger;
        }
        peers.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger = Arc::new(Ledger::new(Arc::clone(&self.bell), Arc::clone(&self.load)));
        peers.insert(peer, Arc::downgrade(&ledger));
        ledger
    }

    /// Asks for one wake-up of [`Self::room`].
    pub(crate) fn want_room(&self) {
        self.bell.wanted.store(true, Ordering::Release);
    }

    /// Waits until a peer that was full may have room again.
    pub(crate) async fn room(&self) {
        self.bell.notify.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LoadCaps, *};
    use crate::stats::Counters;

    const BUDGET: Budget = Budget { bytes: 4 << 20, messages: 100 };
    const PATIENCE: Duration = Duration::from_millis(400);

    fn has_room(ledger: &Ledger, bytes: usize, now: Instant) -> bool {
        ledger.room(bytes, BUDGET, PATIENCE, now) == Room::Free
    }

    fn fingerprint(n: u8) -> Fingerprint {
        Fingerprint::of(&[n])
    }

    fn hand_over(ledger: &Ledger, n: u8, bytes: usize) {
        ledger.enter(fingerprint(n), bytes);
        ledger.settle(fingerprint(n));
    }

    fn ledgers(queued: usize) -> (Ledgers, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let caps = LoadCaps { streams_of_peer: 100, streams: 100, queued };
        (Ledgers::new(Load::new(caps, Arc::clone(&counters))), counters)
    }

    #[test]
    fn a_watched_message_is_told_written_or_gone() {
        let (ledgers, _) = ledgers(1 << 20);
        let [one, other, third] = [(); 3].map(|()| ledgers.of(PeerId::random()));
        let mut watch = Watch::default();
        for ledger in [&one, &other, &third] {
            ledger.enter_watched(fingerprint(1), 10, &mut watch);
            ledger.settle(fingerprint(1));
            hand_over(ledger, 2, 10);
        }
        assert_eq!((watch.written(), watch.is_open()), (0, true));
        let now = Instant::now();
        // The first writes it, the second only what came after it, the third disconnects.
        one.wrote(0, 10, &[fingerprint(1)], now);
        assert_eq!((watch.written(), watch.is_open()), (1, true));
        other.wrote(0, 10, &[fingerprint(2)], now);
        assert!(watch.is_open());
        drop(third);
        assert_eq!((watch.written(), watch.is_open()), (1, false));
    }

    #[test]
    fn what_is_queued_for_all_is_bounded_and_given_back_on_every_way() {
        let (ledgers, counters) = ledgers(1000);
        let now = Instant::now();
        let (one, other) = (ledgers.of(PeerId::random()), ledgers.of(PeerId::random()));
        for ledger in [&one, &other] {
            let id = ledger.outbound_opened();
            hand_over(ledger, 0, 400);
            assert_eq!(id, 0);
        }
        assert!(has_room(&one, 200, now));
        assert!(!has_room(&one, 201, now), "all together are full");
        assert!(has_room(&ledgers.of(PeerId::random()), 2000, now), "one message fits an empty queue");
        one.wrote(0, 400, &[fingerprint(0)], now);
        assert_eq!(counters.snapshot().queued_bytes, 400);
        hand_over(&one, 1, 100);
        one.withdraw(fingerprint(1));
        hand_over(&one, 2, 100);
        one.flushed(0, Instant::now() + IDLE);
        assert!(has_room(&one, 1, Instant::now() + IDLE * 4));
        assert_eq!(counters.snapshot().queued_bytes, 400, "what no queue holds any more is given back");
        drop(other);
        assert_eq!(counters.snapshot().queued_bytes, 0, "and what a peer leaves behind");
    }

    fn ledger() -> (Arc<Ledger>, u64, Instant) {
        let ledger = ledgers(usize::MAX).0.of(PeerId::random());
        let id = ledger.outbound_opened();
        (ledger, id, Instant::now())
    }

    #[test]
    fn a_written_message_strikes_out_what_came_before_it() {
        let (ledger, id, now) = ledger();
        for n in 0..5 {
            hand_over(&ledger, n, 100);
        }
        ledger.wrote(id, 100, &[fingerprint(2)], now);
        assert_eq!(ledger.queued(), (200, 2));
        ledger.wrote(id, 100, &[fingerprint(9)], now);
        assert_eq!(ledger.queued(), (200, 2), "a message never entered strikes out nothing");
        ledger.wrote(id, 100, &[fingerprint(4)], now);
        assert_eq!(ledger.queued(), (0, 0));
    }

    #[test]
    fn one_message_over_the_budget_fits_an_empty_queue_only() {
        let (ledger, _, now) = ledger();
        assert!(has_room(&ledger, 10 << 20, now));
        hand_over(&ledger, 0, 10 << 20);
        assert!(!has_room(&ledger, 1, now));
    }

    #[test]
    fn messages_are_counted_as_well_as_bytes() {
        let (ledger, _, now) = ledger();
        for n in 0..100 {
            assert!(has_room(&ledger, 1, now));
            hand_over(&ledger, n, 1);
        }
        assert!(!has_room(&ledger, 1, now));
        ledger.withdraw(fingerprint(50));
        assert!(has_room(&ledger, 1, now));
    }

    #[test]
    fn small_messages_pass_a_large_one_and_have_a_window_of_their_own() {
        let (ledger, _, now) = ledger();
        hand_over(&ledger, 0, 2 << 20);
        assert!(!has_room(&ledger, LARGE, now), "a second large one waits while the rate is unknown");
        assert!(has_room(&ledger, 600, now));
        for n in 1..=8 {
            hand_over(&ledger, n, SMALL_WINDOW / 8);
        }
        assert!(!has_room(&ledger, 600, now));
    }

    #[test]
    fn large_messages_follow_the_rate() {
        let (ledger, id, now) = ledger();
        hand_over(&ledger, 0, 1 << 20);
        let mut time = now;
        for _ in 0..8 {
            ledger.wrote(id, 1 << 20, &[], time);
            time += RATE_WINDOW;
        }
        assert!(has_room(&ledger, 1 << 20, time), "2 MiB a second take two of one");
        time += 20 * RATE_WINDOW;
        ledger.wrote(id, 1, &[], time);
        assert!(!has_room(&ledger, 1 << 20, time), "no longer");
    }

    #[test]
    fn an_idle_stream_tells_what_was_never_queued() {
        let (ledger, id, now) = ledger();
        hand_over(&ledger, 0, 100);
        let flushed = Instant::now();
        ledger.flushed(id, flushed);
        hand_over(&ledger, 1, 100);
        assert_eq!(ledger.queued().1, 2);
        has_room(&ledger, 1, flushed + IDLE / 2);
        assert_eq!(ledger.queued().1, 2, "the next write may be about to come");
        has_room(&ledger, 1, flushed + IDLE);
        assert_eq!(ledger.queued().1, 1, "what came before the flush is gone, what came after may only be late");
        has_room(&ledger, 1, flushed + 2 * LOST);
        assert_eq!(ledger.queued().1, 0);

        ledger.enter(fingerprint(2), 100);
        ledger.flushed(id, now + LOST);
        has_room(&ledger, 1, now + 9 * LOST);
        assert_eq!(ledger.queued().1, 1, "it is still being handed over");
    }

    #[test]
    fn a_blocked_stream_forgets_nothing() {
        let (ledger, id, now) = ledger();
        hand_over(&ledger, 0, 2 << 20);
        ledger.wrote(id, 50, &[], now);
        ledger.blocked(id);
        let later = now + Duration::from_secs(60);
        assert!(!has_room(&ledger, LARGE, later));
        assert_eq!(ledger.health(later).stuck_since, Some(now));
    }

    #[test]
    fn a_full_peer_is_overdue_when_it_takes_nothing_or_too_little() {
        let (ledger, id, now) = ledger();
        let room = |bytes, at| ledger.room(bytes, BUDGET, PATIENCE, at);
        for n in 0..8 {
            hand_over(&ledger, n, SMALL_WINDOW / 8);
        }
        // The entries bear the clock's own time.
        let now = now.max(Instant::now());
        ledger.wrote(id, 10, &[], now);
        assert_eq!(room(600, now), Room::Full);
        assert_eq!(room(600, now + PATIENCE / 2), Room::Full);
        assert_eq!(room(600, now + PATIENCE), Room::Overdue, "nothing taken");
        let later = now + PATIENCE * 2;
        ledger.wrote(id, 10, &[], later);
        assert_eq!(room(600, later), Room::Overdue, "ten bytes are too little");
        assert_eq!(room(LARGE, later), Room::Free, "a first large one has a place");
        ledger.wrote(id, SMALL_WINDOW / 8, &[fingerprint(0)], later);
        assert_eq!(room(600, later), Room::Free);
    }

    #[test]
    fn a_large_message_may_take_its_time_while_it_moves() {
        let (ledger, id, now) = ledger();
        hand_over(&ledger, 0, 2 << 20);
        let now = now.max(Instant::now());
        for step in 0..5 {
            let at = now + PATIENCE * step;
            ledger.wrote(id, 100_000, &[], at);
            assert_eq!(ledger.room(2 << 20, BUDGET, PATIENCE, at + PATIENCE / 2), Room::Full);
        }
        let at = now + LARGE_LAG + PATIENCE;
        ledger.wrote(id, 100_000, &[], at);
        assert_eq!(ledger.room(2 << 20, BUDGET, PATIENCE, at), Room::Overdue);
    }

    #[test]
    fn streams_that_closed_with_one_of_two_connections_are_not_lost() {
        let (ledger, id, now) = ledger();
        ledger.inbound_opened();
        ledger.outbound_closed(id);
        ledger.inbound_closed();
        ledger.moved();
        let health = ledger.health(now);
        assert!(health.mute_since.is_none() && health.deaf_since.is_none());
    }

    #[test]
    fn lost_streams_are_told() {
        let (ledger, id, now) = ledger();
        ledger.inbound_opened();
        let health = ledger.health(now);
        assert!(health.mute_since.is_none() && health.deaf_since.is_none() && health.stuck_since.is_none());
        ledger.outbound_closed(id);
        ledger.inbound_closed();
        let health = ledger.health(now);
        assert!(health.mute_since.is_some() && health.deaf_since.is_some());
    }
}
