//! Starting, stopping, dialling, blocking, redialling.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use preconf_p2p::{
    Config, ConnectionCaps, DialFailure, Event, IdentitySource, Node, PublishOutcome, StartError, SubmitError, Topic,
    identity::keypair_of,
};

mod common;
use common::{
    TestNode, config, memory, payload,
    proxy::{Mode, Proxy},
};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

async fn dial(node: &mut TestNode, address: Multiaddr) -> Result<PeerId, DialFailure> {
    node.handle.dial(address, 77).unwrap();
    node.wait("dial result", |event| match event {
        Event::DialResult { token: 77, result } => Some(result.as_ref().map(|id| *id).map_err(|(failure, _)| *failure)),
        _ => None,
    })
    .await
}

async fn disconnected(node: &mut TestNode) -> String {
    node.wait("disconnected", |event| match event {
        Event::PeerDisconnected { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await
}

async fn connected(node: &mut TestNode) -> (PeerId, bool) {
    node.wait("connected", |event| match event {
        Event::PeerConnected { peer, outbound, .. } => Some((*peer, *outbound)),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_ends_all_and_frees_its_port() {
    let mut a = TestNode::start(config(&[TCP])).await;
    let mut b = TestNode::start(config(&[TCP])).await;
    a.join(&mut b).await;
    let mut lonely = TestNode::in_process(|_| {}).await;
    lonely.handle.publish(Topic::Commitments, payload(1, 382), 1, Duration::from_secs(60)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    lonely.handle.stop();
    lonely.handle.stop();
    let outcome = lonely.wait("stopped", |event| match event {
        Event::Published { token: 1, outcome } => Some(*outcome),
        _ => None,
    });
    assert_eq!(outcome.await, PublishOutcome::Stopped);
    let refused = lonely.handle.publish(Topic::Commitments, payload(2, 382), 2, Duration::from_secs(1));
    assert_eq!(refused, Err(SubmitError::Stopped));
    assert_eq!(lonely.handle.dial(a.address(), 1), Err(SubmitError::Stopped));

    let address = a.addresses[0].clone();
    let started = Instant::now();
    a.stop().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    disconnected(&mut b).await;
    let again = TestNode::start(config(&[&address.to_string()])).await;
    assert_eq!(again.addresses[0], address);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_node_closes_admission_and_frees_its_port() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let (node, handle) = Node::build(config(&[&address])).unwrap();
    drop(node);
    assert_eq!(handle.dial(address.parse().unwrap(), 1), Err(SubmitError::Stopped));
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_fails_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port()).parse().unwrap();
    match Node::build(config(&[&address.to_string()])) {
        Err(StartError::Listen { address: named, .. }) => assert_eq!(named, address),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("started on a taken port"),
    }
    // By another node of this kind as well.
    let node = TestNode::start(config(&[TCP])).await;
    match Node::build(config(&[&node.addresses[0].to_string()])) {
        Err(StartError::Listen { address: named, .. }) => assert_eq!(named, node.addresses[0]),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two nodes on one port"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_make_no_node_are_refused() {
    let refused = |change: fn(&mut Config)| {
        let mut config = config(&[]);
        change(&mut config);
        Node::build(config).err().expect("refused")
    };
    assert!(matches!(refused(|config| config.mesh.low = 20), StartError::Gossip(_)));
    assert!(matches!(refused(|config| config.heartbeat = Duration::ZERO), StartError::Config(_)));
    let unnamed = |config: &mut Config| config.static_peers = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    assert!(matches!(refused(unnamed), StartError::Config(_)));
    assert!(matches!(refused(|config| config.identity = IdentitySource::Secret([0; 32])), StartError::Identity(_)));
    let bare = |config: &mut Config| {
        (config.enable_tcp, config.enable_quic, config.enable_memory) = (false, false, false);
    };
    assert!(matches!(refused(bare), StartError::Config(_)));
    let unsupported = |config: &mut Config| config.listen = vec!["/unix/x".parse().unwrap()];
    assert!(matches!(refused(unsupported), StartError::Listen { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dial_has_a_typed_result() {
    let mut a = TestNode::start(config(&[TCP])).await;
    let b = TestNode::start(config(&[TCP])).await;
    let bare = b.addresses[0].clone();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody: Multiaddr = format!("/ip4/127.0.0.1/tcp/{free}").parse().unwrap();
    assert_eq!(dial(&mut a, nobody).await, Err(DialFailure::Transport));
    assert_eq!(dial(&mut a, "/ip4/127.0.0.1/udp/1".parse().unwrap()).await, Err(DialFailure::Unsupported));
    let stranger = bare.clone().with(Part::P2p(PeerId::random()));
    assert_eq!(dial(&mut a, stranger).await, Err(DialFailure::WrongPeer));
    let (itself, itself_named) = (a.addresses[0].clone(), a.address());
    assert_eq!(dial(&mut a, itself).await, Err(DialFailure::LocalPeer));
    assert_eq!(dial(&mut a, itself_named).await, Err(DialFailure::LocalPeer));
    a.handle.set_blocked(b.id, true);
    assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Blocked));
    a.handle.set_blocked(b.id, false);
    assert_eq!(dial(&mut a, bare).await, Ok(b.id));
    assert_eq!(dial(&mut a, b.address()).await, Ok(b.id), "connected already");
    assert_eq!(a.handle.stats().connections, 1);

    let mut limited = TestNode::in_process(|config| {
        config.caps = ConnectionCaps { established_total: Some(0), ..ConnectionCaps::default() };
    })
    .await;
    let other = TestNode::in_process(|_| {}).await;
    assert_eq!(dial(&mut limited, other.address()).await, Err(DialFailure::Limit));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_identified() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|config| config.agent_version = format!("x\n{}", "y".repeat(1000))).await;
    a.handle.dial(b.address(), 1).unwrap();
    let identified = |event: &Event| match event {
        Event::PeerIdentified { peer, agent, protocol, .. } => Some((*peer, agent.clone(), protocol.clone())),
        _ => None,
    };
    let (peer, agent, protocol) = a.wait("identified", identified).await;
    assert_eq!((peer, protocol.as_str()), (b.id, "preconf-p2p/0.1"));
    assert_eq!(agent, format!("x {}", "y".repeat(254)));
    let (peer, agent, _) = b.wait("identified", identified).await;
    assert_eq!((peer, agent), (a.id, Config::default().agent_version));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_peer_is_cut_off_both_ways_until_unblocked() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    a.handle.set_blocked(b.id, true);
    assert_eq!(disconnected(&mut a).await, "blocked");
    disconnected(&mut b).await;
    assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Blocked));
    b.handle.dial(a.address(), 5).unwrap();
    a.never(Duration::from_millis(500), "connected", |event| matches!(event, Event::PeerConnected { .. })).await;
    a.handle.set_blocked(b.id, false);
    assert_eq!(dial(&mut b, a.address()).await, Ok(a.id));
}

/// `place` is where the static peer listens, not before its time.
async fn a_static_peer_is_found_again(place: String) {
    let secret = [7; 32];
    let id = keypair_of(&secret).unwrap().public().to_peer_id();
    let address = place.parse::<Multiaddr>().unwrap().with(Part::P2p(id));
    let mut settings = config(&[]);
    (settings.static_peers, settings.seed) = (vec![address], Some(1));
    let mut a = TestNode::start(settings).await;
    let start_b = async || {
        let mut config = config(&[&place]);
        config.identity = IdentitySource::Secret(secret);
        TestNode::start(config).await
    };
    a.never(Duration::from_millis(700), "connected", |event| matches!(event, Event::PeerConnected { .. })).await;
    let b = start_b().await;
    assert_eq!(connected(&mut a).await, (id, true));
    b.stop().await;
    disconnected(&mut a).await;
    let b = start_b().await;
    assert_eq!(connected(&mut a).await, (id, true));
    // Even after the host disconnected it.
    a.handle.disconnect(id);
    assert_eq!(disconnected(&mut a).await, "this node disconnected");
    assert_eq!(connected(&mut a).await, (id, true));
    assert_eq!(b.id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_peer_is_dialled_until_it_is_there_and_again_when_it_was_gone() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    tokio::join!(
        a_static_peer_is_found_again(memory()),
        a_static_peer_is_found_again(format!("/ip4/127.0.0.1/tcp/{port}")),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_dial_each_other_at_once_end_with_one_connection() {
    for address in [TCP, QUIC] {
        for round in 0..20 {
            let mut a = TestNode::start(config(&[address])).await;
            let mut b = TestNode::start(config(&[address])).await;
            a.handle.dial(b.address(), 77).unwrap();
            b.handle.dial(a.address(), 77).unwrap();
            let (first, second) = tokio::join!(connected(&mut a), connected(&mut b));
            assert_eq!((first.0, second.0), (b.id, a.id));
            let asked = Instant::now();
            let connections = || (a.handle.stats().connections, b.handle.stats().connections);
            while connections() != (1, 1) {
                assert!(asked.elapsed() < Duration::from_secs(10), "{address}, round {round}: {:?}", connections());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // And it stays, and carries.
            tokio::time::sleep(Duration::from_millis(250)).await;
            assert_eq!(connections(), (1, 1), "{address}, round {round}");
            a.handle.publish(Topic::Commitments, payload(round, 382), 1, Duration::from_secs(30)).unwrap();
            assert_eq!(b.next_gossip().await.data, payload(round, 382));
            tokio::join!(a.stop(), b.stop());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_count_follows_connections_and_a_peer_count_peers() {
    let mut a = TestNode::start(config(&[TCP, QUIC])).await;
    let mut b = TestNode::start(config(&[])).await;
    a.handle.set_application_score(b.id, 1.0);
    // One that is connected already is not dialled: the second is asked for before the first is up, or again.
    while b.handle.stats().connections < 2 {
        b.handle.disconnect(a.id);
        while b.handle.stats().connections > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for (token, address) in a.addresses.clone().into_iter().enumerate() {
            b.handle.dial(address.with(Part::P2p(a.id)), token as u64).unwrap();
        }
        for _ in 0..2 {
            b.wait("dialled", |event| match event {
                Event::DialResult { result, .. } => Some(*result.as_ref().expect("dial succeeds")),
                _ => None,
            })
            .await;
        }
    }
    while a.handle.stats().connections < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while a.events.try_recv().is_ok() {}
    assert_eq!((a.handle.stats().peers, b.handle.stats().peers), (1, 1));
    b.handle.disconnect(a.id);
    disconnected(&mut a).await;
    a.never(Duration::from_millis(300), "again", |event| matches!(event, Event::PeerDisconnected { .. })).await;
    disconnected(&mut b).await;
    let stats = b.handle.stats();
    assert_eq!((stats.peers, stats.connections), (0, 0));
}

/// Both sides notice a peer that vanished without a word.
async fn silence_is_noticed(mut a: TestNode, mut b: TestNode, line: Proxy) {
    a.join_at(line.address_of(b.id), &mut b).await;
    // Both ways have carried something.
    a.handle.publish(Topic::Commitments, payload(1, 382), 1, Duration::from_secs(30)).unwrap();
    b.next_gossip().await;
    line.set(Mode::Stopped);
    let silent = Instant::now();
    // Enough to fill every buffer on the way: not even a goodbye gets through.
    for seed in 2..10 {
        a.handle.publish(Topic::TxLists, payload(seed, 2 << 20), seed, Duration::from_secs(30)).unwrap();
    }
    tokio::join!(disconnected(&mut a), disconnected(&mut b));
    println!("noticed after {:?}", silent.elapsed());
    assert!(silent.elapsed() < Duration::from_secs(30), "{:?}", silent.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vanishes_is_noticed_over_tcp() {
    let b = TestNode::start(config(&[TCP])).await;
    let line = Proxy::tcp(&b.addresses[0]).await;
    silence_is_noticed(TestNode::start(config(&[])).await, b, line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vanishes_is_noticed_over_quic() {
    let b = TestNode::start(config(&[QUIC])).await;
    let line = Proxy::quic(&b.addresses[0]).await;
    silence_is_noticed(TestNode::start(config(&[])).await, b, line).await;
}

/// A connection that never gets through its handshake is closed, and does not keep others out.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_ended() {
    let mut a = TestNode::start(config(&[TCP])).await;
    let socket = format!("127.0.0.1:{}", a.addresses[0].to_string().rsplit('/').next().unwrap());
    let slow = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(socket).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let (started, hello) = (Instant::now(), b"\x13/multistream/1.0.0\n");
        let mut answer = [0; 256];
        for byte in hello.iter().cycle() {
            // One byte at a time, for ever.
            let written = socket.write_all(&[*byte]);
            match socket.read(&mut answer) {
                Ok(0) => break,
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                _ if written.is_err() => break,
                _ => assert!(started.elapsed() < Duration::from_secs(20), "still open"),
            }
        }
        started.elapsed()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut b = TestNode::start(config(&[])).await;
    assert_eq!(dial(&mut b, a.address()).await, Ok(a.id));
    let open_for = slow.await.unwrap();
    println!("closed after {open_for:?}");
    assert!(open_for < Duration::from_secs(20));
    assert_eq!(connected(&mut a).await, (b.id, false));
    assert_eq!(a.handle.stats().connections, 1);
}
