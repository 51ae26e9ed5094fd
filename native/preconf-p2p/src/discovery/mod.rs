//! Finding peers: discv5 with this node's own key, so that a record's key is its peer id.
//!
//! Records name their network ([`record::NETWORK_KEY`]); those of another are refused. What is found is handed to the
//! driver, which decides whom to dial.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use discv5::{ConfigBuilder, Discv5, Enr, ListenConfig, RateLimiterBuilder};
use enr::CombinedKey;
use libp2p::{Multiaddr, PeerId, core::transport::ListenerId, identity::Keypair};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::sleep,
};

use crate::{Config, StartError};

mod bootnode;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod join;
mod record;
mod scope;
mod task;
mod votes;

use bootnode::{Bootnode, Families};
use record::Beginning;
pub(crate) use record::LocalRecord;
pub(crate) use scope::is_global;
use votes::Votes;

/// Peers found and not yet taken by the driver; more are found again by a later lookup.
const FOUND: usize = 64;
/// Packets that answer nothing of this node's, in a second: of all, of one address, of one node. Who sends more is banned
/// for [`BAN`]; an honest node with its lookups stays below a tenth of it.
const PACKETS: (u64, u64, u64) = (500, 100, 50);
const BAN: Duration = Duration::from_secs(300);
/// How long a stopping node waits for its socket to be free.
const CLOSING: Duration = Duration::from_millis(300);

/// How peers are found.
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
    /// UDP sockets: one of IPv4, one of IPv6, or both. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where to begin: `enr:…`, `enode://key@ip:port[?discport=port]`, or a multiaddr with `/p2p`, of which
    /// `/ip4/…/udp/…/p2p/…` is asked for its record and any other is dialled.
    pub bootnodes: Vec<String>,
    /// Where this node's record is kept, so that its sequence goes on; `None` takes the time for a sequence.
    pub record_file: Option<PathBuf>,
}

impl Default for DiscoveryConfig {
    /// design/protocol.md, section 7: 0.0.0.0:9001.
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([0, 0, 0, 0], 9001))], bootnodes: Vec::new(), record_file: None }
    }
}

/// Where a candidate for a connection comes from; what is greater is dialled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CandidateSource {
    /// A record that names no network.
    Stranger,
    /// A record that names this network.
    Record,
    /// A configured bootnode.
    Bootnode,
    /// A good peer of an earlier run, from the file of known peers.
    Known,
}

/// A peer worth dialling.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) source: CandidateSource,
}

/// Discovery that is set up, and runs from [`Discovery::start`] on.
pub(crate) struct Discovery {
    record: Arc<LocalRecord>,
    sockets: Vec<Arc<UdpSocket>>,
    found: mpsc::Receiver<Found>,
    begin: Option<task::Begin>,
    /// Listeners whose ports are not known yet; the record is not shown before.
    awaited: HashSet<ListenerId>,
    ready: Option<oneshot::Sender<()>>,
    changed: mpsc::Sender<()>,
    task: Option<JoinHandle<()>>,
}

impl Discovery {
    /// Binds the sockets and makes the record. Within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Discovery`] and [`StartError::Config`] name the entry, address or file that is wrong.
    pub(crate) fn build(config: &DiscoveryConfig, whole: &Config, keypair: &Keypair) -> Result<Self, StartError> {
        let (chain_id, local_network, own) = (whole.chain_id, whole.local_network, keypair.public().to_peer_id());
        let (v4, v6) = bind(&config.listen)?;
        let families = Families { v4: v4.is_some(), v6: v6.is_some() };
        let bootnodes = bootnode::parse_all(&config.bootnodes, families, own).map_err(StartError::Config)?;
        let sockets: Vec<_> = v4.iter().chain(&v6).cloned().collect();
        let bound: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
        let begun = Beginning {
            chain_id,
            sockets: &bound,
            external: &whole.external,
            local_network,
            file: config.record_file.as_deref(),
        };
        let (enr, fixed) = begun.record(&key_of(keypair)?)?;
        let public_only = !local_network && bootnodes.iter().all(Bootnode::is_public);
        let settings = settings(whole, ListenConfig::FromSockets { ipv4: v4, ipv6: v6 }, public_only);
        let discv5 = Discv5::new(enr, key_of(keypair)?, settings).map_err(|e| StartError::Discovery(e.to_owned()))?;
        let record = Arc::new(LocalRecord::new(discv5.external_enr(), key_of(keypair)?, &begun, fixed)?);
        let (sender, found) = mpsc::channel(FOUND);
        let (ready, is_ready) = oneshot::channel();
        let (changed, changes) = mpsc::channel(1);
        let begin = task::Begin {
            discv5,
            record: Arc::clone(&record),
            rules: task::Rules { chain_id, local_network, own },
            bootnodes,
            public_only,
            votes: asks_for_address(config, whole).then(|| Votes::new(local_network)),
            found: sender,
            ready: is_ready,
            changes,
        };
        let awaited = HashSet::new();
        Ok(Self { record, sockets, found, begin: Some(begin), awaited, ready: Some(ready), changed, task: None })
    }

    pub(crate) fn record(&self) -> Arc<LocalRecord> {
        Arc::clone(&self.record)
    }

    /// Starts to look, once each of these listeners has told its address.
    pub(crate) fn start(&mut self, listeners: &[ListenerId]) {
        self.awaited = listeners.iter().copied().collect();
        if let Some(begin) = self.begin.take() {
            self.task = Some(tokio::spawn(begin.run()));
        }
        self.tell_ready();
    }

    /// A listener has an address.
    pub(crate) fn listening(&mut self, listener: ListenerId, address: &Multiaddr) {
        let before = self.record.sequence();
        self.record.listening(address);
        if self.record.sequence() != before {
            self.record.keep();
            let _ = self.changed.try_send(());
        }
        self.awaited.remove(&listener);
        self.tell_ready();
    }

    /// This node is reached at an address, or seen there: it is told in the record.
    pub(crate) fn reached_at(&mut self, address: &Multiaddr) {
        if self.record.reached_at(address) {
            self.record.keep();
            let _ = self.changed.try_send(());
        }
    }

    fn tell_ready(&mut self) {
        if self.awaited.is_empty()
            && let Some(ready) = self.ready.take()
        {
            let _ = ready.send(());
        }
    }

    /// The next peer found.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        match self.found.poll_recv(cx) {
            Poll::Ready(Some(found)) => Poll::Ready(found),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Stops, and waits a little for the sockets to be free for the next node.
    pub(crate) async fn stop(mut self) {
        drop(self.begin.take());
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        let sockets = std::mem::take(&mut self.sockets);
        let freed = async {
            while sockets.iter().any(|socket| Arc::strong_count(socket) > 1) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, freed).await;
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn key_of(keypair: &Keypair) -> Result<CombinedKey, StartError> {
    let failed = || StartError::Discovery("the identity is no secp256k1 key".to_owned());
    let pair = keypair.clone().try_into_secp256k1().map_err(|_| failed())?;
    CombinedKey::secp256k1_from_bytes(&mut pair.secret().to_bytes()).map_err(|_| failed())
}

type Sockets = (Option<Arc<UdpSocket>>, Option<Arc<UdpSocket>>);

fn bind(listen: &[SocketAddr]) -> Result<Sockets, StartError> {
    let mut sockets = (None, None);
    for address in listen {
        let slot = if address.is_ipv4() { &mut sockets.0 } else { &mut sockets.1 };
        if slot.is_some() {
            return Err(StartError::Config(format!(
                "discovery listens on one address of a family: {address} is another"
            )));
        }
        let socket =
            udp(*address).map_err(|error| StartError::Discovery(format!("listen on UDP {address}: {error}")))?;
        *slot = Some(Arc::new(socket));
    }
    if sockets.0.is_none() && sockets.1.is_none() {
        return Err(StartError::Config("discovery has no address to listen on".to_owned()));
    }
    Ok(sockets)
}

fn udp(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    if address.is_ipv6() {
        // Both families of one port are two sockets.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn settings(whole: &Config, listen: ListenConfig, public_only: bool) -> discv5::Config {
    let mut builder = ConfigBuilder::new(listen);
    let second = Duration::from_secs(1);
    let limits = RateLimiterBuilder::new().total_n_every(PACKETS.0, second).node_n_every(PACKETS.2, second);
    // On a local network many honest nodes share an address.
    let limits = if whole.local_network { limits } else { limits.ip_n_every(PACKETS.1, second) };
    builder
        .enable_packet_filter()
        .filter_rate_limiter(limits.build().ok())
        .ban_duration(Some(BAN))
        // What others see is asked and weighed here (votes.rs).
        .disable_enr_update()
        // A network of two makes no new sessions for hours: that none came says nothing.
        .auto_nat_listen_duration(None);
    if whole.local_network {
        builder.filter_max_nodes_per_ip(None).filter_max_bans_per_ip(None);
    }
    if public_only {
        builder.table_filter(public_sockets);
    }
    builder.build()
}

/// Whether others are to be asked where this node is: not when that is configured, or known from where it listens.
fn asks_for_address(config: &DiscoveryConfig, whole: &Config) -> bool {
    let known = |socket: &SocketAddr| whole.local_network && !socket.ip().is_unspecified();
    whole.external.is_empty() && !config.listen.iter().all(known)
}

/// Whether a record names public addresses only.
fn public_sockets(enr: &Enr) -> bool {
    let v4 = enr.ip4().is_none_or(|ip| scope::is_global(ip.into()));
    v4 && enr.ip6().is_none_or(|ip: Ipv6Addr| scope::is_global(IpAddr::V6(ip)))
}
