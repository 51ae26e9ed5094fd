using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Node.Admin;

/// <summary>What a running node does for the clients of its admin socket.</summary>
internal sealed class AdminVerbs(P2pHandle handle)
{
    /// <summary>The longest ban that can be asked for, in seconds: a hundred years.</summary>
    public const double MaxBanSeconds = 3.2e9;

    /// <summary>Who is connected: <c>peers</c>.</summary>
    public const string Peers = "peers";

    /// <summary>How the node is: <c>peerId</c>, <c>addresses</c>, <c>reachability</c> and how it knows, <c>peers</c>, <c>connections</c>, mesh sizes.</summary>
    public const string Status = "status";

    /// <summary>Dials <c>address</c>: <c>peer</c>.</summary>
    public const string Connect = "connect";

    /// <summary>Closes the connections with <c>peer</c> and takes none for <c>seconds</c> (left out: the configured time), with a <c>reason</c> if any.</summary>
    public const string Ban = "ban";

    /// <summary>Lifts the ban of <c>peer</c>.</summary>
    public const string Unban = "unban";

    /// <summary>Who is banned, until when and why: <c>bans</c>.</summary>
    public const string Bans = "bans";

    /// <summary>Where <c>peer</c> stands and how it came to.</summary>
    public const string Explain = "explain";

    /// <summary>Blocks <c>target</c>, a peer, an address or a subnet, until it is unblocked.</summary>
    public const string Block = "block";

    /// <summary>Lifts the block of <c>target</c>.</summary>
    public const string Unblock = "unblock";

    /// <summary>Lifts the limits on dials and connections for <c>peer</c>, and spares its addresses.</summary>
    public const string Protect = "protect";

    /// <summary>Lifts the protection of <c>peer</c>.</summary>
    public const string Unprotect = "unprotect";

    /// <summary>What the operator has blocked and whom protected: <c>blocks</c>, <c>protected</c>.</summary>
    public const string Blocks = "blocks";

    /// <summary>The node's own record: <c>enr</c>.</summary>
    public const string Record = "enr";

    private static readonly string[] All = [Peers, Status, Connect, Ban, Unban, Bans, Explain, Block, Unblock, Protect, Unprotect, Blocks, Record];

    /// <summary>Answers a request; an <see cref="AdminAnswer"/>.</summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">The node goes.</param>
    /// <returns>What writes the answer.</returns>
    /// <exception cref="AdminException">The request is not understood or can't be met.</exception>
    /// <exception cref="NetworkException">The node refused.</exception>
    public async ValueTask<Action<Utf8JsonWriter>> AnswerAsync(JsonElement request, CancellationToken cancellationToken)
    {
        string verb = Text(request, "verb");
        switch (verb)
        {
            case Peers:
                IReadOnlyList<PeerInfo> peers = handle.Peers;
                HashSet<PeerId> banned = [.. handle.Bans.Select(ban => ban.Peer)];
                return json => WritePeers(json, peers, banned);
            case Status:
                return json => NodeStatus.Write(json, handle);
            case Connect:
                Multiaddr address = Read<Multiaddr>(request, "address", Multiaddr.TryParse, "a multiaddr");
                PeerId reached = await handle.DialAsync(address, cancellationToken).ConfigureAwait(false);
                return json => json.WriteString("peer", reached.ToString());
            case Ban:
                return BanPeer(request);
            case Unban:
                PeerId lifted = Peer(request);
                return handle.Unban(lifted)
                    ? json => json.WriteString("peer", lifted.ToString())
                    : throw new AdminException(AdminException.NotFound, $"{lifted} is not banned");
            case Bans:
                IReadOnlyList<PeerBan> bans = handle.Bans;
                return json => WriteBans(json, bans);
            case Explain:
                PeerReputation standing = handle.Explain(Peer(request));
                return json => WriteStanding(json, standing);
            case Block or Unblock:
                return await BlockAsync(Read<BlockTarget>(request, "target", BlockTarget.TryParse, "a peer id, an IP address or a subnet"), verb == Block, cancellationToken).ConfigureAwait(false);
            case Protect or Unprotect:
                return await ProtectAsync(Peer(request), verb == Protect, cancellationToken).ConfigureAwait(false);
            case Blocks:
                (IReadOnlyList<BlockTarget> blocked, IReadOnlyList<PeerId> spared) = (handle.BlockedTargets, handle.ProtectedPeers);
                return json => WriteBlocks(json, blocked, spared);
            case Record:
                string enr = handle.Enr?.ToString()
                    ?? throw new AdminException(AdminException.NotFound, "the node runs without discovery and has no record");
                return json => json.WriteString("enr", enr);
            default:
                throw new AdminException(AdminException.BadRequest, $"there is no verb '{Bounded(verb)}'; there are {string.Join(", ", All)}");
        }
    }

    private Action<Utf8JsonWriter> BanPeer(JsonElement request)
    {
        PeerId peer = Peer(request);
        if (peer.Equals(handle.LocalPeerId))
        {
            throw new AdminException(AdminException.BadRequest, $"{peer} is this node itself");
        }

        TimeSpan? duration = null;
        if (request.TryGetProperty("seconds", out JsonElement seconds))
        {
            duration = seconds.ValueKind == JsonValueKind.Number && seconds.TryGetDouble(out double value) && value is > 0 and <= MaxBanSeconds
                ? TimeSpan.FromSeconds(value)
                : throw new AdminException(AdminException.BadRequest, $"seconds: a number above 0, at most {MaxBanSeconds}, is wanted");
        }

        string? reason = request.TryGetProperty("reason", out _) ? Text(request, "reason") : null;
        return handle.Ban(peer, duration, reason)
            ? json => json.WriteString("peer", peer.ToString())
            : throw new AdminException(AdminException.Refused, $"{peer} is trusted and can't be banned; take it out of TrustedPeers first");
    }

    private async Task<Action<Utf8JsonWriter>> BlockAsync(BlockTarget target, bool blocked, CancellationToken cancellationToken)
    {
        if (blocked && target.Peer is { } peer && peer.Equals(handle.LocalPeerId))
        {
            throw new AdminException(AdminException.BadRequest, $"{peer} is this node itself");
        }

        if (!blocked && !handle.BlockedTargets.Contains(target))
        {
            throw new AdminException(AdminException.NotFound, $"{target} is not blocked; what covers it is lifted as it was blocked (blocks), a ban by unban");
        }

        await (blocked ? handle.BlockAsync(target, cancellationToken) : handle.UnblockAsync(target, cancellationToken)).ConfigureAwait(false);
        return json => json.WriteString("target", target.ToString());
    }

    private async Task<Action<Utf8JsonWriter>> ProtectAsync(PeerId peer, bool isProtected, CancellationToken cancellationToken)
    {
        if (!isProtected && !handle.IsProtected(peer))
        {
            throw new AdminException(AdminException.NotFound, $"{peer} is not protected");
        }

        await (isProtected ? handle.ProtectAsync(peer, cancellationToken) : handle.UnprotectAsync(peer, cancellationToken)).ConfigureAwait(false);
        return json => json.WriteString("peer", peer.ToString());
    }

    private static void WriteBlocks(Utf8JsonWriter json, IReadOnlyList<BlockTarget> blocked, IReadOnlyList<PeerId> spared)
    {
        json.WriteStartArray("blocks");
        foreach (string target in blocked.Select(target => target.ToString()).Order(StringComparer.Ordinal))
        {
            json.WriteStringValue(target);
        }

        json.WriteEndArray();
        json.WriteStartArray("protected");
        foreach (string peer in spared.Select(peer => peer.ToString()).Order(StringComparer.Ordinal))
        {
            json.WriteStringValue(peer);
        }

        json.WriteEndArray();
    }

    private static void WriteBans(Utf8JsonWriter json, IReadOnlyList<PeerBan> bans)
    {
        json.WriteStartArray("bans");
        foreach (PeerBan ban in bans.OrderBy(ban => ban.Until))
        {
            json.WriteStartObject();
            json.WriteString("peer", ban.Peer.ToString());
            if (ban.Until == DateTimeOffset.MaxValue)
            {
                json.WriteNull("until");
            }
            else
            {
                json.WriteString("until", ban.Until.UtcDateTime);
            }

            json.WriteString("reason", Output.Names.Camel(ban.Reason));
            json.WriteString("detail", ban.Detail);
            json.WriteString("network", ban.Network?.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteStanding(Utf8JsonWriter json, PeerReputation standing)
    {
        json.WriteString("peer", standing.Peer.ToString());
        json.WriteNumber("score", Math.Round(standing.Score, 3));
        json.WriteNumber("preference", Math.Round(standing.Preference, 3));
        json.WriteBoolean("greylisted", standing.IsGreylisted);
        json.WriteBoolean("trusted", standing.IsTrusted);
        json.WriteBoolean("banned", standing.BannedUntil is not null);
        json.WriteStartArray("history");
        foreach (ReputationEntry entry in standing.History)
        {
            json.WriteStartObject();
            json.WriteString("at", entry.At.UtcDateTime);
            json.WriteString("reason", Output.Names.Camel(entry.Reason));
            json.WriteString("detail", entry.Detail);
            json.WriteNumber("count", entry.Count);
            json.WriteNumber("delta", Math.Round(entry.Delta, 3));
            json.WriteNumber("score", Math.Round(entry.Score, 3));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static PeerId Peer(JsonElement request) => Read<PeerId>(request, "peer", PeerId.TryParse, "a peer id");

    private static void WritePeers(Utf8JsonWriter json, IReadOnlyList<PeerInfo> peers, HashSet<PeerId> banned)
    {
        json.WriteStartArray("peers");
        foreach (PeerInfo peer in peers.OrderBy(peer => peer.ConnectedAt))
        {
            json.WriteStartObject();
            json.WriteString("peer", peer.Id.ToString());
            json.WriteString("address", peer.Address?.WithoutPeerId().ToString() ?? string.Empty);
            json.WriteString("transport", Output.Names.Camel(peer.Address?.Transport ?? MultiaddrTransport.Other));
            json.WriteBoolean("outbound", peer.Outbound);
            json.WriteString("since", peer.ConnectedAt.UtcDateTime);
            json.WriteString("agent", peer.Agent);
            json.WriteBoolean("commitments", peer.CommitmentsTopic);
            json.WriteBoolean("txLists", peer.TxListsTopic);
            json.WriteNumber("latencyMs", Math.Round(peer.Latency.TotalMilliseconds, 3));
            json.WriteNumber("requestsInFlight", peer.RequestsInFlight);
            json.WriteNumber("score", Math.Round(peer.Score, 3));
            json.WriteBoolean("greylisted", peer.Greylisted);
            json.WriteBoolean("banned", banned.Contains(peer.Id));
            json.WriteBoolean("trusted", peer.Trusted);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Text(JsonElement request, string name) =>
        request.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new AdminException(AdminException.BadRequest, $"{name}: a text is wanted");

    private static T Read<T>(JsonElement request, string name, TryParse<T> parse, string wanted)
        where T : class
    {
        string text = Text(request, name);
        return parse(text, out T? value) ? value! : throw new AdminException(AdminException.BadRequest, $"{name}: '{Bounded(text)}' is not {wanted}");
    }

    private static string Bounded(string text) => text.Length <= 200 ? text : text[..200] + "…";

    private delegate bool TryParse<T>(string? text, out T? value)
        where T : class;
}
