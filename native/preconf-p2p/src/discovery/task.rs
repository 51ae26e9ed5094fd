//! The task beside discv5: it joins the network, looks around, and judges what is found.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use discv5::{Discv5, Enr, Event, RequestError};
use enr::NodeId;
use futures::future::join_all;
use libp2p::PeerId;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{
    CandidateSource, Found, LocalRecord,
    bootnode::Bootnode,
    record::{Network, addresses_of, network_of, peer_of_record},
    votes::Votes,
};

/// Lookups of random targets at the start, and the wait between them (design/protocol.md, section 7);
const FIRST_LOOKUPS: u32 = 200;
const FIRST_INTERVAL: Duration = Duration::from_secs(5);
/// after that, of one bucket after the other.
const INTERVAL: Duration = Duration::from_secs(20);
/// The very first follow each other fast: in a network of a few nodes one random target may show nobody of it, for a node
/// is asked about three distances only.
const BURST: u32 = 8;
/// With fewer nodes in the table every second target lies so that one of them is asked for those nearest to it, three
/// distances at a time and so many times: a bootnode's neighbours lie off nearly every path from elsewhere.
const FEW: usize = 16;
const STEPS: usize = 6;
const BURST_INTERVAL: Duration = Duration::from_millis(500);
/// How soon a table that was empty is looked at again.
const EMPTY: Duration = Duration::from_millis(500);
/// Nodes are asked where they see this one so often, so many at once.
const VOTES: Duration = Duration::from_secs(5);
const ASKED_AT_ONCE: usize = 16;
/// How long the record waits for the listeners, and then for the addresses of further interfaces.
const LISTENERS: Duration = Duration::from_secs(2);
const SETTLING: Duration = Duration::from_millis(100);
/// A peer is handed on no more often than this, unless its record has changed.
const TELL_AGAIN: Duration = Duration::from_secs(20);
/// Peers of which this is remembered.
const MAX_TOLD: usize = 1024;
/// Records that name no network: so many may be tried at once, and one more after each wait.
const STRANGERS: u32 = 4;
const STRANGER_WAIT: Duration = Duration::from_secs(60);
/// Bits of a node id.
const BUCKETS: usize = 256;

/// What is looked for.
pub(super) struct Rules {
    pub(super) chain_id: u64,
    pub(super) local_network: bool,
    pub(super) own: PeerId,
}

/// Everything the task begins with.
pub(super) struct Begin {
    pub(super) discv5: Discv5,
    pub(super) record: Arc<LocalRecord>,
    pub(super) rules: Rules,
    pub(super) bootnodes: Vec<Bootnode>,
    /// Nodes of special-purpose addresses are not taken into the table.
    pub(super) public_only: bool,
    /// What others say where this node is; `None` when it is configured or known.
    pub(super) votes: Option<Votes>,
    pub(super) found: mpsc::Sender<Found>,
    pub(super) ready: oneshot::Receiver<()>,
    pub(super) changes: mpsc::Receiver<()>,
}

impl Begin {
    pub(super) async fn run(self) {
        let Self { mut discv5, record, rules, bootnodes, public_only, votes, found, ready, mut changes } = self;
        let _ = timeout(LISTENERS, ready).await;
        sleep(SETTLING).await;
        let started = async {
            discv5.start().await?;
            discv5.event_stream().await
        };
        let mut events = match started.await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(?error, "discovery did not start: no peers are found");
                return;
            }
        };
        let judge = Mutex::new(Judge::new(rules, Instant::now()));
        let finder = Finder { discv5, record, judge, bootnodes, public_only, votes: votes.map(Mutex::new), found };
        let events = async {
            while let Some(event) = events.recv().await {
                finder.on_event(event);
            }
        };
        let changes = async {
            while changes.recv().await.is_some() {
                finder.announce();
            }
        };
        tokio::join!(events, changes, finder.look_around(), finder.stay_joined(), finder.gather_votes());
    }
}

pub(super) struct Finder {
    pub(super) discv5: Discv5,
    record: Arc<LocalRecord>,
    judge: Mutex<Judge>,
    pub(super) bootnodes: Vec<Bootnode>,
    pub(super) public_only: bool,
    votes: Option<Mutex<Votes>>,
    found: mpsc::Sender<Found>,
}

impl Finder {
    fn on_event(&self, event: Event) {
        if let Event::Discovered(enr) | Event::SessionEstablished(enr, _) = event {
            self.offer(&enr);
        }
    }

    pub(super) fn offer(&self, enr: &Enr) {
        let source = if self.is_bootnode(enr) { Some(CandidateSource::Bootnode) } else { None };
        let judged = self.judge.lock().judge(enr, source, Instant::now());
        match judged {
            Ok(found) => self.hand_on(found),
            Err(Refusal::OtherNetwork) => {
                tracing::debug!(node = %enr.node_id(), "a record of another network is refused");
                self.discv5.remove_node(&enr.node_id());
            }
            Err(refusal) => tracing::trace!(node = %enr.node_id(), ?refusal, "record passed over"),
        }
    }

    pub(super) fn hand_on(&self, found: Found) {
        let peer = found.peer;
        if self.found.try_send(found).is_err() {
            self.judge.lock().told.remove(&peer);
        }
    }

    fn is_bootnode(&self, enr: &Enr) -> bool {
        self.bootnodes.iter().any(|node| match node {
            Bootnode::Record(known) => known.node_id() == enr.node_id(),
            Bootnode::Ask(address) => {
                peer_of_record(enr).is_some() && crate::driver::peer_of(address) == peer_of_record(enr)
            }
            Bootnode::Dial(..) => false,
        })
    }

    /// Lets the nodes known see that the record is a newer one.
    fn announce(&self) {
        for enr in self.discv5.table_entries_enr().into_iter().take(16) {
            tokio::spawn(self.discv5.send_ping(enr));
        }
    }

    async fn look_around(&self) {
        let mut lookups = 0_u32;
        let mut bucket = BUCKETS;
        loop {
            if self.discv5.connected_peers() == 0 {
                sleep(EMPTY).await;
                continue;
            }
            let target = if lookups < FIRST_LOOKUPS {
                lookups += 1;
                let known: Vec<_> = self.discv5.table_entries_id();
                first_target(&known, lookups as usize)
            } else {
                bucket = if bucket == 0 { BUCKETS - 1 } else { bucket - 1 };
                in_bucket(self.discv5.local_enr().node_id(), bucket)
            };
            match self.discv5.find_node(target).await {
                Ok(nodes) => nodes.iter().for_each(|enr| self.offer(enr)),
                Err(error) => tracing::debug!(?error, "lookup failed"),
            }
            sleep(interval_after(lookups)).await;
        }
    }

    /// Pings a node; where it sees this one is its vote. `chosen`: this node turned to it.
    pub(super) async fn ask(&self, enr: Enr, chosen: bool) -> Result<(), RequestError> {
        let (node, from) = (enr.node_id(), self.discv5.ip_mode().get_contactable_addr(&enr));
        let pong = self.discv5.send_ping(enr).await?;
        if let (Some(votes), Some(from)) = (&self.votes, from) {
            let seen = SocketAddr::new(pong.ip, pong.port);
            votes.lock().insert(node, from.ip(), chosen, seen, Instant::now());
        }
        Ok(())
    }

    /// Learns this node's address of those it is connected with, and keeps the record to it.
    async fn gather_votes(&self) {
        let Some(votes) = &self.votes else { return };
        loop {
            sleep(VOTES).await;
            let entries = self.discv5.table_entries().into_iter().filter(|(_, _, status)| status.is_connected());
            let now = Instant::now();
            let to_ask = entries.filter(|(node, ..)| votes.lock().ask(*node, now)).take(ASKED_AT_ONCE);
            let asked = to_ask.map(|(node, enr, status)| async move {
                if self.ask(enr, !status.is_incoming()).await.is_err() {
                    votes.lock().unanswered(node, Instant::now());
                }
            });
            join_all(asked).await;
            for ipv4 in [true, false] {
                let winner = votes.lock().winner(ipv4, Instant::now());
                if let Some(socket) = winner.filter(|socket| self.discv5.update_local_enr_socket(*socket, false)) {
                    tracing::info!(%socket, "this node's address, as its peers see it");
                    self.record.keep();
                    self.announce();
                }
            }
        }
    }
}

fn interval_after(lookups: u32) -> Duration {
    match lookups {
        ..BURST => BURST_INTERVAL,
        BURST..FIRST_LOOKUPS => FIRST_INTERVAL,
        _ => INTERVAL,
    }
}

/// Where one of the first lookups goes, by its number.
fn first_target(known: &[NodeId], lookup: usize) -> NodeId {
    if lookup.is_multiple_of(2) || known.is_empty() || known.len() >= FEW {
        return NodeId::random();
    }
    let turn = lookup / 2;
    // Distance is bucket + 1, and with it those on both sides are asked for.
    in_bucket(known[turn % known.len()], BUCKETS - 2 - 3 * (turn / known.len() % STEPS))
}

/// A node id that differs from `own` first at this bit, counted from the lowest; what is below is random.
fn in_bucket(own: NodeId, bucket: usize) -> NodeId {
    let (own, mut id) = (own.raw(), NodeId::random().raw());
    let at = BUCKETS - 1 - bucket;
    let (byte, bit) = (at / 8, 0x80_u8 >> (at % 8));
    id[..byte].copy_from_slice(&own[..byte]);
    let below = bit - 1;
    id[byte] = (own[byte] & !(bit | below)) | (!own[byte] & bit) | (id[byte] & below);
    NodeId::new(&id)
}

/// Why a record is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Its key is no libp2p peer of this network's kind, or this node's own.
    Key,
    OtherNetwork,
    /// It names no network, and enough such are being tried.
    Budget,
    /// No address that may be dialled.
    Address,
    /// Handed on a moment ago.
    Known,
}

/// Decides which records are handed on.
struct Judge {
    rules: Rules,
    /// When, and with which sequence, a peer was handed on.
    told: HashMap<PeerId, (u64, Instant)>,
    strangers: u32,
    refilled: Instant,
}

impl Judge {
    fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, told: HashMap::new(), strangers: STRANGERS, refilled: now }
    }

    fn judge(&mut self, enr: &Enr, source: Option<CandidateSource>, now: Instant) -> Result<Found, Refusal> {
        let peer = peer_of_record(enr).filter(|peer| *peer != self.rules.own).ok_or(Refusal::Key)?;
        let source = match (network_of(enr, self.rules.chain_id), source) {
            (Network::Other, _) => return Err(Refusal::OtherNetwork),
            (_, Some(source)) => source,
            (Network::Same, None) => CandidateSource::Record,
            (Network::Unsaid, None) => CandidateSource::Stranger,
        };
        let public_only = !self.rules.local_network && source != CandidateSource::Bootnode;
        let addresses = addresses_of(enr, peer, public_only);
        if addresses.is_empty() {
            return Err(Refusal::Address);
        }
        let recent = |(seq, at): &(u64, Instant)| *seq >= enr.seq() && now.saturating_duration_since(*at) < TELL_AGAIN;
        if self.told.get(&peer).is_some_and(recent) {
            return Err(Refusal::Known);
        }
        if source == CandidateSource::Stranger && !self.spend(now) {
            return Err(Refusal::Budget);
        }
        if self.told.len() >= MAX_TOLD {
            self.told.retain(|_, (_, at)| now.saturating_duration_since(*at) < TELL_AGAIN);
            if self.told.len() >= MAX_TOLD {
                return Err(Refusal::Budget);
            }
        }
        self.told.insert(peer, (enr.seq(), now));
        Ok(Found { peer, addresses, source })
    }

    fn spend(&mut self, now: Instant) -> bool {
        while self.strangers < STRANGERS && now.saturating_duration_since(self.refilled) >= STRANGER_WAIT {
            self.refilled += STRANGER_WAIT;
            self.strangers += 1;
        }
        if self.strangers == STRANGERS {
            self.refilled = now;
        }
        let some = self.strangers > 0;
        self.strangers -= u32::from(some);
        some
    }
}

#[cfg(test)]
mod tests {
    use enr::CombinedKey;

    use super::{
        super::record::{NETWORK_KEY, WIRE_VERSION},
        *,
    };

    fn enr(seed: u8, ip: &str, network: Option<Vec<u64>>) -> Enr {
        let key = CombinedKey::secp256k1_from_bytes(&mut [seed; 32]).unwrap();
        let mut builder = Enr::builder();
        builder.ip(ip.parse().unwrap()).udp4(1).tcp4(9000);
        if let Some(network) = network {
            builder.add_value(NETWORK_KEY, &network);
        }
        builder.build(&key).unwrap()
    }

    fn judge(local_network: bool, now: Instant) -> Judge {
        Judge::new(Rules { chain_id: 7, local_network, own: peer_of_record(&enr(1, "8.8.8.8", None)).unwrap() }, now)
    }

    #[test]
    fn a_few_known_nodes_are_asked_for_all_that_is_near_them() {
        let known: Vec<NodeId> = (0..3).map(|_| NodeId::random()).collect();
        let distance = |a: &NodeId, b: &NodeId| {
            let (a, b) = (a.raw(), b.raw());
            let same: u32 = a
                .iter()
                .zip(b)
                .map(|(a, b)| a ^ b)
                .scan(true, |equal, byte| {
                    let zeros = if *equal { byte.leading_zeros() } else { 0 };
                    *equal &= byte == 0;
                    Some(zeros)
                })
                .sum();
            256 - same
        };
        let targets: Vec<NodeId> = (1..=2 * 3 * STEPS).map(|lookup| first_target(&known, lookup)).collect();
        for node in &known {
            let asked: std::collections::HashSet<u32> = targets.iter().map(|target| distance(node, target)).collect();
            for near in 239..=256 {
                assert!((near - 1..=near + 1).any(|near| asked.contains(&near)), "{near}");
            }
        }
    }

    #[tokio::test]
    async fn records_are_judged_by_key_network_and_address() {
        let now = Instant::now();
        let mut judge = judge(false, now);
        let same = || Some(vec![7, WIRE_VERSION]);
        let mut seen = |record: &Enr, source| judge.judge(record, source, now).map(|found| found.source);
        assert_eq!(seen(&enr(1, "8.8.8.8", same()), None), Err(Refusal::Key));
        assert_eq!(seen(&enr(2, "8.8.8.8", same()), None), Ok(CandidateSource::Record));
        assert_eq!(seen(&enr(2, "8.8.8.8", same()), None), Err(Refusal::Known));
        assert_eq!(seen(&enr(3, "8.8.8.8", Some(vec![8, WIRE_VERSION])), None), Err(Refusal::OtherNetwork));
        assert_eq!(seen(&enr(3, "8.8.8.8", Some(vec![7, WIRE_VERSION + 1])), None), Err(Refusal::OtherNetwork));
        assert_eq!(seen(&enr(3, "8.8.8.8", Some(vec![])), None), Err(Refusal::OtherNetwork));
        assert_eq!(seen(&enr(4, "10.0.0.1", same()), None), Err(Refusal::Address));
        assert_eq!(seen(&enr(4, "10.0.0.1", same()), Some(CandidateSource::Bootnode)), Ok(CandidateSource::Bootnode));
        let mut local = super::tests::judge(true, now);
        assert!(local.judge(&enr(4, "10.0.0.1", same()), None, now).is_ok());
    }

    #[tokio::test]
    async fn records_without_a_network_have_a_small_budget() {
        let start = Instant::now();
        let mut judge = judge(false, start);
        let mut tried = |seed: u8, now| judge.judge(&enr(seed, "8.8.8.8", None), None, now).map(|found| found.source);
        for seed in 10..14 {
            assert_eq!(tried(seed, start), Ok(CandidateSource::Stranger));
        }
        assert_eq!(tried(14, start), Err(Refusal::Budget));
        assert_eq!(tried(14, start + STRANGER_WAIT), Ok(CandidateSource::Stranger));
        assert_eq!(tried(15, start + STRANGER_WAIT), Err(Refusal::Budget));
    }

    #[test]
    fn targets_step_through_the_buckets() {
        let own = NodeId::random();
        for bucket in 0..BUCKETS {
            let distance: Vec<u8> = own.raw().iter().zip(in_bucket(own, bucket).raw()).map(|(a, b)| a ^ b).collect();
            let leading: u32 = distance.iter().take_while(|byte| **byte == 0).count() as u32 * 8
                + distance.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros());
            assert_eq!(leading as usize, BUCKETS - 1 - bucket);
        }
    }
}
