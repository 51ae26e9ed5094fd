//! Nodes that others can't dial: relays, holes, and how a node learns where it stands.

mod common;

use std::time::Duration;

use common::{PATIENCE, TestNode, config};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use preconf_p2p::{
    Config, Event, Evidence, IdentitySource, NatConfig, PublishOutcome, Reachability, StartError, Topic, Verdict,
};
use tokio::time::timeout;

const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// A node of a network that is this machine.
fn local(listen: &[&str], nat: NatConfig) -> Config {
    Config { local_network: true, nat, ..config(listen) }
}

async fn relay() -> TestNode {
    TestNode::start(local(&[TCP], NatConfig { relay_server: true, autonat: false, ..NatConfig::default() })).await
}

/// Where a node is dialled through a relay.
fn through(relay: &TestNode, peer: PeerId) -> Multiaddr {
    relay.address().with(Part::P2pCircuit).with(Part::P2p(peer))
}

/// A node that is reached through a relay; it listens nowhere but there unless told.
async fn behind(relay: &TestNode, listen: &[&str], nat: NatConfig) -> TestNode {
    let mut node = TestNode::start(local(listen, NatConfig { relays: vec![relay.address()], ..nat })).await;
    let addresses = node
        .wait("a relay's address", |event| match event {
            Event::Reachability { addresses, .. } if addresses.iter().any(is_relayed) => Some(addresses.clone()),
            _ => None,
        })
        .await;
    let (id, of_relay) = (node.id, relay.id);
    assert!(addresses.iter().any(|address| address.iter().any(|part| part == Part::P2p(of_relay))), "{addresses:?}");
    assert!(addresses.iter().filter(|at| is_relayed(at)).all(|at| at.iter().last() == Some(Part::P2p(id))));
    node
}

fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Part::P2pCircuit)
}

async fn connections(node: &TestNode, count: u64) {
    let reached = timeout(PATIENCE, async {
        while node.handle.stats().connections != count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let have = || node.handle.stats().connections;
    reached.await.unwrap_or_else(|_| panic!("{} connections, not {count}", have()));
}

#[tokio::test]
async fn a_node_that_listens_nowhere_is_reached_through_a_relay_and_gossips() {
    let relay = relay().await;
    let nat = NatConfig { hole_punching: false, autonat: false, ..NatConfig::default() };
    let mut hidden = behind(&relay, &[], nat.clone()).await;
    let mut dialler = TestNode::start(local(&[], nat)).await;
    dialler.join_at(through(&relay, hidden.id), &mut hidden).await;
    tokio::join!(dialler.mesh(Topic::Commitments, 1), hidden.mesh(Topic::Commitments, 1));
    dialler.handle.publish(Topic::Commitments, b"through".to_vec(), 1, PATIENCE).unwrap();
    let gossip = hidden.next_gossip().await;
    assert_eq!(gossip.data, b"through");
    hidden.verdict(&gossip, Verdict::Accept);
    hidden.never(Duration::from_secs(3), "no hole is punched", |event| matches!(event, Event::PeerMoved { .. })).await;
    for node in [dialler, hidden, relay] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_relayed_connection_is_replaced_by_a_direct_one() {
    let relay = relay().await;
    let nat = NatConfig { autonat: false, autonat_server: false, ..NatConfig::default() };
    let mut hidden = behind(&relay, &[TCP], nat.clone()).await;
    // It too must have been seen by somebody, to know what address to name.
    let mut dialler = TestNode::start(local(&[TCP], nat)).await;
    let mut of_relay = relay;
    dialler.join(&mut of_relay).await;
    dialler.join_at(through(&of_relay, hidden.id), &mut hidden).await;
    let moved = |node: PeerId| {
        move |event: &Event| match event {
            Event::PeerMoved { peer, address, .. } if *peer == node => Some(address.clone()),
            _ => None,
        }
    };
    let (one, other) = (dialler.id, hidden.id);
    let (first, second) = tokio::join!(dialler.wait("moved", moved(other)), hidden.wait("moved", moved(one)));
    assert!(!is_relayed(&first) && !is_relayed(&second), "{first} {second}");
    // The relay's and the direct one; the circuit is closed.
    tokio::join!(connections(&dialler, 2), connections(&hidden, 2));
    of_relay.stop().await;
    tokio::join!(dialler.mesh(Topic::Commitments, 1), hidden.mesh(Topic::Commitments, 1));
    dialler.handle.publish(Topic::Commitments, b"without the relay".to_vec(), 1, PATIENCE).unwrap();
    let outcome = dialler
        .wait("published", |event| match event {
            Event::Published { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .await;
    assert_eq!(outcome, PublishOutcome::Sent(1));
    assert_eq!(hidden.next_gossip().await.data, b"without the relay");
    for node in [dialler, hidden] {
        node.stop().await;
    }
}

async fn reachability(node: &mut TestNode, evidence: Evidence) -> (Reachability, Vec<Multiaddr>) {
    node.wait("reachability", |event| match event {
        Event::Reachability { reachability, evidence: known, addresses } if *known == evidence => {
            Some((*reachability, addresses.clone()))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_node_learns_that_it_is_reached_and_the_extra_connection_goes() {
    let mut server = TestNode::start(local(&[TCP], NatConfig::default())).await;
    let mut client = TestNode::start(local(&[TCP], NatConfig::default())).await;
    client.handle.dial(server.address(), 0).unwrap();
    let (is, _) = reachability(&mut server, Evidence::Inbound).await;
    assert_eq!(is, Reachability::Public, "somebody came in by itself");
    let (is, addresses) = reachability(&mut client, Evidence::AutoNat).await;
    assert_eq!((is, addresses), (Reachability::Public, vec![client.addresses[0].clone()]));
    tokio::join!(connections(&server, 1), connections(&client, 1));
    assert_eq!((server.handle.stats().peers, client.handle.stats().peers), (1, 1), "the first connection is kept");
    for node in [client, server] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_nobody_can_dial_back_says_so_and_finds_a_relay_among_its_peers() {
    let nat = NatConfig { relay_server: true, autonat: false, ..NatConfig::default() };
    let server = TestNode::start(local(&[TCP], nat)).await;
    // As behind a router: its TCP listener is on an address that is not the one others see it at.
    let mut client = TestNode::start(local(&["/ip4/127.0.0.7/tcp/0"], NatConfig::default())).await;
    client.handle.dial(server.address(), 0).unwrap();
    let (is, _) = reachability(&mut client, Evidence::AutoNat).await;
    assert_eq!(is, Reachability::Private);
    let (is, addresses) = reachability(&mut client, Evidence::AutoNat).await;
    assert_eq!(is, Reachability::Relayed);
    assert!(is_relayed(&addresses[0]), "{addresses:?}");
    // What connects through the relay is no proof that others can by themselves.
    let mut other = TestNode::start(local(&[], NatConfig { hole_punching: false, ..NatConfig::default() })).await;
    other.join_at(through(&server, client.id), &mut client).await;
    client
        .never(Duration::from_secs(2), "still relayed", |event| {
            matches!(event, Event::Reachability { reachability: Reachability::Public, .. })
        })
        .await;
    for node in [other, client, server] {
        node.stop().await;
    }
}

#[tokio::test]
async fn what_is_configured_is_known_at_once_and_everything_can_be_off() {
    let off = NatConfig {
        upnp: false,
        autonat: false,
        autonat_server: false,
        observed_address: false,
        relay_client: false,
        relays: Vec::new(),
        relay_server: false,
        hole_punching: false,
    };
    let external: Multiaddr = "/ip4/8.8.8.8/tcp/30000".parse().unwrap();
    let mut node = TestNode::start(Config { external: vec![external.clone()], ..local(&[TCP], off.clone()) }).await;
    let (is, addresses) = reachability(&mut node, Evidence::Configured).await;
    assert_eq!((is, addresses), (Reachability::Public, vec![external]));
    let circuit = node.address().with(Part::P2pCircuit).with(Part::P2p(PeerId::random()));
    node.handle.dial(circuit, 3).unwrap();
    let failed = node
        .wait("dial", |event| match event {
            Event::DialResult { token: 3, result } => Some(result.clone().unwrap_err()),
            _ => None,
        })
        .await;
    assert_eq!(failed.0, preconf_p2p::DialFailure::Unsupported);
    node.stop().await;
    let relays = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    let refused = preconf_p2p::Node::build(local(&[TCP], NatConfig { relays, ..off }));
    assert!(matches!(refused.err(), Some(StartError::Config(text)) if text.contains("/ip4/127.0.0.1/tcp/1")));
}

#[tokio::test]
async fn a_relay_that_is_down_is_asked_until_it_is_there() {
    let nat = || NatConfig { relay_server: true, autonat: false, ..NatConfig::default() };
    let identity = IdentitySource::Secret([7; 32]);
    let first = TestNode::start(Config { identity: identity.clone(), ..local(&[TCP], nat()) }).await;
    let (address, listen) = (first.address(), first.addresses[0].to_string());
    first.stop().await;
    let client = NatConfig { relays: vec![address], ..NatConfig::default() };
    let mut node = TestNode::start(local(&[], client)).await;
    node.never(Duration::from_secs(2), "no relay", |event| matches!(event, Event::Reachability { .. })).await;
    let second = TestNode::start(Config { identity, ..local(&[&listen], nat()) }).await;
    let (is, addresses) = reachability(&mut node, Evidence::None).await;
    assert!(is == Reachability::Relayed && is_relayed(&addresses[0]), "{is:?} {addresses:?}");
    for node in [node, second] {
        node.stop().await;
    }
}
