//! Publishing: a queue per topic in front of gossipsub, which would lose what its own queues have no room for.

use std::{collections::VecDeque, time::Duration};

use libp2p::{
    PeerId,
    gossipsub::{IdentTopic, MessageAcceptance, MessageId, PublishError, TopicHash},
};
use tokio::time::Instant;

use super::Driver;
use crate::{
    Event, EventSink, PublishOutcome, Topic, buffers,
    gossip::own_id,
    transport::{Budget, Fingerprint, Room, Watch},
};

/// What the RPC around a payload adds, at most: author, sequence number, topic, signature, key, tags.
pub(super) const RPC_OVERHEAD: usize = 256;
/// Publishes handed to gossipsub between two looks at the swarm.
const BATCH_MESSAGES: usize = 64;
const BATCH_BYTES: usize = 4 << 20;
/// How long gossipsub surely remembers a message that its queues refused (12 heartbeats, less two).
const REFUSED_HEARTBEATS: u32 = 10;

/// The application score under which gossipsub publishes nothing to a peer, whatever else it scores.
const PASSED_OVER: f64 = -1e9;

/// A publish that waits for its turn.
struct Publish {
    data: Vec<u8>,
    token: u64,
    deadline: Instant,
    /// Set when gossipsub has taken the message, and its id as seen, but no queue had room for it.
    refused: Option<Refused>,
}

struct Refused {
    id: MessageId,
    at: Instant,
    /// What became of the last try to send it even so.
    watch: Watch,
}

/// Publishes accepted and not yet handed over, first come first served within a topic.
#[derive(Default)]
pub(super) struct Outbox {
    queues: [VecDeque<Publish>; 2],
    /// Those that were refused and handed over once more; it is not known yet whether any queue took them.
    unproven: [VecDeque<Publish>; 2],
}

impl Outbox {
    pub(super) fn push(&mut self, topic: Topic, data: Vec<u8>, token: u64, deadline: Instant) {
        self.queues[topic.index()].push_back(Publish { data, token, deadline, refused: None });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().chain(&self.unproven).all(VecDeque::is_empty)
    }
}

/// What a try to publish came to.
enum Try {
    Done(PublishOutcome),
    /// Handed over again; whether any queue took it will show.
    Unproven,
    /// A peer worth waiting for has no room.
    Full,
    /// Nobody to send to.
    NoPeers,
}

/// The peers that a message would go to.
pub(super) struct Recipients {
    /// All that may get it; gossipsub chooses among them.
    pub(super) peers: Vec<PeerId>,
    /// How many gossipsub will choose.
    pub(super) count: u32,
}

/// Which of some peers have room.
#[derive(Default)]
pub(super) struct Look {
    /// Those that have.
    pub(super) free: usize,
    /// Those that have not, and for which others can wait.
    pub(super) full: usize,
    /// Those for which others should not.
    pub(super) overdue: Vec<PeerId>,
}

impl<S: EventSink> Driver<'_, S> {
    /// Hands over what there is room for. Returns whether more could go at once.
    pub(super) fn pump_outbox(&mut self) -> bool {
        self.prove_publishes();
        let (mut messages, mut bytes) = (0, 0);
        // Commitments first: they are small, and late ones are worthless.
        for topic in Topic::ALL {
            while let Some(mut publish) = self.outbox.queues[topic.index()].pop_front() {
                if messages >= BATCH_MESSAGES || bytes >= BATCH_BYTES {
                    self.outbox.queues[topic.index()].push_front(publish);
                    return true;
                }
                match self.try_publish(topic, &mut publish) {
                    Try::Done(outcome) => {
                        messages += 1;
                        bytes += publish.data.len();
                        self.publish_ended(publish, outcome);
                    }
                    Try::Unproven => self.outbox.unproven[topic.index()].push_back(publish),
                    Try::Full | Try::NoPeers => {
                        self.outbox.queues[topic.index()].push_front(publish);
                        break;
                    }
                }
            }
        }
        false
    }

    fn try_publish(&mut self, topic: Topic, publish: &mut Publish) -> Try {
        let size = publish.data.len() + RPC_OVERHEAD;
        let mut passed = Vec::new();
        let recipients = match self.choose(topic, size, &mut passed) {
            Ok(recipients) => recipients,
            Err(end) => return end,
        };
        let fingerprint = Fingerprint::of(&publish.data);
        if let Some(refused) = &mut publish.refused {
            return self.retry_refused(topic, refused, (fingerprint, size), &recipients);
        }
        self.enter(&recipients.peers, fingerprint, size);
        match self.publish_past(topic, publish.data.clone(), &passed) {
            Ok(_) => {
                self.settle(&recipients.peers, fingerprint);
                Try::Done(PublishOutcome::Sent(recipients.count))
            }
            Err(error) => {
                self.withdraw(&recipients.peers, fingerprint);
                self.refused(topic, publish, error)
            }
        }
    }

    /// Who is to get a message of this size now. Peers that let it wait for too long while others have room are passed
    /// over, and others chosen in their place.
    fn choose(&mut self, topic: Topic, size: usize, passed: &mut Vec<PeerId>) -> Result<Recipients, Try> {
        let budget = self.budget(topic);
        loop {
            let recipients = self.recipients(topic, passed);
            if recipients.peers.is_empty() {
                return Err(if passed.is_empty() { Try::NoPeers } else { Try::Full });
            }
            let look = self.look(&recipients.peers, size, budget);
            if look.full > 0 || look.free == 0 {
                return Err(Try::Full);
            }
            if look.overdue.is_empty() {
                return Ok(recipients);
            }
            passed.extend(look.overdue);
        }
    }

    /// Publishes to others than these peers.
    fn publish_past(&mut self, topic: Topic, data: Vec<u8>, passed: &[PeerId]) -> Result<MessageId, PublishError> {
        // Put back at once, so that no heartbeat sees it: they keep their place in the mesh.
        for id in passed {
            self.net.swarm.behaviour_mut().gossip.set_application_score(id, PASSED_OVER);
        }
        let hash = self.settings.topics[topic.index()].clone();
        let result = self.net.swarm.behaviour_mut().gossip.publish(hash, data);
        for id in passed {
            self.apply_score(*id);
            if let Some(peer) = self.peers.get_mut(id).filter(|_| result.is_ok()) {
                peer.passed_over += 1;
                self.shared.counters.passed_over.add(1);
            }
        }
        result
    }

    fn refused(&mut self, topic: Topic, publish: &mut Publish, error: PublishError) -> Try {
        match error {
            PublishError::Duplicate => Try::Done(PublishOutcome::Duplicate),
            PublishError::NoPeersSubscribedToTopic => Try::NoPeers,
            PublishError::MessageTooLarge => Try::Done(PublishOutcome::TooLarge),
            PublishError::AllQueuesFull(_) => {
                let id = own_id(self.settings.message_id, topic, self.topic_hash(topic).as_str(), &publish.data);
                publish.refused = Some(Refused { id: MessageId::new(&id), at: self.now, watch: Watch::default() });
                Try::Full
            }
            PublishError::SigningError(error) => {
                tracing::error!(%error, "a message could not be signed");
                Try::Done(PublishOutcome::Failed)
            }
            PublishError::TransformFailed(error) => {
                tracing::error!(%error, "a message could not be encoded");
                Try::Done(PublishOutcome::Failed)
            }
        }
    }

    /// Publishing the same message again would be a duplicate to gossipsub; accepting it as if it had been received
    /// sends it from the message cache to the mesh, and to peers that are explicit at that moment. Gossipsub does not
    /// say whether any of their queues took it, so what is written is watched.
    fn retry_refused(
        &mut self,
        topic: Topic,
        refused: &mut Refused,
        (fingerprint, size): (Fingerprint, usize),
        recipients: &Recipients,
    ) -> Try {
        let mut targets: Vec<_> = self.mesh(topic).collect();
        let others = recipients.peers.iter().filter(|peer| !targets.contains(peer)).copied();
        let missing = self.settings.mesh_n.saturating_sub(targets.len());
        let chosen: Vec<_> = others.take(missing).collect();
        targets.extend(&chosen);
        refused.watch = Watch::default();
        for peer in targets.iter().filter_map(|id| self.peers.get(id)) {
            peer.ledger.enter_watched(fingerprint, size, &mut refused.watch);
        }
        let me = self.shared.peer_id;
        let gossip = &mut self.net.swarm.behaviour_mut().gossip;
        chosen.iter().for_each(|peer| gossip.add_explicit_peer(peer));
        let known = gossip.report_message_validation_result(&refused.id, &me, MessageAcceptance::Accept);
        chosen.iter().for_each(|peer| gossip.remove_explicit_peer(peer));
        if known {
            self.settle(&targets, fingerprint);
            Try::Unproven
        } else {
            self.withdraw(&targets, fingerprint);
            Try::Done(PublishOutcome::QueueFull)
        }
    }

    /// Ends those handed over once more that reached a peer; those that reached none are tried again.
    fn prove_publishes(&mut self) {
        for topic in Topic::ALL {
            if self.outbox.unproven[topic.index()].is_empty() {
                continue;
            }
            // Before the look, or what is written between look and wish would wake nobody.
            self.ledgers.want_room();
            for publish in std::mem::take(&mut self.outbox.unproven[topic.index()]) {
                let watch = publish.refused.as_ref().map(|refused| (refused.watch.is_open(), refused.watch.written()));
                match watch {
                    Some((_, written)) if written > 0 => {
                        let count = u32::try_from(written).unwrap_or(u32::MAX);
                        self.publish_ended(publish, PublishOutcome::Sent(count));
                    }
                    Some((true, _)) => self.outbox.unproven[topic.index()].push_back(publish),
                    _ => self.outbox.queues[topic.index()].push_front(publish),
                }
            }
        }
    }

    fn publish_ended(&mut self, publish: Publish, outcome: PublishOutcome) {
        self.shared.inbox.published(&self.shared.counters, publish.data.len());
        match outcome {
            PublishOutcome::Sent(_) => self.shared.counters.published.add(1),
            PublishOutcome::NoPeers
            | PublishOutcome::Duplicate
            | PublishOutcome::QueueFull
            | PublishOutcome::TooLarge
            | PublishOutcome::Failed
            | PublishOutcome::Stopped => self.shared.counters.publish_failed.add(1),
        }
        self.sink.control(Event::Published { token: publish.token, outcome });
        buffers::give(publish.data);
    }

    /// Ends publishes whose deadline has passed.
    pub(super) fn expire_publishes(&mut self) {
        let refused_for = self.settings.heartbeat * REFUSED_HEARTBEATS;
        for topic in Topic::ALL {
            let now = self.now;
            let is_late = |publish: &Publish| publish.deadline <= now;
            let is_lost =
                |publish: &Publish| publish.refused.as_ref().is_some_and(|refused| refused.at + refused_for <= now);
            let queue = &mut self.outbox.queues[topic.index()];
            let mut ended = extract(queue, |publish| is_late(publish) || is_lost(publish));
            ended.extend(extract(&mut self.outbox.unproven[topic.index()], is_late));
            if ended.is_empty() {
                continue;
            }
            let lonely = self.recipients(topic, &[]).peers.is_empty();
            for publish in ended {
                let outcome = match publish.refused {
                    None if lonely => PublishOutcome::NoPeers,
                    _ => PublishOutcome::QueueFull,
                };
                self.publish_ended(publish, outcome);
            }
        }
    }

    /// Ends all publishes because the node stops.
    pub(super) fn stop_publishes(&mut self) {
        let outbox = std::mem::take(&mut self.outbox);
        for queue in outbox.queues.into_iter().chain(outbox.unproven) {
            for publish in queue {
                self.publish_ended(publish, PublishOutcome::Stopped);
            }
        }
    }

    /// Who would get a message of this node, were it not for those passed over: gossipsub sends to the mesh, filled up
    /// to `mesh_n` with other subscribers.
    fn recipients(&self, topic: Topic, passed: &[PeerId]) -> Recipients {
        let may = |id: &PeerId| {
            self.peers.get(id).is_some_and(|peer| peer.subscribed[topic.index()] && peer.publishable)
                && !passed.contains(id)
        };
        let mesh_n = self.settings.mesh_n;
        let mut peers: Vec<_> = self.mesh(topic).filter(may).collect();
        let mut count = peers.len();
        if count < mesh_n {
            peers.clear();
            peers.extend(self.peers.keys().copied().filter(may));
            count = peers.len().min(mesh_n);
        }
        Recipients { peers, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }

    pub(super) fn mesh(&self, topic: Topic) -> impl Iterator<Item = PeerId> {
        self.net.swarm.behaviour().gossip.mesh_peers(self.topic_hash(topic)).copied()
    }

    /// Txlists leave a quarter of each peer's bytes to commitments.
    pub(super) fn budget(&self, topic: Topic) -> Budget {
        let bytes = match topic {
            Topic::Commitments => self.settings.peer_queue_bytes,
            Topic::TxLists => self.settings.peer_queue_bytes / 4 * 3,
        };
        // gossipsub's own IHAVE and IWANT and its answers to IWANT share the queue.
        Budget { bytes, messages: (self.settings.peer_queue_len / 8 * 7).max(1) }
    }

    /// Which of these peers have room; asks for a wake-up when others have.
    pub(super) fn look(&self, peers: &[PeerId], size: usize, budget: Budget) -> Look {
        let mut look = Look::default();
        // Before the look, or room made between look and wish would wake nobody.
        self.ledgers.want_room();
        for id in peers {
            let Some(peer) = self.peers.get(id) else { continue };
            match peer.ledger.room(size, budget, peer.patience, self.now) {
                Room::Free => look.free += 1,
                Room::Full => look.full += 1,
                Room::Overdue => look.overdue.push(*id),
            }
        }
        look
    }

    pub(super) fn enter(&self, peers: &[PeerId], fingerprint: Fingerprint, size: usize) {
        for peer in peers.iter().filter_map(|id| self.peers.get(id)) {
            peer.ledger.enter(fingerprint, size);
        }
    }

    pub(super) fn settle(&self, peers: &[PeerId], fingerprint: Fingerprint) {
        for peer in peers.iter().filter_map(|id| self.peers.get(id)) {
            peer.ledger.settle(fingerprint);
        }
    }

    pub(super) fn withdraw(&self, peers: &[PeerId], fingerprint: Fingerprint) {
        for peer in peers.iter().filter_map(|id| self.peers.get(id)) {
            peer.ledger.withdraw(fingerprint);
        }
    }

    pub(super) fn topic_hash(&self, topic: Topic) -> &TopicHash {
        &self.settings.topics[topic.index()]
    }
}

/// Takes out what is `over`, in order.
fn extract(queue: &mut VecDeque<Publish>, over: impl Fn(&Publish) -> bool) -> VecDeque<Publish> {
    if !queue.iter().any(&over) {
        return VecDeque::new();
    }
    let (ended, left) = std::mem::take(queue).into_iter().partition(over);
    *queue = left;
    ended
}

/// The hashes of both topics.
pub(super) fn topic_hashes(chain_id: u64) -> [TopicHash; 2] {
    Topic::ALL.map(|topic| IdentTopic::new(crate::topic_name(chain_id, topic)).hash())
}

/// The deadline of something submitted just now.
pub(super) fn deadline(now: Instant, after: Duration) -> Instant {
    // A far-away deadline must not overflow the clock.
    now + after.min(Duration::from_secs(365 * 24 * 3600))
}
