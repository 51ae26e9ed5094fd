using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.Network;

/// <summary>A configuration with faults; all of them are in <see cref="Faults"/>.</summary>
public sealed class P2pConfigException : Exception
{
    /// <summary>Makes an exception without faults to name.</summary>
    public P2pConfigException()
        : this(["the configuration is not valid"])
    {
    }

    /// <summary>Makes an exception with one fault.</summary>
    /// <param name="message">The fault.</param>
    public P2pConfigException(string message)
        : this([message])
    {
    }

    /// <summary>Makes an exception with one fault and its cause.</summary>
    /// <param name="message">The fault.</param>
    /// <param name="innerException">Its cause.</param>
    public P2pConfigException(string message, Exception innerException)
        : base(message, innerException) => Faults = [message];

    /// <summary>Makes an exception.</summary>
    /// <param name="faults">One text per fault, each naming its field.</param>
    public P2pConfigException(IReadOnlyList<string> faults)
        : base("the node's configuration is not valid:" + string.Concat(faults.Select(fault => "\n  - " + fault))) => Faults = faults;

    /// <summary>One text per fault, each naming its field.</summary>
    public IReadOnlyList<string> Faults { get; }
}

/// <summary>The rules of <see cref="P2pConfig"/>, all checked, none stopping at the first fault.</summary>
internal static class P2pConfigValidation
{
    public static IReadOnlyList<string> Validate(P2pConfig config)
    {
        List<string> faults = [];
        Addresses(config, faults);
        Identity(config, faults);
        Times(config, faults);
        Gossip(config, faults);
        Limits(config, faults);
        Policy(config, faults);
        return faults;
    }

    private static void Addresses(P2pConfig config, List<string> faults)
    {
        if (!config.EnableTcp && !config.EnableQuic && !config.EnableMemoryTransport)
        {
            faults.Add("EnableTcp, EnableQuic: both are off; a node needs a transport");
        }

        for (int i = 0; i < config.Listen.Count; i++)
        {
            if (!Multiaddr.TryParse(config.Listen[i], out Multiaddr? address))
            {
                faults.Add($"Listen[{i}]: '{config.Listen[i]}' is not a multiaddr; write e.g. /ip4/0.0.0.0/tcp/9000 or /ip4/0.0.0.0/udp/9000/quic-v1");
            }
            else if (!Reachable(config, address))
            {
                faults.Add($"Listen[{i}]: '{address}' needs a transport that is switched off");
            }
        }

        for (int i = 0; i < config.TrustedPeers.Count; i++)
        {
            if (!TryPeer(config.TrustedPeers[i], out _))
            {
                faults.Add($"TrustedPeers[{i}]: '{config.TrustedPeers[i]}' names no peer; write its id, 16Uiu2…, or a multiaddr that ends in /p2p/PEER_ID");
            }
        }

        PeerAddresses("StaticPeers", config.StaticPeers, faults);
        PeerAddresses("Nat.Relays", config.Nat.Relays, faults);
        if (config.Nat.Relays.Count != 0 && !config.Nat.RelayClient)
        {
            faults.Add("Nat.Relays: relays are named and Nat.RelayClient is off");
        }

        Discovery(config, faults);
    }

    /// <summary>The sockets of discovery, as far as they can be read.</summary>
    public static IEnumerable<IPEndPoint> DiscoverySockets(P2pConfig config)
    {
        foreach (string text in config.DiscoveryListen.Split(',', StringSplitOptions.TrimEntries))
        {
            if (IPEndPoint.TryParse(text, out IPEndPoint? socket))
            {
                yield return new IPEndPoint(socket.Address, config.DiscoveryPort ?? socket.Port);
            }
        }
    }

    private static void Discovery(P2pConfig config, List<string> faults)
    {
        if (config.DiscoveryPort is < 0 or > IPEndPoint.MaxPort)
        {
            faults.Add($"DiscoveryPort: {config.DiscoveryPort} is outside 0 to {IPEndPoint.MaxPort}");
            return;
        }

        IPEndPoint[] sockets = [.. DiscoverySockets(config)];
        if (sockets.Length != config.DiscoveryListen.Split(',').Length || sockets.Select(socket => socket.AddressFamily).Distinct().Count() != sockets.Length)
        {
            faults.Add($"DiscoveryListen: '{config.DiscoveryListen}' is not ADDRESS:PORT, or one of each family; write e.g. 0.0.0.0:9001 or 0.0.0.0:9001,[::]:9001");
        }

        for (int i = 0; i < config.Bootnodes.Count; i++)
        {
            string text = config.Bootnodes[i];
            if (text.StartsWith("enr:", StringComparison.Ordinal))
            {
                if (!Enr.TryParse(text, out _, out string? fault))
                {
                    faults.Add($"Bootnodes[{i}]: '{text}' is not a node record: {fault}");
                }
            }
            else if (!text.StartsWith("enode://", StringComparison.Ordinal) && !Multiaddr.TryParse(text, out _))
            {
                faults.Add($"Bootnodes[{i}]: '{text}' is none of enr:…, enode://KEY@IP:PORT and a multiaddr with /p2p/PEER_ID");
            }
            else if (Multiaddr.TryParse(text, out Multiaddr? address) && address.PeerId is null)
            {
                faults.Add($"Bootnodes[{i}]: '{text}' does not say who must answer; append /p2p/PEER_ID");
            }
        }

        for (int i = 0; i < config.ExternalAddresses.Count; i++)
        {
            if (!Multiaddr.TryParse(config.ExternalAddresses[i], out _))
            {
                faults.Add($"ExternalAddresses[{i}]: '{config.ExternalAddresses[i]}' is not a multiaddr; write e.g. /ip4/192.0.2.1 or /ip4/192.0.2.1/tcp/9000");
            }
        }
    }

    /// <summary>The peer that a peer id, or a multiaddr that ends in one, names.</summary>
    public static bool TryPeer(string text, [NotNullWhen(true)] out PeerId? peer)
    {
        if (!PeerId.TryParse(text, out peer) && Multiaddr.TryParse(text, out Multiaddr? address))
        {
            peer = address.PeerId;
        }

        return peer is not null;
    }

    private static void PeerAddresses(string field, IList<string> texts, List<string> faults)
    {
        for (int i = 0; i < texts.Count; i++)
        {
            if (!Multiaddr.TryParse(texts[i], out Multiaddr? address))
            {
                faults.Add($"{field}[{i}]: '{texts[i]}' is not a multiaddr; write e.g. /ip4/192.0.2.1/tcp/9000/p2p/16Uiu2…");
            }
            else if (address.PeerId is null)
            {
                faults.Add($"{field}[{i}]: '{texts[i]}' does not say who must answer; append /p2p/PEER_ID");
            }
        }
    }

    private static bool Reachable(P2pConfig config, Multiaddr address) => address.Transport switch
    {
        MultiaddrTransport.Tcp => config.EnableTcp,
        MultiaddrTransport.Quic => config.EnableQuic,
        MultiaddrTransport.Memory => config.EnableMemoryTransport,
        _ => false,
    };

    private static void Identity(P2pConfig config, List<string> faults)
    {
        if (!config.EphemeralKey && string.IsNullOrWhiteSpace(config.DataDirectory))
        {
            faults.Add("DataDirectory: empty; name a folder for the node's key, or set EphemeralKey");
        }

        if (config.AgentVersion is { } agent && (agent.Length > 128 || agent.Any(char.IsControl)))
        {
            faults.Add("AgentVersion: at most 128 characters, none of them control characters");
        }
    }

    private static void Times(P2pConfig config, List<string> faults)
    {
        Between("RequestTimeout", config.RequestTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10), faults);
        Between("PublishTimeout", config.PublishTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), faults);
        Between("StopTimeout", config.StopTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10), faults);
        Between("IdleTimeout", config.IdleTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), faults);
        if (config.TxListHedgeDelay != Timeout.InfiniteTimeSpan)
        {
            Between("TxListHedgeDelay", config.TxListHedgeDelay, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10), faults);
        }

        if (config.ListenAddressTimeout is { } wait)
        {
            Between("ListenAddressTimeout", wait, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1), faults);
        }

        if (config.PeerTimeout is { } peerWait)
        {
            Between("PeerTimeout", peerWait, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1), faults);
        }
    }

    private static void Gossip(P2pConfig config, List<string> faults)
    {
        GossipOptions gossip = config.Gossip;
        Between("Gossip.Heartbeat", gossip.Heartbeat, TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(1), faults);
        Defined("Gossip.Author", gossip.Author, faults);
        Defined("Gossip.MessageId", gossip.MessageId, faults);
        Defined("Gossip.Mesh", gossip.Mesh, faults);
        MeshSizes mesh = MeshSizes.Of(config);
        Between("Gossip.MeshN", mesh.N, 1, 100, faults);
        Between("Gossip.MeshLow", mesh.Low, 1, mesh.N, faults);
        Between("Gossip.MeshHigh", mesh.High, mesh.N, 200, faults);
        Between("Gossip.MeshOutboundMin", mesh.OutboundMin, 0, Math.Max(0, Math.Min(mesh.N / 2, mesh.Low - 1)), faults);
        Between("Gossip.GossipLazy", gossip.GossipLazy, 0, 100, faults);
        Between("Gossip.UnreferencedTxListBurst", gossip.UnreferencedTxListBurst, 0, long.MaxValue, faults);
        Between("Gossip.UnreferencedTxListRate", gossip.UnreferencedTxListRate, 0, long.MaxValue, faults);
    }

    private static void Limits(P2pConfig config, List<string> faults)
    {
        Between("RequestAttempts", config.RequestAttempts, 1, 16, faults);
        Between("MaxConcurrentStreams", config.MaxConcurrentStreams, 1, 10_000, faults);
        PeerOptions peers = config.Peers;
        Between("Peers.Target", peers.Target, 1, 10_000, faults);
        Between("Peers.Min", peers.Min ?? 0, 0, peers.Target, faults);
        Between("Peers.Max", peers.Max ?? int.MaxValue, peers.Target, int.MaxValue, faults);
        Between("Peers.MinOutbound", peers.MinOutbound ?? 0, 0, peers.Target, faults);
        ConnectionOptions connections = config.Connections;
        AtLeastOne("Connections.MaxPendingIncoming", connections.MaxPendingIncoming, faults);
        AtLeastOne("Connections.MaxPendingOutgoing", connections.MaxPendingOutgoing, faults);
        AtLeastOne("Connections.MaxEstablishedIncoming", connections.MaxEstablishedIncoming, faults);
        AtLeastOne("Connections.MaxEstablishedOutgoing", connections.MaxEstablishedOutgoing, faults);
        AtLeastOne("Connections.MaxEstablishedTotal", connections.MaxEstablishedTotal, faults);
        AtLeastOne("Connections.MaxEstablishedPerPeer", connections.MaxEstablishedPerPeer, faults);
        Room(config, faults);
        Between("Connections.MaxStreamsPerPeer", connections.MaxStreamsPerPeer, 8, 1 << 20, faults);
        Between("Connections.MaxStreamsTotal", connections.MaxStreamsTotal, 8, 1 << 20, faults);
        Between("Connections.DialConcurrency", connections.DialConcurrency, 1, 255, faults);

        ResourceOptions resources = config.Resources;
        Between("Resources.NativeThreads", resources.NativeThreads, 1, 64, faults);
        Between("Resources.ValidationLanes", resources.ValidationLanes, 1, 256, faults);
        Between("Resources.RingSlots", resources.RingSlots, 64, 1 << 20, faults);
        if (!int.IsPow2(resources.RingSlots))
        {
            faults.Add($"Resources.RingSlots: {resources.RingSlots} is not a power of two");
        }

        Between("Resources.RingReserved", resources.RingReserved, 16, resources.RingSlots - 1, faults);
        Between("Resources.MaxLeasedBytes", resources.MaxLeasedBytes, 4 << 20, long.MaxValue, faults);
        Between("Resources.OutboxBytes", resources.OutboxBytes, 4 << 20, long.MaxValue, faults);
        Between("Resources.PeerQueueBytes", resources.PeerQueueBytes, 4 << 20, long.MaxValue, faults);
        Between("Resources.QueueBytes", resources.QueueBytes, 4 << 20, long.MaxValue, faults);
        if (resources.MemoryCeiling is < 1)
        {
            faults.Add($"Resources.MemoryCeiling: {resources.MemoryCeiling} is less than 1; null is no ceiling");
        }

        Between("Resources.PeerQueueLength", resources.PeerQueueLength, 16, 1 << 20, faults);
        Between("Resources.SubscriptionCapacity", resources.SubscriptionCapacity, 1, 1 << 24, faults);
        Between("Resources.SubscriptionBytes", resources.SubscriptionBytes, 4 << 20, long.MaxValue, faults);
        Between("Resources.MaxRequestsInFlight", resources.MaxRequestsInFlight, 1, 1 << 20, faults);
        Between("Store.MaxCommitments", config.Store.MaxCommitments, 1, int.MaxValue, faults);
        Between("Store.MaxCommitmentsPerBlock", config.Store.MaxCommitmentsPerBlock, 1, int.MaxValue, faults);
        Between("Store.MaxTxLists", config.Store.MaxTxLists, 1, int.MaxValue, faults);
        Between("Store.MaxBytes", config.Store.MaxBytes, 4 << 20, long.MaxValue, faults);
        Between("Store.MaxUnreferencedBytes", config.Store.MaxUnreferencedBytes, 0, long.MaxValue, faults);
        if (config.Store.MaxAge is { } age)
        {
            Between("Store.MaxAge", age, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(3650), faults);
        }
    }

    // Peers that no cap has room for would be dialled for ever, and with a maximum that no cap lets be reached nobody is dropped for a better one.
    private static void Room(P2pConfig config, List<string> faults)
    {
        PeerSizes sizes = PeerSizes.Of(config);
        long room = Math.Min(sizes.Total ?? long.MaxValue, (long?)sizes.Incoming + sizes.Outgoing ?? long.MaxValue);
        if (config.Peers.Target > room)
        {
            faults.Add($"Peers.Target: {config.Peers.Target} is above the {room} connections that Connections.MaxEstablishedTotal, …Incoming and …Outgoing leave");
        }
        else if (config.Peers.Max >= room)
        {
            faults.Add($"Peers.Max: {config.Peers.Max} is not below the {room} connections that Connections.MaxEstablishedTotal, …Incoming and …Outgoing leave: nobody would be dropped for a better peer");
        }
    }

    private static void Policy(P2pConfig config, List<string> faults)
    {
        Between("RateLimit.Window", config.RateLimit.Window, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1), faults);
        Between("RateLimit.MaxRequests", config.RateLimit.MaxRequests, 1, int.MaxValue, faults);
        Between("RateLimit.MaxBytes", config.RateLimit.MaxBytes, 1, long.MaxValue, faults);
        Between("RateLimit.Patience", config.RateLimit.Patience, 1, int.MaxValue, faults);
        Defined("RateLimit.Mode", config.RateLimit.Mode, faults);
        if (config.RateLimit.MaxWait != Timeout.InfiniteTimeSpan)
        {
            Between("RateLimit.MaxWait", config.RateLimit.MaxWait, TimeSpan.Zero, TimeSpan.FromDays(1), faults);
        }

        Between("Reputation.HalfLife", config.Reputation.HalfLife, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30), faults);
        ReputationOptions reputation = config.Reputation;
        Defined("Reputation.Policy", reputation.Policy, faults);
        Between("Reputation.BanAfter", reputation.BanAfter, TimeSpan.Zero, TimeSpan.FromDays(1), faults);
        Between("Reputation.BanDuration", reputation.BanDuration, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(3650), faults);
        Between("Reputation.Interval", reputation.Interval, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(1), faults);
        Between("Reputation.GreylistingsToBan", reputation.GreylistingsToBan, 1, int.MaxValue, faults);
        Between("Reputation.MaxPeers", reputation.MaxPeers, 16, 1 << 20, faults);
        Between("Reputation.MaxBans", reputation.MaxBans, 1, 1 << 16, faults);
        Between("Reputation.HistoryPerPeer", reputation.HistoryPerPeer, 1, 1024, faults);
        foreach (string text in reputation.NeverBanned.Where(text => !BanScope.TryParse(text, out _)))
        {
            faults.Add($"Reputation.NeverBanned: '{text}' is neither an IP address nor a subnet such as 192.0.2.0/24");
        }

        if (!(reputation.BanThreshold < reputation.GreylistThreshold && reputation.GreylistThreshold < 0 && reputation.BanThreshold >= -10))
        {
            faults.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"Reputation: BanThreshold {reputation.BanThreshold} must be below GreylistThreshold {reputation.GreylistThreshold}, both within -10 and 0"));
        }

        for (int i = 0; i < config.Gater.BlockedSubnets.Count; i++)
        {
            if (!BlockTarget.TryParse(config.Gater.BlockedSubnets[i], out BlockTarget? subnet) || subnet.PrefixLength is null)
            {
                faults.Add($"Gater.BlockedSubnets[{i}]: '{config.Gater.BlockedSubnets[i]}' is not a subnet; write e.g. 198.51.100.0/24");
            }
        }

        Gater(config.Gater, faults);
        if (config.AnySigner && config.ExpectedSigners.Count != 0)
        {
            faults.Add("AnySigner, ExpectedSigners: choose one; AnySigner takes every signer");
        }
    }

    private static void Gater(GaterOptions gater, List<string> faults)
    {
        Defined("Gater.Mode", gater.Mode, faults);
        for (int i = 0; i < gater.Blocked.Count; i++)
        {
            if (!BlockTarget.TryParse(gater.Blocked[i], out _))
            {
                faults.Add($"Gater.Blocked[{i}]: '{gater.Blocked[i]}' is neither a peer id, nor an IP address, nor a subnet such as 198.51.100.0/24");
            }
        }

        for (int i = 0; i < gater.ProtectedPeers.Count; i++)
        {
            if (!PeerId.TryParse(gater.ProtectedPeers[i], out _))
            {
                faults.Add($"Gater.ProtectedPeers[{i}]: '{gater.ProtectedPeers[i]}' is not a peer id; write e.g. 16Uiu2…");
            }
        }

        Between("Gater.Blocked", gater.Blocked.Count + gater.BlockedSubnets.Count, 0, OperatorRules.MaxBlocked, faults);
        Between("Gater.ProtectedPeers", gater.ProtectedPeers.Count, 0, OperatorRules.MaxRules, faults);
        if (gater.PeerRedialing is < 0)
        {
            faults.Add($"Gater.PeerRedialing: {gater.PeerRedialing} is negative; null is unlimited");
        }

        Between("Gater.DialPeriod", gater.DialPeriod, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30), faults);
    }

    private static void Between<T>(string field, T value, T low, T high, List<string> faults)
        where T : IComparable<T>
    {
        if (value.CompareTo(low) < 0 || value.CompareTo(high) > 0)
        {
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{field}: {value} is outside {low} to {high}"));
        }
    }

    private static void AtLeastOne(string field, int? value, List<string> faults)
    {
        if (value is < 1)
        {
            faults.Add($"{field}: {value} is less than 1; null is unlimited");
        }
    }

    private static void Defined<T>(string field, T value, List<string> faults)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            faults.Add($"{field}: {value} is not one of {string.Join(", ", Enum.GetNames<T>())}");
        }
    }
}
