using System.Globalization;
using System.Text.Json;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Node.Output;

/// <summary>Events as JSON: <c>event</c> and <c>time</c> always, the others where they mean something.</summary>
internal sealed class JsonEventOutput(JsonLines lines) : IEventOutput
{
    private const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.ffffffZ";

    /// <inheritdoc/>
    public void Listening(PeerId peer, IReadOnlyList<Multiaddr> addresses, Enr? enr) => lines.Write(json =>
    {
        json.WriteString("event", "listening");
        WriteTime(json);
        json.WriteString("peerId", peer.ToString());
        json.WriteStartArray("addresses");
        foreach (Multiaddr address in addresses)
        {
            json.WriteStringValue(address.ToString());
        }

        json.WriteEndArray();
        if (enr is not null)
        {
            json.WriteString("enr", enr.ToString());
        }
    });

    /// <inheritdoc/>
    public void Event(in NetworkEvent networkEvent)
    {
        NetworkEvent told = networkEvent;
        lines.Write(json => WriteEvent(json, in told));
    }

    /// <inheritdoc/>
    public void CatchUp(in CatchUpProgress progress)
    {
        CatchUpProgress told = progress;
        lines.Write(json =>
        {
            json.WriteString("event", "catchUp");
            WriteTime(json);
            json.WriteString("stage", Names.Camel(told.Stage));
            WriteNumber(json, "from", told.From);
            WriteNumber(json, "to", told.To);
            json.WriteNumber("commitments", told.Commitments);
            json.WriteNumber("txLists", told.TxLists);
            json.WriteNumber("missing", told.MissingBlocks);
            json.WriteNumber("missingTxLists", told.MissingTxLists);
            if (told.Result is { } result)
            {
                json.WriteBoolean("complete", result.IsComplete);
                json.WriteString("text", result.ToString());
            }
        });
    }

    /// <summary>Writes a number of up to 256 bits.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="name">The property.</param>
    /// <param name="value">The number.</param>
    public static void WriteNumber(Utf8JsonWriter json, string name, in UInt256 value)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(value.ToString(), skipInputValidation: true);
    }

    /// <summary>Writes <c>reachability</c>, <c>evidence</c> and <c>reachableAt</c>.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="known">What is known.</param>
    public static void WriteReachability(Utf8JsonWriter json, ReachabilityInfo known)
    {
        json.WriteString("reachability", Names.Camel(known.Status));
        json.WriteString("evidence", Names.Camel(known.Evidence));
        json.WriteStartArray("reachableAt");
        foreach (Multiaddr address in known.Addresses)
        {
            json.WriteStringValue(address.ToString());
        }

        json.WriteEndArray();
    }

    /// <summary>Writes <c>time</c>: now, UTC.</summary>
    /// <param name="json">Where to.</param>
    public static void WriteTime(Utf8JsonWriter json) => json.WriteString("time", DateTimeOffset.UtcNow.ToString(TimeFormat, CultureInfo.InvariantCulture));

    private static void WriteEvent(Utf8JsonWriter json, in NetworkEvent told)
    {
        json.WriteString("event", Names.Camel(told.Kind));
        WriteTime(json);
        if (told.Peer is { } peer)
        {
            json.WriteString("peer", peer.ToString());
        }

        if (Names.HasTopic(told.Kind))
        {
            json.WriteString("topic", Names.Camel(told.Topic));
        }

        if (!told.Hash.IsZero)
        {
            json.WriteString("hash", told.Hash.ToString());
        }

        if (!told.BlockNumber.IsZero || told.Kind is NetworkEventKind.GossipSignedCommitment or NetworkEventKind.ReqRespHead or NetworkEventKind.InboundCommitmentsRequest)
        {
            WriteNumber(json, "block", told.BlockNumber);
        }

        if (Names.Verdict(told.Kind) is { } verdict)
        {
            json.WriteString("verdict", verdict);
        }

        if (told.Reason != ValidationReason.None)
        {
            json.WriteString("reason", Names.Camel(told.Reason));
        }

        if (!told.Signer.IsZero)
        {
            json.WriteString("signer", told.Signer.ToString());
        }

        WriteDetails(json, in told);
    }

    private static void WriteDetails(Utf8JsonWriter json, in NetworkEvent told)
    {
        switch (told.Kind)
        {
            case NetworkEventKind.GossipSignedCommitment or NetworkEventKind.Published when told.Topic == GossipTopic.Commitments && !told.Signer.IsZero:
                json.WriteString("txListHash", told.Commitment.Commitment.Preconf.RawTxListHash.ToString());
                break;
            case NetworkEventKind.ReqRespCommitments when told.Commitments is { } page:
                json.WriteStartArray("blocks");
                foreach (SignedCommitment commitment in page.Commitments)
                {
                    json.WriteRawValue(commitment.Commitment.Preconf.BlockNumber.ToString(), skipInputValidation: true);
                }

                json.WriteEndArray();
                break;
            case NetworkEventKind.PeerSubscription:
                json.WriteBoolean("subscribed", told.Flag);
                break;
            case NetworkEventKind.PeerConnected or NetworkEventKind.PeerMoved:
                json.WriteBoolean("outbound", told.Flag);
                break;
            case NetworkEventKind.ReachabilityChanged when told.Reachability is { } reachability:
                WriteReachability(json, reachability);
                break;
            case NetworkEventKind.PeerGreylisted:
                json.WriteBoolean("greylisted", told.Flag);
                break;
            case NetworkEventKind.GossipIgnored:
                json.WriteBoolean("forwarded", told.Flag);
                break;
            case NetworkEventKind.EventsDropped when told.IsReaderLoss:
                json.WriteString("reason", "slowOutput");
                break;
        }

        if (told.Kind == NetworkEventKind.Published)
        {
            json.WriteString("outcome", Names.Camel(told.Publish.Outcome));
            json.WriteNumber("peers", told.Publish.Peers);
            json.WriteBoolean("stored", told.Publish.Stored);
        }

        if (told.TxList is { } txList)
        {
            json.WriteNumber("bytes", txList.TxList.Length);
        }

        if (told.Count != 0)
        {
            json.WriteNumber("count", told.Count);
        }

        if (told.Address is { } address)
        {
            json.WriteString("address", address.ToString());
        }

        if (told.Error is { } error)
        {
            json.WriteString("error", error.Kind.ToCode());
            json.WriteString("text", error.Detail);
        }
        else if (told.Text is { Length: > 0 } text)
        {
            json.WriteString("text", text);
        }
    }
}
