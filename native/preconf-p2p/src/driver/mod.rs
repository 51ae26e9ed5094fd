//! The node's task: the swarm's events out, the handles' commands in.

use std::{
    collections::{HashMap, HashSet},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{PeerId, gossipsub::TopicHash, swarm::SwarmEvent};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    Config, Event, EventSink, MessageIdMode, RequestError, Topic,
    behaviour::BehaviourEvent,
    buffers,
    discovery::{Discovery, Found},
    handle::Shared,
    inbox::{Batch, Command},
    node::Net,
    peers::Way,
    transport::Ledgers,
};

mod candidates;
mod connections;
mod dials;
mod events;
mod nat;
mod outbox;
mod requests;
#[cfg(test)]
mod tests;
mod verdicts;

use candidates::Seeking;
use connections::{Peer, Strikes};
use dials::Dials;
pub(crate) use dials::peer_of;
use nat::Nat;
use outbox::Outbox;
use requests::Requests;
use verdicts::Verdicts;

/// Deadlines are kept this exactly.
const TICK: Duration = Duration::from_millis(100);
/// While nothing has one, a look now and then does: at peers, static ones to dial, verdicts that never came.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// Events of the swarm taken before commands get their turn.
const BATCH: usize = 64;
/// How long a stopping node waits for its connections to close.
const CLOSING: Duration = Duration::from_millis(300);

/// The part of the configuration that the running node needs.
struct Settings {
    topics: [TopicHash; 2],
    message_id: MessageIdMode,
    mesh_n: usize,
    heartbeat: Duration,
    request_timeout: Duration,
    peer_queue_bytes: usize,
    peer_queue_len: usize,
    preferred: Way,
}

/// A running node.
pub(crate) struct Driver<'a, S> {
    net: Net,
    shared: Arc<Shared>,
    ledgers: Arc<Ledgers>,
    sink: &'a mut S,
    settings: Settings,
    peers: HashMap<PeerId, Peer>,
    /// The host's scores, for peers that come (again) later.
    scores: HashMap<PeerId, f64>,
    strikes: HashMap<PeerId, Strikes>,
    /// Peers of whose connections one has closed, and the others have no gossip stream yet.
    changed: HashSet<PeerId>,
    outbox: Outbox,
    verdicts: Verdicts,
    requests: Requests,
    dials: Dials,
    discovery: Option<Discovery>,
    seeking: Seeking,
    nat: Nat,
    /// Gossip messages dropped and not yet told.
    dropped: u64,
    /// The time of this turn.
    now: Instant,
    _running: buffers::Running,
}

impl<'a, S: EventSink> Driver<'a, S> {
    pub(crate) fn new(
        net: Net,
        shared: Arc<Shared>,
        ledgers: Arc<Ledgers>,
        discovery: Option<Discovery>,
        config: &Config,
        sink: &'a mut S,
    ) -> Self {
        let now = Instant::now();
        let settings = Settings {
            topics: outbox::topic_hashes(config.chain_id),
            message_id: config.message_id,
            mesh_n: config.mesh.n,
            heartbeat: config.heartbeat,
            request_timeout: config.request_timeout,
            peer_queue_bytes: config.peer_queue_bytes,
            peer_queue_len: config.peer_queue_len,
            preferred: config.preferred,
        };
        Self {
            net,
            shared,
            ledgers,
            sink,
            settings,
            peers: HashMap::new(),
            scores: HashMap::new(),
            strikes: HashMap::new(),
            changed: HashSet::new(),
            outbox: Outbox::default(),
            verdicts: Verdicts::default(),
            requests: Requests::default(),
            dials: Dials::new(config, now),
            discovery,
            seeking: Seeking::new(config, now),
            nat: Nat::new(config, now),
            dropped: 0,
            now,
            _running: buffers::Running::new(),
        }
    }

    /// Runs until the handle says stop.
    pub(crate) async fn run(mut self) {
        let mut ticker = pin!(sleep(Duration::ZERO));
        let mut batch = Batch::default();
        let mut events = Vec::with_capacity(BATCH);
        let mut found = Vec::new();
        let mut more = false;
        if let Some(discovery) = &mut self.discovery {
            discovery.start(self.net.listeners());
        }
        self.begin_nat();
        loop {
            let ticked = self.wait(ticker.as_mut(), &mut events, &mut found, more).await;
            self.now = Instant::now();
            for Found { peer, addresses, source } in found.drain(..) {
                self.candidate(peer, addresses, source);
            }
            for event in events.drain(..) {
                self.on_swarm_event(event);
            }
            self.shared.inbox.take(&mut batch);
            self.on_verdicts(&batch.verdicts);
            batch.verdicts.clear();
            for command in batch.commands.drain(..) {
                self.on_command(command);
            }
            if batch.stop {
                break;
            }
            self.retry_accepts();
            more = self.pump_outbox();
            if ticked {
                self.tick();
            }
            self.look_at_changed(ticked);
            let due = self.now + if self.has_deadlines() { TICK } else { IDLE_TICK };
            if ticked || due < ticker.deadline() {
                ticker.as_mut().reset(due);
            }
            self.sink.flush();
        }
        self.stop().await;
    }

    /// Waits until something is to be done; `more` means that something is already. Returns whether a tick is due.
    async fn wait(
        &mut self,
        mut ticker: Pin<&mut Sleep>,
        events: &mut Vec<SwarmEvent<BehaviourEvent>>,
        found: &mut Vec<Found>,
        more: bool,
    ) -> bool {
        let mut inbox = pin!(self.shared.inbox.ready());
        let mut room = pin!(self.ledgers.room());
        let (swarm, discovery) = (&mut self.net.swarm, &mut self.discovery);
        poll_fn(|cx| {
            let mut idle = false;
            while events.len() < BATCH {
                match swarm.poll_next_unpin(cx) {
                    Poll::Ready(Some(event)) => {
                        events.push(event);
                        idle = false;
                    }
                    // gossipsub re-arms its heartbeat without polling the new timer, so nothing would wake the task
                    // for it: whatever fired in this poll is armed by one more.
                    Poll::Pending if !idle => idle = true,
                    Poll::Pending | Poll::Ready(None) => break,
                }
            }
            let ticked = ticker.as_mut().poll(cx).is_ready();
            while let Some(Poll::Ready(one)) = discovery.as_mut().map(|discovery| discovery.poll(cx)) {
                found.push(one);
            }
            let woken = inbox.as_mut().poll(cx).is_ready() | room.as_mut().poll(cx).is_ready();
            if ticked || woken || more || !events.is_empty() || !found.is_empty() {
                Poll::Ready(ticked)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data, token, deadline } => {
                let deadline = outbox::deadline(self.now, deadline);
                self.outbox.push(topic, data, token, deadline);
            }
            Command::Request { protocol, peer, data, token, timeout } => {
                self.send_request(protocol, peer, data, token, timeout);
            }
            Command::Respond { channel, peer, data } => self.respond(channel, &peer, data),
            Command::Refuse { channel } => self.refuse(channel),
            Command::Dial { address, token } => self.dial_for_host(address, token),
            Command::Disconnect(peer) => self.disconnect(peer, "this node disconnected"),
            Command::SetBlocked(peer, blocked) => self.set_blocked(peer, blocked),
            Command::GateChanged(target, blocked) => self.gate_changed(target, blocked),
            Command::SetScore(peer, score) => self.set_score(peer, score),
        }
    }

    /// Whether anything waits that must end within [`TICK`] of its time.
    fn has_deadlines(&self) -> bool {
        !self.outbox.is_empty() || !self.requests.is_empty() || self.verdicts.any_delayed() || self.dropped > 0
    }

    /// What is due by time alone.
    fn tick(&mut self) {
        self.expire_publishes();
        self.expire_requests();
        self.expire_verdicts();
        self.tell_dropped();
        self.check_peers();
        self.dial_due();
        self.dial_candidates();
        self.prune_peers();
        self.tick_nat();
        self.note_good_peers();
        self.save_known();
        buffers::age(self.now.into_std());
        self.net.swarm.behaviour().gater.tick(self.now);
        let gossip = &self.net.swarm.behaviour().gossip;
        let mesh = |topic: Topic| gossip.mesh_peers(&self.settings.topics[topic.index()]).count() as u64;
        self.shared.counters.mesh_commitments.set(mesh(Topic::Commitments));
        self.shared.counters.mesh_txlists.set(mesh(Topic::TxLists));
    }

    /// Ends all that is pending, says goodbye to the peers and releases the sockets.
    async fn stop(mut self) {
        self.shared.inbox.close();
        self.note_good_peers();
        self.net.close_listeners();
        let discovery = self.discovery.take();
        let mut batch = Batch::default();
        self.shared.inbox.take(&mut batch);
        for command in batch.commands.drain(..) {
            self.end_command(command);
        }
        self.stop_publishes();
        self.stop_requests();
        self.stop_dials();
        self.tell_dropped();
        for (peer, _) in std::mem::take(&mut self.peers) {
            self.sink.control(Event::PeerDisconnected { peer, cause: "the node stopped".to_owned() });
            let _ = self.net.swarm.disconnect_peer_id(peer);
        }
        self.shared.counters.peers.set(0);
        self.shared.counters.connections.set(0);
        self.sink.flush();
        let closed = async {
            while self.net.swarm.network_info().num_peers() > 0 {
                self.net.swarm.next().await;
            }
        };
        let discovered = async {
            if let Some(discovery) = discovery {
                discovery.stop().await;
            }
        };
        let _ = tokio::join!(tokio::time::timeout(CLOSING, closed), discovered);
        self.save_known_at_last().await;
    }

    /// Ends a command that came too late.
    fn end_command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data, token, deadline } => {
                let deadline = outbox::deadline(self.now, deadline);
                self.outbox.push(topic, data, token, deadline);
            }
            Command::Request { protocol, peer, data: _, token, timeout: _ } => {
                let (error, text) = (RequestError::Stopped, "the node stopped".to_owned());
                self.sink.control(Event::RequestFailed { token, protocol, peer, error, text });
            }
            Command::Dial { address: _, token } => self.dial_stopped(token),
            // Their requests end with all others.
            Command::Respond { .. } | Command::Refuse { .. } => {}
            Command::Disconnect(_) | Command::SetBlocked(..) | Command::GateChanged(..) | Command::SetScore(..) => {}
        }
    }
}
