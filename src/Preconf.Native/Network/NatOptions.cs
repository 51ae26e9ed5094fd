namespace Preconf.Native.Network;

/// <summary>
/// What a node behind address translation does to be reached, and how it finds out whether it is. Each part can be switched off.
/// What came of it: <see cref="P2pHandle.Reachability"/>.
/// </summary>
public sealed class NatOptions
{
    /// <summary>
    /// Maps the listeners' ports on a router that speaks UPnP. Has no effect where nothing listens beyond this machine, nor with
    /// <see cref="P2pConfig.LocalNetwork"/>. Default true.
    /// </summary>
    public bool Upnp { get; set; } = true;

    /// <summary>Asks peers to dial this node back (AutoNAT v2), once for each address that peers see. Default true.</summary>
    public bool AutoNat { get; set; } = true;

    /// <summary>Dials peers back that ask for it: public TCP and QUIC addresses only, at most 30 a minute. Default true.</summary>
    public bool AutoNatServer { get; set; } = true;

    /// <summary>Tells the address that peers in two places see as this node's in its record, where nothing better is known. Default true.</summary>
    public bool ObservedAddress { get; set; } = true;

    /// <summary>
    /// Dials peers through relays (<c>…/p2p/RELAY/p2p-circuit/p2p/PEER</c>), and lets this node be reached through up to two of them while it is not
    /// reached directly. Default true.
    /// </summary>
    public bool RelayClient { get; set; } = true;

    /// <summary>
    /// Relays, multiaddrs with <c>/p2p/…</c>, through which this node is always to be reached, instead of those among its peers that offer it.
    /// Default none.
    /// </summary>
    public IList<string> Relays { get; set; } = [];

    /// <summary>
    /// Is a relay for others while this node is reached itself: at most 128 peers, and 16 circuits at a time of two minutes and 8 MiB each. Default false.
    /// </summary>
    public bool RelayServer { get; set; }

    /// <summary>Replaces relayed connections by direct ones (DCUtR). Needs <see cref="RelayClient"/>. Default true.</summary>
    public bool HolePunching { get; set; } = true;
}
