using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>
/// Fetches the commitments of a set of blocks: pages are spread over the peers that may have them, what one peer lacks is asked of others, and each
/// answer takes something out of what there is left to ask, so it ends whatever peers say. One loop owns all state.
/// </summary>
internal sealed class CommitmentFetch
{
    private const int PageSize = PreconfLimits.MaxCommitmentsPerResponse;

    // A peer that fails so often in a row is not asked again in this run.
    private const int FailuresAllowed = 3;

    // A peer whose answers hold nothing of what is wanted but what is not accepted is not asked for more of them in a run: anyone can make such answers without
    // end. Whole pages may be the history of former signers, a week of it; 64 answers with less are nobody's history.
    private const int BarrenAllowed = 1024;
    private const int BarrenShort = 16;

    // Until somebody has shown where the history begins, so many peers are asked for its first page, one each.
    private const int Scouts = 3;

    private readonly P2pHandle _handle;
    private readonly ICommitmentStore _store;
    private readonly CatchUpOptions _options;
    private readonly Action _progressed;
    private readonly Dictionary<PeerId, PeerState> _peers = [];
    private readonly BlockRanges _reserved = new();
    private readonly BlockRanges _absent = new();
    private readonly BlockRanges _notKept = new();
    private readonly BlockRanges _heldMeanwhile = new();
    private readonly BlockRanges _unaccepted = new();
    private readonly Denials _denials;
    private readonly RefusedPeers _refused;
    private readonly Dictionary<UInt256, string> _skipped = [];
    private string? _lastError;
    private bool _found;

    /// <param name="handle">The node.</param>
    /// <param name="options">How to fetch.</param>
    /// <param name="refused">Peers not to be asked; takes in those whose answers are refused.</param>
    /// <param name="wanted">The blocks; what is left in it at the end is missing.</param>
    /// <param name="progressed">Called after each answer.</param>
    public CommitmentFetch(P2pHandle handle, CatchUpOptions options, RefusedPeers refused, BlockRanges wanted, Action progressed)
    {
        _handle = handle;
        _store = handle.Store;
        _options = options;
        _progressed = progressed;
        _refused = refused;
        _denials = new Denials(options.Attempts);
        Wanted = wanted;

        // Who leaves before it is asked counts as well.
        foreach (PeerEntry entry in handle.PeerEntries.Where(IsAskable))
        {
            StateOf(entry);
        }
    }

    /// <summary>What is still to be asked for.</summary>
    public BlockRanges Wanted { get; }

    /// <summary>Commitments that came and were wanted.</summary>
    public long Fetched { get; private set; }

    /// <summary>The highest block with a valid commitment that came; null before.</summary>
    public UInt256? Highest { get; private set; }

    /// <summary>Fetches until nobody is left who may have what is left.</summary>
    /// <exception cref="NetworkException">The node stops.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task<Answer>> inFlight = [];
        try
        {
            while (true)
            {
                while (inFlight.Count < _options.Parallel && NextPage() is { } page)
                {
                    inFlight.Add(AskAsync(page, over.Token));
                }

                if (inFlight.Count == 0)
                {
                    return;
                }

                Task<Answer> done = await Task.WhenAny(inFlight).ConfigureAwait(false);
                inFlight.Remove(done);
                Take(await done.ConfigureAwait(false));
                _progressed();
            }
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(inFlight)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>What is missing, once all has been asked: between two blocks all, and elsewhere what was to be had and not accepted.</summary>
    /// <param name="between">The lowest and the highest block that count; null where there are none.</param>
    public List<MissingBlocks> Missing(BlockRange? between)
    {
        List<MissingBlocks> missing = [];
        if (between is { First: var from, Last: var to })
        {
            missing.AddRange(_notKept.Within(in from, in to).Select(range => new MissingBlocks(range.First, range.Last, MissingReason.NotKept, null)));
            missing.AddRange(_absent.Within(in from, in to).SelectMany(range => Named(range, failed: false)));
            missing.AddRange(Wanted.Within(in from, in to).SelectMany(range => Named(range, IsUnasked(range.First))));
        }

        BlockRanges outside = new();
        foreach (BlockRange range in _unaccepted.Ranges)
        {
            outside.Add(range.First, range.Last);
        }

        if (between is { } inside)
        {
            outside.Remove(inside.First, inside.Last);
        }

        missing.AddRange(outside.Ranges.Select(range => IsUnasked(range.First)
            ? Failed(range.First, range.Last)
            : new MissingBlocks(range.First, range.Last, MissingReason.NotAccepted, _skipped.GetValueOrDefault(range.First))));
        missing.Sort(static (left, right) => left.First.CompareTo(right.First));
        return missing;
    }

    /// <summary>Whether a peer was asked for a block and did not bring it.</summary>
    public bool HasAsked(PeerId peer, UInt256 block) => _peers.TryGetValue(peer, out PeerState? state) && state.Covered.Contains(in block);

    /// <summary>Whether somebody who may have a block was not asked for it: who failed too often, or left.</summary>
    public bool IsUnasked(UInt256 block) =>
        _peers.Count == 0 || _peers.Values.Any(peer => !peer.Covered.Contains(in block) && peer.Entry.Holdings.Of(in block) != PeerHolding.Lacking);

    // Blocks that came and were not accepted are told one by one, with their reason, unless another peer may have what is.
    private IEnumerable<MissingBlocks> Named(BlockRange range, bool failed)
    {
        if (failed)
        {
            yield return Failed(range.First, range.Last);
            yield break;
        }

        UInt256 next = range.First;
        foreach ((UInt256 block, string why) in _skipped.Where(skipped => skipped.Key >= range.First && skipped.Key <= range.Last).OrderBy(skipped => skipped.Key))
        {
            if (block > next)
            {
                yield return new MissingBlocks(next, block - UInt256.One, MissingReason.NobodyHas, null);
            }

            yield return new MissingBlocks(block, block, MissingReason.NotAccepted, why);
            if (!block.TryIncrement(out next))
            {
                yield break;
            }
        }

        if (next <= range.Last)
        {
            yield return new MissingBlocks(next, range.Last, MissingReason.NobodyHas, null);
        }
    }

    private MissingBlocks Failed(UInt256 first, UInt256 last) => new(first, last, MissingReason.RequestsFailed, _lastError ?? "no peer is connected");

    private Page? NextPage()
    {
        (PeerEntry? best, UInt256 start, double least) = (null, default, double.PositiveInfinity);
        foreach (PeerEntry entry in _handle.PeerEntries)
        {
            if (!IsAskable(entry) || !MayAskNow(entry) || FirstFor(entry) is not { } first
                || entry.Holdings.Of(in first) == PeerHolding.Lacking)
            {
                continue;
            }

            PeerState state = StateOf(entry);
            double cost = _handle.CostOf(entry, RequestProtocol.Commitments, in first) * (1 + state.Pending) * (1 + (4 * state.Failures));
            if (cost < least)
            {
                (best, start, least) = (entry, first, cost);
            }
        }

        return best is null ? null : PageOf(best, start);
    }

    private bool IsAskable(PeerEntry entry) => _options.Peer is not { } only || only.Equals(entry.Id);

    private bool MayAskNow(PeerEntry entry)
    {
        PeerState state = StateOf(entry);

        // Who has only claimed so far gets one page to show what is behind it.
        int most = !_found || !entry.Holdings.HasProven || _handle.MustWait(entry, RequestProtocol.Commitments) ? 1 : _options.Parallel;
        return state.Failures < FailuresAllowed && state.Pending < most && (_found || _peers.Values.Sum(static peer => peer.Pending) < Scouts);
    }

    // The lowest block wanted that this peer has not been asked about and nobody is being asked for.
    private UInt256? FirstFor(PeerEntry entry)
    {
        BlockRanges covered = StateOf(entry).Covered;
        UInt256 next = UInt256.Zero;
        while (Wanted.FirstFrom(in next) is { } block)
        {
            if (!covered.TryFind(in block, out BlockRange passed) && !_reserved.TryFind(in block, out passed))
            {
                if (!_store.TryGetCommitment(block, out _))
                {
                    return block;
                }

                // Gossip brought it meanwhile, or an answer that is not looked into yet.
                _heldMeanwhile.Add(in block, in block);
                Settle(block, block);
                passed = new BlockRange(block, block);
            }

            if (!passed.Last.TryIncrement(out next))
            {
                break;
            }
        }

        return null;
    }

    private Page PageOf(PeerEntry entry, UInt256 first)
    {
        UInt256 last = first.TryAdd(PageSize - 1, out UInt256 end) ? end : UInt256.MaxValue;
        if (_reserved.FirstFrom(in first) is { } taken && taken <= last)
        {
            last = taken - UInt256.One;
        }

        last = Wanted.LastUpTo(in last) ?? first;
        if (_found)
        {
            _reserved.Add(in first, in last);
        }

        StateOf(entry).Pending++;
        return new Page(entry, first, last, _found);
    }

    private async Task<Answer> AskAsync(Page page, CancellationToken cancellationToken)
    {
        try
        {
            uint count = (uint)(ulong)(page.Last - page.First) + 1;
            return new Answer(page, await _handle.RequestCommitmentsAsync(page.First, count, page.Peer.Id, cancellationToken).ConfigureAwait(false), null);
        }
        catch (NetworkException error) when (_handle.IsRunning)
        {
            if (Turns.IsOwnLimit(error.Kind))
            {
                await Turns.PauseAsync(_handle, cancellationToken).ConfigureAwait(false);
            }

            return new Answer(page, null, error);
        }
    }

    private void Take(Answer answer)
    {
        Page page = answer.Page;
        PeerState peer = StateOf(page.Peer);
        peer.Pending--;
        if (page.Reserved)
        {
            _reserved.Remove(page.First, page.Last);
        }

        if (answer.Commitments is not { } commitments)
        {
            _lastError = answer.Error!.Message;
            peer.Failures += Turns.IsOwnLimit(answer.Error.Kind) ? 0 : 1;
            if (RefusedPeers.IsFault(answer.Error.Kind))
            {
                peer.Failures = FailuresAllowed;
                _refused.Add(page.Peer.Id, _lastError);
            }

            return;
        }

        // A validator that does not compare an answer with its request lets through what lies below it: nothing of what was asked for.
        bool brings = commitments.LastBlock >= page.First;
        UInt256 end = brings ? commitments.LastBlock!.Value : UInt256.MaxValue;
        _found |= brings;
        Weigh(page, peer, commitments, Keep(commitments));
        peer.Covered.Add(page.First, in end);
        peer.Covered.IntersectWith(Wanted);
        if (brings)
        {
            // It has blocks above and not these; an empty answer says no more than that the peer has little.
            foreach (BlockRange range in _denials.Deny(Wanted.Within(page.First, in end)))
            {
                _absent.Add(range.First, range.Last);
                Wanted.Remove(range.First, range.Last);
            }
        }
    }

    private void Weigh(Page page, PeerState peer, CommitmentsAnswer answer, long brought)
    {
        bool isShort = (UInt256)(ulong)(answer.Count + answer.Skipped.Count) <= page.Last - page.First;
        bool wasBarren = peer.Barren >= BarrenAllowed;
        peer.Barren = brought != 0 ? 0 : peer.Barren + (answer.Skipped.Count == 0 ? 0 : isShort ? BarrenShort : 1);
        bool isBarren = peer.Barren >= BarrenAllowed;
        peer.Failures = isBarren ? FailuresAllowed : 0;
        if (!isBarren || wasBarren)
        {
            return;
        }

        _lastError = $"{peer.Entry.Id} answers and answers, with nothing that is accepted: {answer.Skipped[^1].Outcome}";
        if (isShort)
        {
            _refused.Add(peer.Entry.Id, _lastError);
        }
    }

    // How much of it was wanted.
    private long Keep(CommitmentsAnswer answer)
    {
        (int kept, long brought) = (0, 0);
        foreach (SignedCommitment commitment in answer.Commitments)
        {
            UInt256 block = commitment.Commitment.Preconf.BlockNumber;
            Highest = block <= Highest ? Highest : block;
            bool wanted = Wanted.Contains(in block) || _absent.Contains(in block) || _heldMeanwhile.Contains(in block);
            brought += wanted ? 1 : 0;
            if (_store.TryGetCommitment(block, out _))
            {
                kept++;
                Fetched += wanted ? 1 : 0;
            }
            else if (wanted)
            {
                _notKept.Add(in block, in block);
            }

            _absent.Remove(in block, in block);
            _heldMeanwhile.Remove(in block, in block);
            Settle(block, block);
        }

        foreach (SkippedCommitment skipped in answer.Skipped)
        {
            UInt256 block = skipped.Commitment.Commitment.Preconf.BlockNumber;
            if (!Wanted.Contains(in block) && !_absent.Contains(in block))
            {
                continue;
            }

            _unaccepted.Add(in block, in block);
            if (_skipped.Count < CatchUpResult.MaxListed)
            {
                _skipped[block] = skipped.Outcome.ToString();
            }
        }

        if (kept == 0 && answer.Count != 0 && StoreScan.Lowest(_store) is { } lowest && lowest.TrySubtract(UInt256.One, out UInt256 below))
        {
            // The store is full and keeps what is higher: nothing below will be kept either.
            foreach (BlockRange range in Wanted.Within(UInt256.Zero, in below))
            {
                _notKept.Add(range.First, range.Last);
            }

            Settle(UInt256.Zero, below);
        }

        return brought;
    }

    private void Settle(UInt256 first, UInt256 last)
    {
        Wanted.Remove(in first, in last);
        _unaccepted.Remove(in first, in last);
        _denials.Forget(in first, in last);
    }

    private PeerState StateOf(PeerEntry entry)
    {
        if (!_peers.TryGetValue(entry.Id, out PeerState? state))
        {
            string? refused = _refused.Of(entry.Id);
            _lastError ??= refused;
            _peers.Add(entry.Id, state = new PeerState { Entry = entry, Failures = refused is null ? 0 : FailuresAllowed });
        }

        // A peer that left and came again is another entry of the same peer.
        state.Entry = entry;
        return state;
    }

    /// <summary>What this run knows of a peer.</summary>
    private sealed class PeerState
    {
        public required PeerEntry Entry { get; set; }

        /// <summary>The wanted blocks it has been asked about and did not bring.</summary>
        public BlockRanges Covered { get; } = new();

        public int Failures { get; set; }

        /// <summary>Answers in a row with commitments of which none was accepted.</summary>
        public int Barren { get; set; }

        public int Pending { get; set; }
    }

    private sealed record Page(PeerEntry Peer, UInt256 First, UInt256 Last, bool Reserved);

    private sealed record Answer(Page Page, CommitmentsAnswer? Commitments, NetworkException? Error);
}
