using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Node.Admin;

/// <summary>What a running node does for the clients of its admin socket.</summary>
internal sealed class AdminVerbs(P2pHandle handle, P2pConfig config)
{
    /// <summary>Who is connected: <c>peers</c>.</summary>
    public const string Peers = "peers";

    /// <summary>Dials <c>address</c>: <c>peer</c>.</summary>
    public const string Connect = "connect";

    /// <summary>Closes the connections with <c>peer</c> and takes none until it is lifted.</summary>
    public const string Ban = "ban";

    /// <summary>Lifts the ban of <c>peer</c>.</summary>
    public const string Unban = "unban";

    /// <summary>The node's own record: <c>enr</c>.</summary>
    public const string Record = "enr";

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
                return json => WritePeers(json, peers);
            case Connect:
                Multiaddr address = Read<Multiaddr>(request, "address", Multiaddr.TryParse, "a multiaddr");
                PeerId reached = await handle.DialAsync(address, cancellationToken).ConfigureAwait(false);
                return json => json.WriteString("peer", reached.ToString());
            case Ban or Unban:
                PeerId peer = Read<PeerId>(request, "peer", PeerId.TryParse, "a peer id");
                if (peer.Equals(handle.LocalPeerId))
                {
                    throw new AdminException(AdminException.BadRequest, $"{peer} is this node itself");
                }

                handle.SetBlocked(peer, verb == Ban);
                return json => json.WriteString("peer", peer.ToString());
            case Record:
                string enr = LocalRecord().ToString();
                return json => json.WriteString("enr", enr);
            default:
                throw new AdminException(AdminException.BadRequest, $"there is no verb '{Bounded(verb)}'; there are {Peers}, {Connect}, {Ban}, {Unban}, {Record}");
        }
    }

    private static void WritePeers(Utf8JsonWriter json, IReadOnlyList<PeerInfo> peers)
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
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private Enr LocalRecord()
    {
        if (config.EphemeralKey)
        {
            throw new AdminException(AdminException.NotFound, "the node has an ephemeral key and publishes no record");
        }

        byte[] secret;
        try
        {
            secret = SecretKeyFile.Read(P2pNode.KeyFile(config.DataDirectory));
        }
        catch (IOException error)
        {
            throw new AdminException(AdminException.NotFound, error.Message, error);
        }

        try
        {
            return Enr.Sign(secret, Endpoints(handle.ListeningAddresses));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    // Of several interfaces the one that others are likeliest to reach: not loopback.
    private static EnrEndpoints Endpoints(IReadOnlyList<Multiaddr> addresses)
    {
        Multiaddr[] tcp = [.. addresses.Where(address => address.Transport == MultiaddrTransport.Tcp && address.IPAddress is not null)
            .OrderBy(address => IPAddress.IsLoopback(address.IPAddress!))];
        Multiaddr? four = tcp.FirstOrDefault(address => address.IPAddress!.AddressFamily == AddressFamily.InterNetwork);
        Multiaddr? six = tcp.FirstOrDefault(address => address.IPAddress!.AddressFamily == AddressFamily.InterNetworkV6);
        return new EnrEndpoints { Ip = four?.IPAddress, Tcp = four?.Port, Ip6 = six?.IPAddress, Tcp6 = six?.Port };
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
