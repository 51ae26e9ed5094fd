using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>Which key signs this node's gossip messages. Connections always use the node's secp256k1 identity.</summary>
public enum GossipAuthor
{
    /// <summary>The identity's secp256k1 key.</summary>
    Identity,

    /// <summary>An ed25519 key made at start: faster to sign and to verify.</summary>
    Ed25519,
}

/// <summary>How gossip message ids are made. Every node of a network must agree.</summary>
public enum MessageIdMode
{
    /// <summary>Kona's, the reference network's: the topic is not part of the id.</summary>
    Kona,

    /// <summary>SHA-256 over topic and payload.</summary>
    TopicBound,
}

/// <summary>Whose rules say who may be dialled and who may connect.</summary>
public enum GaterMode
{
    /// <summary>
    /// Names are resolved without blocking and judged by what they resolve to, IPv4 rules hold for IPv4-mapped addresses, blocks hold for inbound
    /// connections too and before their handshake, and a dial period begins with its first dial and is not prolonged.
    /// </summary>
    Default,

    /// <summary>Kona's, for dials only, with its quirks (vectors/gater.json): no <see cref="GaterOptions.PeerRedialing"/> is one dial a period, and each dial prolongs it.</summary>
    Kona,
}

/// <summary>
/// Everything a node can be told: each field of the reference's <c>P2pConfig</c> and <c>NetworkConfig</c> with its default, and
/// what this library adds. <see cref="Validate"/> gives all faults at once; <see cref="P2pNode.Create"/> refuses a faulty one.
/// </summary>
public sealed class P2pConfig
{
    /// <summary>L2 chain id; names topics and protocols. Default 167000 (Taiko mainnet).</summary>
    public ulong ChainId { get; set; } = 167_000;

    /// <summary>Multiaddrs to listen on, TCP and QUIC; port 0 takes a free one. Empty: the node only dials.</summary>
    public IList<string> Listen { get; set; } = ["/ip4/0.0.0.0/tcp/9000", "/ip4/0.0.0.0/udp/9000/quic-v1"];

    /// <summary>Multiaddrs with <c>/p2p/…</c>, dialled at start and redialled for ever.</summary>
    public IList<string> StaticPeers { get; set; } = [];

    /// <summary>
    /// Peer ids, or multiaddrs that end in one, of peers that are never limited, greylisted or banned. They are not dialled for that: see
    /// <see cref="StaticPeers"/>.
    /// </summary>
    public IList<string> TrustedPeers { get; set; } = [];

    /// <summary>TCP transport on. Default true.</summary>
    public bool EnableTcp { get; set; } = true;

    /// <summary>QUIC transport on. Default true.</summary>
    public bool EnableQuic { get; set; } = true;

    /// <summary>The in-process <c>/memory/N</c> transport on, for tests and simulations. Default false.</summary>
    public bool EnableMemoryTransport { get; set; }

    /// <summary>
    /// Folder of the node's key (<c>node.key</c>, made once with mode 0600) and record (<c>node.enr</c>, which keeps its sequence), of the peers known to be good (<c>peers.txt</c>), of bans and blocks. Default: <c>preconf-native</c> in the user's local application data.
    /// </summary>
    public string DataDirectory { get; set; } = DefaultDataDirectory();

    /// <summary>A fresh identity that dies with the node instead of the key file. Default false.</summary>
    public bool EphemeralKey { get; set; }

    /// <summary>The 32 bytes the signing hash starts with. Default: ASCII <c>TAIKO_PRECONF_DOMAIN_PLACEHOLDER</c> (protocol, section 3).</summary>
    public Bytes32 Domain { get; set; } = PreconfSigning.DefaultDomain;

    /// <summary>The chain's slasher; commitments that name another are refused. Null: not checked.</summary>
    public Address? Slasher { get; set; }

    /// <summary>The elected preconfers, where no lookahead is wired in. Commitments of others are refused.</summary>
    public IList<Address> ExpectedSigners { get; set; } = [];

    /// <summary>Takes commitments of any signer: for test networks. Default false: without this, <see cref="ExpectedSigners"/> or a validator of the host must say who may sign.</summary>
    public bool AnySigner { get; set; }

    /// <summary>How many peers are wanted.</summary>
    public PeerOptions Peers { get; set; } = new();

    /// <summary>Discovery through discv5. Default true.</summary>
    public bool EnableDiscovery { get; set; } = true;

    /// <summary>UDP address of discv5, or one of each family with a comma between: <c>0.0.0.0:9001,[::]:9001</c>. Default 0.0.0.0:9001.</summary>
    public string DiscoveryListen { get; set; } = "0.0.0.0:9001";

    /// <summary>Port of discv5 instead of the one in <see cref="DiscoveryListen"/>, 0 to 65535; 0 takes a free one. Null: that one.</summary>
    public int? DiscoveryPort { get; set; }

    /// <summary>
    /// Where discovery begins: <c>enr:…</c>, <c>enode://KEY@IP:PORT</c>, or a multiaddr with <c>/p2p/…</c>, of which <c>/ip4/…/udp/…/p2p/…</c> is asked for
    /// its record and any other is dialled. Without discovery the dialled ones are static peers, and the others have no effect.
    /// </summary>
    public IList<string> Bootnodes { get; set; } = [];

    /// <summary>
    /// How others reach this node, where it can't know: <c>/ip4|ip6/ADDRESS</c>, optionally with <c>/tcp/PORT</c>, <c>/udp/PORT</c> (discovery) or
    /// <c>/udp/PORT/quic-v1</c>. With one, peers are not asked for this node's address. Default none.
    /// </summary>
    public IList<string> ExternalAddresses { get; set; } = [];

    /// <summary>
    /// The network is this machine or a private one: loopback, private and other special-purpose addresses are told, tested, and taken from nodes that
    /// discovery finds. Default false.
    /// </summary>
    public bool LocalNetwork { get; set; }

    /// <summary>What is done about address translation.</summary>
    public NatOptions Nat { get; set; } = new();

    /// <summary>How long <see cref="P2pHandle.WaitForListenAddressAsync"/> waits when not told. Null: for ever.</summary>
    public TimeSpan? ListenAddressTimeout { get; set; }

    /// <summary>
    /// How long <see cref="P2pHandle.WaitForPeerAsync"/> and <see cref="P2pHandle.WaitForSubscriberAsync"/> wait when not told: the reference's
    /// <c>pre_dial_timeout</c>, the time a start may take until a peer is connected. Null: for ever.
    /// </summary>
    public TimeSpan? PeerTimeout { get; set; }

    /// <summary>Deadline of requests, and of answers to peers. Default 10 s.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Peers asked in all, one after the other, for a request that names none; 1 to 16. Default 3.</summary>
    public int RequestAttempts { get; set; } = 3;

    /// <summary>
    /// After this time without an answer a second peer is asked for a txlist too, if the request names none and there is another; what comes first is
    /// taken. <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> switches it off. Default 1 s.
    /// </summary>
    public TimeSpan TxListHedgeDelay { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Concurrent request streams per protocol and connection. Default 100.</summary>
    public int MaxConcurrentStreams { get; set; } = 100;

    /// <summary>How long a publish may wait for a peer or for room in the queues. Default 2 s, a slot.</summary>
    public TimeSpan PublishTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a stop waits for native code to come to rest. Default 10 s.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>A connection that nobody uses is closed after this. Default 60 s.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>identify's agent version; null for the library's own.</summary>
    public string? AgentVersion { get; set; }

    /// <summary>Gossip settings.</summary>
    public GossipOptions Gossip { get; set; } = new();

    /// <summary>Connection limits.</summary>
    public ConnectionOptions Connections { get; set; } = new();

    /// <summary>Request rate limits.</summary>
    public RateLimitOptions RateLimit { get; set; } = new();

    /// <summary>How peers are judged. Bans are kept in <see cref="DataDirectory"/>, unless <see cref="EphemeralKey"/> is set.</summary>
    public ReputationOptions Reputation { get; set; } = new();

    /// <summary>Dial rules.</summary>
    public GaterOptions Gater { get; set; } = new();

    /// <summary>Bounds of the in-memory store, where the host brings none of its own.</summary>
    public Storage.StoreOptions Store { get; set; } = new();

    /// <summary>Queues and threads.</summary>
    public ResourceOptions Resources { get; set; } = new();

    /// <summary>What is dialled at start and redialled for ever.</summary>
    internal IEnumerable<string> StaticAddresses => EnableDiscovery ? StaticPeers : StaticPeers.Concat(Bootnodes.Where(IsDialled));

    /// <summary>Who is there, as far as the addresses say.</summary>
    internal IEnumerable<PeerId> StaticPeerIds => StaticAddresses.Select(text => Multiaddr.TryParse(text, out Multiaddr? address) ? address.PeerId : null).OfType<PeerId>();

    /// <summary>Finds every fault of the configuration.</summary>
    /// <returns>One text per fault, each naming the field, its value and what is wanted; empty when there is none.</returns>
    public IReadOnlyList<string> Validate() => P2pConfigValidation.Validate(this);

    // A record is asked for over UDP; only discovery does.
    private static bool IsDialled(string bootnode) =>
        Multiaddr.TryParse(bootnode, out Multiaddr? address) && (address.Transport != MultiaddrTransport.Other || !bootnode.Contains("/udp/", StringComparison.Ordinal));

    private static string DefaultDataDirectory()
    {
        string root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return root.Length == 0 ? string.Empty : Path.Combine(root, "preconf-native");
    }
}

/// <summary>Gossip settings; the defaults are the reference network's effective values (vectors/gossip_config.json).</summary>
public sealed class GossipOptions
{
    /// <summary>gossipsub's heartbeat. Default 500 ms.</summary>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Who signs gossip messages. Default: the identity.</summary>
    public GossipAuthor Author { get; set; }

    /// <summary>How message ids are made. Default: Kona's.</summary>
    public MessageIdMode MessageId { get; set; }

    /// <summary>The sizes of the mesh, by the network that is expected. Default: chosen by the other settings.</summary>
    public MeshProfile Mesh { get; set; }

    /// <summary>Wanted mesh peers per topic. Default: the profile's, Kona 8, small 4.</summary>
    public int? MeshN { get; set; }

    /// <summary>Below this, peers are grafted. Default: Kona 6, small 2.</summary>
    public int? MeshLow { get; set; }

    /// <summary>Above this, peers are pruned. Default: Kona 12, small 8.</summary>
    public int? MeshHigh { get; set; }

    /// <summary>Outbound peers wanted in the mesh; at most half of <see cref="MeshN"/> and below <see cref="MeshLow"/>. Default: Kona 2, small 1.</summary>
    public int? MeshOutboundMin { get; set; }

    /// <summary>Peers outside the mesh that get IHAVE at each heartbeat. Default 6.</summary>
    public int GossipLazy { get; set; } = 6;

    /// <summary>
    /// Bytes of txlists no held commitment names that one peer may send at once, each list counted 1 KiB longer than it is. A reconnect gives nothing back.
    /// Default 16 MiB.
    /// </summary>
    public long UnreferencedTxListBurst { get; set; } = 16L << 20;

    /// <summary>Bytes a second by which that allowance refills. Default 2 MiB.</summary>
    public long UnreferencedTxListRate { get; set; } = 2L << 20;
}

/// <summary>The network a mesh is made for.</summary>
public enum MeshProfile
{
    /// <summary>
    /// <see cref="Small"/> when the configuration says that at most ten peers are meant: by <see cref="PeerOptions.Target"/> or <see cref="PeerOptions.Max"/>, or without discovery by the
    /// number of static peers. Else <see cref="Kona"/>: gossipsub's mesh is of one size from start to end, and nobody knows then how many peers discovery will find. The
    /// two mistakes are not alike. Kona's mesh among few is simply all of them, at the price of duplicates of small messages; a small mesh among many hangs on
    /// four neighbours, who may all be one attacker's. Whoever knows the network to be small and lets discovery find it sets <see cref="Small"/>.
    /// </summary>
    Automatic,

    /// <summary>8 peers, 6 to 12: Kona's, the wire's default (vectors, gossip_config.json). With fewer peers than that it never fills, and works.</summary>
    Kona,

    /// <summary>4 peers, 2 to 8: for networks of two to ten. Peers outside the mesh hear of messages within a heartbeat or two.</summary>
    Small,
}

/// <summary>How many peers are wanted. Static and trusted peers count, and are never dropped for these numbers.</summary>
public sealed class PeerOptions
{
    /// <summary>Peers that are known or found are dialled until so many are connected. Default 50.</summary>
    public int Target { get; set; } = 50;

    /// <summary>With fewer, dials do not wait for their pauses; at most <see cref="Target"/>. Default 8, or the target where that is lower.</summary>
    public int? Min { get; set; }

    /// <summary>
    /// With more, the worst are dropped until a tenth below it are left: by score, use, subnet, direction and age. At least <see cref="Target"/>, and below the
    /// caps of <see cref="ConnectionOptions"/>, which refuse whoever comes; those not set follow it, a tenth and at least 10 above. Default: as much below
    /// the caps, 100 at theirs and never above 200, or the target where that is higher.
    /// </summary>
    public int? Max { get; set; }

    /// <summary>So many are to be connected by this node's own dials, whom no attacker chooses; at most <see cref="Target"/>. Default 8, or the target where that is lower.</summary>
    public int? MinOutbound { get; set; }

    /// <summary>Of a peer's TCP and QUIC addresses QUIC is dialled first, not TCP; the other follows after 250 ms and the first to connect wins. Default false.</summary>
    public bool PreferQuic { get; set; }
}

/// <summary>Connection limits (protocol, section 7); null is unlimited.</summary>
public sealed class ConnectionOptions
{
    private int? _incoming = 110;
    private int? _outgoing = 110;
    private int? _total = 220;

    /// <summary>Inbound connections in their handshake. Default 40.</summary>
    public int? MaxPendingIncoming { get; set; } = 40;

    /// <summary>Dials in flight. Default 40.</summary>
    public int? MaxPendingOutgoing { get; set; } = 40;

    /// <summary>Established inbound connections. Default 110; not set, it follows <see cref="PeerOptions.Max"/> where that is set, and a high <see cref="PeerOptions.Target"/>.</summary>
    public int? MaxEstablishedIncoming
    {
        get => _incoming;
        set => (_incoming, HasIncoming) = (value, true);
    }

    /// <summary>Established outbound connections. Default 110; not set, it follows as <see cref="MaxEstablishedIncoming"/> does.</summary>
    public int? MaxEstablishedOutgoing
    {
        get => _outgoing;
        set => (_outgoing, HasOutgoing) = (value, true);
    }

    /// <summary>All established connections. Default 220; not set, it is the inbound and the outbound ones together.</summary>
    public int? MaxEstablishedTotal
    {
        get => _total;
        set => (_total, HasTotal) = (value, true);
    }

    internal bool HasIncoming { get; private set; }

    internal bool HasOutgoing { get; private set; }

    internal bool HasTotal { get; private set; }

    /// <summary>Established connections with one peer. Default 4.</summary>
    public int? MaxEstablishedPerPeer { get; set; } = 4;

    /// <summary>Inbound streams of one peer, over all its connections; one more is reset. Default 320: three protocols at <see cref="P2pConfig.MaxConcurrentStreams"/>, and gossip.</summary>
    public int MaxStreamsPerPeer { get; set; } = 320;

    /// <summary>Inbound streams of all peers; over TCP each may hold 256 KiB unread, and more as it proves to be quick; over QUIC 1 MiB, and all of a connection 4 MiB. Default 4096.</summary>
    public int MaxStreamsTotal { get; set; } = 4096;

    /// <summary>Addresses of a peer tried at once, 1 to 255. Default 16.</summary>
    public int DialConcurrency { get; set; } = 16;
}

/// <summary>How peers' requests are counted.</summary>
public enum RateLimitMode
{
    /// <summary>Token buckets in requests and bytes, refilled evenly.</summary>
    TokenBucket,

    /// <summary>The reference's tumbling window, in requests alone: for parity.</summary>
    TumblingWindow,
}

/// <summary>
/// Request rate limits per peer and protocol, kept by this node as server and as client. As server it refuses what is over them, and
/// penalises a peer that goes on: <see cref="Patience"/>. As client all callers share them, and a reconnect does not reset them.
/// </summary>
public sealed class RateLimitOptions
{
    /// <summary>The time in which <see cref="MaxRequests"/> and <see cref="MaxBytes"/> may be used up. Default 10 s.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests in a window. Default 8.</summary>
    public int MaxRequests { get; set; } = 8;

    /// <summary>
    /// Bytes of answers in a window. An answer may exceed what is left; the next request then waits for longer. Default 17 MiB: above
    /// <see cref="MaxRequests"/> txlists of the largest size, so that at the defaults requests alone decide.
    /// </summary>
    public long MaxBytes { get; set; } = 17L << 20;

    /// <summary>How peers' requests are counted. Default: token buckets.</summary>
    public RateLimitMode Mode { get; set; }

    /// <summary>Refusals within ten windows before a peer is penalised for going on; each as many again cost it once more. Default 64.</summary>
    public int Patience { get; set; } = 64;

    /// <summary>
    /// How long a request of this node waits for its turn; then it fails with <see cref="NetworkErrorKind.ReqRespRateLimited"/>. Zero never waits.
    /// Default: <see cref="System.Threading.Timeout.InfiniteTimeSpan"/>, as long as its caller does.
    /// </summary>
    public TimeSpan MaxWait { get; set; } = Timeout.InfiniteTimeSpan;

    /// <summary>False lifts the limits. Default true.</summary>
    public bool Enabled { get; set; } = true;
}

/// <summary>Who may be dialled and who may connect. Rules set at run time (<see cref="P2pHandle.BlockAsync"/>) come on top and are kept in the data directory.</summary>
public sealed class GaterOptions
{
    /// <summary>Whose rules hold. Default: this library's.</summary>
    public GaterMode Mode { get; set; }

    /// <summary>Subnets (CIDR) neither dialled nor taken connections from; at most 3072 together with <see cref="Blocked"/>.</summary>
    public IList<string> BlockedSubnets { get; set; } = [];

    /// <summary>Peer ids, IP addresses and subnets neither dialled nor taken connections from.</summary>
    public IList<string> Blocked { get; set; } = [];

    /// <summary>Peer ids over no limit on dials and connections, at most 4096 with the static peers, which are protected too. A block outweighs it.</summary>
    public IList<string> ProtectedPeers { get; set; } = [];

    /// <summary>Dials of one address within <see cref="DialPeriod"/>; null and 0 are unlimited. Default null.</summary>
    public int? PeerRedialing { get; set; }

    /// <summary>The period <see cref="PeerRedialing"/> counts in. Default 1 h.</summary>
    public TimeSpan DialPeriod { get; set; } = TimeSpan.FromHours(1);
}

/// <summary>Queues and threads of a node.</summary>
public sealed class ResourceOptions
{
    /// <summary>
    /// Threads of the native runtime, 1 to 64. Default: half the processors, 1 to 4. The other half is for verification, which the thread
    /// pool does; on two processors a second thread here costs a tenth of the throughput and a third of the requests per second.
    /// </summary>
    public int NativeThreads { get; set; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 4);

    /// <summary>Validation lanes; each keeps the order of the peers it serves. Default: the processors, at most 16.</summary>
    public int ValidationLanes { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 16);

    /// <summary>Slots of the event ring, a power of two, 64 to 1 Mi. Default 16384 (1 MiB).</summary>
    public int RingSlots { get; set; } = 16_384;

    /// <summary>Slots of the ring kept for control events. Default 4096.</summary>
    public int RingReserved { get; set; } = 4096;

    /// <summary>Bytes of gossip payloads in the hands of the host at once; gossip above it is dropped and counted. Default 256 MiB.</summary>
    public long MaxLeasedBytes { get; set; } = 256L << 20;

    /// <summary>Bytes of publishes accepted but not yet sent. Default 64 MiB.</summary>
    public long OutboxBytes { get; set; } = 64L << 20;

    /// <summary>Bytes of gossip queued for one connection. Default 16 MiB.</summary>
    public long PeerQueueBytes { get; set; } = 16L << 20;

    /// <summary>Bytes of gossip queued for all connections; above it messages wait, or pass over the peers that hold them up. Default 512 MiB.</summary>
    public long QueueBytes { get; set; } = 512L << 20;

    /// <summary>
    /// Resident bytes of the whole process above which inbound connections, and dials of peers that are not protected, are refused. Default null: no
    /// ceiling. Works on Linux only; elsewhere it refuses nothing.
    /// </summary>
    public long? MemoryCeiling { get; set; }

    /// <summary>Messages queued for one connection. Default 5000.</summary>
    public int PeerQueueLength { get; set; } = 5000;

    /// <summary>Events a slow reader may fall behind before it loses the oldest, counted. Default 1024.</summary>
    public int SubscriptionCapacity { get; set; } = 1024;

    /// <summary>
    /// Bytes of txlists and answers that the events a slow reader has not read yet may keep alive, for each reader; above it the oldest are lost, counted.
    /// Default 64 MiB.
    /// </summary>
    public long SubscriptionBytes { get; set; } = 64L << 20;

    /// <summary>Requests of this node in flight at once. Default 4096.</summary>
    public int MaxRequestsInFlight { get; set; } = 4096;
}
