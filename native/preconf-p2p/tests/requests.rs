//! Requests between real nodes, and with peers that misbehave.

use std::{collections::HashSet, time::Duration};

use futures::StreamExt;
use libp2p::{
    PeerId,
    identity::Keypair,
    request_response::{self, Message},
    swarm::SwarmEvent,
};
use preconf_p2p::{
    Config, Event, Protocol, RequestError, SubmitError,
    reqresp::{Direction, encode_frame, frame_cap},
};

mod common;
use common::{
    TestNode, config, payload,
    proxy::{Mode, Proxy},
    raw,
};

const LONG: Duration = Duration::from_secs(10);

async fn request(node: &mut TestNode) -> (u64, Protocol, Vec<u8>) {
    node.wait("request", |event| match event {
        Event::Request { channel, protocol, data, .. } => Some((*channel, *protocol, data.clone())),
        _ => None,
    })
    .await
}

async fn result(node: &mut TestNode, wanted: u64) -> Result<Vec<u8>, RequestError> {
    node.wait("the request ends", |event| match event {
        Event::Response { token, data, .. } if *token == wanted => Some(Ok(data.clone())),
        Event::RequestFailed { token, error, .. } if *token == wanted => Some(Err(*error)),
        _ => None,
    })
    .await
}

async fn pair() -> (TestNode, TestNode) {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    (a, b)
}

async fn all_protocols(mut a: TestNode, mut b: TestNode) {
    a.join(&mut b).await;
    let mut token = 0;
    for protocol in Protocol::ALL {
        let (ask, answer) = (frame_cap(protocol, Direction::Request), frame_cap(protocol, Direction::Response));
        for (ask, answer) in [(1, 1), (36, 64), (0, 0), (ask, answer)] {
            token += 1;
            let (question, reply) = (payload(token, ask), payload(token + 1000, answer));
            a.handle.request(protocol, b.id, question.clone(), token, LONG).unwrap();
            let (channel, asked, data) = request(&mut b).await;
            assert_eq!((asked, data), (protocol, question));
            b.handle.respond(channel, reply.clone()).unwrap();
            assert!(result(&mut a, token).await == Ok(reply), "{protocol:?}, {answer} bytes");
            let sent = b.wait("sent", |event| match event {
                Event::ResponseSent { channel, .. } => Some(*channel),
                _ => None,
            });
            assert_eq!(sent.await, channel);
            assert_eq!(b.handle.respond(channel, vec![]), Err(SubmitError::NotFound));
        }
    }
    assert_eq!((a.handle.stats().requests_out, b.handle.stats().requests_in), (12, 12));
    tokio::join!(a.stop(), b.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_protocols_over_tcp() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    all_protocols(TestNode::start(config(&[tcp])).await, TestNode::start(config(&[tcp])).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_protocols_over_quic() {
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1";
    all_protocols(TestNode::start(config(&[quic])).await, TestNode::start(config(&[quic])).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_from_a_failure() {
    let (mut a, mut b) = pair().await;
    a.handle.request(Protocol::Head, b.id, vec![4, 0, 0, 0], 1, LONG).unwrap();
    let (channel, ..) = request(&mut b).await;
    b.handle.refuse(channel);
    assert_eq!(result(&mut a, 1).await, Err(RequestError::Refused));
    b.handle.refuse(channel);
    assert_eq!(b.handle.respond(channel, vec![]), Err(SubmitError::NotFound));
    b.never(Duration::from_millis(300), "told twice", |event| matches!(event, Event::RequestAborted { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_over_the_caps_are_refused_at_submission() {
    let (mut a, mut b) = pair().await;
    for protocol in Protocol::ALL {
        let over = vec![0; frame_cap(protocol, Direction::Request) + 1];
        assert_eq!(a.handle.request(protocol, b.id, over, 1, LONG), Err(SubmitError::TooLarge));
        a.handle.request(protocol, b.id, vec![1], 2, LONG).unwrap();
        let (channel, ..) = request(&mut b).await;
        let over = vec![0; frame_cap(protocol, Direction::Response) + 1];
        assert_eq!(b.handle.respond(channel, over), Err(SubmitError::TooLarge));
        // The request is still open.
        b.handle.respond(channel, vec![2]).unwrap();
        assert_eq!(result(&mut a, 2).await, Ok(vec![2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_give_up_in_time() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|config| config.request_timeout = Duration::from_secs(2)).await;
    a.join(&mut b).await;
    a.handle.request(Protocol::Head, b.id, vec![1], 1, Duration::from_millis(300)).unwrap();
    let (channel, ..) = request(&mut b).await;
    let asked = std::time::Instant::now();
    assert_eq!(result(&mut a, 1).await, Err(RequestError::Timeout));
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}", asked.elapsed());
    let aborted = b.wait("aborted", |event| match event {
        Event::RequestAborted { channel, error, .. } => Some((*channel, *error)),
        _ => None,
    });
    assert_eq!(aborted.await, (channel, RequestError::Timeout));
    assert_eq!(b.handle.respond(channel, vec![]), Err(SubmitError::NotFound));
    // One that b never answers is closed by b, before a's own ten seconds are over.
    a.handle.request(Protocol::TxList, b.id, vec![1], 2, LONG).unwrap();
    assert_eq!(result(&mut a, 2).await, Err(RequestError::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_needs_a_connection_or_an_address() {
    let mut b = TestNode::in_process(|_| {}).await;
    let address = b.address();
    let mut a = TestNode::in_process(|_| {}).await;
    a.handle.request(Protocol::Head, PeerId::random(), vec![1], 1, LONG).unwrap();
    assert_eq!(result(&mut a, 1).await, Err(RequestError::DialFailed));
    // A static peer's address is known before it is connected.
    let mut c = TestNode::in_process(|config| config.static_peers = vec![address]).await;
    c.handle.request(Protocol::Head, b.id, vec![1], 2, LONG).unwrap();
    let (channel, ..) = request(&mut b).await;
    b.handle.respond(channel, vec![7]).unwrap();
    assert_eq!(result(&mut c, 2).await, Ok(vec![7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_requests_both_ways() {
    let (mut a, mut b) = pair().await;
    a.handle.request(Protocol::Head, b.id, vec![1], 1, LONG).unwrap();
    let (channel, ..) = request(&mut b).await;
    a.handle.disconnect(b.id);
    assert_eq!(result(&mut a, 1).await, Err(RequestError::ConnectionClosed));
    let mut aborted = None;
    b.wait("disconnected", |event| match event {
        Event::RequestAborted { channel, error, .. } => {
            aborted = Some((*channel, *error));
            None
        }
        Event::PeerDisconnected { .. } => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(aborted, Some((channel, RequestError::ConnectionClosed)), "told before the peer is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_everything() {
    let (mut a, mut b) = pair().await;
    a.handle.request(Protocol::Head, b.id, vec![1], 1, LONG).unwrap();
    request(&mut b).await;
    a.handle.stop();
    assert_eq!(result(&mut a, 1).await, Err(RequestError::Stopped));
    b.handle.stop();
    let aborted = b.wait("aborted", |event| match event {
        Event::RequestAborted { error, .. } => Some(*error),
        _ => None,
    });
    assert!(matches!(aborted.await, RequestError::Stopped | RequestError::ConnectionClosed));
    assert_eq!(a.handle.request(Protocol::Head, b.id, vec![1], 2, LONG), Err(SubmitError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_bounded_and_each_ends_once() {
    let (mut a, mut b) = pair().await;
    for token in 0..128 {
        a.handle.request(Protocol::TxList, b.id, vec![1], token, LONG).unwrap();
    }
    assert_eq!(a.handle.request(Protocol::TxList, b.id, vec![1], 999, LONG), Err(SubmitError::Full));
    let mut ended = HashSet::new();
    let mut busy = 0;
    let answering = async {
        loop {
            let (channel, ..) = request(&mut b).await;
            let _ = b.handle.respond(channel, vec![1]);
        }
    };
    let ending = a.wait("all end", |event| {
        let (token, error) = match event {
            Event::Response { token, .. } => (*token, None),
            Event::RequestFailed { token, error, .. } => (*token, Some(*error)),
            _ => return None,
        };
        assert!(ended.insert(token), "{token} ended twice");
        assert!(matches!(error, None | Some(RequestError::Busy | RequestError::Refused)), "{error:?}");
        busy += usize::from(error.is_some());
        (ended.len() == 128).then_some(())
    });
    tokio::select! {
        () = ending => {}
        _ = answering => {}
    }
    assert!(busy <= 28, "a connection takes 100 at once, but {busy} of 128 failed");
    a.handle.request(Protocol::TxList, b.id, vec![1], 1000, LONG).unwrap();
}

/// Sends `bytes` as they are to a node; returns what the node says and what the peer gets.
async fn verbatim_to_node(protocol: Protocol, bytes: Vec<u8>) -> (Event, Option<Vec<u8>>) {
    let mut node = TestNode::in_process(|config| config.request_timeout = Duration::from_secs(3)).await;
    let keypair = Keypair::generate_ed25519();
    let mut peer = raw::swarm(&keypair, raw::requests(167_000, protocol));
    peer.dial(node.address()).unwrap();
    raw::until_connected(&mut peer, node.id).await;
    peer.behaviour_mut().send_request(&node.id, bytes);
    let answering = async {
        let event = node
            .wait("the node's word", |event| match event {
                Event::Request { channel, protocol, peer, data } => {
                    Some(Event::Request { channel: *channel, protocol: *protocol, peer: *peer, data: data.clone() })
                }
                Event::RequestAborted { channel, protocol, peer, error } => {
                    Some(Event::RequestAborted { channel: *channel, protocol: *protocol, peer: *peer, error: *error })
                }
                _ => None,
            })
            .await;
        if let Event::Request { channel, .. } = &event {
            node.handle.respond(*channel, vec![9; 3]).unwrap();
        }
        event
    };
    let receiving = async {
        loop {
            match peer.select_next_some().await {
                SwarmEvent::Behaviour(request_response::Event::Message {
                    message: Message::Response { response, .. },
                    ..
                }) => return Some(response),
                SwarmEvent::Behaviour(request_response::Event::OutboundFailure { .. }) => return None,
                _ => {}
            }
        }
    };
    tokio::join!(answering, receiving)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_request_is_ignored() {
    let mut bytes = encode_frame(&[4, 0, 0, 0]);
    bytes.extend([0xee; 20]);
    let (event, answer) = verbatim_to_node(Protocol::Head, bytes).await;
    assert!(matches!(event, Event::Request { data, .. } if data == [4, 0, 0, 0]));
    assert_eq!(answer, Some(encode_frame(&[9; 3])));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_told_and_closed() {
    let cut = encode_frame(&[1; 32])[..20].to_vec();
    let over = encode_frame(&[1; 129]);
    for (bytes, expected) in [
        (vec![0x84, 0x00], RequestError::BadFrame),
        (vec![0xff; 10], RequestError::BadFrame),
        (over, RequestError::BadFrame),
        (vec![0xff, 0xff, 0xff, 0xff, 0x0f], RequestError::BadFrame),
        (cut, RequestError::Io),
    ] {
        let (event, answer) = verbatim_to_node(Protocol::Head, bytes.clone()).await;
        let Event::RequestAborted { channel, error, .. } = event else { panic!("{bytes:02x?}: {event:?}") };
        assert_eq!((channel, error), (u64::MAX, expected), "{bytes:02x?}");
        assert!(answer.is_none_or(|answer| answer.is_empty()), "{bytes:02x?}");
    }
}

/// A node asks a peer that answers with `bytes` as they are.
async fn verbatim_to_request(protocol: Protocol, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
    let mut node = TestNode::in_process(|_| {}).await;
    let keypair = Keypair::generate_secp256k1();
    let mut peer = raw::swarm(&keypair, raw::requests(167_000, protocol));
    let address = raw::listen(&mut peer);
    let id = *peer.local_peer_id();
    let serving = tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(request_response::Event::Message {
                message: Message::Request { channel, .. },
                ..
            }) = peer.select_next_some().await
            {
                peer.behaviour_mut().send_response(channel, bytes.clone()).unwrap();
            }
        }
    });
    node.handle.dial(address, 0).unwrap();
    node.wait("connected", |event| matches!(event, Event::PeerConnected { .. }).then_some(())).await;
    node.handle.request(protocol, id, vec![1], 5, LONG).unwrap();
    let result = result(&mut node, 5).await;
    serving.abort();
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_responses_are_told_apart() {
    let cap = frame_cap(Protocol::TxList, Direction::Response);
    let (length, used) = preconf_p2p::reqresp::encode_length(cap as u32 + 1);
    let cut = encode_frame(&payload(1, 100_000))[..60_000].to_vec();
    let mut trailing = encode_frame(&[5; 40]);
    trailing.push(0);
    for (bytes, expected) in [
        (vec![], Err(RequestError::Refused)),
        (vec![0x80, 0x00], Err(RequestError::BadFrame)),
        (length[..used].to_vec(), Err(RequestError::BadFrame)),
        (cut, Err(RequestError::Io)),
        (vec![0x80], Err(RequestError::Io)),
        (trailing, Ok(vec![5; 40])),
    ] {
        let shown = bytes[..bytes.len().min(8)].to_vec();
        assert_eq!(verbatim_to_request(Protocol::TxList, bytes).await, expected, "{shown:02x?}…");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_the_protocol_is_told() {
    let mut node = TestNode::in_process(|_| {}).await;
    let keypair = Keypair::generate_secp256k1();
    let mut peer = raw::swarm(&keypair, raw::requests(1, Protocol::Head));
    let address = raw::listen(&mut peer);
    let id = *peer.local_peer_id();
    let serving = tokio::spawn(async move {
        loop {
            peer.select_next_some().await;
        }
    });
    node.handle.dial(address, 0).unwrap();
    node.wait("connected", |event| matches!(event, Event::PeerConnected { .. }).then_some(())).await;
    node.handle.request(Protocol::Head, id, vec![1], 1, LONG).unwrap();
    assert_eq!(result(&mut node, 1).await, Err(RequestError::UnsupportedProtocol));
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_does_not_speak_the_protocol() {
    for address in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        let mut a = TestNode::start(config(&[])).await;
        let b = TestNode::start(Config { chain_id: 2, ..config(&[address]) }).await;
        a.handle.dial(b.address(), 0).unwrap();
        a.wait("connected", |event| matches!(event, Event::PeerConnected { .. }).then_some(())).await;
        for token in 0..20 {
            let asked = [0; 100];
            a.handle.request(Protocol::TxList, b.id, asked.to_vec(), token, LONG).unwrap();
            assert_eq!(result(&mut a, token).await, Err(RequestError::UnsupportedProtocol), "{address} {token}");
        }
        assert_eq!(b.handle.stats().requests_in, 0);
        tokio::join!(a.stop(), b.stop());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_needs_no_word_of_the_peer_to_arrive() {
    let mut a = TestNode::start(config(&[])).await;
    let mut b = TestNode::start(config(&["/ip4/127.0.0.1/tcp/0"])).await;
    let line = Proxy::tcp(&b.address()).await;
    a.handle.dial(line.address_of(b.id), 0).unwrap();
    for node in [&mut a, &mut b] {
        node.wait("connected", |event| matches!(event, Event::PeerConnected { .. }).then_some(())).await;
    }
    for (token, mode) in [(0, Mode::Open), (1, Mode::OneWay)] {
        line.set(mode);
        a.handle.request(Protocol::Head, b.id, payload(token, 36), token, LONG).unwrap();
        let (channel, _, data) = request(&mut b).await;
        assert_eq!(data, payload(token, 36));
        b.handle.respond(channel, payload(token, 64)).unwrap();
        line.set(Mode::Open);
        assert_eq!(result(&mut a, token).await, Ok(payload(token, 64)));
    }
    tokio::join!(a.stop(), b.stop());
}

/// A peer of a manner that asks so often, all at once, of a node with two seconds for each.
async fn asker(
    manner: raw::Verbatim,
    protocol: Protocol,
    bytes: &[u8],
    times: usize,
) -> (TestNode, libp2p::Swarm<request_response::Behaviour<raw::Verbatim>>) {
    let node = TestNode::in_process(|config| config.request_timeout = Duration::from_secs(2)).await;
    let keypair = Keypair::generate_ed25519();
    let mut peer = raw::swarm(&keypair, raw::requests_of(manner, 167_000, protocol));
    peer.dial(node.address()).unwrap();
    raw::until_connected(&mut peer, node.id).await;
    for _ in 0..times {
        peer.behaviour_mut().send_request(&node.id, bytes.to_vec());
    }
    (node, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_drip_in_are_cut_off() {
    const STREAMS: usize = 50;
    // A length of 100 bytes, of which one comes every 100 ms: ten seconds' worth.
    let (mut node, mut peer) = asker(raw::Verbatim::Dripping, Protocol::Head, &[100, 1], STREAMS).await;
    let asked = std::time::Instant::now();
    let dripping = async {
        let mut failed = 0;
        while failed < STREAMS {
            if let SwarmEvent::Behaviour(request_response::Event::OutboundFailure { .. }) =
                peer.select_next_some().await
            {
                failed += 1;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), dripping).await.expect("each stream is closed by the node");
    assert!(asked.elapsed() >= Duration::from_millis(1500), "{:?}: not by the time-out", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}: it was read to its end", asked.elapsed());
    node.never(Duration::from_millis(100), "a request", |event| matches!(event, Event::Request { .. })).await;
    assert_eq!(node.handle.stats().requests_in, 0);
    // The connection is as good as before.
    let others = Keypair::generate_ed25519();
    let mut other = raw::swarm(&others, raw::requests(167_000, Protocol::Head));
    other.dial(node.address()).unwrap();
    raw::until_connected(&mut other, node.id).await;
    other.behaviour_mut().send_request(&node.id, encode_frame(&[4, 0, 0, 0]));
    tokio::select! {
        (_, _, data) = request(&mut node) => assert_eq!(data, [4, 0, 0, 0]),
        () = async { loop { other.select_next_some().await; } } => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_given_up() {
    let (mut node, mut peer) = asker(raw::Verbatim::Deaf, Protocol::TxList, &encode_frame(&[7; 32]), 1).await;
    let reading = tokio::spawn(async move {
        loop {
            peer.select_next_some().await;
        }
    });
    let (channel, ..) = request(&mut node).await;
    node.handle.respond(channel, payload(1, 2 << 20)).unwrap();
    let aborted = node.wait("given up", |event| match event {
        Event::RequestAborted { channel, error, .. } => Some((*channel, *error)),
        Event::ResponseSent { .. } => panic!("2 MiB are sent to nobody"),
        _ => None,
    });
    assert_eq!(aborted.await, (channel, RequestError::Timeout));
    reading.abort();
}
