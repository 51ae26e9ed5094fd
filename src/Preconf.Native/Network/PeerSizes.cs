namespace Preconf.Native.Network;

/// <summary>How many peers and connections a configuration comes to. Each unset number follows those that are set, so that pruning acts before a cap refuses.</summary>
/// <param name="Max">Above so many peers the worst are dropped.</param>
/// <param name="Incoming">Established inbound connections; null is unlimited.</param>
/// <param name="Outgoing">Established outbound connections; null is unlimited.</param>
/// <param name="Total">All established connections; null is unlimited.</param>
internal readonly record struct PeerSizes(int Max, int? Incoming, int? Outgoing, int? Total)
{
    /// <summary>Without caps no more peers than this are kept.</summary>
    private const int Plenty = 200;

    /// <summary>Connections that caps leave for newcomers above <see cref="Max"/>: a tenth of it, and at least so many.</summary>
    private const int LeastReserve = 10;

    public static PeerSizes Of(P2pConfig config)
    {
        (PeerOptions peers, ConnectionOptions caps) = (config.Peers, config.Connections);
        int max = peers.Max ?? Math.Max(peers.Target, Math.Min(Below(caps.MaxEstablishedIncoming), Below(caps.MaxEstablishedTotal)));
        int cap = (int)Math.Min(int.MaxValue, (long)max + Math.Max(LeastReserve, max / 10));

        // An explicit maximum moves the caps either way, a target only upwards: below it the network's own numbers hold.
        int? Follow(bool isSet, int? value) => isSet || (peers.Max is null && value >= cap) ? value : cap;
        int? incoming = Follow(caps.HasIncoming, caps.MaxEstablishedIncoming), outgoing = Follow(caps.HasOutgoing, caps.MaxEstablishedOutgoing);
        long? both = (long?)incoming + outgoing;
        return new PeerSizes(max, incoming, outgoing, caps.HasTotal ? caps.MaxEstablishedTotal : both is { } sum ? (int)Math.Min(int.MaxValue, sum) : null);
    }

    private static int Below(int? cap) => cap is { } most ? Math.Clamp(most - Math.Max(LeastReserve, most / 11), 1, Plenty) : Plenty;
}
