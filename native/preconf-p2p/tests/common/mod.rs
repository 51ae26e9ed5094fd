//! Nodes for tests: real ones, on loopback sockets or the in-process transport.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use preconf_p2p::{Config, Event, EventSink, Gossip, Handle, Node, Topic, Verdict};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};

pub mod proxy;
pub mod raw;

/// Longer than anything a test waits for takes, even in a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A sink that hands all events to a channel.
pub struct Sink {
    events: UnboundedSender<Event>,
    /// Gossip is refused while this is set.
    pub full: Arc<AtomicBool>,
}

impl EventSink for Sink {
    fn control(&mut self, event: Event) {
        let _ = self.events.send(event);
    }

    fn gossip(&mut self, gossip: Gossip) -> Result<(), Gossip> {
        if self.full.load(Ordering::Relaxed) {
            return Err(gossip);
        }
        let _ = self.events.send(Event::Gossip(gossip));
        Ok(())
    }

    fn flush(&mut self) {}
}

/// A running node.
pub struct TestNode {
    pub handle: Handle,
    pub id: PeerId,
    pub events: UnboundedReceiver<Event>,
    pub full: Arc<AtomicBool>,
    pub addresses: Vec<Multiaddr>,
    pub task: JoinHandle<()>,
}

/// A configuration for one node of a small network; each test has its own chain.
pub fn config(listen: &[&str]) -> Config {
    Config {
        listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
        enable_memory: true,
        mesh: preconf_p2p::MeshSize::SMALL,
        ..Config::default()
    }
}

/// A fresh address of the in-process transport.
pub fn memory() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("/memory/{}", u64::from(std::process::id()) << 20 | NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The folder that may hold other cases of the golden vectors.
fn other_vectors() -> Option<PathBuf> {
    std::env::var_os("PRECONF_VECTORS").map(PathBuf::from)
}

/// Whether the golden vectors read are the repository's copies.
pub fn is_projects_own() -> bool {
    other_vectors().is_none()
}

/// Checks how many cases of the golden vectors were read: of the repository's copies each is known, other folders have at
/// least one.
pub fn counted(cases: usize, own: usize) {
    assert!(cases > 0, "no case was read");
    assert!(!is_projects_own() || cases == own, "{cases}, not {own}: a case was added or lost");
}

/// The golden vectors: the repository's copies, or another folder's.
pub fn vector_file(name: &str) -> serde_json::Value {
    let folder =
        other_vectors().unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors")));
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The bytes of a vector's `0x` text.
pub fn hex(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").expect("0x");
    assert_eq!(digits.len() % 2, 0);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

impl TestNode {
    pub async fn start(config: Config) -> Self {
        let listeners = config.listen.len();
        let (node, handle) = Node::build(config).expect("the node builds");
        let (sender, events) = unbounded_channel();
        let full = Arc::new(AtomicBool::new(false));
        let again = sender.clone();
        let mut sink = Sink { events: sender, full: Arc::clone(&full) };
        let task = tokio::spawn(async move { node.run(&mut sink).await });
        let id = handle.local_peer_id();
        let mut node = Self { handle, id, events, full, addresses: Vec::new(), task };
        let mut others = Vec::new();
        for _ in 0..listeners {
            let address = node.wait_past("listening", &mut others, |event| match event {
                Event::Listening(address) => Some(address.clone()),
                _ => None,
            });
            let address = address.await;
            node.addresses.push(address);
        }
        others.into_iter().for_each(|event| again.send(event).expect("its own channel"));
        node
    }

    /// A node on a fresh in-process address.
    pub async fn in_process(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(&[&memory()]);
        config.enable_tcp = false;
        config.enable_quic = false;
        change(&mut config);
        Self::start(config).await
    }

    /// Where it can be dialled.
    pub fn address(&self) -> Multiaddr {
        self.addresses[0].clone().with(Part::P2p(self.id))
    }

    /// Waits for an event that `pick` takes; all others before it are thrown away.
    pub async fn wait<T>(&mut self, what: &str, pick: impl FnMut(&Event) -> Option<T>) -> T {
        self.wait_past(what, &mut Vec::new(), pick).await
    }

    /// The same, with those others.
    async fn wait_past<T>(
        &mut self,
        what: &str,
        others: &mut Vec<Event>,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("the node ended before: {what}"));
                if let Some(found) = pick(&event) {
                    return found;
                }
                others.push(event);
            }
        });
        found.await.unwrap_or_else(|_| panic!("no event in time: {what}"))
    }

    /// Fails when an event that `pick` takes comes within `time`.
    pub async fn never(&mut self, time: Duration, what: &str, mut pick: impl FnMut(&Event) -> bool) {
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                assert!(!pick(&event), "{what}: {event:?}");
            }
        })
        .await;
    }

    pub async fn next_gossip(&mut self) -> Gossip {
        timeout(PATIENCE, async {
            loop {
                if let Event::Gossip(gossip) = self.events.recv().await.expect("the node runs") {
                    return gossip;
                }
            }
        })
        .await
        .expect("gossip in time")
    }

    pub fn verdict(&self, gossip: &Gossip, verdict: Verdict) {
        self.handle.report(&[(gossip.token, verdict)]);
    }

    /// Dials and waits until both are connected and see each other's subscriptions.
    pub async fn join(&mut self, other: &mut Self) {
        self.join_at(other.address(), other).await;
    }

    /// The same, at another address than its own.
    pub async fn join_at(&mut self, address: Multiaddr, other: &mut Self) {
        self.handle.dial(address, 0).unwrap();
        self.wait("dial", |event| match event {
            Event::DialResult { token: 0, result } => Some(*result.as_ref().expect("dial succeeds")),
            _ => None,
        })
        .await;
        let (mine, theirs) = (self.id, other.id);
        tokio::join!(self.subscriptions_of(theirs), other.subscriptions_of(mine));
    }

    /// Waits until `peer` has joined both topics.
    pub async fn subscriptions_of(&mut self, peer: PeerId) {
        let mut seen = [false; 2];
        self.wait("subscriptions", |event| {
            if let Event::PeerSubscription { peer: who, topic, subscribed: true } = event
                && *who == peer
            {
                seen[*topic as usize] = true;
            }
            (seen == [true; 2]).then_some(())
        })
        .await;
    }

    /// Waits until this many peers are in the topic's mesh.
    pub async fn mesh(&self, topic: Topic, peers: u64) {
        timeout(PATIENCE, async {
            loop {
                let stats = self.handle.stats();
                let mesh = match topic {
                    Topic::Commitments => stats.mesh_commitments,
                    Topic::TxLists => stats.mesh_txlists,
                };
                if mesh >= peers {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the mesh forms in time");
    }

    /// Stops it and waits until it has returned.
    pub async fn stop(self) {
        self.handle.stop();
        timeout(Duration::from_secs(1), self.task).await.expect("stops within a second").unwrap();
    }
}

/// `len` bytes that differ by `seed`.
pub fn payload(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(len);
    out
}
