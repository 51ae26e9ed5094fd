using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>Whether others can connect to a node.</summary>
public enum Reachability
{
    /// <summary>Nothing tells yet.</summary>
    Unknown,

    /// <summary>Anyone can.</summary>
    Public,

    /// <summary>Only through a relay.</summary>
    Relayed,

    /// <summary>Nobody can.</summary>
    Private,
}

/// <summary>What tells whether others can connect to a node.</summary>
public enum ReachabilityEvidence
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary><see cref="P2pConfig.ExternalAddresses"/> says where.</summary>
    Configured,

    /// <summary>A router with a public address has mapped a port.</summary>
    Upnp,

    /// <summary>Peers dialled the node back, or could not.</summary>
    AutoNat,

    /// <summary>A peer has connected by itself.</summary>
    InboundConnection,
}

/// <summary>Whether others reach a node, how it knows, and where.</summary>
/// <param name="Status">Whether.</param>
/// <param name="Evidence">How it knows.</param>
/// <param name="Addresses">Where, as far as it is known: direct addresses first, then those at relays (which end in <c>/p2p-circuit/p2p/…</c>).</param>
public sealed record ReachabilityInfo(Reachability Status, ReachabilityEvidence Evidence, IReadOnlyList<Multiaddr> Addresses)
{
    /// <summary>What is known before anything is.</summary>
    public static ReachabilityInfo Unknown { get; } = new(Reachability.Unknown, ReachabilityEvidence.None, []);

    /// <summary>For people.</summary>
    /// <returns>E.g. <c>public: a peer has connected by itself</c>.</returns>
    public override string ToString()
    {
        string how = Evidence switch
        {
            ReachabilityEvidence.Configured => "an external address is configured",
            ReachabilityEvidence.Upnp => "the router has mapped a port",
            ReachabilityEvidence.AutoNat => Status == Reachability.Public ? "peers dialled it back" : "peers could not dial it back",
            ReachabilityEvidence.InboundConnection => "a peer has connected by itself",
            _ => "nothing tells yet",
        };
        return Status switch
        {
            Reachability.Public => $"public: {how}",
            Reachability.Relayed => $"through a relay: {how}",
            Reachability.Private => $"private: {how}",
            _ => "unknown: nothing tells yet",
        };
    }
}
