//! A host of one node in plain Rust: what the .NET library does with a node's events, without it and without the ABI.
//!
//! Nothing is left out that the library does: all gossip is decoded, hashed, its signer recovered, checked and stored
//! before it is accepted; what is published is checked and stored too; requests are answered from the store; responses
//! are verified and stored. All of it happens on worker threads, none on the swarm's own task.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use preconf_p2p::{Config, Event, EventSink, Gossip, Handle, Node, Protocol, PublishOutcome, Topic, Verdict, buffers};
use tokio::runtime::Runtime;

use crate::{
    store::{Bounds, Store},
    wire::{self, Address, Commitment, Hash},
};

/// Worker threads of a host.
pub const THREADS: usize = 2;
/// A worker takes so many jobs at once, and gives their verdicts together.
const BATCH: usize = 8;

/// What the host's user sees of a node.
#[derive(Debug)]
pub enum Seen {
    /// A listener is bound.
    Listening(Multiaddr),
    /// A peer is connected.
    Connected,
    /// A peer joined a topic.
    Subscribed,
    /// A commitment for this block came, was verified and stored.
    Commitment(u64),
    /// A txlist came, was verified and stored: its first eight bytes, which number it.
    TxList(u64),
    /// A request of this token was answered, and the answer was verified and stored: so many commitments or bytes.
    Answered(u64, usize),
    /// Something went wrong that must not in a benchmark.
    Failed(String),
}

enum Asked {
    Head,
    Page(u64),
    TxList(Hash),
}

/// A response with commitments, verified in two parts by two threads.
struct Page {
    token: u64,
    start: u64,
    commitments: Vec<Commitment>,
    signers: [OnceLock<Option<Vec<Address>>>; 2],
    left: AtomicUsize,
}

enum Job {
    Gossip(Gossip),
    Request(u64, Protocol, Vec<u8>),
    Response(u64, Vec<u8>),
    Part(Arc<Page>, usize),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    parked: usize,
    closed: bool,
}

struct Shared {
    store: Store,
    handle: OnceLock<Handle>,
    queue: Mutex<Queue>,
    wake: Condvar,
    asked: Mutex<HashMap<u64, Asked>>,
    sent: AtomicU64,
    unsent: AtomicU64,
    seen: Sender<Seen>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<u64, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self) -> &Handle {
        self.handle.get().expect("the handle is there before the node runs")
    }

    fn tell(&self, seen: Seen) {
        // The user may be gone at the end.
        let _ = self.seen.send(seen);
    }

    fn fail(&self, text: impl Into<String>) {
        self.tell(Seen::Failed(text.into()));
    }
}

struct Sink {
    shared: Arc<Shared>,
    batch: Vec<Job>,
}

impl EventSink for Sink {
    fn control(&mut self, event: Event) {
        let shared = &self.shared;
        match event {
            Event::Request { channel, protocol, data, .. } => self.batch.push(Job::Request(channel, protocol, data)),
            Event::Response { token, data, .. } => self.batch.push(Job::Response(token, data)),
            Event::Published { outcome: PublishOutcome::Sent(_), .. } => {
                shared.sent.fetch_add(1, Ordering::Relaxed);
            }
            Event::Published { outcome, .. } => {
                shared.unsent.fetch_add(1, Ordering::Relaxed);
                shared.fail(format!("a publish ended as {outcome:?}"));
            }
            Event::RequestFailed { error, text, .. } => shared.fail(format!("a request failed: {error:?} {text}")),
            Event::RequestAborted { error, .. } => shared.fail(format!("a request of the peer ended: {error:?}")),
            Event::DialResult { result: Err((failure, text)), .. } => shared.fail(format!("dial: {failure:?} {text}")),
            Event::Dropped(count) => shared.fail(format!("{count} messages were dropped")),
            Event::SlowPeer { failed, .. } => shared.fail(format!("{failed} messages were dropped for a slow peer")),
            Event::PeerDisconnected { cause, .. } => shared.fail(format!("the peer went: {cause}")),
            Event::Listening(address) => shared.tell(Seen::Listening(address)),
            Event::PeerConnected { .. } => shared.tell(Seen::Connected),
            Event::PeerSubscription { subscribed: true, .. } => shared.tell(Seen::Subscribed),
            _ => {}
        }
    }

    fn gossip(&mut self, gossip: Gossip) -> Result<(), Gossip> {
        self.batch.push(Job::Gossip(gossip));
        Ok(())
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut queue = self.shared.queue();
        queue.jobs.extend(self.batch.drain(..));
        let (waiting, parked) = (queue.jobs.len(), queue.parked);
        drop(queue);
        wake(&self.shared, waiting, parked);
    }
}

/// Wakes no more workers than there is work for.
fn wake(shared: &Shared, waiting: usize, parked: usize) {
    if parked > 1 && waiting > BATCH {
        shared.wake.notify_all();
    } else if parked > 0 && waiting > 0 {
        shared.wake.notify_one();
    }
}

fn work(shared: &Shared) {
    let mut verdicts = Vec::with_capacity(BATCH);
    let mut taken = Vec::with_capacity(BATCH);
    while take(shared, &mut taken) {
        for job in taken.drain(..) {
            match job {
                Job::Gossip(gossip) => verdicts.push((gossip.token, judge(shared, gossip))),
                Job::Request(channel, protocol, data) => answer(shared, channel, protocol, &data),
                Job::Response(token, data) => read(shared, token, data),
                Job::Part(page, half) => verify(shared, &page, half),
            }
        }
        shared.handle().report(&verdicts);
        verdicts.clear();
    }
}

/// Waits for jobs; false when there will be none.
fn take(shared: &Shared, into: &mut Vec<Job>) -> bool {
    let mut queue = shared.queue();
    while queue.jobs.is_empty() {
        if queue.closed {
            return false;
        }
        queue.parked += 1;
        queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        queue.parked -= 1;
    }
    let count = queue.jobs.len().min(BATCH);
    into.extend(queue.jobs.drain(..count));
    true
}

/// Threads of a node's runtime: as many as the library takes by default.
fn runtime_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).clamp(1, 4))
}

fn judge(shared: &Shared, gossip: Gossip) -> Verdict {
    let verdict = match gossip.topic {
        Topic::Commitments => keep_commitment(shared, &gossip.data).map(Seen::Commitment),
        Topic::TxLists => keep_txlist(shared, None, gossip.data).map(|(number, _)| Seen::TxList(number)),
    };
    match verdict {
        Ok(seen) => {
            shared.tell(seen);
            Verdict::Accept
        }
        Err(text) => {
            shared.fail(format!("gossip was refused: {text}"));
            Verdict::Reject
        }
    }
}

fn keep_commitment(shared: &Shared, data: &[u8]) -> Result<u64, &'static str> {
    let commitment = Commitment::decode(data).ok_or("undecodable")?;
    let signer = commitment.check()?;
    shared.store.add_commitment(&commitment, commitment.preconfirmation_hash(), signer);
    Ok(commitment.block())
}

/// Gives the list's first eight bytes and its length.
fn keep_txlist(shared: &Shared, wanted: Option<Hash>, data: Vec<u8>) -> Result<(u64, usize), &'static str> {
    let (hash, txlist) = wire::decode_txlist(&data).ok_or("undecodable")?;
    if wanted.is_some_and(|wanted| wanted != hash) {
        return Err("another txlist than asked for");
    }
    if wire::keccak(&[txlist]) != hash {
        return Err("the hash is not that of the bytes");
    }
    let number = txlist.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    let len = txlist.len();
    shared.store.add_txlist(hash, data);
    Ok((number, len))
}

fn answer(shared: &Shared, channel: u64, protocol: Protocol, data: &[u8]) {
    let store = &shared.store;
    let answer = match protocol {
        Protocol::Head => (data == wire::HEAD_REQUEST).then(|| {
            let (block, end) = store.head();
            wire::encode_head(block, end)
        }),
        Protocol::Commitments => wire::decode_page_request(data).map(|(start, count)| store.page(start, count)),
        Protocol::TxList => data.try_into().ok().map(|hash: Hash| match store.txlist(&hash) {
            Some(kept) => buffers::joined(&[&kept]),
            None => wire::encode_txlist(&hash, &[]),
        }),
    };
    match answer {
        Some(answer) => {
            if let Err(error) = shared.handle().respond(channel, answer) {
                shared.fail(format!("an answer was not taken: {error}"));
            }
        }
        None => {
            shared.handle().refuse(channel);
            shared.fail("a request was undecodable");
        }
    }
}

fn read(shared: &Shared, token: u64, data: Vec<u8>) {
    let asked = shared.asked().remove(&token);
    let result = match asked {
        Some(Asked::Head) => wire::decode_head(&data).map(|_| 1).ok_or("undecodable"),
        Some(Asked::TxList(hash)) => keep_txlist(shared, Some(hash), data).map(|(_, len)| len),
        Some(Asked::Page(start)) => match wire::decode_page(&data) {
            Some(commitments) => return split(shared, token, start, commitments),
            None => Err("undecodable"),
        },
        None => Err("nobody asked"),
    };
    match result {
        Ok(count) => shared.tell(Seen::Answered(token, count)),
        Err(text) => shared.fail(format!("a response was refused: {text}")),
    }
}

/// Leaves one half to another worker and verifies the other.
fn split(shared: &Shared, token: u64, start: u64, commitments: Vec<Commitment>) {
    let page =
        Arc::new(Page { token, start, commitments, signers: [OnceLock::new(), OnceLock::new()], left: 2.into() });
    let mut queue = shared.queue();
    queue.jobs.push_front(Job::Part(Arc::clone(&page), 1));
    let (waiting, parked) = (queue.jobs.len(), queue.parked);
    drop(queue);
    wake(shared, waiting, parked);
    verify(shared, &page, 0);
}

fn verify(shared: &Shared, page: &Page, half: usize) {
    let middle = page.commitments.len() / 2;
    let range = if half == 0 { ..middle } else { ..page.commitments.len() };
    let part = &page.commitments[range][half * middle..];
    let signers: Option<Vec<Address>> = part.iter().map(|commitment| commitment.check().ok()).collect();
    let _ = page.signers[half].set(signers);
    if page.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        keep_page(shared, page);
    }
}

/// Both halves are verified: the page is stored if all of it is right, or not at all.
fn keep_page(shared: &Shared, page: &Page) {
    let ascending = page.commitments.is_sorted_by(|a, b| a.block() < b.block());
    let in_range = page.commitments.first().is_none_or(|first| first.block() >= page.start);
    let [Some(Some(first)), Some(Some(second))] = page.signers.each_ref().map(OnceLock::get) else {
        return shared.fail("a commitment of a response does not verify");
    };
    if !ascending || !in_range {
        return shared.fail("a response's blocks are not those asked for");
    }
    for (commitment, signer) in page.commitments.iter().zip(first.iter().chain(second)) {
        shared.store.add_commitment(commitment, commitment.preconfirmation_hash(), *signer);
    }
    shared.tell(Seen::Answered(page.token, page.commitments.len()));
}

/// A running node and its host.
pub struct Host {
    handle: Handle,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    runtime: Runtime,
    task: tokio::task::JoinHandle<()>,
}

impl Host {
    /// Starts a node on a runtime of its own; what happens comes through the receiver.
    ///
    /// # Errors
    /// Why it could not start.
    pub fn start(config: Config, bounds: Bounds) -> Result<(Self, Receiver<Seen>), String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(runtime_threads())
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let (node, handle) = {
            let _within = runtime.enter();
            Node::build(config).map_err(|error| error.to_string())?
        };
        let (seen, events) = channel();
        let shared = Arc::new(Shared {
            store: Store::new(bounds),
            handle: OnceLock::from(handle.clone()),
            queue: Mutex::default(),
            wake: Condvar::new(),
            asked: Mutex::default(),
            sent: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            seen,
        });
        let workers = (0..THREADS)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || work(&shared))
            })
            .collect();
        let mut sink = Sink { shared: Arc::clone(&shared), batch: Vec::new() };
        let task = runtime.spawn(async move { node.run(&mut sink).await });
        Ok((Self { handle, shared, workers, runtime, task }, events))
    }

    /// The node.
    pub fn node(&self) -> &Handle {
        &self.handle
    }

    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Publishes that at least one peer took, and others.
    pub fn published(&self) -> (u64, u64) {
        (self.shared.sent.load(Ordering::Relaxed), self.shared.unsent.load(Ordering::Relaxed))
    }

    /// Publishes a commitment: checked, stored and gossiped, as the library does.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn publish_commitment(&self, commitment: &Commitment, deadline: Duration) -> Result<(), String> {
        keep_commitment(&self.shared, commitment.bytes())?;
        let data = commitment.bytes().to_vec();
        self.handle.publish(Topic::Commitments, data, 0, deadline).map_err(|error| error.to_string())
    }

    /// Publishes an encoded txlist: its hash is checked, it is stored and gossiped.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn publish_txlist(&self, encoded: &[u8], deadline: Duration) -> Result<(), String> {
        keep_txlist(&self.shared, None, encoded.to_vec())?;
        self.handle.publish(Topic::TxLists, buffers::joined(&[encoded]), 0, deadline).map_err(|error| error.to_string())
    }

    /// Asks a peer for its head.
    ///
    /// # Errors
    /// Why the request was not taken.
    pub fn ask_head(&self, peer: PeerId, token: u64) -> Result<(), String> {
        self.ask(peer, token, Protocol::Head, wire::HEAD_REQUEST.to_vec(), Asked::Head)
    }

    /// Asks a peer for 256 commitments from a block on.
    ///
    /// # Errors
    /// Why the request was not taken.
    pub fn ask_page(&self, peer: PeerId, token: u64, start: u64) -> Result<(), String> {
        let data = wire::encode_page_request(start, wire::PAGE as u32);
        self.ask(peer, token, Protocol::Commitments, data, Asked::Page(start))
    }

    /// Asks a peer for a txlist.
    ///
    /// # Errors
    /// Why the request was not taken.
    pub fn ask_txlist(&self, peer: PeerId, token: u64, hash: Hash) -> Result<(), String> {
        self.ask(peer, token, Protocol::TxList, hash.to_vec(), Asked::TxList(hash))
    }

    fn ask(&self, peer: PeerId, token: u64, protocol: Protocol, data: Vec<u8>, asked: Asked) -> Result<(), String> {
        self.shared.asked().insert(token, asked);
        self.handle.request(protocol, peer, data, token, Duration::from_secs(10)).map_err(|error| error.to_string())
    }

    /// Stops the node and waits until all its threads have ended.
    pub fn stop(self) {
        self.handle.stop();
        let _ = self.runtime.block_on(self.task);
        self.shared.queue().closed = true;
        self.shared.wake.notify_all();
        for worker in self.workers {
            let _ = worker.join();
        }
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}
