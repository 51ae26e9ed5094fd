using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Node.Output;

namespace Preconf.Node.Admin;

/// <summary>How a running node is: its answer to <see cref="AdminVerbs.Status"/>, and what people are shown of it.</summary>
internal static class NodeStatus
{
    /// <summary>Writes the answer.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="handle">The node.</param>
    public static void Write(Utf8JsonWriter json, P2pHandle handle)
    {
        NodeStats stats = handle.GetStats();
        ReachabilityInfo reachability = handle.Reachability;
        json.WriteString("peerId", handle.LocalPeerId.ToString());
        json.WriteStartArray("addresses");
        foreach (Multiaddr address in handle.DialableAddresses)
        {
            json.WriteStringValue(address.ToString());
        }

        json.WriteEndArray();
        JsonEventOutput.WriteReachability(json, reachability);
        json.WriteString("reachabilityText", reachability.ToString());
        json.WriteNumber("peers", handle.PeerCount);
        json.WriteNumber("connections", stats.Connections);
        json.WriteNumber("meshCommitments", stats.MeshCommitments);
        json.WriteNumber("meshTxLists", stats.MeshTxLists);
    }

    /// <summary>Shows an answer to people.</summary>
    /// <param name="answer">The answer.</param>
    /// <returns>Two columns.</returns>
    public static string Describe(JsonElement answer)
    {
        Table table = new();
        table.Add("peer id", answer.GetProperty("peerId").GetString()!);
        foreach (JsonElement address in answer.GetProperty("addresses").EnumerateArray())
        {
            table.Add("listens on", address.GetString()!);
        }

        table.Add("reached", answer.GetProperty("reachabilityText").GetString()!);
        foreach (JsonElement address in answer.GetProperty("reachableAt").EnumerateArray())
        {
            table.Add("reached at", address.GetString()!);
        }

        table.Add("peers", $"{answer.GetProperty("peers")} on {answer.GetProperty("connections")} connections");
        table.Add("mesh", $"{answer.GetProperty("meshCommitments")} for commitments, {answer.GetProperty("meshTxLists")} for txlists");
        return table.ToString();
    }
}
