using System.Globalization;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Sync;

namespace Preconf.Node.Output;

/// <summary>Events as people read them, one a line.</summary>
internal sealed class TextEventOutput(TextWriter writer, ulong chainId) : IEventOutput
{
    private const int KindWidth = 12;

    /// <inheritdoc/>
    public void Listening(PeerId peer, IReadOnlyList<Multiaddr> addresses, Enr? enr)
    {
        Write($"preconf-node {peer}, chain {chainId}");
        foreach (Multiaddr address in addresses)
        {
            Write($"  listens on {address}");
        }

        if (addresses.Count == 0)
        {
            Write("  listens nowhere, only dials");
        }

        if (enr is not null)
        {
            Write($"  {enr}");
        }
    }

    /// <inheritdoc/>
    public void Event(in NetworkEvent networkEvent)
    {
        if (Describe(in networkEvent) is var (kind, text))
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:HH:mm:ss.fff}  {kind,-KindWidth}{text}"));
        }
    }

    /// <inheritdoc/>
    public void CatchUp(in CatchUpProgress progress)
    {
        string text = progress.Stage switch
        {
            CatchUpStage.Ended => $"{(progress.Result is { IsComplete: true } ? "done" : "ended")}  {progress.Result}",
            CatchUpStage.Started => $"blocks {progress.From} to {progress.To} are looked for",
            _ => string.Create(CultureInfo.InvariantCulture, $"{progress.Commitments} commitments and {progress.TxLists} txlists so far"),
        };
        Write($"{DateTime.Now:HH:mm:ss.fff}  {"catch-up",-KindWidth}{text}");
    }

    private static (string Kind, string Text)? Describe(in NetworkEvent told)
    {
        string from = Names.Short(told.Peer);
        return told.Kind switch
        {
            NetworkEventKind.Started or NetworkEventKind.NewListenAddress => null,
            NetworkEventKind.Stopped => ("stopped", string.Empty),
            NetworkEventKind.PeerConnected => ("peer +", $"{from}  {(told.Flag ? "dialled" : "came from")} {told.Address?.WithoutPeerId()}"),
            NetworkEventKind.PeerDisconnected => ("peer -", $"{from}  {told.Text}"),
            NetworkEventKind.PeerMoved => ("peer now", $"{from}  {told.Address?.WithoutPeerId()}"),
            NetworkEventKind.ReachabilityChanged => ("reached", Reached(told.Reachability ?? ReachabilityInfo.Unknown)),
            NetworkEventKind.PeerIdentified => ("peer is", $"{from}  {told.Text}"),
            NetworkEventKind.PeerSubscription => ("peer topic", $"{from}  {(told.Flag ? "joined" : "left")} {Names.Camel(told.Topic)}"),
            NetworkEventKind.GossipSignedCommitment =>
                ("commitment", $"block {told.BlockNumber}  {Names.Short(told.Hash)}  signer {Names.Short(told.Signer)}  from {from}{(told.Flag ? "  supersedes another" : string.Empty)}"),
            NetworkEventKind.GossipRawTxList => ("txlist", $"{Names.Short(told.Hash)}  {told.TxList?.TxList.Length} bytes  from {from}"),
            NetworkEventKind.GossipRejected or NetworkEventKind.GossipIgnored or NetworkEventKind.GossipPending =>
                (Names.Verdict(told.Kind)!, $"{Names.Camel(told.Topic)}  {told.Reason}{Subject(in told)}  from {from}"),
            NetworkEventKind.Published => ("published", $"{Names.Camel(told.Topic)}{Subject(in told)}  {told.Publish.Outcome}, {told.Publish.Peers} peers"),
            NetworkEventKind.ReqRespHead => ("head", $"block {told.Head.BlockNumber}  of {from}"),
            NetworkEventKind.ReqRespCommitments => ("answer", $"{told.Count} commitments  of {from}"),
            NetworkEventKind.ReqRespRawTxList => ("answer", $"txlist {Names.Short(told.Hash)}  {told.Count} bytes  of {from}"),
            NetworkEventKind.InboundHeadRequest => ("asked", $"head  by {from}"),
            NetworkEventKind.InboundCommitmentsRequest => ("asked", $"commitments from {told.BlockNumber}  by {from}"),
            NetworkEventKind.InboundRawTxListRequest => ("asked", $"txlist {Names.Short(told.Hash)}  by {from}"),
            NetworkEventKind.SlowPeer => ("slow peer", $"{from}  {told.Count} messages dropped for it"),
            NetworkEventKind.EventsDropped when told.IsReaderLoss => ("lost", $"{told.Count} events: this output is too slow"),
            NetworkEventKind.EventsDropped => ("lost", $"{told.Count} messages for want of room{(told.Peer is null ? string.Empty : $"  from {from}")}"),
            NetworkEventKind.VerdictLate => ("late", $"{Names.Camel(told.Topic)}  not validated in time, not forwarded  from {from}"),
            NetworkEventKind.PeerPenalised => ("penalised", $"{from}  {told.Text}"),
            NetworkEventKind.PeerGreylisted => ("greylist", $"{from}  {(told.Flag ? "on it" : "off it")}  {told.Text}"),
            NetworkEventKind.PeerBanned => ("banned", $"{from}  {told.Text}"),
            NetworkEventKind.PeerUnbanned => ("unbanned", $"{from}  {told.Text}"),
            NetworkEventKind.Error => ("error", $"{told.Error}{(told.Peer is null ? string.Empty : $"  {from}")}"),
            NetworkEventKind.Faulted => ("faulted", $"{told.Error}"),
            NetworkEventKind unknown => (Names.Camel(unknown), $"{told.Text}{(told.Peer is null ? string.Empty : $"  {from}")}"),
        };
    }

    private static string Reached(ReachabilityInfo known) => known + string.Concat(known.Addresses.Select(address => $"  {address}"));

    private static string Subject(in NetworkEvent told) =>
        (told.BlockNumber.IsZero ? string.Empty : $"  block {told.BlockNumber}") + (told.Hash.IsZero ? string.Empty : $"  {Names.Short(told.Hash)}");

    private void Write(string line)
    {
        try
        {
            writer.WriteLine(line);
            writer.Flush();
        }
        catch (IOException)
        {
            // Nobody reads any more; the node goes on.
        }
    }
}
