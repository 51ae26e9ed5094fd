using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>One catch-up: heads, commitments, txlists, in this order.</summary>
internal sealed class CatchUpRun(P2pHandle handle, CatchUpOptions options, IProgress<CatchUpProgress>? progress)
{
    private readonly Lock _gate = new();
    private readonly ICommitmentStore _store = handle.Store;
    private readonly UInt256 _from = options.From ?? UInt256.Zero;
    private CommitmentFetch? _commitments;
    private TxListFetch? _txLists;
    private UInt256 _to;
    private long _toldAt;
    private int _peers;

    /// <summary>Peers that told their heads.</summary>
    public int Peers => _peers;

    /// <summary>Runs it as a whole, knowing nothing of other runs.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<CatchUpResult> RunAsync(CancellationToken cancellationToken)
    {
        await FetchCommitmentsAsync(null, null, cancellationToken).ConfigureAwait(false);
        return await FetchTxListsAsync(null, CancellationToken.None, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The first half: heads and commitments.</summary>
    /// <param name="known">What nobody has, not to be asked for; takes in what this run finds to be so. Null for nothing.</param>
    /// <param name="refused">Peers not to be asked for commitments; takes in those whose answers are refused. Null for none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task FetchCommitmentsAsync(KnownMissing? known, RefusedPeers? refused, CancellationToken cancellationToken)
    {
        await AskHeadsAsync(cancellationToken).ConfigureAwait(false);
        BlockRanges wanted = Gaps();
        known?.RemoveFrom(wanted);
        _commitments = new CommitmentFetch(handle, options, refused ?? new RefusedPeers(handle, options.RetryMissing), wanted, Progressed);
        Tell(CatchUpStage.Started, null);
        await _commitments.RunAsync(cancellationToken).ConfigureAwait(false);
        if (known is not null)
        {
            // Now, and not when the txlists are there: what is heard meanwhile may show that there is more.
            Found found = Look();
            known.Add(found.Missing.Take(CatchUpResult.MaxListed), found.Claim is null ? found.From : null);
        }
    }

    /// <summary>The second half: txlists.</summary>
    /// <param name="known">What nobody has, not to be asked for; takes in what this run finds to be so. Null for nothing.</param>
    /// <param name="pause">Ends the fetching early: there is something more urgent.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<CatchUpResult> FetchTxListsAsync(KnownMissing? known, CancellationToken pause, CancellationToken cancellationToken)
    {
        _txLists = new TxListFetch(handle, options, Progressed);
        if (options.TxLists)
        {
            _txLists.Find(_from, known);
            await _txLists.RunAsync(pause, cancellationToken).ConfigureAwait(false);
        }

        CatchUpResult result = Result();
        known?.Add(result.MissingTxLists);
        Tell(CatchUpStage.Ended, result);
        return result;
    }

    private async Task AskHeadsAsync(CancellationToken cancellationToken)
    {
        PeerId[] asked = options.Peer is { } only ? [only] : [.. handle.PeerEntries
            .Select(peer => (peer.Id, Cost: handle.CostOf(peer, RequestProtocol.Head, UInt256.Zero)))
            .Where(peer => !double.IsInfinity(peer.Cost)).OrderBy(peer => peer.Cost).Take(options.HeadPeers).Select(peer => peer.Id)];
        if (asked.Length == 0)
        {
            throw new NetworkException(NetworkErrorKind.ReqRespBackpressure, "no peer is connected to catch up with; dial one or wait for one");
        }

        NetworkException? failure = null;
        Task<bool>[] answers = [.. asked.Select(AskAsync)];
        _peers = (await Task.WhenAll(answers).ConfigureAwait(false)).Count(static answered => answered);
        if (_peers == 0)
        {
            throw failure!;
        }

        async Task<bool> AskAsync(PeerId peer)
        {
            try
            {
                await handle.RequestHeadAsync(peer, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (NetworkException error)
            {
                Volatile.Write(ref failure, error);
                return false;
            }
        }
    }

    // Claims say where to look and nothing more: what nobody serves does not count.
    private BlockRanges Gaps()
    {
        bool holdsAny = _store.TryGetHead(out PreconfHead held);
        _to = holdsAny ? held.BlockNumber : UInt256.Zero;
        foreach (PeerEntry peer in handle.PeerEntries.Where(peer => options.Peer is not { } only || only.Equals(peer.Id)))
        {
            UInt256 claimed = peer.Holdings.Claimed ?? UInt256.Zero;
            _to = claimed > _to ? claimed : _to;
        }

        // A head of zero is how a peer says that it has none.
        BlockRanges wanted = new();
        if (_from <= _to && (holdsAny || !_to.IsZero))
        {
            wanted.Add(in _from, in _to);
            StoreScan.RemoveHeld(_store, wanted, _from, _to);
        }

        return wanted;
    }

    private CatchUpResult Result()
    {
        TxListFetch txLists = _txLists!;
        Found found = Look();
        BlockRanges counted = new();
        found.Missing.ForEach(blocks => counted.Add(blocks.First, blocks.Last));
        return new CatchUpResult
        {
            From = found.From,
            Head = found.Head,
            UnprovenHead = found.Claim,
            Peers = _peers,
            Commitments = _commitments!.Fetched,
            TxLists = txLists.Fetched,
            MissingBlockCount = counted.Blocks,
            MissingBlocks = [.. found.Missing.Take(CatchUpResult.MaxListed)],
            MissingTxListCount = txLists.MissingCount,
            MissingTxLists = txLists.Missing,
        };
    }

    private Found Look()
    {
        CommitmentFetch commitments = _commitments!;
        UInt256? highest = _store.TryGetHead(out PreconfHead held) && !(held.BlockNumber < commitments.Highest) ? held.BlockNumber : commitments.Highest;
        UInt256 head = highest ?? UInt256.Zero;
        UInt256 from = options.From ?? StoreScan.Lowest(_store) ?? head;
        UInt256? claim = null;
        foreach (PeerEntry peer in handle.PeerEntries.Where(peer => options.Peer is not { } only || only.Equals(peer.Id)))
        {
            if (peer.Holdings.Claimed is { } claimed && claimed > head && !(claim >= claimed)
                && commitments.Wanted.Contains(claimed) && !commitments.HasAsked(peer.Id, claimed))
            {
                claim = claimed;
            }
        }

        // Who claimed the highest may have left before it could be looked into.
        claim ??= _to > head && commitments.Wanted.Contains(in _to) && commitments.IsUnasked(_to) ? _to : null;
        return new Found(from, head, claim, commitments.Missing(from <= highest ? new BlockRange(from, head) : null));
    }

    private void Progressed()
    {
        lock (_gate)
        {
            if (handle.Time.GetElapsedTime(_toldAt) < options.ProgressInterval)
            {
                return;
            }
        }

        Tell(CatchUpStage.Fetching, null);
    }

    private void Tell(CatchUpStage stage, CatchUpResult? result)
    {
        lock (_gate)
        {
            _toldAt = handle.Time.GetTimestamp();
            CommitmentFetch commitments = _commitments!;
            progress?.Report(new CatchUpProgress(
                stage, result?.From ?? _from, result?.Head ?? _to, commitments.Fetched, _txLists?.Fetched ?? 0,
                result?.MissingBlockCount ?? (_txLists is null ? commitments.Wanted.Blocks : 0), result?.MissingTxListCount ?? _txLists?.Left ?? 0, result));
        }
    }

    /// <summary>How it stands with the commitments.</summary>
    private sealed record Found(UInt256 From, UInt256 Head, UInt256? Claim, List<MissingBlocks> Missing);
}
