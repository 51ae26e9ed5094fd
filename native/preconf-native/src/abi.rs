//! The types that cross the boundary. Every struct is flat and `repr(C)`; its size is checked at load by the probe.

/// The version both sides must agree on; raised with every change of a struct, an enum or an export.
pub const ABI_VERSION: u32 = 4;

/// What a call came to.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnStatus {
    /// Done.
    Ok = 0,
    /// A required pointer was null.
    NullPointer = 1,
    /// An argument has a wrong length, value or encoding.
    InvalidArgument = 2,
    /// The node handle is unknown: never made, or freed.
    InvalidHandle = 3,
    /// The node is stopping or has stopped.
    Stopped = 4,
    /// A queue is full; nothing was taken.
    QueueFull = 5,
    /// The thing named does not exist (any more).
    NotFound = 6,
    /// The wait ended before anything happened.
    Timeout = 7,
    /// The node is not at rest, so it can't be freed; or the ring has another reader.
    Busy = 8,
    /// The node could not start.
    StartFailed = 9,
    /// A file could not be read or written.
    Io = 10,
    /// A key, signature or recovery is invalid.
    Crypto = 11,
    /// The caller's buffer is too small; the length out says what is needed.
    BufferTooSmall = 12,
    /// The lease was given back before.
    StaleLease = 13,
    /// A panic was caught; the node is poisoned and will emit Faulted.
    Panic = 100,
}

/// The text that goes with a status other than Ok: what, where, what to do. UTF-8, cut at a character.
#[repr(C)]
pub struct PcnDetail {
    /// The status, once more.
    pub code: i32,
    /// Bytes of `text` in use.
    pub len: u32,
    /// The text.
    pub text: [u8; 1016],
}

/// Bytes the caller owns for the length of the call. `ptr` may be null when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PcnBytes {
    /// The first byte.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

/// What a node is started with. Lists of texts are UTF-8 joined by `\n`. Times are milliseconds.
#[repr(C)]
pub struct PcnConfig {
    /// `size_of::<PcnConfig>()` as the caller knows it.
    pub struct_size: u32,
    /// 1: the identity is ephemeral (then `key_file` is empty).
    pub ephemeral_key: u8,
    /// 0: identity signs gossip; 1: a fresh ed25519 key does.
    pub author: u8,
    /// 0: Kona's ids; 1: topic-bound ids.
    pub message_id_mode: u8,
    /// 0 or 1.
    pub enable_tcp: u8,
    /// 0 or 1.
    pub enable_quic: u8,
    /// 0 or 1: the `/memory/N` transport.
    pub enable_memory: u8,
    /// Most verbose level forwarded: 0 off, 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    pub log_level: u8,
    /// Addresses of one peer tried at once; at least 1.
    pub dial_concurrency: u8,
    /// Mesh sizes: n, low, high, outbound minimum, lazy.
    pub mesh_n: u32,
    /// See `mesh_n`.
    pub mesh_low: u32,
    /// See `mesh_n`.
    pub mesh_high: u32,
    /// See `mesh_n`.
    pub mesh_outbound_min: u32,
    /// See `mesh_n`.
    pub mesh_lazy: u32,
    /// gossipsub heartbeat.
    pub heartbeat_ms: u32,
    /// L2 chain id.
    pub chain_id: u64,
    /// Multiaddrs to listen on.
    pub listen: PcnBytes,
    /// Multiaddrs with /p2p, dialled for ever.
    pub static_peers: PcnBytes,
    /// Path of the key file, made when missing.
    pub key_file: PcnBytes,
    /// 32 secret bytes, or empty; wins over `key_file`.
    pub secret_key: PcnBytes,
    /// Discovery's UDP sockets, `IP:PORT`, at most one of each family; empty: no discovery, and bootnodes and the record's file are empty too.
    pub discovery_listen: PcnBytes,
    /// Bootnodes: `enr:…`, `enode://…` or multiaddrs with /p2p.
    pub bootnodes: PcnBytes,
    /// How others reach this node: `/ip4|ip6/…`, optionally with /tcp, /udp or /udp/…/quic-v1; empty: peers are asked.
    pub external_addresses: PcnBytes,
    /// Path of the file that keeps this node's record; empty: its sequence is the time.
    pub record_file: PcnBytes,
    /// identify's agent version; empty for the default.
    pub agent_version: PcnBytes,
    /// Deadline of requests and of answers.
    pub request_timeout_ms: u32,
    /// Idle connections are closed after this.
    pub idle_timeout_ms: u32,
    /// Per protocol and connection.
    pub max_concurrent_streams: u32,
    /// Connection caps, `u32::MAX` is unlimited.
    pub max_pending_incoming: u32,
    /// See above.
    pub max_pending_outgoing: u32,
    /// See above.
    pub max_established_incoming: u32,
    /// See above.
    pub max_established_outgoing: u32,
    /// See above.
    pub max_established_total: u32,
    /// See above.
    pub max_established_per_peer: u32,
    /// Threads of the node's runtime, 1 to 64.
    pub worker_threads: u32,
    /// Slots of the event ring, a power of two, 64 to 1 Mi.
    pub ring_slots: u32,
    /// Slots kept free for control events; less than `ring_slots`.
    pub ring_reserved: u32,
    /// Messages queued for one connection.
    pub peer_queue_len: u32,
    /// 0 or 1: special-purpose addresses are taken from strangers, tested, and told of this node.
    pub local_network: u8,
    /// Of a peer's TCP and QUIC addresses, which is dialled first: 0 TCP, 1 QUIC; the other follows after 250 ms.
    pub prefer_quic: u8,
    /// 0 or 1: ports are mapped on a router that speaks UPnP.
    pub nat_upnp: u8,
    /// 0 or 1: peers are asked to dial this node back.
    pub nat_autonat: u8,
    /// 0 or 1: peers that ask for it are dialled back.
    pub nat_autonat_server: u8,
    /// 0 or 1: what peers see as this node's address is told where nothing better is known.
    pub nat_observed_address: u8,
    /// 0 or 1: relays are dialled through, and this node is reached through them while it is not reached directly.
    pub nat_relay_client: u8,
    /// 0 or 1: this node is a relay for others.
    pub nat_relay_server: u8,
    /// 0 or 1: relayed connections are replaced by direct ones.
    pub nat_hole_punching: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Payload bytes leased to the host at once; gossip above it is dropped and counted.
    pub max_leased_bytes: u64,
    /// Publishes accepted and not yet sent.
    pub outbox_bytes: u64,
    /// Gossip bytes queued for one connection.
    pub peer_queue_bytes: u64,
    /// Seed of the jitter between redials, for runs that can be repeated; 0: the system's random source.
    pub seed: u64,
    /// Peer ids, IP addresses and subnets (CIDR) that are blocked from the start, at most 4096.
    pub blocked: PcnBytes,
    /// Peer ids over no limit on dials and connections, at most 4096 with the static peers.
    pub protected_peers: PcnBytes,
    /// Dials of one address within `dial_period_ms`; `u64::MAX` is unlimited (in Kona's mode: one), 0 is too.
    pub peer_redialing: u64,
    /// The period in which dials of one address are counted.
    pub dial_period_ms: u32,
    /// 0: the default rules; 1: Kona's gater with its quirks.
    pub gater_mode: u32,
    /// Inbound streams of one peer, over all its connections; one more is reset.
    pub max_peer_streams: u32,
    /// Inbound streams of all peers.
    pub max_streams: u32,
    /// Gossip bytes queued for all peers.
    pub queue_bytes: u64,
    /// Resident bytes of the process above which inbound connections, and dials of unprotected peers, are refused; 0: no
    /// ceiling. Linux only.
    pub memory_ceiling: u64,
    /// The file in which peers known to be good are kept, and dialled first after a restart; empty: none is kept.
    pub known_peers_file: PcnBytes,
    /// Found and known peers are dialled until so many are connected.
    pub target_peers: u32,
    /// With fewer, dials do not wait; at most `target_peers`.
    pub min_peers: u32,
    /// With more, the worst are dropped until a tenth below it are left; at least `target_peers`.
    pub max_peers: u32,
    /// So many are to be connected by this node's own dials; at most `target_peers`.
    pub min_outbound_peers: u32,
    /// Relays through which this node is always to be reached: multiaddrs with /p2p; empty: peers that offer it, when needed.
    pub nat_relays: PcnBytes,
}

/// What an event is.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnEventKind {
    /// Never seen.
    None = 0,
    /// data: the multiaddr's text.
    Listening = 1,
    /// data: the multiaddr's text, a newline, the error's text.
    ListenerClosed = 2,
    /// data: peer id's text, a newline, the address' text; flag: 1 when this node dialled.
    PeerConnected = 3,
    /// data: the cause's text. `peer` is not used again after it.
    PeerDisconnected = 4,
    /// data: agent, newline, protocol version, newline, observed address.
    PeerIdentified = 5,
    /// topic; flag: 1 joined, 0 left.
    PeerSubscription = 6,
    /// token: the caller's; code: 0 reached (data: peer id's text) or PcnDialFailure (data: the error's text).
    DialResult = 7,
    /// topic; token: for the verdict; data: the payload. Waits for `pcn_node_verdicts`.
    Gossip = 8,
    /// token: the caller's; code: PcnPublishOutcome; count: peers it was handed to.
    Published = 9,
    /// protocol in `topic`; token: the channel; data: the request's SSZ.
    Request = 10,
    /// protocol in `topic`; token: the channel or u64::MAX; code: PcnRequestError.
    RequestAborted = 11,
    /// protocol in `topic`; token: the channel.
    ResponseSent = 12,
    /// protocol in `topic`; token: the caller's; data: the response's SSZ.
    Response = 13,
    /// protocol in `topic`; token: the caller's; code: PcnRequestError; data: the error's text.
    RequestFailed = 14,
    /// count: messages dropped for the peer.
    SlowPeer = 15,
    /// topic; code: the verdict.
    VerdictLate = 16,
    /// count: gossip messages dropped for want of room.
    Dropped = 17,
    /// code: level (1 error to 5 trace); data: target, newline, message.
    Log = 18,
    /// data: what died, and why.
    Faulted = 19,
    /// The last event of the node.
    Stopped = 20,
    /// Whether and how others reach this node has changed. code: PcnReachability; flag: PcnEvidence; data: multiaddrs, one a line.
    Reachability = 21,
    /// data: the address of the connection that replaces the one before; flag: 1 when this node dialled it.
    PeerMoved = 22,
}

/// Whether others can connect to the node.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnReachability {
    /// Nothing tells.
    Unknown = 0,
    /// Anyone can.
    Public = 1,
    /// Only through a relay.
    Relayed = 2,
    /// Nobody can.
    Private = 3,
}

/// What tells it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnEvidence {
    /// Nothing.
    None = 0,
    /// The configuration names an external address.
    Configured = 1,
    /// A router with a public address has mapped a port.
    Upnp = 2,
    /// Peers dialled the node back, or tried to.
    AutoNat = 3,
    /// A peer has connected by itself.
    Inbound = 4,
}

/// How a publish ended.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnPublishOutcome {
    /// Handed to at least one peer.
    Sent = 0,
    /// No peer was subscribed until the deadline.
    NoPeers = 1,
    /// The same payload was seen before.
    Duplicate = 2,
    /// Every peer's queue stayed full until the deadline.
    QueueFull = 3,
    /// Over 10 MiB.
    TooLarge = 4,
    /// Signing failed, or another internal error.
    Failed = 5,
    /// The node stopped first.
    Stopped = 6,
}

/// Why a request got no answer.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnRequestError {
    /// Not connected and no dial succeeded.
    DialFailed = 1,
    /// No answer in time.
    Timeout = 2,
    /// The connection closed first.
    ConnectionClosed = 3,
    /// The peer does not speak the protocol.
    UnsupportedProtocol = 4,
    /// The peer ended the stream before any of an answer, or reset it before it accepted the protocol.
    Refused = 5,
    /// Malformed frame: the sender's fault.
    BadFrame = 6,
    /// The stream broke.
    Io = 7,
    /// Too many requests in flight here.
    Busy = 8,
    /// The node stopped first.
    Stopped = 9,
}

/// Why a dial came to nothing.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcnDialFailure {
    /// No transport takes the address.
    Unsupported = 1,
    /// A connection limit of this node, or its dial period.
    Limit = 2,
    /// The peer or its address is blocked here.
    Blocked = 3,
    /// Another peer id answered.
    WrongPeer = 4,
    /// It is this node itself.
    LocalPeer = 5,
    /// Refused, unreachable, reset or timed out.
    Transport = 6,
    /// The node stopped first.
    Aborted = 7,
}

/// One event: 64 bytes, one cache line. `data` is readable until the lease is given back.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PcnEvent {
    /// A `PcnEventKind`.
    pub kind: u8,
    /// 0 commitments, 1 txlists; for requests: 0 head, 1 commitments, 2 txlist.
    pub topic: u8,
    /// Per kind.
    pub flag: u8,
    /// Zero.
    pub reserved0: u8,
    /// Per kind.
    pub code: u32,
    /// The peer's number on this node: given by its PeerConnected, retired by its PeerDisconnected, never reused. 0: none.
    pub peer: u64,
    /// Per kind.
    pub token: u64,
    /// The payload, or null.
    pub data: *const u8,
    /// Bytes at `data`.
    pub len: u32,
    /// Per kind; saturates.
    pub count: u32,
    /// Names the payload for `pcn_node_release`; 0: none, nothing to give back.
    pub lease: u64,
    /// Nanoseconds since the node's start, monotonic.
    pub at_ns: u64,
    /// Zero.
    pub reserved1: u64,
}

/// A verdict on a gossip event; it gives the event's lease back too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PcnVerdict {
    /// The event's token.
    pub token: u64,
    /// The event's lease.
    pub lease: u64,
    /// 0 accept, 1 ignore, 2 reject.
    pub verdict: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Counters of a node since its start, and gauges.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PcnStats {
    /// Connected peers now.
    pub peers: u64,
    /// Established connections now.
    pub connections: u64,
    /// Gossip messages handed to the host.
    pub gossip_received: u64,
    /// Gossip messages dropped for want of room.
    pub gossip_dropped: u64,
    /// Publishes that reached a peer's queue.
    pub published: u64,
    /// Publishes that did not.
    pub publish_failed: u64,
    /// Requests received.
    pub requests_in: u64,
    /// Requests sent.
    pub requests_out: u64,
    /// Bytes of payloads leased to the host now.
    pub leased_bytes: u64,
    /// Bytes in the outbox now.
    pub outbox_bytes: u64,
    /// Events in the ring now.
    pub ring_used: u64,
    /// Verdicts that came too late.
    pub verdicts_late: u64,
    /// Log lines dropped.
    pub logs_dropped: u64,
    /// Bytes read from all connections.
    pub bytes_in: u64,
    /// Bytes written to all connections.
    pub bytes_out: u64,
    /// Peers in the mesh of the commitments topic now.
    pub mesh_commitments: u64,
    /// Peers in the mesh of the txlists topic now.
    pub mesh_txlists: u64,
    /// Peers whose connections were closed because their gossip stream had stopped moving.
    pub stalled_peers: u64,
    /// Inbound connections refused because their peer or address is blocked.
    pub inbound_blocked: u64,
    /// Dials refused because their peer or address is blocked, or by the dial period.
    pub dials_blocked: u64,
    /// Connections of either direction refused at a limit on connections, or at the memory ceiling.
    pub connections_limited: u64,
    /// Inbound streams open now.
    pub streams: u64,
    /// Inbound streams refused at a limit on streams.
    pub streams_refused: u64,
    /// Gossip bytes queued for all peers now.
    pub queued_bytes: u64,
}

/// What the probe tells: the ABI's version and each struct's size on this side.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PcnAbi {
    /// `ABI_VERSION`.
    pub version: u32,
    /// `size_of::<PcnDetail>()`, and so on.
    pub detail: u32,
    /// See above.
    pub bytes: u32,
    /// See above.
    pub config: u32,
    /// See above.
    pub event: u32,
    /// See above.
    pub verdict: u32,
    /// See above.
    pub stats: u32,
    /// See above.
    pub pointer: u32,
}
