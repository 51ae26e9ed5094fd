//! Two nodes over loopback, through the exported functions alone.

mod common;

use common::{Host, Seen, bytes, config, pair};
use preconf_native::{
    abi::{PcnConfig, PcnDialFailure, PcnEventKind, PcnPublishOutcome, PcnRequestError, PcnStatus},
    exports::commands,
};

const ACCEPT: u8 = 0;

fn gossip_of(host: &mut Host, payload: &[u8]) -> common::Seen {
    host.find(|seen| seen.kind == PcnEventKind::Gossip as u8 && seen.data == payload).expect("the gossip arrives")
}

fn wait_for_subscriptions(host: &mut Host) {
    for _ in 0..2 {
        let seen = host.next(PcnEventKind::PeerSubscription);
        assert_eq!(seen.flag, 1);
        assert_ne!(seen.peer, 0);
    }
}

#[test]
fn gossip_crosses_both_ways_and_waits_for_verdicts() {
    let (mut a, mut b) = pair(|_| {});
    wait_for_subscriptions(&mut a);
    wait_for_subscriptions(&mut b);
    let small: Vec<u8> = (0..382_u32).map(|n| n as u8).collect();
    let large: Vec<u8> = (0..2_000_000_u32).map(|n| (n * 31) as u8).collect();
    for (topic, payload) in [(0, &small), (1, &large)] {
        let (from, to) = if topic == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        assert_eq!(from.publish(topic, payload, 40 + u64::from(topic)), PcnStatus::Ok);
        let gossip = gossip_of(to, payload);
        assert_eq!(gossip.topic, topic);
        assert_ne!((gossip.peer, gossip.lease), (0, 0));
        assert_eq!(to.stats().leased_bytes, payload.len() as u64);
        assert_eq!(to.verdict(&gossip, ACCEPT), PcnStatus::Ok);
        assert_eq!(to.verdict(&gossip, ACCEPT), PcnStatus::StaleLease);
        assert_eq!(to.stats().leased_bytes, 0);
        let published = from.next(PcnEventKind::Published);
        assert_eq!(published.token, 40 + u64::from(topic));
        assert_eq!((published.code, published.count), (PcnPublishOutcome::Sent as u32, 1));
    }
    assert_eq!(a.publish(0, &small, 50), PcnStatus::Ok);
    assert_eq!(a.next(PcnEventKind::Published).code, PcnPublishOutcome::Duplicate as u32);
    let stats = b.stats();
    assert_eq!((stats.peers, stats.gossip_received), (1, 1));
    assert!(stats.bytes_in > 382 && stats.bytes_out > 2_000_000, "{} in, {} out", stats.bytes_in, stats.bytes_out);
    a.end();
    b.end();
}

#[test]
fn requests_are_answered_refused_or_time_out() {
    // The one who is asked gives up later than the one who asks: a stream that is closed first says Refused.
    let (mut a, mut b) = pair(|config| config.request_timeout_ms = 3000);
    let peer = a.peer_id();
    for (protocol, answer) in [(0, vec![1; 64]), (1, vec![2; 97_796]), (2, vec![3; 2_000_000])] {
        assert_eq!(b.request(protocol, &peer, &[9; 36], 100 + u64::from(protocol)), PcnStatus::Ok);
        let request = a.next(PcnEventKind::Request);
        assert_eq!((request.topic, request.data.as_slice()), (protocol, [9; 36].as_slice()));
        assert_ne!(request.peer, 0);
        assert_eq!(a.respond(request.token, &answer), PcnStatus::Ok);
        assert_eq!(a.next(PcnEventKind::ResponseSent).token, request.token);
        assert_eq!(a.respond(request.token, &answer), PcnStatus::NotFound);
        let response = b.next(PcnEventKind::Response);
        assert_eq!((response.token, response.topic), (100 + u64::from(protocol), protocol));
        assert!(response.data == answer);
    }

    assert_eq!(b.request(0, &peer, &[], 200), PcnStatus::Ok);
    let request = a.next(PcnEventKind::Request);
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { commands::pcn_node_refuse(a.node, request.token) }, PcnStatus::Ok);
    let failed = b.next(PcnEventKind::RequestFailed);
    assert_eq!((failed.token, failed.code), (200, PcnRequestError::Refused as u32));

    assert_eq!(b.request_within(0, &peer, &[], 201, 500), PcnStatus::Ok);
    let request = a.next(PcnEventKind::Request);
    let failed = b.next(PcnEventKind::RequestFailed);
    assert_eq!((failed.token, failed.code), (201, PcnRequestError::Timeout as u32));
    assert!(!failed.text().is_empty());
    assert_eq!(a.next(PcnEventKind::RequestAborted).token, request.token);
    a.end();
    b.end();
}

#[test]
fn a_request_to_a_stranger_fails_once() {
    let mut host = Host::start(&common::config());
    let stranger = "16Uiu2HAm9XcuwSdYgKkMvvUUQ1mB7yW8XvCzBy3z9gNU6tNNrVqx";
    let stranger = if host.request(0, stranger, &[], 1) == PcnStatus::Ok {
        stranger.to_owned()
    } else {
        let other = Host::start(&common::config());
        let id = other.peer_id();
        other.end();
        assert_eq!(host.request(0, &id, &[], 1), PcnStatus::Ok);
        id
    };
    let failed = host.next(PcnEventKind::RequestFailed);
    assert_eq!((failed.token, failed.code, failed.peer), (1, PcnRequestError::DialFailed as u32, 0), "{stranger}");
    let seen = host.end();
    assert_eq!(seen.iter().filter(|seen| seen.kind == PcnEventKind::RequestFailed as u8).count(), 1);
}

#[test]
fn numbers_of_peers_are_given_once() {
    let (mut a, mut b) = pair(|_| {});
    let peer = b.peer_id();
    a.rewind();
    let first = a.next(PcnEventKind::PeerConnected);
    assert_eq!(first.text().split('\n').next(), Some(peer.as_str()));
    // SAFETY: the text lives through the call.
    let status = unsafe { commands::pcn_node_disconnect(a.node, bytes(peer.as_bytes()), std::ptr::null_mut()) };
    assert_eq!(status, PcnStatus::Ok);
    assert_eq!(a.next(PcnEventKind::PeerDisconnected).peer, first.peer);
    b.next(PcnEventKind::PeerDisconnected);
    a.rewind();
    let address = format!("{}/p2p/{}", a.address(), a.peer_id());
    assert_eq!(b.dial(&address, 8), PcnStatus::Ok);
    a.next(PcnEventKind::PeerConnected);
    let second = a.next(PcnEventKind::PeerConnected);
    assert_eq!(second.text().split('\n').next(), Some(peer.as_str()));
    assert!(second.peer > first.peer);
    a.end();
    b.end();
}

#[test]
fn a_blocked_peer_is_cut_off_and_stays_out() {
    let (mut a, mut b) = pair(|_| {});
    let (peer, address) = (b.peer_id(), {
        a.rewind();
        format!("{}/p2p/{}", a.address(), a.peer_id())
    });
    // SAFETY: the text lives through the call.
    let block =
        |on| unsafe { commands::pcn_node_set_blocked(a.node, bytes(peer.as_bytes()), on, std::ptr::null_mut()) };
    assert_eq!(block(1), PcnStatus::Ok);
    b.next(PcnEventKind::PeerDisconnected);
    assert_eq!(block(2), PcnStatus::InvalidArgument);
    assert_eq!(block(0), PcnStatus::Ok);
    assert_eq!(b.dial(&address, 9), PcnStatus::Ok);
    let result = b.find(|seen| seen.kind == PcnEventKind::DialResult as u8 && seen.token == 9).expect("a result");
    assert_eq!(result.code, 0, "{}", result.text());
    a.end();
    b.end();
}

#[test]
fn blocks_of_addresses_hold_from_the_start_and_change_at_run_time() {
    let mut b = Host::start(&config());
    let address = format!("{}/p2p/{}", b.address(), b.peer_id());
    let mut a = Host::start(&PcnConfig { blocked: bytes(b"192.0.2.1\n127.0.0.0/8"), ..config() });
    let dial = |a: &mut Host, token| {
        assert_eq!(a.dial(&address, token), PcnStatus::Ok);
        let ended = |seen: &Seen| seen.kind == PcnEventKind::DialResult as u8 && seen.token == token;
        a.find(ended).expect("a result").code
    };
    assert_eq!(dial(&mut a, 1), PcnDialFailure::Blocked as u32);
    assert_eq!(a.stats().dials_blocked, 1);
    let node = a.node;
    // SAFETY: the text lives through the call.
    let block = |on| unsafe { commands::pcn_node_block(node, bytes(b"127.0.0.0/8"), on, std::ptr::null_mut()) };
    assert_eq!(block(0), PcnStatus::Ok);
    assert_eq!(dial(&mut a, 2), 0);
    assert_eq!(block(1), PcnStatus::Ok);
    a.next(PcnEventKind::PeerDisconnected);
    a.end();
    b.end();
    for wrong in [
        PcnConfig { blocked: bytes(b"10.0.0.0/8\nnonsense"), ..config() },
        PcnConfig { protected_peers: bytes(b"10.0.0.1"), ..config() },
        PcnConfig { gater_mode: 2, ..config() },
    ] {
        let (status, text) = common::start(&wrong).expect_err("refused");
        assert_eq!(status, PcnStatus::InvalidArgument);
        assert!(["blocked", "protected_peers", "gater_mode"].iter().any(|name| text.contains(name)), "{text}");
    }
}

#[test]
fn quic_and_memory_carry_it_too() {
    for listen in ["/ip4/127.0.0.1/udp/0/quic-v1", "/memory/0"] {
        let (a, mut b) = pair(|config| {
            let memory = u8::from(listen.starts_with("/memory"));
            (config.enable_tcp, config.enable_quic, config.enable_memory) = (0, 1 - memory, memory);
            config.listen = bytes(listen.as_bytes());
        });
        b.rewind();
        let connected = b.next(PcnEventKind::PeerConnected);
        let transport = listen.split('/').next_back().filter(|last| *last != "0").unwrap_or("memory");
        assert!(connected.text().contains(transport), "{} over {listen}", connected.text());
        a.end();
        b.end();
    }
}

#[test]
fn log_lines_come_as_events_up_to_the_level() {
    let (mut a, b) = pair(|config| config.log_level = 5);
    let line = a.next(PcnEventKind::Log);
    assert!((1..=5).contains(&line.code));
    assert!(line.text().contains('\n'), "{}", line.text());
    let mut quiet = Host::start(&common::config());
    quiet.address();
    let seen = quiet.end();
    assert!(!seen.iter().any(|seen| seen.kind == PcnEventKind::Log as u8), "level 0 logs nothing");
    a.end();
    b.end();
}

#[test]
fn a_node_is_found_by_its_record() {
    let mut settings = common::config();
    let without = Host::start(&settings);
    assert_eq!(without.enr(), Err(PcnStatus::NotFound));
    without.end();
    settings.discovery_listen = bytes(b"127.0.0.1:0");
    settings.local_network = 1;
    let mut a = Host::start(&settings);
    a.address();
    let record = a.enr().expect("a record");
    assert!(record.starts_with("enr:"), "{record}");
    settings.bootnodes = bytes(record.as_bytes());
    let mut b = Host::start(&settings);
    let connected = b.next(PcnEventKind::PeerConnected);
    assert_eq!(connected.text().split('\n').next(), Some(a.peer_id().as_str()));
    a.end();
    b.end();
}
