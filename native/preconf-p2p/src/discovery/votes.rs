//! This node's own address, by what others see.
//!
//! The library's vote takes a fixed number of nodes at their word, whoever they are and however many say otherwise: two
//! strangers could name an address. Here one subnet has one vote, and more than half of all must agree, two at least: in
//! a network that begins with three nodes both others do, and in a large one it takes half of the subnets asked.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use enr::NodeId;
use tokio::time::Instant;

use super::scope::is_global;
use crate::gater::{Subnet, owned_subnet};

/// An address needs so many votes at least.
const LEAST: usize = 2;
/// With votes of so many that this node itself turned to, those who came by themselves have none: they may have come to
/// vote.
const ENOUGH: usize = 3;
/// A node that did not answer is asked again after this,
const ASK_SOON: Duration = Duration::from_secs(20);
/// one that did after this,
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// and its vote counts for so long.
const LIFE: Duration = Duration::from_secs(1200);
/// Nodes of which a vote is kept.
const MAX_VOTES: usize = 512;

/// Who has one vote: a subnet, or one node of a local network, where many share an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Voter {
    Subnet(Subnet),
    Node(NodeId),
}

#[derive(Debug)]
struct Vote {
    voter: Voter,
    /// This node turned to it, not it to this node.
    chosen: bool,
    socket: SocketAddr,
    at: Instant,
}

/// What others say where this node is.
pub(super) struct Votes {
    local_network: bool,
    votes: HashMap<NodeId, Vote>,
    /// When a node may be asked again.
    asked: HashMap<NodeId, Instant>,
}

impl Votes {
    pub(super) fn new(local_network: bool) -> Self {
        Self { local_network, votes: HashMap::new(), asked: HashMap::new() }
    }

    /// Whether a node is to be asked now; then it counts as asked.
    pub(super) fn ask(&mut self, node: NodeId, now: Instant) -> bool {
        self.asked.retain(|_, again| now < *again);
        if self.asked.contains_key(&node) || self.asked.len() >= MAX_VOTES {
            return false;
        }
        self.asked.insert(node, now + ASK_AGAIN);
        true
    }

    /// A node that was asked did not answer.
    pub(super) fn unanswered(&mut self, node: NodeId, now: Instant) {
        if let Some(again) = self.asked.get_mut(&node) {
            *again = now + ASK_SOON;
        }
    }

    /// A node at `from` says where it sees this node.
    pub(super) fn insert(&mut self, node: NodeId, from: IpAddr, chosen: bool, socket: SocketAddr, now: Instant) {
        let socket = SocketAddr::new(socket.ip().to_canonical(), socket.port());
        let is_sound = !socket.ip().is_unspecified() && !socket.ip().is_multicast() && socket.port() != 0;
        if !is_sound || !(self.local_network || is_global(socket.ip())) {
            return;
        }
        self.votes.retain(|_, vote| now.saturating_duration_since(vote.at) < LIFE);
        if self.votes.len() < MAX_VOTES || self.votes.contains_key(&node) {
            let voter = owned_subnet(from).map_or(Voter::Node(node), Voter::Subnet);
            self.votes.insert(node, Vote { voter, chosen, socket, at: now });
        }
    }

    /// Where this node is, of one family; `None` when they do not agree.
    pub(super) fn winner(&self, ipv4: bool, now: Instant) -> Option<SocketAddr> {
        let is_live = |vote: &&Vote| vote.socket.is_ipv4() == ipv4 && now.saturating_duration_since(vote.at) < LIFE;
        let chosen = latest(self.votes.values().filter(is_live).filter(|vote| vote.chosen));
        let counted = if chosen.len() >= ENOUGH { chosen } else { latest(self.votes.values().filter(is_live)) };
        let mut counts: HashMap<SocketAddr, usize> = HashMap::new();
        for vote in counted.values() {
            *counts.entry(vote.socket).or_default() += 1;
        }
        counts.into_iter().find(|(_, count)| *count >= LEAST && *count * 2 > counted.len()).map(|(socket, _)| socket)
    }
}

/// The last vote of each voter.
fn latest<'a>(votes: impl Iterator<Item = &'a Vote>) -> HashMap<Voter, &'a Vote> {
    let mut latest: HashMap<Voter, &Vote> = HashMap::new();
    for vote in votes {
        let known = latest.entry(vote.voter).or_insert(vote);
        if vote.at > known.at {
            *known = vote;
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Poll {
        votes: Votes,
        now: Instant,
    }

    impl Poll {
        fn new() -> Self {
            Self { votes: Votes::new(false), now: Instant::now() }
        }

        fn vote(&mut self, from: &str, chosen: bool, socket: &str) {
            self.votes.insert(NodeId::random(), from.parse().unwrap(), chosen, socket.parse().unwrap(), self.now);
        }

        fn winner(&self) -> Option<String> {
            self.votes.winner(true, self.now).map(|socket| socket.to_string())
        }
    }

    const TRUE: &str = "5.5.5.5:9001";
    const FALSE: &str = "6.6.6.6:9001";

    #[test]
    fn who_did_not_answer_is_asked_again_sooner() {
        let mut poll = Poll::new();
        let (silent, other) = (NodeId::random(), NodeId::random());
        assert!(poll.votes.ask(silent, poll.now) && poll.votes.ask(other, poll.now));
        poll.votes.unanswered(silent, poll.now);
        let soon = poll.now + ASK_SOON;
        assert!(!poll.votes.ask(silent, soon - Duration::from_millis(1)));
        assert!(poll.votes.ask(silent, soon));
        assert!(!poll.votes.ask(other, soon));
        assert!(poll.votes.ask(other, poll.now + ASK_AGAIN));
    }

    #[test]
    fn two_that_agree_are_enough_at_first_and_one_is_not() {
        let mut poll = Poll::new();
        poll.vote("1.1.1.1", true, TRUE);
        assert_eq!(poll.winner(), None);
        poll.vote("2.2.2.2", true, TRUE);
        assert_eq!(poll.winner().as_deref(), Some(TRUE));
        assert_eq!(poll.votes.winner(false, poll.now), None);
    }

    #[test]
    fn a_subnet_has_one_vote() {
        let mut poll = Poll::new();
        for host in 0..50 {
            poll.vote(&format!("1.1.1.{host}"), true, FALSE);
        }
        assert_eq!(poll.winner(), None);
        for host in 1..=2 {
            poll.vote(&format!("2.{host}.2.2"), true, TRUE);
        }
        assert_eq!(poll.winner().as_deref(), Some(TRUE));
    }

    #[test]
    fn it_takes_more_than_half_of_all() {
        let mut poll = Poll::new();
        for net in 1..=10 {
            poll.vote(&format!("1.1.{net}.1"), true, TRUE);
        }
        for net in 1..=9 {
            poll.vote(&format!("2.2.{net}.1"), true, FALSE);
        }
        assert_eq!(poll.winner().as_deref(), Some(TRUE));
        poll.vote("3.3.3.3", true, FALSE);
        assert_eq!(poll.winner(), None, "half is not enough");
    }

    #[test]
    fn who_came_by_itself_does_not_outvote_those_that_were_turned_to() {
        let mut poll = Poll::new();
        for net in 1..=50 {
            poll.vote(&format!("2.2.{net}.1"), false, FALSE);
        }
        assert_eq!(poll.winner().as_deref(), Some(FALSE), "while there is nobody else");
        for net in 1..=3 {
            poll.vote(&format!("1.1.{net}.1"), true, TRUE);
        }
        assert_eq!(poll.winner().as_deref(), Some(TRUE));
    }

    #[test]
    fn votes_are_bounded_sound_and_end() {
        let mut poll = Poll::new();
        for private in ["10.0.0.1:9001", "127.0.0.1:9001", "5.5.5.5:0", "0.0.0.0:9001"] {
            poll.vote("1.1.1.1", true, private);
            poll.vote("2.2.2.2", true, private);
        }
        assert!(poll.votes.votes.is_empty());
        for n in 0..MAX_VOTES * 2 {
            poll.vote(&format!("1.{}.{}.1", n >> 8, n & 255), true, TRUE);
            poll.votes.ask(NodeId::random(), poll.now);
        }
        assert_eq!((poll.votes.votes.len(), poll.votes.asked.len()), (MAX_VOTES, MAX_VOTES));
        poll.now += LIFE;
        assert_eq!(poll.winner(), None);
        let node = NodeId::random();
        assert!(poll.votes.ask(node, poll.now) && !poll.votes.ask(node, poll.now));
        assert!(poll.votes.ask(node, poll.now + ASK_AGAIN));
    }

    #[test]
    fn on_a_local_network_each_node_has_a_vote() {
        let mut poll = Poll { votes: Votes::new(true), now: Instant::now() };
        poll.vote("127.0.0.1", true, "127.0.0.1:9001");
        poll.vote("127.0.0.1", false, "127.0.0.1:9001");
        assert_eq!(poll.winner().as_deref(), Some("127.0.0.1:9001"));
    }
}
