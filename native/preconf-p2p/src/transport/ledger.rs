//! What gossipsub has queued for each peer: gossipsub does not say, so it is kept here.
//!
//! The node enters each message before it hands it to gossipsub; the connection's own writes strike it out
//! ([`super::meter`]). The queue is first-in, first-out, so a message that is written also strikes out everything
//! entered before it: what gossipsub never queued for this peer, or has dropped since.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use libp2p::PeerId;
use tokio::{sync::Notify, time::Instant};

use super::wire::Fingerprint;

/// Once a stream has been idle this long, what was entered before is no longer queued.
const IDLE: Duration = Duration::from_millis(200);
/// How often the rate at which a peer takes bytes is measured.
const RATE_WINDOW: Duration = Duration::from_millis(500);
/// A peer may have this much queued whatever its rate; at 210 kB/s it is gone before gossipsub's 5 s are over.
const MIN_WINDOW: usize = 1 << 20;

/// What may be queued for one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes; one message may exceed it when nothing else is queued.
    pub(crate) bytes: usize,
    /// Messages.
    pub(crate) messages: usize,
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
    at: Instant,
}

#[derive(Debug)]
struct Outbound {
    id: u64,
    idle_since: Option<Instant>,
    blocked: bool,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Entry>,
    bytes: usize,
    rate: usize,
    rate_from: Instant,
    rate_bytes: usize,
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
struct Room {
    notify: Notify,
    wanted: AtomicBool,
}

impl Room {
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
    room: Arc<Room>,
}

impl Ledger {
    fn new(room: Arc<Room>) -> Self {
        let now = Instant::now();
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            rate: 0,
            rate_from: now,
            rate_bytes: 0,
            last_write: now,
            outbound: Vec::new(),
            inbound: 0,
            next_stream: 0,
            mute_since: None,
            deaf_since: None,
            last_read: None,
        };
        Self { state: Mutex::new(state), room }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message of `bytes` fits into what the peer takes within about two seconds, and into `budget`.
    pub(crate) fn has_room(&self, bytes: usize, budget: Budget, now: Instant) -> bool {
        let mut state = self.lock();
        state.forget_gone(now);
        if state.queue.is_empty() {
            return true;
        }
        let window = (state.rate * 2).max(MIN_WINDOW).min(budget.bytes);
        state.bytes + bytes <= window && state.queue.len() < budget.messages
    }

    /// Enters a message that is about to be handed to gossipsub.
    pub(crate) fn enter(&self, fingerprint: Fingerprint, bytes: usize, now: Instant) {
        let mut state = self.lock();
        if state.queue.is_empty() {
            // The wait of an empty queue is not a stall.
            state.last_write = now;
        }
        state.queue.push_back(Entry { fingerprint, bytes, at: now });
        state.bytes += bytes;
    }

    /// Takes back the last entry of a message that gossipsub refused.
    pub(crate) fn withdraw(&self, fingerprint: Fingerprint) {
        let mut state = self.lock();
        if let Some(index) = state.queue.iter().rposition(|entry| entry.fingerprint == fingerprint)
            && let Some(entry) = state.queue.remove(index)
        {
            state.bytes -= entry.bytes;
        }
    }

    /// Bytes and messages entered and not struck out.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let state = self.lock();
        (state.bytes, state.queue.len())
    }

    pub(crate) fn health(&self, now: Instant) -> Health {
        let mut state = self.lock();
        state.forget_gone(now);
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
    pub(super) fn outbound_opened(&self) -> u64 {
        let mut state = self.lock();
        let id = state.next_stream;
        state.next_stream += 1;
        state.outbound.push(Outbound { id, idle_since: None, blocked: false });
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

    pub(super) fn read(&self, now: Instant) {
        self.lock().last_read = Some(now);
    }

    /// `bytes` were written to stream `id`, and with them these messages ended.
    pub(super) fn wrote(&self, id: u64, bytes: usize, messages: &[Fingerprint], now: Instant) {
        let mut state = self.lock();
        state.last_write = now;
        state.measure(bytes, now);
        if let Some(stream) = state.outbound.iter_mut().find(|stream| stream.id == id) {
            stream.idle_since = None;
            stream.blocked = false;
        }
        for message in messages {
            state.strike_out(*message);
        }
        drop(state);
        if !messages.is_empty() {
            self.room.made();
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
            stream.idle_since.get_or_insert(now);
        }
    }
}

impl State {
    fn measure(&mut self, bytes: usize, now: Instant) {
        let elapsed = now.saturating_duration_since(self.rate_from);
        if elapsed >= RATE_WINDOW {
            let millis = usize::try_from(elapsed.as_millis()).unwrap_or(usize::MAX).max(1);
            self.rate = self.rate_bytes.saturating_mul(1000) / millis;
            self.rate_from = now;
            self.rate_bytes = 0;
        }
        self.rate_bytes += bytes;
        // A window that already took more than the last one promised is believed at once.
        self.rate = self.rate.max(self.rate_bytes);
    }

    fn strike_out(&mut self, message: Fingerprint) {
        let Some(index) = self.queue.iter().position(|entry| entry.fingerprint == message) else {
            return;
        };
        for entry in self.queue.drain(..=index) {
            self.bytes -= entry.bytes;
        }
    }

    fn forget_gone(&mut self, now: Instant) {
        let idle =
            |stream: &Outbound| stream.idle_since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE);
        if !self.outbound.iter().any(idle) {
            return;
        }
        while let Some(entry) = self.queue.front()
            && now.saturating_duration_since(entry.at) >= IDLE
        {
            self.bytes -= entry.bytes;
            self.queue.pop_front();
        }
    }
}

/// The ledgers of all peers that have a connection.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    peers: Mutex<HashMap<PeerId, Weak<Ledger>>>,
    room: Arc<Room>,
}

impl Ledgers {
    /// The peer's ledger; a new one when none of its connections and nobody else holds one.
    pub(crate) fn of(&self, peer: PeerId) -> Arc<Ledger> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = peers.get(&peer).and_then(Weak::upgrade) {
            return ledger;
        }
        peers.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger = Arc::new(Ledger::new(Arc::clone(&self.room)));
        peers.insert(peer, Arc::downgrade(&ledger));
        ledger
    }

    /// Asks for one wake-up of [`Self::room`].
    pub(crate) fn want_room(&self) {
        self.room.wanted.store(true, Ordering::Release);
    }

    /// Waits until a peer that was full may have room again.
    pub(crate) async fn room(&self) {
        self.room.notify.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { bytes: 4 << 20, messages: 100 };

    fn fingerprint(n: u8) -> Fingerprint {
        Fingerprint::of(&[n])
    }

    fn ledger() -> (Arc<Ledger>, u64, Instant) {
        let ledger = Ledgers::default().of(PeerId::random());
        let id = ledger.outbound_opened();
        (ledger, id, Instant::now())
    }

    #[test]
    fn a_written_message_strikes_out_what_came_before_it() {
        let (ledger, id, now) = ledger();
        for n in 0..5 {
            ledger.enter(fingerprint(n), 100, now);
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
        assert!(ledger.has_room(10 << 20, BUDGET, now));
        ledger.enter(fingerprint(0), 10 << 20, now);
        assert!(!ledger.has_room(1, BUDGET, now));
    }

    #[test]
    fn messages_are_counted_as_well_as_bytes() {
        let (ledger, _, now) = ledger();
        for n in 0..100 {
            assert!(ledger.has_room(1, BUDGET, now));
            ledger.enter(fingerprint(n), 1, now);
        }
        assert!(!ledger.has_room(1, BUDGET, now));
        ledger.withdraw(fingerprint(50));
        assert!(ledger.has_room(1, BUDGET, now));
    }

    #[test]
    fn the_window_follows_the_rate() {
        let (ledger, id, now) = ledger();
        ledger.enter(fingerprint(0), MIN_WINDOW, now);
        assert!(!ledger.has_room(1, BUDGET, now), "an unknown rate gets the least");
        ledger.wrote(id, 2 << 20, &[], now);
        assert!(ledger.has_room(1 << 20, BUDGET, now), "2 MiB in a moment make a window of 4");
    }

    #[test]
    fn an_idle_stream_forgets_and_a_blocked_one_does_not() {
        let (ledger, id, now) = ledger();
        ledger.enter(fingerprint(0), 100, now);
        ledger.flushed(id, now);
        assert!(!ledger.has_room(BUDGET.bytes, BUDGET, now + IDLE / 2));
        assert!(ledger.has_room(BUDGET.bytes, BUDGET, now + IDLE));

        ledger.enter(fingerprint(1), 100, now);
        ledger.wrote(id, 50, &[], now);
        ledger.blocked(id);
        let later = now + Duration::from_secs(60);
        assert!(!ledger.has_room(BUDGET.bytes, BUDGET, later));
        assert_eq!(ledger.health(later).stuck_since, Some(now));
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
