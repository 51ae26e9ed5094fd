//! The node's task turned by hand: real connections with nodes of the same process, and a clock that can be put forward.

use std::hash::{BuildHasher, Hasher, RandomState};

use libp2p::{
    Multiaddr,
    multiaddr::Protocol as Part,
    swarm::{ConnectionId, dial_opts::PeerCondition},
};
use tokio::{task::JoinHandle, time::timeout};

use super::{dials::to_peer, *};
use crate::{
    Gossip, Handle, Node,
    behaviour::{PING_TIMEOUT, SILENCE},
    gater::Target,
    nat::{Evidence, Reachability},
};

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

/// An address of this machine that nobody listens at.
fn tcp() -> Multiaddr {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("/ip4/127.0.0.1/tcp/{}", free.port()).parse().unwrap()
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
        Self::start_with(config())
    }

    fn start_with(config: Config) -> Self {
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
        // There too: one that closes before it saw the next would have forgotten this node.
        while other.handle.stats().connections < self.links(other).len() as u64 {
            tokio::select! {
                event = self.net.swarm.select_next_some() => self.on_swarm_event(event),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        connection
    }

    fn links(&self, other: &Other) -> Vec<ConnectionId> {
        let peer = self.peers.get(&other.id);
        peer.into_iter().flat_map(|peer| &peer.links).map(|link| link.id).collect()
    }

    fn is_dialling(&self, other: &Other) -> bool {
        self.seeking.is_dialling(&other.id)
    }

    fn known(&self) -> Vec<PeerId> {
        self.seeking.known_peers()
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

#[tokio::test]
async fn of_two_connections_the_dead_one_is_closed_and_the_peer_stays() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    let (dead, living) = (driver.connect(&other).await, driver.connect(&other).await);
    driver.until("a ping is answered", |driver| driver.peers[&other.id].answers_pings).await;
    // Its bytes come by the other connection only.
    driver.now = Instant::now() + SILENCE;
    driver.on_pong(other.id, living);
    driver.peers[&other.id].ledger.read(driver.now);
    driver.check_peers();
    driver.until("closed", |driver| driver.links(&other).len() < 2).await;
    assert_eq!(driver.links(&other), [living], "{dead} is dead");
    assert_eq!(driver.peers[&other.id].closing, None);

    let further = driver.connect(&other).await;
    driver.on_ping_lost(other.id, further);
    driver.until("closed", |driver| driver.links(&other).len() < 2).await;
    assert_eq!(driver.links(&other), [living]);
    assert_eq!(driver.peers[&other.id].closing, None);
    driver.peers[&other.id].ledger.read(driver.now);
    driver.on_ping_lost(other.id, living);
    assert_eq!(driver.peers[&other.id].closing, None, "it brings bytes");
    driver.now += PING_TIMEOUT;
    driver.on_ping_lost(other.id, living);
    assert!(driver.peers[&other.id].closing.is_some());
    other.stop().await;
}

#[tokio::test]
async fn a_peer_that_comes_again_while_its_old_connection_closes_is_watched_on() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    let old = driver.connect(&other).await;
    driver.peers.get_mut(&other.id).unwrap().closing = Some("the gossip stream is stuck");
    let new = driver.connect(&other).await;
    assert_eq!(driver.peers[&other.id].closing, None);
    driver.net.swarm.close_connection(old);
    driver.until("closed", |driver| driver.links(&other) == [new]).await;
    other.stop().await;
}

#[tokio::test]
async fn a_peer_that_says_too_much_of_itself_is_let_go() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    driver.connect(&other).await;
    let told = |driver: &Driver<'_, Sink>| {
        driver.sink.0.iter().filter(|event| matches!(event, Event::PeerSubscription { .. })).count()
    };
    for minute in 1..=3 {
        (0..40).for_each(|change| driver.on_subscription(other.id, Topic::TxLists, change % 2 == 0));
        assert_eq!((told(&driver), driver.peers[&other.id].closing), (40 * minute, None));
        driver.now += Duration::from_secs(60);
    }
    (0..5000).for_each(|change| driver.on_subscription(other.id, Topic::TxLists, change % 2 == 0));
    assert_eq!(told(&driver), 120 + 64);
    driver.until("let go", |driver| !driver.peers.contains_key(&other.id)).await;
    other.stop().await;
}

#[tokio::test]
async fn a_block_that_hits_one_of_two_connections_leaves_the_peer() {
    let tcp = tcp();
    let with_tcp = || Config { enable_tcp: true, ..config() };
    let mut listening = with_tcp();
    listening.listen.push(tcp.clone());
    let (mut other, mut sink) = (Other::start_with(listening), Sink::default());
    let (node, handle) = Node::build(with_tcp()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    let memory = driver.connect(&other).await;
    other.address = tcp.with(Part::P2p(other.id));
    driver.connect(&other).await;
    let loopback = Target::Address(std::net::Ipv4Addr::LOCALHOST.into());
    handle.block(loopback, true).unwrap();
    driver.gate_changed(loopback, true);
    assert_eq!(driver.peers[&other.id].closing, None);
    driver.until("closed", |driver| driver.links(&other) == [memory]).await;
    let peer = Target::Peer(other.id);
    handle.block(peer, true).unwrap();
    driver.gate_changed(peer, true);
    assert_eq!(driver.peers[&other.id].closing, Some("blocked"));
    other.stop().await;
}

#[tokio::test]
async fn connections_that_stay_look_for_messages_until_they_have_a_stream_and_no_longer() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    let first = driver.connect(&other).await;
    driver.until("a gossip stream", |driver| driver.peers[&other.id].ledger.has_outbound()).await;
    driver.connect(&other).await;
    driver.net.swarm.close_connection(first);
    driver.until("closed", |driver| driver.links(&other).len() < 2).await;
    assert!(driver.changed.contains(&other.id), "the one that stays has none");
    driver.look_at_changed(false);
    assert_eq!(driver.net.swarm.behaviour().keep.looks(), 0, "nothing waits");
    driver.look_at_changed(true);
    assert_eq!(driver.net.swarm.behaviour().keep.looks(), 1);
    driver.peers[&other.id].ledger.outbound_opened();
    driver.look_at_changed(true);
    assert!(driver.changed.is_empty());
    other.stop().await;
}

#[tokio::test]
async fn the_host_is_told_of_the_connection_that_is_left() {
    let (other, mut sink) = (Other::start(), Sink::default());
    let (node, _handle) = Node::build(config()).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    let first = driver.connect(&other).await;
    let second = driver.connect(&other).await;
    let address: Multiaddr = "/ip4/192.0.2.7/tcp/9000".parse().unwrap();
    let peer = driver.peers.get_mut(&other.id).unwrap();
    (peer.links[1].remote, peer.links[1].outbound) = (address.clone(), false);
    assert!(peer.outbound && peer.shown == first);
    driver.net.swarm.close_connection(first);
    driver.until("closed", |driver| driver.links(&other) == [second]).await;
    let peer = &driver.peers[&other.id];
    assert_eq!((&peer.remote, peer.outbound, peer.shown), (&address, false, second));
    let is_told = |event: &Event| matches!(event, Event::PeerMoved { peer, address: at, outbound: false } if *peer == other.id && *at == address);
    assert!(driver.sink.0.iter().any(is_told));
    other.stop().await;
}

#[tokio::test]
async fn a_limit_of_this_node_is_no_failure_of_the_peers_it_keeps_from_being_dialled() {
    let (other, third, mut sink) = (Other::start(), Other::start(), Sink::default());
    let path = std::env::temp_dir().join(format!("preconf-limited-{}", std::process::id()));
    std::fs::write(&path, format!("{}\n", other.address)).unwrap();
    let mut limited = Config { known_peers_file: Some(path.clone()), ..config() };
    limited.caps.established_outgoing = Some(1);
    limited.gater.protected_peers = vec![third.id];
    let (node, _handle) = Node::build(limited).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    driver.connect(&third).await;
    for _ in 0..20 {
        driver.now += Duration::from_secs(1000);
        driver.dial_candidates();
        assert!(driver.is_dialling(&other));
        driver.until("refused", |driver| !driver.is_dialling(&other)).await;
    }
    assert_eq!(driver.known(), [other.id]);
    driver.net.swarm.disconnect_peer_id(third.id).unwrap();
    driver.until("gone", |driver| driver.peers.is_empty()).await;
    driver.now += Duration::from_secs(10);
    driver.dial_candidates();
    driver.until("reached", |driver| driver.peers.contains_key(&other.id)).await;
    std::fs::remove_file(path).unwrap();
    other.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn where_a_node_is_reached_is_tested_anew_when_it_has_moved() {
    let local = |listen| Config { listen, enable_tcp: true, local_network: true, ..config() };
    let (other, mut sink) = (Other::start_with(local(vec![tcp()])), Sink::default());
    let (node, _handle) = Node::build(local(vec![tcp(), tcp()])).unwrap();
    let (mut driver, _closing) = node.driver(&mut sink);
    driver.connect(&other).await;
    let known = |driver: &Driver<'_, Sink>| driver.nat.reach.known();
    driver.until("both are tested", |driver| known(driver).addresses.len() == 2).await;
    // The connection that dialled back is no evidence here.
    let gone = driver.net.listeners()[0];
    driver.net.swarm.remove_listener(gone);
    driver.until("forgotten", |driver| known(driver).addresses.is_empty()).await;
    driver.until("found again", |driver| known(driver).addresses.len() == 1).await;
    assert_eq!((known(&driver).reachability, known(&driver).evidence), (Reachability::Public, Evidence::AutoNat));
    other.stop().await;
}
