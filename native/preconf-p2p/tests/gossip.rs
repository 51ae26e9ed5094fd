//! Gossip between real nodes.

use std::{sync::atomic::Ordering, time::Duration};

use futures::StreamExt;
use libp2p::{gossipsub, identity::Keypair, swarm::SwarmEvent};
use preconf_p2p::{
    Author, Event, MessageIdMode, PublishOutcome, SubmitError, Topic, Verdict, gossip::MAX_PUBLISH_SIZE, topic_name,
};

mod common;
use common::{TestNode, config, payload, raw};

const LONG: Duration = Duration::from_secs(30);

async fn outcome(node: &mut TestNode, wanted: u64) -> PublishOutcome {
    node.wait("publish ends", |event| match event {
        Event::Published { token, outcome } if *token == wanted => Some(*outcome),
        _ => None,
    })
    .await
}

async fn send(from: &mut TestNode, to: &mut TestNode, topic: Topic, data: Vec<u8>, token: u64) {
    from.handle.publish(topic, data.clone(), token, LONG).unwrap();
    assert_eq!(outcome(from, token).await, PublishOutcome::Sent(1));
    let gossip = to.next_gossip().await;
    assert_eq!((gossip.topic, gossip.peer), (topic, from.id));
    assert!(gossip.data == data, "{} bytes arrive as sent", data.len());
    to.verdict(&gossip, Verdict::Accept);
}

async fn both_ways(mut a: TestNode, mut b: TestNode) {
    a.join(&mut b).await;
    for (round, len) in [0, 1, 382, 100_000, 2 << 20].into_iter().enumerate() {
        for topic in Topic::ALL {
            let seed = (round * 4 + topic as usize * 2) as u64;
            // Ids do not bind the topic: payloads must differ by topic, the empty one cannot.
            if len == 0 && topic == Topic::TxLists {
                continue;
            }
            send(&mut a, &mut b, topic, payload(seed, len), seed).await;
            if len > 0 {
                send(&mut b, &mut a, topic, payload(seed + 1, len), seed + 1).await;
            }
        }
    }
    let (sent, received) = (a.handle.stats(), b.handle.stats());
    assert_eq!((sent.published, sent.publish_failed, sent.peers), (9, 0, 1));
    assert_eq!(received.gossip_received, 9);
    assert!(sent.bytes_out > 4 << 20 && received.bytes_in > 4 << 20);
    assert_eq!(sent.outbox_bytes, 0);
    tokio::join!(a.stop(), b.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_topics_both_ways_over_tcp() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    both_ways(TestNode::start(config(&[tcp])).await, TestNode::start(config(&[tcp])).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_topics_both_ways_over_quic() {
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1";
    both_ways(TestNode::start(config(&[quic])).await, TestNode::start(config(&[quic])).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_topics_both_ways_in_process() {
    both_ways(TestNode::in_process(|_| {}).await, TestNode::in_process(|_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ed25519_author_is_heard_and_forwarded() {
    let mut a = TestNode::in_process(|config| config.author = Author::Ed25519).await;
    let mut b = TestNode::in_process(|_| {}).await;
    let mut c = TestNode::in_process(|config| config.author = Author::Ed25519).await;
    a.join(&mut b).await;
    c.join(&mut b).await;
    send(&mut a, &mut b, Topic::Commitments, payload(1, 382), 1).await;
    let forwarded = c.next_gossip().await;
    assert_eq!((forwarded.peer, forwarded.data), (b.id, payload(1, 382)));
    send(&mut c, &mut b, Topic::TxLists, payload(2, 5000), 2).await;
    assert_eq!(a.next_gossip().await.data, payload(2, 5000));
    // And one that signs with its identity is heard by them.
    b.handle.publish(Topic::Commitments, payload(3, 382), 3, LONG).unwrap();
    assert_eq!((a.next_gossip().await.data, c.next_gossip().await.data), (payload(3, 382), payload(3, 382)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_accepted_message_goes_on() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    let mut c = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    b.join(&mut c).await;
    b.mesh(Topic::Commitments, 2).await;

    for (seed, verdict) in [(1, Verdict::Ignore), (2, Verdict::Reject)] {
        a.handle.publish(Topic::Commitments, payload(seed, 382), seed, LONG).unwrap();
        let gossip = b.next_gossip().await;
        b.verdict(&gossip, verdict);
    }
    // Nothing before the verdict either.
    b.handle.set_application_score(a.id, 10.0);
    a.handle.publish(Topic::Commitments, payload(3, 382), 3, LONG).unwrap();
    let gossip = b.next_gossip().await;
    c.never(Duration::from_secs(1), "forwarded without an Accept", |event| matches!(event, Event::Gossip(_))).await;
    b.verdict(&gossip, Verdict::Accept);
    let forwarded = c.next_gossip().await;
    assert_eq!((forwarded.peer, forwarded.data), (b.id, payload(3, 382)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_messages_cost_the_sender_its_place() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    b.mesh(Topic::Commitments, 1).await;
    // Two invalid messages are −8: graylisted, so a third is not even heard.
    for seed in 1..=2 {
        a.handle.publish(Topic::Commitments, payload(seed, 382), seed, LONG).unwrap();
        let gossip = b.next_gossip().await;
        b.verdict(&gossip, Verdict::Reject);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    a.handle.publish(Topic::Commitments, payload(3, 382), 3, LONG).unwrap();
    b.never(Duration::from_secs(1), "heard", |event| matches!(event, Event::Gossip(_))).await;
    // And nothing is published to it.
    b.handle.publish(Topic::Commitments, payload(4, 382), 4, Duration::from_millis(500)).unwrap();
    assert_eq!(outcome(&mut b, 4).await, PublishOutcome::NoPeers);
    // The host's score lifts it again.
    b.handle.set_application_score(a.id, 10.0);
    b.handle.publish(Topic::Commitments, payload(5, 382), 5, LONG).unwrap();
    assert_eq!(outcome(&mut b, 5).await, PublishOutcome::Sent(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_waits_for_its_first_peer() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.handle.publish(Topic::Commitments, payload(1, 382), 1, Duration::from_millis(300)).unwrap();
    assert_eq!(outcome(&mut a, 1).await, PublishOutcome::NoPeers);
    a.handle.publish(Topic::Commitments, payload(2, 382), 2, LONG).unwrap();
    a.handle.publish(Topic::TxLists, payload(3, 382), 3, LONG).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    b.handle.dial(a.address(), 0).unwrap();
    let mut seen = vec![b.next_gossip().await.data, b.next_gossip().await.data];
    seen.sort();
    let mut sent = vec![payload(2, 382), payload(3, 382)];
    sent.sort();
    assert_eq!(seen, sent);
    assert_eq!(outcome(&mut a, 2).await, PublishOutcome::Sent(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_oversized_publishes_are_told() {
    let mut a = TestNode::in_process(|config| config.outbox_bytes = 12 << 20).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    send(&mut a, &mut b, Topic::TxLists, payload(1, 1000), 1).await;
    a.handle.publish(Topic::TxLists, payload(1, 1000), 2, LONG).unwrap();
    assert_eq!(outcome(&mut a, 2).await, PublishOutcome::Duplicate);
    // What came from others is a duplicate too.
    b.handle.publish(Topic::TxLists, payload(1, 1000), 3, LONG).unwrap();
    assert_eq!(outcome(&mut b, 3).await, PublishOutcome::Duplicate);

    let too_large = a.handle.publish(Topic::TxLists, vec![1; MAX_PUBLISH_SIZE + 1], 4, LONG);
    assert_eq!(too_large, Err(SubmitError::TooLarge));
    send(&mut a, &mut b, Topic::TxLists, payload(5, MAX_PUBLISH_SIZE), 5).await;
    // The link is as good as before.
    send(&mut b, &mut a, Topic::TxLists, payload(6, 1000), 6).await;
    send(&mut a, &mut b, Topic::TxLists, payload(7, 1000), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_bounded_by_bytes() {
    let mut a = TestNode::in_process(|config| config.outbox_bytes = 10_000).await;
    for token in 0..9 {
        a.handle.publish(Topic::Commitments, payload(token, 900), token, Duration::from_secs(1)).unwrap();
    }
    assert_eq!(a.handle.publish(Topic::Commitments, payload(10, 900), 10, LONG), Err(SubmitError::Full));
    assert_eq!(a.handle.stats().outbox_bytes, 9 * (900 + 128));
    for token in 0..9 {
        assert_eq!(outcome(&mut a, token).await, PublishOutcome::NoPeers);
    }
    assert_eq!(a.handle.stats().outbox_bytes, 0);
    a.handle.publish(Topic::Commitments, payload(10, 900), 10, LONG).unwrap();
}

/// Its line was cut, and it noticed first.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_before_it_was_missed_hears_what_is_subscribed_to() {
    let mut node = TestNode::in_process(|_| {}).await;
    let keypair = Keypair::generate_secp256k1();
    let come = || raw::swarm(&keypair, raw::gossipsub(&keypair, 167_000, |_| {}));
    let subscribed =
        |event: &SwarmEvent<_>| matches!(event, SwarmEvent::Behaviour(gossipsub::Event::Subscribed { .. }));
    let mut before = come();
    before.dial(node.address()).unwrap();
    while !subscribed(&before.next().await.unwrap()) {}
    node.subscriptions_of(*before.local_peer_id()).await;

    // The old connection stays open, and nobody is there any more.
    let mut after = come();
    after.dial(node.address()).unwrap();
    let heard = async {
        loop {
            match after.next().await.unwrap() {
                SwarmEvent::ConnectionClosed { .. } => after.dial(node.address()).unwrap(),
                event if subscribed(&event) => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LONG, heard).await.expect("subscriptions in time");
    drop(before);
    node.stop().await;
}

/// Ids do not bind the topic, and gossipsub remembers those of all topics.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_under_another_topic_is_no_duplicate() {
    let foreign = String::from("/taiko/elsewhere");
    no_duplicate_after(&foreign, payload(2, 382)).await;
    no_duplicate_after(&topic_name(167_000, Topic::TxLists), payload(1, 382)).await;
}

/// A peer sends a commitment's bytes under `topic` first. `heard` is what is heard of it before another one gives the commitment.
async fn no_duplicate_after(topic: &str, heard: Vec<u8>) {
    let (mut honest, mut node) = (TestNode::in_process(|_| {}).await, TestNode::in_process(|_| {}).await);
    honest.join(&mut node).await;
    let keypair = Keypair::generate_secp256k1();
    let mut hostile = raw::swarm(&keypair, raw::gossip_streams());
    hostile.dial(node.address()).unwrap();
    raw::until_connected(&mut hostile, node.id).await;
    let (commitment, own) = (payload(1, 382), payload(2, 382));
    let commitments = topic_name(167_000, Topic::Commitments);
    let frame = raw::gossip_frame(&keypair, &[(topic, &commitment), (&commitments, &own)]);
    hostile.behaviour_mut().send_request(&node.id, frame);
    let hostile = tokio::spawn(async move { while hostile.next().await.is_some() {} });

    // The second message is read after the first.
    let first = node.next_gossip().await;
    assert!(first.data == heard && first.peer == keypair.public().to_peer_id());
    if heard != own {
        node.verdict(&first, Verdict::Reject);
        assert!(node.next_gossip().await.data == own);
    }
    send(&mut honest, &mut node, Topic::Commitments, commitment, 7).await;
    hostile.abort();
    tokio::join!(honest.stop(), node.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_bound_ids_let_one_payload_pass_on_both_topics() {
    let topic_bound = |config: &mut preconf_p2p::Config| config.message_id = MessageIdMode::TopicBound;
    let mut a = TestNode::in_process(topic_bound).await;
    let mut b = TestNode::in_process(topic_bound).await;
    a.join(&mut b).await;
    send(&mut a, &mut b, Topic::Commitments, payload(1, 382), 1).await;
    send(&mut a, &mut b, Topic::TxLists, payload(1, 382), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sink_is_told_and_counted() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    let mut c = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    b.join(&mut c).await;
    b.full.store(true, Ordering::Relaxed);
    for token in 0..5 {
        a.handle.publish(Topic::Commitments, payload(token, 382), token, LONG).unwrap();
    }
    let mut dropped = 0;
    while dropped < 5 {
        dropped += b
            .wait("drops", |event| match event {
                Event::Dropped(count) => Some(*count),
                _ => None,
            })
            .await;
    }
    assert_eq!((dropped, b.handle.stats().gossip_dropped), (5, 5));
    b.full.store(false, Ordering::Relaxed);
    // None of the five went on, and none counts against the sender.
    for token in 5..8 {
        send(&mut a, &mut b, Topic::Commitments, payload(token, 382), token).await;
        assert_eq!(c.next_gossip().await.data, payload(token, 382));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_after_gossipsub_forgot_is_late() {
    let quick = |config: &mut preconf_p2p::Config| config.heartbeat = Duration::from_millis(50);
    let mut a = TestNode::in_process(quick).await;
    let mut b = TestNode::in_process(quick).await;
    a.join(&mut b).await;
    a.handle.publish(Topic::TxLists, payload(1, 100), 1, LONG).unwrap();
    let gossip = b.next_gossip().await;
    // The first heartbeat comes after five seconds, then twelve of 50 ms.
    tokio::time::sleep(Duration::from_secs(7)).await;
    b.verdict(&gossip, Verdict::Reject);
    let late = b.wait("late", |event| match event {
        Event::VerdictLate { peer, topic, verdict } => Some((*peer, *topic, *verdict)),
        _ => None,
    });
    assert_eq!(late.await, (a.id, Topic::TxLists, Verdict::Reject));
    assert_eq!(b.handle.stats().verdicts_late, 1);
    // A token is good once.
    b.verdict(&gossip, Verdict::Reject);
    b.never(Duration::from_millis(300), "again", |event| matches!(event, Event::VerdictLate { .. })).await;
}
