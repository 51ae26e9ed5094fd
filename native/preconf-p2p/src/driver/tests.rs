//! The node's task turned by hand: real connections with nodes of the same process, and a clock that can be put forward.

use std::hash::{BuildHasher, Hasher, RandomState};

use libp2p::{
    Multiaddr,
    multiaddr::Protocol as Part,
    swarm::{ConnectionId, dial_opts::PeerCondition},
};
use tokio::{task::JoinHandle, time::timeout};

use super::{dials::to_peer, *};
use crate::{Gossip, Handle, Node};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps what it is told.
#[derive(Default)]
struct Sink(Vec<Event>);

impl EventSink for Sink {
    fn control(&mut self, event: Event) {
        self.0.push(event);
    }

    fn gossip(&mut self, _: Gossip) -> Result<(), Gossip> {
        Ok(())
    }

    fn flush(&mut self) {}
}

fn config() -> Config {
    let listen = format!("/memory/{}", RandomState::new().build_hasher().finish() | 1).parse().unwrap();
    Config {
        listen: vec![listen],
        enable_tcp: false,
        enable_quic: false,
        enable_memory: true,
        mesh: crate::MeshSize::SMALL,
        ..Config::default()
    }
}

/// A node that runs by itself.
struct Other {
    id: PeerId,
    address: Multiaddr,
    handle: Handle,
    task: JoinHandle<()>,
}

impl Other {
    fn start() -> Self {
        let config = config();
        let listen = config.listen[0].clone();
        let (node, handle) = Node::build(config).unwrap();
        let id = handle.local_peer_id();
        let task = tokio::spawn(async move { node.run(&mut Sink::default()).await });
        Self { id, address: listen.with(Part::P2p(id)), handle, task }
    }

    async fn stop(self) {
        self.handle.stop();
        self.task.await.unwrap();
    }
}

impl Driver<'_, Sink> {
    /// Takes what the swarm tells until something is so.
    async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let reached = timeout(PATIENCE, async {
            while !is_so(self) {
                let event = self.net.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        });
        reached.await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }

    /// One more connection with a node.
    async fn connect(&mut self, other: &Other) -> ConnectionId {
        let options = to_peer(other.id, vec![other.address.clone()], PeerCondition::Always);
        let connection = options.connection_id();
        self.net.swarm.dial(options).unwrap();
        let is_up = |driver: &Self| driver.links(other).contains(&connection);
        self.until("connected", is_up).await;
        connection
    }

    fn links(&self, other: &Other) -> Vec<ConnectionId> {
        let peer = self.peers.get(&other.id);
        peer.into_iter().flat_map(|peer| &peer.links).map(|link| link.id).collect()
    }

    fn gossip_score(&self, other: &Other) -> f64 {
        self.net.swarm.behaviour().gossip.peer_score(&other.id).unwrap()
    }
}

#[tokio::test]
async fn who_comes_back_after_the_bench_has_the_hosts_score() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    driver.connect(&other).await;
    driver.bench(other.id);
    assert!(driver.gossip_score(&other) < 0.0);
    driver.disconnect(other.id, "the gossip stream is stuck");
    driver.until("gone", |driver| driver.peers.is_empty()).await;
    driver.connect(&other).await;
    assert!(driver.gossip_score(&other) >= 0.0, "{}", driver.gossip_score(&other));
    other.stop().await;
}
