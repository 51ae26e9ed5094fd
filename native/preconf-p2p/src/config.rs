//! What a node is told before it starts.

use std::{path::PathBuf, time::Duration};

use libp2p::Multiaddr;

use crate::{DiscoveryConfig, NatConfig, PeerLimits, Way, gater::GaterConfig};

/// Where the node's secp256k1 identity comes from. Peer id, Noise/TLS handshakes and the node record use this one key.
#[derive(Clone)]
pub enum IdentitySource {
    /// A fresh key that dies with the node.
    Ephemeral,
    /// A file with the 32 secret bytes as 64 hex digits and a newline; made with mode 0600 when it is missing.
    File(PathBuf),
    /// The 32 secret bytes, big-endian.
    Secret([u8; 32]),
}

/// Which key signs gossip messages. Connections always use the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The identity's own secp256k1 key.
    Identity,
    /// A fresh ed25519 key made at start: faster to sign and to verify.
    Ed25519,
}

/// How a gossip message's id is made; every node of a network must use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageIdMode {
    /// Kona's: snappy-aware SHA-256 over the payload, the topic not bound. The reference network's.
    Kona,
    /// SHA-256 over topic and payload.
    TopicBound,
}

/// The sizes of the gossip mesh (`mesh_n`, `mesh_n_low`, `mesh_n_high`, `mesh_outbound_min`, `gossip_lazy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeshSize {
    /// Wanted mesh peers per topic.
    pub n: usize,
    /// Below this, peers are grafted.
    pub low: usize,
    /// Above this, peers are pruned.
    pub high: usize,
    /// Outbound peers wanted in the mesh; at most `n / 2` and below `low`.
    pub outbound_min: usize,
    /// Peers outside the mesh that get IHAVE at each heartbeat.
    pub lazy: usize,
}

impl MeshSize {
    /// Kona's 8/6/12, the wire's default (vectors/gossip_config.json, `effective`).
    pub const KONA: Self = Self { n: 8, low: 6, high: 12, outbound_min: 2, lazy: 6 };
    /// For networks of 2 to 10 peers.
    pub const SMALL: Self = Self { n: 4, low: 2, high: 8, outbound_min: 1, lazy: 6 };
}

/// Caps on connections; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionCaps {
    /// Inbound connections still in their handshake.
    pub pending_incoming: Option<u32>,
    /// Dials in flight.
    pub pending_outgoing: Option<u32>,
    /// Established inbound connections; of one public IPv4 /24 or IPv6 /56 at most a quarter of it, or 8 where that is more.
    pub established_incoming: Option<u32>,
    /// Established outbound connections.
    pub established_outgoing: Option<u32>,
    /// All established connections.
    pub established_total: Option<u32>,
    /// Established connections with one peer.
    pub established_per_peer: Option<u32>,
}

impl Default for ConnectionCaps {
    fn default() -> Self {
        Self {
            pending_incoming: Some(40),
            pending_outgoing: Some(40),
            established_incoming: Some(110),
            established_outgoing: Some(110),
            established_total: Some(220),
            established_per_peer: Some(4),
        }
    }
}

/// Everything a node needs to start. `Config::default()` is the network's defaults of design/protocol.md, section 7.
#[derive(Clone)]
pub struct Config {
    /// L2 chain id; names the topics and the request protocols.
    pub chain_id: u64,
    /// Addresses to listen on, e.g. `/ip4/0.0.0.0/tcp/9000`; none is a node that only dials.
    pub listen: Vec<Multiaddr>,
    /// Peers (each with `/p2p/…`) dialled at start and redialled for ever with jittered exponential back-off.
    pub static_peers: Vec<Multiaddr>,
    /// How peers are found; `None` is by [`Self::static_peers`] and the host's dials alone.
    pub discovery: Option<DiscoveryConfig>,
    /// What is done about address translation.
    pub nat: NatConfig,
    /// How others reach this node, where it can't know: `/ip4|ip6/…`, optionally with `/tcp/…`, `/udp/…` (discovery) or
    /// `/udp/…/quic-v1`. With one, peers are not asked for this node's address.
    pub external: Vec<Multiaddr>,
    /// The network is this machine or a private one: special-purpose addresses are told, tested, and taken from strangers.
    pub local_network: bool,
    /// How many peers are wanted.
    pub peers: PeerLimits,
    /// The file in which peers known to be good are kept and dialled first after a restart; `None` keeps none.
    pub known_peers_file: Option<PathBuf>,
    /// Of a peer's TCP and QUIC addresses, which is dialled first; the other follows after 250 ms.
    pub preferred: Way,
    /// The node's identity.
    pub identity: IdentitySource,
    /// Who signs gossip.
    pub author: Author,
    /// Message ids.
    pub message_id: MessageIdMode,
    /// Mesh sizes.
    pub mesh: MeshSize,
    /// TCP (with DNS) on.
    pub enable_tcp: bool,
    /// QUIC v1 on.
    pub enable_quic: bool,
    /// The in-process `/memory/N` transport on (tests and simulations).
    pub enable_memory: bool,
    /// identify's agent version.
    pub agent_version: String,
    /// gossipsub heartbeat.
    pub heartbeat: Duration,
    /// Deadline of a request, and of an inbound request's answer.
    pub request_timeout: Duration,
    /// Streams of one protocol on one connection, inbound and outbound together.
    pub max_concurrent_streams: usize,
    /// Inbound streams of one peer, over all its connections; one more is reset.
    pub max_peer_streams: usize,
    /// Inbound streams of all peers. Over TCP each may hold 256 KiB unread, and more as it proves to be quick; over QUIC
    /// 1 MiB, and all of a connection 4 MiB.
    pub max_streams: usize,
    /// Connection caps.
    pub caps: ConnectionCaps,
    /// Who may be dialled and who may connect.
    pub gater: GaterConfig,
    /// Addresses of one peer tried at once.
    pub dial_concurrency: u8,
    /// A connection nobody uses is closed after this.
    pub idle_timeout: Duration,
    /// Bytes of publishes accepted but not yet handed to gossipsub; more are refused with queue-full.
    pub outbox_bytes: usize,
    /// Gossip bytes queued for one connection; publishes and forwards wait or are dropped above it.
    pub peer_queue_bytes: usize,
    /// Gossip bytes queued for all peers; above it a message waits for room, or passes over those who hold it up.
    pub queue_bytes: usize,
    /// Resident bytes of the whole process above which inbound connections, and dials of peers that are not protected,
    /// are refused; `None` is no ceiling. Known on Linux only: elsewhere it refuses nothing.
    pub memory_ceiling: Option<u64>,
    /// Messages queued for one connection.
    pub peer_queue_len: usize,
    /// Seed of the jitter between redials; `None` takes one from the system. Same seed, same waits.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chain_id: 167_000,
            listen: Vec::new(),
            static_peers: Vec::new(),
            discovery: None,
            nat: NatConfig::default(),
            external: Vec::new(),
            local_network: false,
            peers: PeerLimits::default(),
            known_peers_file: None,
            preferred: Way::Tcp,
            identity: IdentitySource::Ephemeral,
            author: Author::Identity,
            message_id: MessageIdMode::Kona,
            mesh: MeshSize::KONA,
            enable_tcp: true,
            enable_quic: true,
            enable_memory: false,
            agent_version: concat!("preconf-native/", env!("CARGO_PKG_VERSION")).to_owned(),
            heartbeat: Duration::from_millis(500),
            request_timeout: Duration::from_secs(10),
            max_concurrent_streams: 100,
            max_peer_streams: 320,
            max_streams: 4096,
            caps: ConnectionCaps::default(),
            gater: GaterConfig::default(),
            dial_concurrency: 16,
            idle_timeout: Duration::from_secs(60),
            outbox_bytes: 64 << 20,
            peer_queue_bytes: 16 << 20,
            queue_bytes: 512 << 20,
            memory_ceiling: None,
            peer_queue_len: 5000,
            seed: None,
        }
    }
}
