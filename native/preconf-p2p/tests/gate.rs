//! Blocks, protected peers, the dial period and the limits of running nodes, on loopback sockets.

use std::{
    io::{ErrorKind, Read},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use preconf_p2p::{
    Config, ConnectionCaps, DialFailure, Event, Node, Protocol, RequestError, StartError, SubmitError,
    gater::{GaterConfig, GaterMode, MAX_TARGETS, Target},
};
use tokio::time::timeout;

mod common;
use common::{
    PATIENCE, TestNode, config,
    proxy::{Mode, Proxy},
};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn port_of(address: &Multiaddr) -> u16 {
    let port = address.iter().find_map(|part| match part {
        Part::Tcp(port) | Part::Udp(port) => Some(port),
        _ => None,
    });
    port.expect("a port")
}

async fn dial(node: &mut TestNode, address: Multiaddr) -> Result<PeerId, DialFailure> {
    node.handle.dial(address, 99).unwrap();
    node.wait("dial", |event| match event {
        Event::DialResult { token: 99, result } => Some(result.as_ref().copied().map_err(|(failure, _)| *failure)),
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

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

/// How long the node leaves a connection open that says nothing, as far as `patience` goes.
async fn left_open(node: &TestNode, patience: Duration) -> Option<Duration> {
    let port = port_of(&node.addresses[0]);
    let silent = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        let started = Instant::now();
        match socket.read(&mut [0; 1]) {
            Ok(0) => Some(started.elapsed()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(_) => Some(started.elapsed()),
            Ok(_) => panic!("the handshake began"),
        }
    });
    silent.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_subnet_is_refused_before_the_handshake_until_it_is_unblocked() {
    let mut settings = config(&[TCP, QUIC]);
    settings.gater.blocked = vec![target("127.0.0.0/8")];
    let a = TestNode::start(settings).await;
    let mut b = TestNode::start(config(&[])).await;
    let closed = left_open(&a, Duration::from_secs(5)).await.expect("closed without a word of ours");
    assert!(closed < Duration::from_secs(2), "{closed:?}");
    assert_eq!(a.handle.stats().inbound_blocked, 1);
    for (refusals, address) in [(2, a.addresses[0].clone()), (3, a.addresses[1].clone())] {
        assert_eq!(dial(&mut b, address.with(Part::P2p(a.id))).await, Err(DialFailure::Transport));
        assert_eq!(a.handle.stats().inbound_blocked, refusals);
    }
    a.handle.block(target("127.0.0.0/8"), false).unwrap();
    assert_eq!(left_open(&a, Duration::from_millis(300)).await, None, "an honest one may take its time");
    assert_eq!(dial(&mut b, a.address()).await, Ok(a.id));
    assert_eq!(a.handle.stats().inbound_blocked, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_closes_the_connections_it_is_about() {
    let mut a = TestNode::start(config(&[TCP])).await;
    let mut b = TestNode::start(config(&[TCP])).await;
    for text in ["127.0.0.1", "127.0.0.0/24", "::ffff:127.0.0.0/104", &b.id.to_string()] {
        for inbound in [true, false] {
            let (from, to) = if inbound { (&mut b, &mut a) } else { (&mut a, &mut b) };
            from.join(to).await;
            a.handle.block(target(text), true).unwrap();
            assert_eq!(disconnected(&mut a).await, "blocked", "{text}");
            disconnected(&mut b).await;
            let refusals = a.handle.stats().dials_blocked;
            assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Blocked), "{text}");
            assert_eq!(a.handle.stats().dials_blocked, refusals + 1);
            a.handle.block(target(text), false).unwrap();
        }
    }
    // A block of others touches nobody.
    a.join(&mut b).await;
    a.handle.block(target("127.0.1.0/24"), true).unwrap();
    a.handle.block(target("10.0.0.1"), true).unwrap();
    a.handle.block(target(&PeerId::random().to_string()), true).unwrap();
    a.never(Duration::from_millis(300), "cut", |event| matches!(event, Event::PeerDisconnected { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_judged_by_what_they_resolve_to() {
    let mut a = TestNode::start(config(&[])).await;
    let b = TestNode::start(config(&[TCP])).await;
    let named: Multiaddr = format!("/dns4/localhost/tcp/{}/p2p/{}", port_of(&b.addresses[0]), b.id).parse().unwrap();
    assert_eq!(dial(&mut a, named.clone()).await, Ok(b.id));
    // The connection was dialled by name, and still falls under a block of its address.
    a.handle.block(target("127.0.0.0/8"), true).unwrap();
    assert_eq!(disconnected(&mut a).await, "blocked");
    assert_eq!(dial(&mut a, named.clone()).await, Err(DialFailure::Blocked));
    until("b saw it go", || b.handle.stats().connections == 0).await;
    a.handle.block(target("127.0.0.0/8"), false).unwrap();
    assert_eq!(dial(&mut a, named).await, Ok(b.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv4_rules_hold_for_mapped_addresses_and_not_in_konas_mode() {
    let mapped: Multiaddr = format!("/ip6/::ffff:127.0.0.1/tcp/1/p2p/{}", PeerId::random()).parse().unwrap();
    for (mode, failure) in [(GaterMode::Default, DialFailure::Blocked), (GaterMode::Kona, DialFailure::Transport)] {
        let mut settings = config(&[]);
        settings.gater = GaterConfig { mode, blocked: vec![target("127.0.0.0/8")], ..GaterConfig::default() };
        let mut node = TestNode::start(settings).await;
        assert_eq!(dial(&mut node, mapped.clone()).await, Err(failure), "{mode:?}");
    }
}

fn nobody(peer: PeerId) -> Multiaddr {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("/ip4/127.0.0.1/tcp/{free}/p2p/{peer}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn redials_are_counted_by_the_gate_itself() {
    let mut settings = config(&[]);
    settings.gater =
        GaterConfig { peer_redialing: Some(2), dial_period: Duration::from_secs(2), ..GaterConfig::default() };
    let mut a = TestNode::start(settings).await;
    let peer = PeerId::random();
    let (first, second) = (nobody(peer), nobody(peer));
    for expected in [DialFailure::Transport, DialFailure::Transport, DialFailure::Limit] {
        assert_eq!(dial(&mut a, first.clone()).await, Err(expected));
    }
    assert_eq!(dial(&mut a, second).await, Err(DialFailure::Transport), "each address has its count");
    assert_eq!(a.handle.stats().dials_blocked, 1);
    a.handle.protect(peer, true).unwrap();
    assert_eq!(dial(&mut a, first.clone()).await, Err(DialFailure::Transport));
    a.handle.protect(peer, false).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(dial(&mut a, first).await, Err(DialFailure::Transport), "a new period");
}

#[tokio::test(flavor = "multi_thread")]
async fn konas_mode_takes_no_threshold_for_one_dial_and_gates_dials_alone() {
    let mut settings = config(&[TCP]);
    settings.gater.mode = GaterMode::Kona;
    let mut a = TestNode::start(settings).await;
    let mut b = TestNode::start(config(&[TCP])).await;
    assert_eq!(dial(&mut a, b.addresses[0].clone()).await, Err(DialFailure::Unsupported), "without /p2p");
    assert_eq!(dial(&mut a, b.address()).await, Ok(b.id));
    until("connected", || b.handle.stats().peers == 1).await;
    a.handle.disconnect(b.id);
    tokio::join!(disconnected(&mut a), disconnected(&mut b));
    assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Limit), "once a period");
    a.handle.protect(b.id, true).unwrap();
    assert_eq!(dial(&mut a, b.address()).await, Ok(b.id));
    until("connected", || b.handle.stats().peers == 1).await;
    a.handle.disconnect(b.id);
    tokio::join!(disconnected(&mut a), disconnected(&mut b));
    a.handle.block(target("127.0.0.0/8"), true).unwrap();
    assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Blocked));
    assert_eq!(dial(&mut b, a.address()).await, Ok(a.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_refuse_and_count_and_protected_peers_are_over_none() {
    let mut b = TestNode::start(config(&[])).await;
    let mut c = TestNode::start(config(&[])).await;
    let mut settings = config(&[TCP]);
    settings.caps =
        ConnectionCaps { established_incoming: Some(1), pending_incoming: Some(2), ..ConnectionCaps::default() };
    settings.gater.protected_peers = vec![c.id];
    let mut a = TestNode::start(settings).await;
    assert_eq!(dial(&mut b, a.address()).await, Ok(a.id));
    // The refusal comes after the handshake: the dialler may see the connection for a moment.
    let mut d = TestNode::start(config(&[])).await;
    d.handle.dial(a.address(), 1).unwrap();
    until("refused", || a.handle.stats().connections_limited == 1).await;
    until("closed", || d.handle.stats().connections == 0).await;
    assert_eq!(dial(&mut c, a.address()).await, Ok(a.id));
    until("connected", || a.handle.stats().connections == 2).await;
    // Handshakes: two that never end leave no room for a third, before its first byte.
    let port = port_of(&a.addresses[0]);
    let held: Vec<_> = (0..2).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(left_open(&a, Duration::from_secs(5)).await.is_some_and(|time| time < Duration::from_secs(2)));
    assert_eq!(a.handle.stats().connections_limited, 2);
    drop(held);
    b.handle.disconnect(a.id);
    disconnected(&mut a).await;
    until("gone", || a.handle.stats().connections == 1).await;
    c.handle.disconnect(a.id);
    until("gone", || a.handle.stats().connections == 0).await;
    assert_eq!(dial(&mut d, a.address()).await, Ok(a.id), "the places are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_kept_is_refused() {
    let node = TestNode::start(config(&[])).await;
    for n in 0..MAX_TARGETS {
        node.handle.block(target(&format!("10.0.{}.{}", n >> 8, n & 255)), true).unwrap();
    }
    let (old, new) = (target("10.0.0.1"), target("11.0.0.0/8"));
    assert_eq!(node.handle.block(new, true), Err(SubmitError::Full));
    node.handle.block(old, true).expect("is there already");
    node.handle.block(old, false).unwrap();
    node.handle.block(new, true).unwrap();
    let settings = Config {
        gater: GaterConfig {
            protected_peers: (0..=MAX_TARGETS).map(|_| PeerId::random()).collect(),
            ..GaterConfig::default()
        },
        ..config(&[])
    };
    assert!(matches!(Node::build(settings), Err(StartError::Config(_))));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn over_the_memory_ceiling_connections_are_refused_and_protected_peers_are_dialled() {
    let mut b = TestNode::start(config(&[TCP])).await;
    let mut settings = config(&[TCP]);
    settings.memory_ceiling = Some(1);
    let mut a = TestNode::start(settings).await;
    assert_eq!(dial(&mut a, b.address()).await, Err(DialFailure::Limit));
    assert_eq!(dial(&mut b, a.address()).await, Err(DialFailure::Transport));
    assert_eq!(a.handle.stats().connections_limited, 2);
    a.handle.protect(b.id, true).unwrap();
    assert_eq!(dial(&mut a, b.address()).await, Ok(b.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_the_cap_are_reset_and_the_connection_lives() {
    for address in [TCP, "/ip4/127.0.0.1/udp/0/quic-v1"] {
        streams_over_the_cap(address).await;
    }
}

async fn streams_over_the_cap(address: &str) {
    let mut settings = config(&[address]);
    settings.max_peer_streams = 8;
    let mut a = TestNode::start(settings).await;
    let mut b = TestNode::start(config(&[])).await;
    b.join(&mut a).await;
    // The peer leaves each unanswered, so all of them stay open.
    for token in 0..20 {
        b.handle.request(Protocol::Head, a.id, vec![1], token, PATIENCE).unwrap();
    }
    until("refused", || a.handle.stats().streams_refused > 0).await;
    let failed = async |b: &mut TestNode| {
        let ended = |event: &Event| match event {
            Event::RequestFailed { error, .. } => Some(*error),
            _ => None,
        };
        b.wait("failed", ended).await
    };
    assert_eq!(failed(&mut b).await, RequestError::Refused);
    until("asked", || a.handle.stats().requests_in > 0).await;
    assert!(a.handle.stats().streams <= 8);
    let mut channels = Vec::new();
    while let Ok(event) = a.events.try_recv() {
        if let Event::Request { channel, .. } = event {
            channels.push(channel);
        }
    }
    for channel in channels {
        a.handle.refuse(channel);
    }
    until("places come back", || a.handle.stats().streams < 8).await;
    let refused = a.handle.stats().streams_refused;
    b.handle.request(Protocol::Head, a.id, vec![2], 100, PATIENCE).unwrap();
    let asked = |event: &Event| match event {
        Event::Request { channel, data, .. } if data == &[2] => Some(*channel),
        _ => None,
    };
    let channel = a.wait("asked", asked).await;
    a.handle.respond(channel, vec![3]).unwrap();
    let answered = |event: &Event| matches!(event, Event::Response { token: 100, .. }).then_some(());
    b.wait("answered", answered).await;
    assert_eq!((a.handle.stats().streams_refused, a.handle.stats().connections), (refused, 1));
}

/// A peer that asks for much and reads nothing holds up only itself.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_wait_are_capped_for_each_peer() {
    let mut a = TestNode::start(config(&[TCP])).await;
    let (b, mut c) = (TestNode::start(config(&[])).await, TestNode::start(config(&[])).await);
    let line = Proxy::tcp(&a.addresses[0]).await;
    let mut b = b;
    b.join_at(line.address_of(a.id), &mut a).await;
    c.join(&mut a).await;
    for token in 0..12 {
        b.handle.request(Protocol::TxList, a.id, vec![1; 32], token, PATIENCE).unwrap();
    }
    c.handle.request(Protocol::TxList, a.id, vec![2; 32], 0, PATIENCE).unwrap();
    let (mut slow, mut other) = (Vec::new(), None);
    while slow.len() < 12 || other.is_none() {
        let asked = |event: &Event| match event {
            Event::Request { channel, peer, .. } => Some((*channel, *peer)),
            _ => None,
        };
        let (channel, peer) = a.wait("asked", asked).await;
        if peer == b.id { slow.push(channel) } else { other = Some(channel) }
    }
    line.set(Mode::Stopped);
    let answer = || vec![0; 2 << 20];
    let results: Vec<_> = slow.iter().map(|channel| a.handle.respond(*channel, answer())).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 8, "{results:?}");
    assert!(results.contains(&Err(SubmitError::Full)));
    a.handle.respond(other.unwrap(), answer()).unwrap();
    c.wait("answered", |event| matches!(event, Event::Response { token: 0, .. }).then_some(())).await;
}
