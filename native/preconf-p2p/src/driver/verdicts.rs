//! Gossip received: handed to the host, held by gossipsub unforwarded until the host's verdict.

use std::{collections::VecDeque, time::Duration};

use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId},
};
use tokio::time::Instant;

use super::{Driver, outbox::RPC_OVERHEAD};
use crate::{Event, EventSink, Gossip, Topic, Verdict, transport::Fingerprint};

/// Messages that may wait for a verdict at once; more are answered Ignore and counted as dropped.
const MAX_WAITING: usize = 1 << 16;
/// A message without a verdict is answered Ignore after this; gossipsub has forgotten it long before.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(30);
/// An Accept waits this many heartbeats after the message came for mesh peers to have room; gossipsub forgets the
/// message after 12.
const ACCEPT_HEARTBEATS: u32 = 8;
/// Accepts of a topic in a row that find no room before the rest is left for later.
const TRIES: usize = 16;
/// A message this small is forwarded then even so: gossipsub's own bound on messages holds it.
const SMALL: usize = 64 << 10;

struct Waiting {
    id: MessageId,
    peer: PeerId,
    topic: Topic,
    fingerprint: Fingerprint,
    len: usize,
    received: Instant,
}

struct Slot {
    generation: u32,
    waiting: Option<Waiting>,
}

/// Messages that wait, named by tokens: slot index and generation, so that a token is good once.
#[derive(Default)]
pub(super) struct Verdicts {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Tokens by age.
    order: VecDeque<(Instant, u64)>,
    /// Accepts that wait for mesh peers to have room, for each topic by itself: a commitment waits for no txlist.
    delayed: [VecDeque<Waiting>; 2],
    waiting: usize,
}

impl Verdicts {
    fn insert(&mut self, waiting: Waiting) -> Option<u64> {
        if self.waiting + self.delayed.iter().map(VecDeque::len).sum::<usize>() >= MAX_WAITING {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, waiting: None });
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        let slot = &mut self.slots[index as usize];
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        self.order.push_back((waiting.received, token));
        slot.waiting = Some(waiting);
        self.waiting += 1;
        Some(token)
    }

    fn remove(&mut self, token: u64) -> Option<Waiting> {
        let index = usize::try_from(token & u64::from(u32::MAX)).ok()?;
        let slot = self.slots.get_mut(index)?;
        if u64::from(slot.generation) != token >> 32 {
            return None;
        }
        let waiting = slot.waiting.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index as u32);
        self.waiting -= 1;
        Some(waiting)
    }

    /// The oldest message, when it has waited since before `limit`.
    fn expired(&mut self, limit: Instant) -> Option<Waiting> {
        while let Some((received, token)) = self.order.front().copied() {
            if received > limit {
                return None;
            }
            self.order.pop_front();
            if let Some(waiting) = self.remove(token) {
                return Some(waiting);
            }
        }
        None
    }

    /// Whether accepts wait for room.
    pub(super) fn any_delayed(&self) -> bool {
        self.delayed.iter().any(|queue| !queue.is_empty())
    }

    /// Whether so many of a topic wait that one more is not tried before them.
    fn is_crowded(&self, topic: Topic) -> bool {
        self.delayed[topic.index()].len() >= TRIES
    }

    /// An accept that found no room is tried again, after those of its topic.
    fn delay(&mut self, waiting: Waiting) {
        self.delayed[waiting.topic.index()].push_back(waiting);
    }

    /// Drops tokens that were used, when they are many; those at the front go with [`Self::expired`].
    fn trim(&mut self) {
        if self.order.len() > 2 * self.waiting + 1024 {
            let slots = &self.slots;
            self.order.retain(|(_, token)| {
                let slot = &slots[(*token & u64::from(u32::MAX)) as usize];
                slot.waiting.is_some() && u64::from(slot.generation) == *token >> 32
            });
        }
    }
}

impl<S: EventSink> Driver<'_, S> {
    /// A message came: to the host with it, or Ignore when there is no room.
    pub(super) fn on_gossip(&mut self, peer: PeerId, id: MessageId, message: gossipsub::Message) {
        let Some(topic) = Topic::ALL.into_iter().find(|topic| self.settings.topics[topic.index()] == message.topic)
        else {
            self.ignore(&id, &peer);
            return;
        };
        let waiting = Waiting {
            id: id.clone(),
            peer,
            topic,
            fingerprint: Fingerprint::of(&message.data),
            len: message.data.len(),
            received: self.now,
        };
        let Some(token) = self.verdicts.insert(waiting) else {
            self.drop_gossip(&id, &peer);
            return;
        };
        match self.sink.gossip(Gossip { topic, peer, token, data: message.data }) {
            Ok(()) => {
                self.shared.counters.gossip_received.add(1);
                self.tell_dropped();
            }
            Err(_) => {
                self.verdicts.remove(token);
                self.drop_gossip(&id, &peer);
            }
        }
    }

    fn drop_gossip(&mut self, id: &MessageId, peer: &PeerId) {
        self.shared.counters.gossip_dropped.add(1);
        self.dropped += 1;
        self.ignore(id, peer);
    }

    /// Says how many messages were dropped since it was last said.
    pub(super) fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            self.sink.control(Event::Dropped(std::mem::take(&mut self.dropped)));
        }
    }

    fn ignore(&mut self, id: &MessageId, peer: &PeerId) {
        let gossip = &mut self.net.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(id, peer, MessageAcceptance::Ignore);
    }

    /// The host's verdicts.
    pub(super) fn on_verdicts(&mut self, verdicts: &[(u64, Verdict)]) {
        for (token, verdict) in verdicts {
            let Some(waiting) = self.verdicts.remove(*token) else { continue };
            let acceptance = match verdict {
                Verdict::Accept => {
                    self.peer_delivered(waiting.peer);
                    self.accept(waiting);
                    continue;
                }
                Verdict::Ignore => MessageAcceptance::Ignore,
                Verdict::Reject => MessageAcceptance::Reject,
            };
            self.conclude(&waiting, *verdict, acceptance);
        }
        self.verdicts.trim();
    }

    /// Accepts that waited for room: again, oldest first, until several in a row must wait on.
    pub(super) fn retry_accepts(&mut self) {
        for topic in Topic::ALL {
            let mut waiting_on = Vec::new();
            while waiting_on.len() < TRIES
                && let Some(waiting) = self.verdicts.delayed[topic.index()].pop_front()
            {
                waiting_on.extend(self.try_accept(waiting));
            }
            for waiting in waiting_on.into_iter().rev() {
                self.verdicts.delayed[topic.index()].push_front(waiting);
            }
        }
    }

    fn accept(&mut self, waiting: Waiting) {
        if self.verdicts.is_crowded(waiting.topic) {
            self.verdicts.delay(waiting);
        } else if let Some(waiting) = self.try_accept(waiting) {
            self.verdicts.delay(waiting);
        }
    }

    /// Forwards a message if all of the mesh have room for it, or it has waited long enough; gives it back otherwise.
    fn try_accept(&mut self, waiting: Waiting) -> Option<Waiting> {
        let peers: Vec<_> = self.mesh(waiting.topic).filter(|peer| *peer != waiting.peer).collect();
        let size = waiting.len + RPC_OVERHEAD;
        let look = self.look(&peers, size, self.budget(waiting.topic));
        if look.full + look.overdue.len() > 0 {
            // gossipsub forwards to all of the mesh, so a peer that holds up others must leave it.
            if look.free > 0 {
                for id in look.overdue {
                    self.bench(id);
                }
            }
            if self.now < waiting.received + self.settings.heartbeat * ACCEPT_HEARTBEATS {
                return Some(waiting);
            }
            if waiting.len > SMALL {
                tracing::debug!(topic = ?waiting.topic, bytes = waiting.len, "not forwarded: a peer takes no more");
                self.ignore(&waiting.id, &waiting.peer);
                return None;
            }
        }
        self.enter(&peers, waiting.fingerprint, size);
        if self.conclude(&waiting, Verdict::Accept, MessageAcceptance::Accept) {
            self.settle(&peers, waiting.fingerprint);
        } else {
            self.withdraw(&peers, waiting.fingerprint);
        }
        None
    }

    /// Tells gossipsub, and the host when it was too late. Returns whether it was in time.
    fn conclude(&mut self, waiting: &Waiting, verdict: Verdict, acceptance: MessageAcceptance) -> bool {
        let gossip = &mut self.net.swarm.behaviour_mut().gossip;
        let known = gossip.report_message_validation_result(&waiting.id, &waiting.peer, acceptance);
        if !known {
            self.shared.counters.verdicts_late.add(1);
            self.sink.control(Event::VerdictLate { peer: waiting.peer, topic: waiting.topic, verdict });
        }
        known
    }

    /// Gives up on messages whose verdict never came.
    pub(super) fn expire_verdicts(&mut self) {
        let Some(limit) = self.now.checked_sub(VERDICT_TIMEOUT) else { return };
        while let Some(waiting) = self.verdicts.expired(limit) {
            self.shared.counters.verdicts_late.add(1);
            self.ignore(&waiting.id, &waiting.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(received: Instant) -> Waiting {
        Waiting {
            id: MessageId::new(&[1]),
            peer: PeerId::random(),
            topic: Topic::Commitments,
            fingerprint: Fingerprint::of(&[]),
            len: 0,
            received,
        }
    }

    #[test]
    fn a_token_is_good_once_and_never_for_another_message() {
        let mut verdicts = Verdicts::default();
        let now = Instant::now();
        let first = verdicts.insert(waiting(now)).unwrap();
        assert!(verdicts.remove(first).is_some());
        assert!(verdicts.remove(first).is_none());
        let second = verdicts.insert(waiting(now)).unwrap();
        assert_ne!(first, second, "the slot is the same, the generation is not");
        assert!(verdicts.remove(first).is_none());
        assert!(verdicts.remove(u64::MAX).is_none());
        assert!(verdicts.remove(second).is_some());
    }

    #[test]
    fn delayed_txlists_crowd_out_no_commitment() {
        let mut verdicts = Verdicts::default();
        for _ in 0..TRIES {
            assert!(!verdicts.is_crowded(Topic::TxLists));
            verdicts.delay(Waiting { topic: Topic::TxLists, ..waiting(Instant::now()) });
        }
        assert!(verdicts.is_crowded(Topic::TxLists) && !verdicts.is_crowded(Topic::Commitments));
        assert!(verdicts.any_delayed());
        verdicts.waiting = MAX_WAITING - TRIES;
        assert!(verdicts.insert(waiting(Instant::now())).is_none(), "the delayed ones count");
    }

    #[test]
    fn what_waits_is_bounded_and_expires_in_order() {
        let mut verdicts = Verdicts::default();
        let now = Instant::now();
        let tokens: Vec<_> = (0..MAX_WAITING).map(|_| verdicts.insert(waiting(now)).unwrap()).collect();
        assert!(verdicts.insert(waiting(now)).is_none());
        for token in &tokens[..MAX_WAITING - 10] {
            verdicts.remove(*token).unwrap();
        }
        verdicts.trim();
        assert!(verdicts.order.len() < 2048);
        assert!(verdicts.expired(now - Duration::from_secs(1)).is_none());
        let expired = std::iter::from_fn(|| verdicts.expired(now)).count();
        assert_eq!((expired, verdicts.waiting), (10, 0));
    }
}
