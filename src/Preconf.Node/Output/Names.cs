using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Node.Output;

/// <summary>How output calls things.</summary>
internal static class Names
{
    private const int ShortPeer = 8;

    /// <summary>A name of an enumeration in camelCase.</summary>
    /// <typeparam name="T">The enumeration.</typeparam>
    /// <param name="value">The value.</param>
    public static string Camel<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    /// <summary>A peer for people: the end of its id, which is what differs.</summary>
    /// <param name="peer">The peer.</param>
    public static string Short(PeerId? peer) => peer?.ToString() is { } text ? "…" + text[^ShortPeer..] : "nobody";

    /// <summary>A hash for people.</summary>
    /// <param name="hash">The hash.</param>
    public static string Short(in Bytes32 hash)
    {
        string text = hash.ToString();
        return $"{text[..8]}…{text[^4..]}";
    }

    /// <summary>An address for people.</summary>
    /// <param name="address">The address.</param>
    public static string Short(in Address address)
    {
        string text = address.ToString();
        return $"{text[..8]}…{text[^4..]}";
    }

    /// <summary>The verdict an event tells of; null when it tells of none.</summary>
    /// <param name="kind">What happened.</param>
    public static string? Verdict(NetworkEventKind kind) => kind switch
    {
        NetworkEventKind.GossipSignedCommitment or NetworkEventKind.GossipRawTxList => "accept",
        NetworkEventKind.GossipRejected => "reject",
        NetworkEventKind.GossipIgnored => "ignore",
        NetworkEventKind.GossipPending => "pending",
        _ => null,
    };

    /// <summary>Whether an event is about a gossip topic.</summary>
    /// <param name="kind">What happened.</param>
    public static bool HasTopic(NetworkEventKind kind) =>
        Verdict(kind) is not null || kind is NetworkEventKind.Published or NetworkEventKind.PeerSubscription or NetworkEventKind.VerdictLate;
}
