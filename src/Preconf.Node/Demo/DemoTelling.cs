using System.Text.Json;
using Preconf.Native.Protocol;

namespace Preconf.Node.Demo;

/// <summary>Enters a line a node has written into what is known of it.</summary>
internal static class DemoTelling
{
    /// <summary>The state of a late joiner that is not yet live.</summary>
    public const string CatchingUp = "catching up";

    /// <summary>Enters a line.</summary>
    /// <param name="node">Who wrote it.</param>
    /// <param name="line">The line.</param>
    /// <param name="slots">When each block's slot began.</param>
    public static void Take(DemoNode node, JsonElement line, IReadOnlyDictionary<ulong, DateTimeOffset> slots)
    {
        switch (Text(line, "event"))
        {
            case "ready":
                (node.IsReady, node.State) = (true, "ready");
                break;
            case "listening":
                node.PeerId = Text(line, "peerId");
                node.Addresses.AddRange(line.GetProperty("addresses").EnumerateArray().Select(address => Multiaddr.Parse(address.GetString()!)));
                (node.IsReady, node.State) = (true, node.Role == RoleCommand.Late ? CatchingUp : "live");
                break;
            case "peerConnected":
                node.Peers.Add(Text(line, "peer"));
                break;
            case "peerDisconnected":
                node.Peers.Remove(Text(line, "peer"));
                break;
            case "peerSubscription" when line.GetProperty("subscribed").GetBoolean():
                node.Subscriptions.Add((Text(line, "peer"), Text(line, "topic")));
                break;
            case "gossipRejected":
                node.Refused.Add((Text(line, "reason"), Text(line, "peer")));
                break;
            case "gossipSignedCommitment":
                Commitment(node, line, slots);
                break;
            case "reqRespCommitments":
                foreach (JsonElement block in line.GetProperty("blocks").EnumerateArray())
                {
                    node.Commitments.TryAdd(block.GetUInt64(), null);
                }

                break;
            case "published" when Text(line, "topic") == "commitments":
                node.Commitments.TryAdd(line.GetProperty("block").GetUInt64(), null);
                break;
            case "gossipRawTxList" or "published" or "reqRespRawTxList" when line.TryGetProperty("bytes", out _):
                node.TxLists.Add(Text(line, "hash"));
                break;
            case "caughtUp":
                node.State = $"live; {line.GetProperty("commitments")} commitments and {line.GetProperty("txLists")} txlists fetched before";
                break;
        }
    }

    private static void Commitment(DemoNode node, JsonElement line, IReadOnlyDictionary<ulong, DateTimeOffset> slots)
    {
        ulong block = line.GetProperty("block").GetUInt64();
        double? delay = slots.TryGetValue(block, out DateTimeOffset slot) ? (line.GetProperty("time").GetDateTimeOffset() - slot).TotalMilliseconds : null;
        node.Commitments.TryAdd(block, delay);
    }

    private static string Text(JsonElement line, string property) => line.TryGetProperty(property, out JsonElement value) ? value.GetString()! : string.Empty;
}
