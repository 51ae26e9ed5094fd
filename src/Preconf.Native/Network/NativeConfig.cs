using System.Text;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>A <see cref="P2pConfig"/> as the native part takes it.</summary>
internal static unsafe class NativeConfig
{
    private const string RecordFile = "node.enr";
    private const string KnownPeersFile = "peers.txt";
    private const int FewPeers = 8;

    /// <exception cref="NativeCallException">The node could not start.</exception>
    public static NodeHandle Start(P2pConfig config, OperatorRules rules, ReadOnlySpan<byte> secret, byte logLevel)
    {
        byte[] listen = Lines(config.Listen);
        byte[] peers = Lines(config.StaticAddresses);
        byte[] discovery = config.EnableDiscovery ? Lines(P2pConfigValidation.DiscoverySockets(config).Select(socket => socket.ToString())) : [];
        byte[] bootnodes = config.EnableDiscovery ? Lines(config.Bootnodes) : [];
        byte[] external = Lines(config.ExternalAddresses);
        byte[] relays = Lines(config.Nat.Relays);
        byte[] record = config.EnableDiscovery && !config.EphemeralKey ? Encoding.UTF8.GetBytes(Path.Combine(config.DataDirectory, RecordFile)) : [];
        byte[] known = config.EphemeralKey ? [] : Encoding.UTF8.GetBytes(Path.Combine(config.DataDirectory, KnownPeersFile));
        byte[] agent = Encoding.UTF8.GetBytes(config.AgentVersion ?? string.Empty);
        byte[] blocked = Lines(rules.Blocked.Select(target => target.ToString()));
        byte[] protectedPeers = Lines(rules.Protected.Concat(Trusted(config)).Distinct().Select(peer => peer.ToString()));
        fixed (byte* listenPointer = listen, peersPointer = peers, agentPointer = agent, secretPointer = secret, blockedPointer = blocked, protectedPointer = protectedPeers)
        fixed (byte* discoveryPointer = discovery, bootnodesPointer = bootnodes, externalPointer = external, recordPointer = record, knownPointer = known, relaysPointer = relays)
        {
            PcnConfig native = Numbers(config, MeshSizes.Of(config), PeerSizes.Of(config));
            SetNat(ref native, config.Nat);
            native.log_level = logLevel;
            native.listen = new PcnBytes { ptr = listenPointer, len = (nuint)listen.Length };
            native.static_peers = new PcnBytes { ptr = peersPointer, len = (nuint)peers.Length };
            native.discovery_listen = new PcnBytes { ptr = discoveryPointer, len = (nuint)discovery.Length };
            native.bootnodes = new PcnBytes { ptr = bootnodesPointer, len = (nuint)bootnodes.Length };
            native.external_addresses = new PcnBytes { ptr = externalPointer, len = (nuint)external.Length };
            native.record_file = new PcnBytes { ptr = recordPointer, len = (nuint)record.Length };
            native.known_peers_file = new PcnBytes { ptr = knownPointer, len = (nuint)known.Length };
            native.nat_relays = new PcnBytes { ptr = relaysPointer, len = (nuint)relays.Length };
            native.agent_version = new PcnBytes { ptr = agentPointer, len = (nuint)agent.Length };
            native.secret_key = new PcnBytes { ptr = secretPointer, len = (nuint)secret.Length };
            native.blocked = new PcnBytes { ptr = blockedPointer, len = (nuint)blocked.Length };
            native.protected_peers = new PcnBytes { ptr = protectedPointer, len = (nuint)protectedPeers.Length };
            return NodeHandle.Start(ref native);
        }
    }

    private static PcnConfig Numbers(P2pConfig config, MeshSizes mesh, PeerSizes sizes) => new()
    {
        struct_size = (uint)sizeof(PcnConfig),
        author = (byte)config.Gossip.Author,
        message_id_mode = (byte)config.Gossip.MessageId,
        enable_tcp = Flag(config.EnableTcp),
        enable_quic = Flag(config.EnableQuic),
        enable_memory = Flag(config.EnableMemoryTransport),
        local_network = Flag(config.LocalNetwork),
        dial_concurrency = (byte)config.Connections.DialConcurrency,
        mesh_n = (uint)mesh.N,
        mesh_low = (uint)mesh.Low,
        mesh_high = (uint)mesh.High,
        mesh_outbound_min = (uint)mesh.OutboundMin,
        mesh_lazy = (uint)config.Gossip.GossipLazy,
        heartbeat_ms = Milliseconds(config.Gossip.Heartbeat),
        chain_id = config.ChainId,
        request_timeout_ms = Milliseconds(config.RequestTimeout),
        idle_timeout_ms = Milliseconds(config.IdleTimeout),
        max_concurrent_streams = (uint)config.MaxConcurrentStreams,
        max_pending_incoming = Limit(config.Connections.MaxPendingIncoming),
        max_pending_outgoing = Limit(config.Connections.MaxPendingOutgoing),
        max_established_incoming = Limit(sizes.Incoming),
        max_established_outgoing = Limit(sizes.Outgoing),
        max_established_total = Limit(sizes.Total),
        max_established_per_peer = Limit(config.Connections.MaxEstablishedPerPeer),
        worker_threads = (uint)config.Resources.NativeThreads,
        ring_slots = (uint)config.Resources.RingSlots,
        ring_reserved = (uint)config.Resources.RingReserved,
        peer_queue_len = (uint)config.Resources.PeerQueueLength,
        max_leased_bytes = (ulong)config.Resources.MaxLeasedBytes,
        outbox_bytes = (ulong)config.Resources.OutboxBytes,
        peer_queue_bytes = (ulong)config.Resources.PeerQueueBytes,
        peer_redialing = config.Gater.PeerRedialing is { } dials ? (ulong)dials : ulong.MaxValue,
        dial_period_ms = Milliseconds(config.Gater.DialPeriod),
        gater_mode = (uint)config.Gater.Mode,
        max_peer_streams = (uint)config.Connections.MaxStreamsPerPeer,
        max_streams = (uint)config.Connections.MaxStreamsTotal,
        queue_bytes = (ulong)config.Resources.QueueBytes,
        memory_ceiling = (ulong)(config.Resources.MemoryCeiling ?? 0),
        target_peers = (uint)config.Peers.Target,
        min_peers = (uint)(config.Peers.Min ?? Math.Min(config.Peers.Target, FewPeers)),
        max_peers = (uint)sizes.Max,
        min_outbound_peers = (uint)(config.Peers.MinOutbound ?? Math.Min(config.Peers.Target, FewPeers)),
        prefer_quic = Flag(config.Peers.PreferQuic),
    };

    private static void SetNat(ref PcnConfig native, NatOptions nat)
    {
        native.nat_upnp = Flag(nat.Upnp);
        native.nat_autonat = Flag(nat.AutoNat);
        native.nat_autonat_server = Flag(nat.AutoNatServer);
        native.nat_observed_address = Flag(nat.ObservedAddress);
        native.nat_relay_client = Flag(nat.RelayClient);
        native.nat_relay_server = Flag(nat.RelayServer);
        native.nat_hole_punching = Flag(nat.HolePunching);
    }

    private static IEnumerable<PeerId> Trusted(P2pConfig config) =>
        config.TrustedPeers.Select(text => P2pConfigValidation.TryPeer(text, out PeerId? peer) ? peer : throw new FormatException(text));

    private static byte[] Lines(IEnumerable<string> texts) => Encoding.UTF8.GetBytes(string.Join('\n', texts));

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;

    private static uint Limit(int? value) => value is { } limit ? (uint)limit : uint.MaxValue;

    private static uint Milliseconds(TimeSpan time) => (uint)Math.Clamp(time.TotalMilliseconds, 1, uint.MaxValue - 1);
}
