//! Whom a node looks for, keeps and lets go.

mod common;

use std::{fs, path::PathBuf, time::Duration};

use common::{PATIENCE, TestNode, config, memory, payload, raw};
use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, identity::Keypair};
use preconf_p2p::{Config, Event, PeerLimits, Protocol, Topic, Verdict, Way};
use tokio::time::timeout;

const LIMITS: PeerLimits = PeerLimits { target: 3, min: 1, max: 10, min_outbound: 0 };

/// A file of known peers that goes with the test.
struct Known(PathBuf);

impl Known {
    fn new(name: &str, addresses: &[Multiaddr]) -> Self {
        let path = std::env::temp_dir().join(format!("preconf-peers-{name}-{}", std::process::id()));
        let text: String = addresses.iter().map(|address| format!("{address}\n")).collect();
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn until(node: &TestNode, what: &str, is_so: impl Fn(u64) -> bool) {
    let reached = timeout(PATIENCE, async {
        while !is_so(node.handle.stats().peers) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    reached.await.unwrap_or_else(|_| panic!("{what}: {} peers", node.handle.stats().peers));
}

async fn connected(node: &mut TestNode) -> PeerId {
    node.wait("connected", |event| match event {
        Event::PeerConnected { peer, .. } => Some(*peer),
        _ => None,
    })
    .await
}

fn is_connection(event: &Event) -> bool {
    matches!(event, Event::PeerConnected { .. })
}

fn is_loss(event: &Event) -> bool {
    matches!(event, Event::PeerDisconnected { .. })
}

#[tokio::test]
async fn known_peers_are_dialled_by_need_and_no_further_than_the_target() {
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(TestNode::in_process(|_| {}).await);
    }
    let known = Known::new("need", &others.iter().map(TestNode::address).collect::<Vec<_>>());
    let mut node = TestNode::in_process(|config| {
        config.peers = LIMITS;
        config.known_peers_file = Some(known.0.clone());
    })
    .await;
    until(&node, "the target", |peers| peers == 3).await;
    for _ in 0..3 {
        connected(&mut node).await;
    }
    node.never(Duration::from_secs(2), "more than the target", is_connection).await;

    // One leaves: another takes its place.
    let gone = others.iter().position(|other| other.handle.stats().peers == 1).unwrap();
    let gone = others.swap_remove(gone);
    gone.handle.stop();
    let _ = gone.task.await;
    let next = connected(&mut node).await;
    assert_ne!(next, gone.id);
    until(&node, "the target again", |peers| peers == 3).await;
}

#[tokio::test]
async fn above_the_maximum_the_worst_go_and_protected_ones_stay() {
    let mut friend = TestNode::in_process(|_| {}).await;
    let mut node = TestNode::in_process(|config| {
        config.peers = PeerLimits { target: 2, min: 0, max: 4, min_outbound: 0 };
        config.gater.protected_peers = vec![friend.id];
    })
    .await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = TestNode::in_process(|_| {}).await;
        other.join(&mut node).await;
        others.push(other);
    }
    node.never(Duration::from_millis(1500), "four are not too many", is_loss).await;

    // The youngest, and the one too many.
    friend.join(&mut node).await;
    let dropped = node
        .wait("one is dropped", |event| match event {
            Event::PeerDisconnected { peer, cause } => Some((*peer, cause.clone())),
            _ => None,
        })
        .await;
    assert_ne!(dropped.0, friend.id);
    assert_eq!(dropped.0, others[3].id, "the youngest of those that may go");
    assert_eq!(dropped.1, "there are more peers than wanted");
    node.never(Duration::from_millis(1500), "no more than needed", is_loss).await;
    assert_eq!(node.handle.stats().peers, 4);
}

#[tokio::test]
async fn who_was_good_is_dialled_after_a_restart() {
    let known = Known::new("restart", &[]);
    let remembering = |config: &mut Config| config.known_peers_file = Some(known.0.clone());
    let mut other = TestNode::in_process(|_| {}).await;
    let mut node = TestNode::in_process(remembering).await;
    node.join(&mut other).await;
    deliver(&mut other, &mut node).await;
    until_written(&known, &format!("{}\n", other.address())).await;
    node.handle.stop();
    let _ = node.task.await;

    let mut again = TestNode::in_process(remembering).await;
    assert_eq!(connected(&mut again).await, other.id);
    again.handle.set_application_score(other.id, -30.0);
    again.handle.stop();
    let _ = again.task.await;
    assert_eq!(fs::read_to_string(&known.0).unwrap(), "", "a greylisted peer is not worth keeping");
}

/// One publishes, the other accepts.
async fn deliver(from: &mut TestNode, to: &mut TestNode) {
    from.handle.publish(Topic::Commitments, payload(7, 382), 7, PATIENCE).unwrap();
    let gossip = to.next_gossip().await;
    to.verdict(&gossip, Verdict::Accept);
}

async fn until_written(known: &Known, text: &str) {
    let written = timeout(PATIENCE, async {
        while fs::read_to_string(&known.0).unwrap() != text {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    written.await.unwrap_or_else(|_| panic!("{text:?} is not in the file: {:?}", fs::read_to_string(&known.0)));
}

#[tokio::test]
async fn who_dialled_this_node_and_is_in_no_record_is_not_kept() {
    let known = Known::new("earned", &[]);
    let mut node = TestNode::in_process(|config| config.known_peers_file = Some(known.0.clone())).await;
    let (mut joined, mut inbound) = (TestNode::in_process(|_| {}).await, TestNode::in_process(|_| {}).await);
    node.join(&mut joined).await;
    inbound.join(&mut node).await;
    deliver(&mut inbound, &mut node).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    node.handle.stop();
    let _ = node.task.await;
    let text = fs::read_to_string(&known.0).unwrap();
    assert!(text.contains(&joined.id.to_string()) && !text.contains(&inbound.id.to_string()), "{text}");
}

#[tokio::test]
async fn bad_inbound_peers_make_room_for_others() {
    let mut node = TestNode::in_process(|config| {
        config.peers = PeerLimits { target: 2, min: 0, max: 100, min_outbound: 0 };
        config.caps.established_incoming = Some(4);
    })
    .await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = TestNode::in_process(|_| {}).await;
        other.join(&mut node).await;
        others.push(other);
    }
    node.never(Duration::from_millis(1500), "good ones stay", is_loss).await;
    node.handle.set_application_score(others[1].id, -1.0);
    let dropped = node
        .wait("one is dropped", |event| match event {
            Event::PeerDisconnected { peer, cause } => Some((*peer, cause.clone())),
            _ => None,
        })
        .await;
    assert_eq!(dropped, (others[1].id, "its place is wanted for a better peer".to_owned()));
    let mut newcomer = TestNode::in_process(|_| {}).await;
    newcomer.join(&mut node).await;
    node.never(Duration::from_millis(1500), "nobody else is bad", is_loss).await;
}

#[tokio::test]
async fn a_connection_with_nothing_to_do_is_kept_for_a_wanted_peer_alone() {
    let (friend, stranger) = (Keypair::generate_secp256k1(), Keypair::generate_secp256k1());
    let mut node = TestNode::in_process(|config| {
        config.idle_timeout = Duration::from_millis(500);
        config.gater.protected_peers = vec![friend.public().to_peer_id()];
    })
    .await;
    for key in [&friend, &stranger] {
        // No gossip, no requests: nothing that would use the connection.
        let mut swarm = raw::swarm(key, raw::requests(167_000, Protocol::Head));
        swarm.dial(node.address()).unwrap();
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
    }
    let lost = node
        .wait("the stranger's ends", |event| match event {
            Event::PeerDisconnected { peer, .. } => Some(*peer),
            _ => None,
        })
        .await;
    assert_eq!(lost, stranger.public().to_peer_id());
    node.never(Duration::from_secs(2), "the friend's is kept", is_loss).await;
}

#[tokio::test]
async fn tcp_and_quic_are_raced_and_the_preferred_one_has_the_lead() {
    let target = TestNode::start(config(&["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"])).await;
    let at = |address: &Multiaddr| address.clone().with(libp2p::multiaddr::Protocol::P2p(target.id));
    let both: Vec<_> = target.addresses.iter().map(at).collect();
    let is_quic = |address: &Multiaddr| address.to_string().contains("quic");
    let quic = both.iter().find(|address| is_quic(address)).unwrap().clone();
    let nobody: Multiaddr = format!("/ip4/127.0.0.1/tcp/1/p2p/{}", target.id).parse().unwrap();
    for (preferred, addresses, wins_quic) in
        [(Way::Tcp, both.clone(), false), (Way::Quic, both.clone(), true), (Way::Tcp, vec![nobody, quic], true)]
    {
        let mut node = TestNode::start(Config { static_peers: addresses, preferred, ..config(&[&memory()]) }).await;
        let address = node
            .wait("connected", |event| match event {
                Event::PeerConnected { address, .. } => Some(address.clone()),
                _ => None,
            })
            .await;
        assert_eq!(is_quic(&address), wins_quic, "{preferred:?}: {address}");
    }
}

#[tokio::test]
async fn limits_that_contradict_each_other_fail_the_start() {
    let limits = PeerLimits { min: 9, ..LIMITS };
    let error = preconf_p2p::Node::build(Config { peers: limits, ..config(&[&memory()]) }).err().unwrap();
    assert!(error.to_string().contains("min 9"), "{error}");
}
