//! Who has to go when there are too many.

use std::{cmp::Ordering, collections::HashMap, net::IpAddr, time::Duration};

use libp2p::PeerId;

use crate::discovery::is_global;

/// A peer that has joined no topic after this is of no use.
const SETTLED: Duration = Duration::from_secs(60);
/// A subnet is crowded with more than this share of the inbound peers, and more than a few.
const CROWD_SHARE: usize = 16;
const CROWD: usize = 4;

/// What counts of a connected peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) peer: PeerId,
    /// gossipsub's score, the host's part included.
    pub(crate) score: f64,
    /// Since when it is connected.
    pub(crate) age: Duration,
    pub(crate) outbound: bool,
    /// The remote address of its connection, where it has one.
    pub(crate) ip: Option<IpAddr>,
    /// It has joined a topic of this network.
    pub(crate) useful: bool,
    /// Static or trusted: it stays.
    pub(crate) protected: bool,
}

/// The `count` peers to drop, worst first. By this order: a score below zero, the lower the worse; of no use; from the
/// fullest subnet; inbound; the youngest. Protected ones stay, and `min_outbound` outbound ones.
pub(crate) fn to_drop(peers: &[View], count: usize, min_outbound: usize) -> Vec<PeerId> {
    let mut outbound = peers.iter().filter(|peer| peer.outbound).count();
    let mut order = Order::new(peers);
    let next = |_| {
        let view = order.take_worst(|view, _| !view.outbound || outbound > min_outbound)?;
        outbound -= usize::from(view.outbound);
        Some(view.peer)
    };
    (0..count).map_while(next).collect()
}

/// Up to `count` inbound peers to drop for better ones to find room, by the same order: those with a score below zero,
/// of no use for a while, or from a crowded subnet. The others stay, however full it is.
pub(crate) fn to_free(peers: &[View], count: usize) -> Vec<PeerId> {
    let inbound = peers.iter().filter(|peer| !peer.outbound).count();
    let crowded = CROWD.max(inbound / CROWD_SHARE);
    let is_bad = |view: &View, crowd: usize| {
        let public = view.ip.is_some_and(is_global);
        view.score < 0.0 || (!view.useful && view.age >= SETTLED) || (public && crowd > crowded)
    };
    let mut order = Order::new(peers);
    let next = |_| order.take_worst(|view, crowd| !view.outbound && is_bad(view, crowd)).map(|view| view.peer);
    (0..count).map_while(next).collect()
}

/// Peers that may go, taken worst first; a subnet's crowd thins as they are taken.
struct Order<'a> {
    left: Vec<&'a View>,
    crowds: HashMap<Vec<u8>, usize>,
}

impl<'a> Order<'a> {
    fn new(peers: &'a [View]) -> Self {
        let mut crowds = HashMap::new();
        for subnet in peers.iter().filter_map(subnet_of) {
            *crowds.entry(subnet).or_default() += 1;
        }
        Self { left: peers.iter().filter(|peer| !peer.protected).collect(), crowds }
    }

    fn crowd(&self, view: &View) -> usize {
        subnet_of(view).and_then(|subnet| self.crowds.get(&subnet)).copied().unwrap_or(0)
    }

    /// The worst of those that `may` go, by themselves and how many their subnet has.
    fn take_worst(&mut self, may: impl Fn(&View, usize) -> bool) -> Option<&'a View> {
        let free = self.left.iter().enumerate().filter(|(_, view)| may(view, self.crowd(view)));
        let (at, _) = free.min_by(|(_, one), (_, other)| worse(one, self.crowd(one), other, self.crowd(other)))?;
        let view = self.left.swap_remove(at);
        if let Some(crowd) = subnet_of(view).and_then(|subnet| self.crowds.get_mut(&subnet)) {
            *crowd -= 1;
        }
        Some(view)
    }
}

fn worse(one: &View, one_crowd: usize, other: &View, other_crowd: usize) -> Ordering {
    // A score above zero says nothing of a peer that is to be kept: it is earned by being in the mesh.
    one.score
        .min(0.0)
        .total_cmp(&other.score.min(0.0))
        .then(one.useful.cmp(&other.useful))
        .then(other_crowd.cmp(&one_crowd))
        .then(one.outbound.cmp(&other.outbound))
        .then(one.age.cmp(&other.age))
        .then(one.peer.cmp(&other.peer))
}

/// What one owner of addresses usually has: an IPv4 /24, an IPv6 /56. Loopback addresses are nobody's.
fn subnet_of(view: &View) -> Option<Vec<u8>> {
    match view.ip?.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(ip.octets()[..3].to_vec()),
        IpAddr::V6(ip) => Some(ip.octets()[..7].to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(ip: &str) -> View {
        View {
            peer: PeerId::random(),
            score: 0.0,
            age: Duration::from_secs(100),
            outbound: false,
            ip: Some(ip.parse().unwrap()),
            useful: true,
            protected: false,
        }
    }

    #[test]
    fn each_rule_outweighs_those_after_it() {
        let young = View { age: Duration::from_secs(1), ..view("192.0.2.1") };
        let old = View { age: Duration::from_secs(9), ..view("198.51.100.1") };
        assert_eq!(to_drop(&[old, young], 1, 0), [young.peer], "the youngest");
        let dialled = View { outbound: true, ..young };
        assert_eq!(to_drop(&[dialled, old], 1, 0), [old.peer], "inbound before outbound");
        let crowd = [View { outbound: true, ..view("203.0.113.1") }, View { outbound: true, ..view("203.0.113.200") }];
        let picked = to_drop(&[old, crowd[0], crowd[1]], 1, 0);
        assert!(crowd.iter().any(|view| view.peer == picked[0]), "from the fullest subnet");
        let useless = View { useful: false, ..old };
        assert_eq!(to_drop(&[crowd[0], useless, crowd[1]], 1, 0), [useless.peer], "of no use");
        let bad = View { score: -1.0, age: Duration::from_secs(1 << 20), outbound: true, ..view("192.0.2.9") };
        assert_eq!(to_drop(&[useless, bad], 1, 0), [bad.peer], "a bad score");
        let worst = View { score: -2.0, ..bad };
        assert_eq!(to_drop(&[bad, View { peer: useless.peer, ..worst }], 1, 0), [useless.peer]);
        let praised = View { score: 50.0, age: Duration::ZERO, ..old };
        assert_eq!(to_drop(&[View { peer: young.peer, ..old }, praised], 1, 0), [praised.peer], "praise keeps nobody");
    }

    #[test]
    fn a_crowd_thins_as_it_is_dropped() {
        let crowd: Vec<_> = (0..4).map(|host| view(&format!("2001:db8:0:{host:x}::1"))).collect();
        let others: Vec<_> = (0..3).map(|net| view(&format!("192.0.{net}.1"))).collect();
        let all: Vec<_> = crowd.iter().chain(&others).copied().collect();
        let dropped = to_drop(&all, 3, 0);
        assert!(dropped.iter().all(|peer| crowd.iter().any(|view| view.peer == *peer)), "one /56");
        assert_eq!(to_drop(&all, 7, 0).len(), 7);
    }

    #[test]
    fn only_bad_inbound_peers_make_room() {
        let good: Vec<_> = (1..=40).map(|net| view(&format!("8.8.{net}.1"))).collect();
        let new = View { useful: false, age: SETTLED - Duration::from_secs(1), ..view("9.9.1.1") };
        let idle = View { useful: false, age: SETTLED, ..view("9.9.2.1") };
        let bad = View { score: -0.1, ..view("9.9.3.1") };
        let dialled = View { score: -9.0, outbound: true, ..view("9.9.4.1") };
        let friend = View { score: -9.0, protected: true, ..view("9.9.5.1") };
        let crowd: Vec<_> = (1..=6).map(|host| view(&format!("9.9.9.{host}"))).collect();
        let local: Vec<_> = (1..=9).map(|host| view(&format!("10.0.0.{host}"))).collect();
        let peers: Vec<_> =
            [good, vec![new, idle, bad, dialled, friend], crowd.clone(), local].into_iter().flatten().collect();
        assert_eq!(to_free(&peers, 2), [bad.peer, idle.peer]);
        let freed = to_free(&peers, 50);
        assert_eq!(freed[..2], [bad.peer, idle.peer]);
        assert_eq!(freed.len(), 4, "and the crowd, down to a few");
        assert!(freed[2..].iter().all(|peer| crowd.iter().any(|view| view.peer == *peer)));
        assert!(to_free(&peers, 0).is_empty());
    }

    #[test]
    fn protected_peers_and_the_outbound_floor_stay() {
        let guarded = View { protected: true, score: -100.0, useful: false, ..view("192.0.2.1") };
        let dialled: Vec<_> =
            (1..=3).map(|net| View { outbound: true, score: -1.0, ..view(&format!("192.0.{net}.7")) }).collect();
        let inbound = view("198.51.100.1");
        let all = [guarded, dialled[0], dialled[1], dialled[2], inbound];
        let dropped = to_drop(&all, 9, 2);
        assert_eq!(dropped.len(), 2);
        assert!(dialled.iter().any(|view| view.peer == dropped[0]));
        assert_eq!(dropped[1], inbound.peer);
        assert!(to_drop(&[guarded], 1, 0).is_empty());
    }
}
