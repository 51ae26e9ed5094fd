//! Load: bursts, peers that stop reading, large IHAVEs, heartbeats.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    gossipsub::{self, IdentTopic},
    identity::Keypair,
    swarm::SwarmEvent,
};
use preconf_p2p::{Event, PublishOutcome, Topic, Verdict, topic_name};

mod common;
use common::{
    PATIENCE, TestNode, config, payload,
    proxy::{Mode, Proxy},
    raw,
};

const BURST: u64 = 20_000;

/// Publishes all at once, unpaced; the receiver accepts each; none may be lost and all come in order.
async fn burst(mut a: TestNode, mut b: TestNode) {
    a.join(&mut b).await;
    let deadline = Duration::from_secs(600);
    for token in 0..BURST {
        a.handle.publish(Topic::Commitments, payload(token, 382), token, deadline).unwrap();
    }
    let publishing = async {
        let mut ended = 0;
        while ended < BURST {
            match a.events.recv().await.unwrap() {
                Event::Published { token, outcome } => {
                    assert_eq!((token, outcome), (ended, PublishOutcome::Sent(1)));
                    ended += 1;
                }
                Event::SlowPeer { failed, .. } => panic!("{failed} messages were dropped"),
                _ => {}
            }
        }
    };
    let receiving = async {
        for token in 0..BURST {
            let gossip = b.next_gossip().await;
            assert!(gossip.data == payload(token, 382), "message {token} is lost or out of order");
            b.verdict(&gossip, Verdict::Accept);
        }
    };
    let started = Instant::now();
    tokio::join!(publishing, receiving);
    println!("{BURST} messages in {:?}", started.elapsed());
    assert_eq!(a.handle.stats().published, BURST);
    assert_eq!((a.handle.stats().outbox_bytes, a.handle.stats().stalled_peers), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaced_burst_loses_nothing_over_tcp() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    burst(TestNode::start(config(&[tcp])).await, TestNode::start(config(&[tcp])).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaced_burst_loses_nothing_through_a_short_queue() {
    let short = |config: &mut preconf_p2p::Config| config.peer_queue_len = 64;
    burst(TestNode::in_process(short).await, TestNode::in_process(short).await).await;
}

/// A gossipsub peer that joins the mesh and then never polls its swarm again: it takes nothing more.
async fn sleeper(node: &mut TestNode) -> libp2p::Swarm<gossipsub::Behaviour> {
    let keypair = Keypair::generate_ed25519();
    let mut peer = raw::swarm(&keypair, raw::gossipsub(&keypair, 167_000, |_| {}));
    peer.dial(node.address()).unwrap();
    let id = *peer.local_peer_id();
    tokio::select! {
        () = node.subscriptions_of(id) => {}
        () = async { loop { peer.select_next_some().await; } } => {}
    }
    let in_mesh = |peer: &libp2p::Swarm<gossipsub::Behaviour>, topic| {
        let hash = IdentTopic::new(topic_name(167_000, topic)).hash();
        peer.behaviour().mesh_peers(&hash).count() > 0
    };
    while !Topic::ALL.into_iter().all(|topic| in_mesh(&peer, topic)) {
        let _ = tokio::time::timeout(Duration::from_millis(50), peer.select_next_some()).await;
    }
    // The GRAFTs leave.
    let _ = tokio::time::timeout(Duration::from_millis(300), async {
        loop {
            peer.select_next_some().await;
        }
    })
    .await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stops_reading_holds_up_nobody_for_long() {
    let mut a = TestNode::in_process(|config| config.outbox_bytes = 256 << 20).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    let sleeper = sleeper(&mut a).await;
    let asleep = *sleeper.local_peer_id();
    let deadline = Duration::from_secs(120);
    for token in 0..40 {
        a.handle.publish(Topic::TxLists, payload(token, 2 << 20), token, deadline).unwrap();
    }
    let mut missed = 0;
    let publishing = async {
        let mut ended = 0;
        while ended < 40 {
            match a.events.recv().await.unwrap() {
                Event::Published { token, outcome } => {
                    assert!(matches!(outcome, PublishOutcome::Sent(1 | 2)), "{token}: {outcome:?}");
                    ended += 1;
                }
                Event::SlowPeer { peer, failed } if peer == asleep => missed += failed,
                _ => {}
            }
        }
    };
    let receiving = async {
        let mut got = HashSet::new();
        for _ in 0..40 {
            let gossip = b.next_gossip().await;
            b.verdict(&gossip, Verdict::Accept);
            got.insert(gossip.data);
        }
        got.len()
    };
    let ((), got) = tokio::time::timeout(PATIENCE, async { tokio::join!(publishing, receiving) }).await.unwrap();
    assert_eq!(got, 40);
    // And it is not kept for ever.
    a.wait("given up", |event| match event {
        Event::PeerDisconnected { peer, .. } if *peer == asleep => Some(()),
        Event::SlowPeer { peer, failed } if *peer == asleep => {
            missed += failed;
            None
        }
        _ => None,
    })
    .await;
    let stats = a.handle.stats();
    assert_eq!((stats.stalled_peers, stats.peers), (1, 1));
    assert!(stats.passed_over > 10 && missed >= stats.passed_over, "{missed} told, {stats:?}");
}

/// Publishes for ten seconds while one of two receivers takes nothing: the other gets each message within a second, and
/// most at once; the one gets messages again when it takes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_behind_a_dead_line_delays_no_other() {
    const RATE: u64 = 400;
    const SECONDS: u64 = 10;
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let mut a = TestNode::start(config(&[])).await;
    let mut b = TestNode::start(config(&[tcp])).await;
    let mut c = TestNode::start(config(&[tcp])).await;
    let line = Proxy::tcp(&c.addresses[0]).await;
    a.join(&mut b).await;
    a.join_at(line.address_of(c.id), &mut c).await;
    line.set(Mode::Stopped);

    let started = Instant::now();
    let handle = a.handle.clone();
    let publishing = tokio::spawn(async move {
        let mut sent = Vec::new();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE as u32);
        for token in 0..RATE * SECONDS {
            pace.tick().await;
            sent.push(started.elapsed());
            handle.publish(Topic::Commitments, payload(token, 382), token, Duration::from_secs(30)).unwrap();
        }
        sent
    });
    let mut came = Vec::new();
    for token in 0..RATE * SECONDS {
        let gossip = b.next_gossip().await;
        came.push(started.elapsed());
        assert!(gossip.data == payload(token, 382), "message {token} is lost or out of order");
        b.verdict(&gossip, Verdict::Accept);
    }
    let mut delays: Vec<_> =
        publishing.await.unwrap().iter().zip(&came).map(|(sent, came)| came.saturating_sub(*sent)).collect();
    delays.sort();
    let (median, longest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("median {median:?}, longest {longest:?}, {:?}", a.handle.stats());
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(median < Duration::from_millis(100), "{median:?}");
    assert!(a.handle.stats().passed_over > 0, "the line took it all: the test shows nothing");
    assert_eq!(a.handle.stats().outbox_bytes, 0);

    line.set(Mode::Open);
    let again = tokio::spawn(async move {
        loop {
            if c.next_gossip().await.data.len() == 500 {
                return;
            }
        }
    });
    for token in 0..u64::MAX {
        if again.is_finished() {
            break;
        }
        assert!(token < 600, "the other is forgotten");
        a.handle.publish(Topic::Commitments, payload(token, 500), token, Duration::from_secs(5)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    again.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_others_passes_a_peer_that_stops_reading() {
    let mut a = TestNode::in_process(|config| config.outbox_bytes = 256 << 20).await;
    let mut b = TestNode::in_process(|_| {}).await;
    let mut c = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    b.join(&mut c).await;
    let sleeper = sleeper(&mut b).await;
    b.mesh(Topic::TxLists, 3).await;
    // Past the initial delay of five seconds: the mesh is mended at heartbeats.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for token in 0..30 {
        a.handle.publish(Topic::TxLists, payload(token, 2 << 20), token, Duration::from_secs(120)).unwrap();
    }
    let forwarding = async {
        for _ in 0..30 {
            let gossip = b.next_gossip().await;
            b.verdict(&gossip, Verdict::Accept);
        }
    };
    let receiving = async {
        let mut got = HashSet::new();
        for _ in 0..30 {
            got.insert(c.next_gossip().await.data);
        }
        got.len()
    };
    let ((), got) = tokio::time::timeout(PATIENCE, async { tokio::join!(forwarding, receiving) }).await.unwrap();
    assert_eq!(got, 30);
    drop(sleeper);
}

/// A peer outside the mesh announces 4000 messages in one IHAVE; all are fetched, and the link still works.
#[tokio::test(flavor = "multi_thread")]
async fn an_ihave_of_4000_ids_is_taken() {
    const MESSAGES: u64 = 4000;
    const BEAT: Duration = Duration::from_secs(10);
    let topic = IdentTopic::new(topic_name(167_000, Topic::Commitments));
    // The peer's mesh has one place, and another peer has it. Its heartbeat is slow, so that one IHAVE names all.
    let keypair = Keypair::generate_ed25519();
    let one_place = |builder: &mut gossipsub::ConfigBuilder| {
        builder.mesh_n(1).mesh_n_low(1).mesh_n_high(1).mesh_outbound_min(0).flood_publish(false);
        builder.heartbeat_interval(BEAT).heartbeat_initial_delay(BEAT);
        builder.connection_handler_queue_len(10_000).validation_mode(gossipsub::ValidationMode::Strict);
        // What IWANT asked for must not go stale in the queue of a slow build.
        builder.forward_queue_duration(PATIENCE).publish_queue_duration(PATIENCE);
    };
    let mut peer = raw::swarm(&keypair, raw::gossipsub(&keypair, 167_000, one_place));
    let address = raw::listen(&mut peer);
    let friend_key = Keypair::generate_ed25519();
    let mut friend = raw::swarm(&friend_key, raw::gossipsub(&friend_key, 167_000, |_| {}));
    friend.dial(address.clone()).unwrap();
    let friend = tokio::spawn(async move {
        loop {
            friend.select_next_some().await;
        }
    });
    while peer.behaviour().mesh_peers(&topic.hash()).count() == 0 {
        peer.select_next_some().await;
    }

    let mut node = TestNode::in_process(|_| {}).await;
    node.handle.dial(address, 0).unwrap();
    let id = *peer.local_peer_id();
    tokio::select! {
        () = node.subscriptions_of(id) => {}
        () = async { loop { peer.select_next_some().await; } } => {}
    }
    // Let it see this node's subscription and refuse its GRAFT.
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        loop {
            peer.select_next_some().await;
        }
    })
    .await;
    for seed in 0..MESSAGES {
        peer.behaviour_mut().publish(topic.clone(), payload(seed, 382)).unwrap();
        if seed % 16 == 0 {
            let _ = futures::FutureExt::now_or_never(peer.next());
        }
    }
    assert_eq!(node.handle.stats().gossip_received, 0, "nothing comes by the mesh");
    let peer = tokio::spawn(async move {
        loop {
            // The library re-arms its heartbeat without polling it: without a look now and then it waits for a packet.
            let event = tokio::time::timeout(Duration::from_millis(100), peer.select_next_some()).await;
            if let Ok(SwarmEvent::Behaviour(gossipsub::Event::Message { message, .. })) = event {
                return message.data;
            }
        }
    });
    let mut got = HashSet::new();
    while got.len() < usize::try_from(MESSAGES).unwrap() {
        got.insert(node.next_gossip().await.data);
    }
    // And the other way.
    node.handle.publish(Topic::Commitments, payload(u64::MAX, 382), 1, Duration::from_secs(30)).unwrap();
    let answer = tokio::time::timeout(PATIENCE, peer).await.expect("the peer hears us").unwrap();
    assert_eq!(answer, payload(u64::MAX, 382));
    assert_eq!(node.handle.stats().stalled_peers, 0);
    friend.abort();
}

/// gossipsub forgets a message after twelve heartbeats. On an idle node, 500 ms each must mean six seconds.
#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_on_time_on_an_idle_node() {
    let mut a = TestNode::in_process(|_| {}).await;
    let mut b = TestNode::in_process(|_| {}).await;
    a.join(&mut b).await;
    // Past the initial delay of five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for token in 0..2 {
        a.handle.publish(Topic::Commitments, payload(token, 382), token, PATIENCE).unwrap();
    }
    let (first, second) = (b.next_gossip().await, b.next_gossip().await);
    tokio::time::sleep(Duration::from_millis(4500)).await;
    b.verdict(&first, Verdict::Accept);
    b.never(Duration::from_millis(2500), "late", |event| matches!(event, Event::VerdictLate { .. })).await;
    b.verdict(&second, Verdict::Accept);
    b.wait("late", |event| matches!(event, Event::VerdictLate { .. }).then_some(())).await;
}

/// Gossipsub's own IHAVE takes the only place of a queue now and then, just when a message is to be published: gossipsub
/// refuses it then and remembers it even so. One thread, so that nothing is written between the two.
#[tokio::test]
async fn what_is_told_to_be_sent_was_sent_though_a_queue_refused_it() {
    let quick = |config: &mut preconf_p2p::Config| {
        config.heartbeat = Duration::from_millis(20);
        config.peer_queue_len = 1;
    };
    let mut a = TestNode::in_process(quick).await;
    let mut b = TestNode::in_process(|_| {}).await;
    // Out of the mesh, so that it is sent IHAVE; and it asks for nothing that it missed.
    a.handle.set_application_score(b.id, -0.5);
    b.handle.set_application_score(a.id, -1.5);
    a.join(&mut b).await;
    // The first heartbeat comes after five seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (mut sent, mut got) = (HashSet::new(), HashSet::new());
    let begun = Instant::now();
    let mut token = 0;
    while begun.elapsed() < Duration::from_secs(8) {
        for _ in 0..20 {
            a.handle.publish(Topic::Commitments, payload(token, 382), token, PATIENCE).unwrap();
            token += 1;
        }
        for _ in 0..20 {
            let ended = a.wait("publish ends", |event| match event {
                Event::Published { token, outcome } => Some((*token, *outcome)),
                _ => None,
            });
            if let (token, PublishOutcome::Sent(count)) = ended.await {
                assert_eq!(count, 1);
                sent.insert(token);
            }
        }
    }
    println!("{} of {token} sent", sent.len());
    assert!(sent.len() as u64 * 10 > token * 9, "nearly all");
    let by_data: HashMap<_, _> = (0..token).map(|token| (payload(token, 382), token)).collect();
    while !sent.is_subset(&got) {
        let next = tokio::time::timeout(Duration::from_secs(10), b.next_gossip()).await;
        let Ok(gossip) = next else { panic!("{} told as sent never came", sent.difference(&got).count()) };
        b.verdict(&gossip, Verdict::Ignore);
        got.insert(by_data[&gossip.data]);
    }
}

/// One of two that a node forwards to takes large messages slowly: txlists wait for it, a commitment does not wait for
/// the txlists.
#[tokio::test(flavor = "multi_thread")]
async fn a_commitment_is_forwarded_past_txlists_that_wait_for_room() {
    let tcp = "/ip4/127.0.0.1/tcp/0";
    let mut author = TestNode::start(config(&[tcp])).await;
    let mut middle = TestNode::start(config(&[tcp])).await;
    let mut slow = TestNode::start(config(&[tcp])).await;
    let mut quick = TestNode::start(config(&[tcp])).await;
    let line = Proxy::tcp(&slow.addresses[0]).await;
    author.join(&mut middle).await;
    middle.join(&mut quick).await;
    middle.join_at(line.address_of(slow.id), &mut slow).await;
    for topic in Topic::ALL {
        middle.mesh(topic, 3).await;
    }
    // A trickle: never so still that it is passed over.
    line.set(Mode::Trickle);
    const LISTS: u64 = 24;
    let mut verdicts = Vec::new();
    for token in 0..LISTS {
        author.handle.publish(Topic::TxLists, payload(token, 256 << 10), token, PATIENCE).unwrap();
        verdicts.push((middle.next_gossip().await.token, Verdict::Accept));
    }
    author.handle.publish(Topic::Commitments, payload(1000, 382), 1000, PATIENCE).unwrap();
    verdicts.push((middle.next_gossip().await.token, Verdict::Accept));
    middle.handle.report(&verdicts);
    let mut lists = 0;
    loop {
        let gossip = quick.next_gossip().await;
        quick.verdict(&gossip, Verdict::Ignore);
        match gossip.topic {
            Topic::TxLists => lists += 1,
            Topic::Commitments => break,
        }
    }
    println!("{lists} of {LISTS} txlists came first");
    assert!(lists <= 1, "{lists} txlists came before the commitment");
}
