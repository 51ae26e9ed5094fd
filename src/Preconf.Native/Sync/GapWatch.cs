using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Why to catch up again.</summary>
[Flags]
internal enum CatchUpReasons
{
    /// <summary>There is no reason.</summary>
    None = 0,

    /// <summary>All peers were lost, and one is there again.</summary>
    Reconnected = 1,

    /// <summary>A peer is there that has not been asked yet.</summary>
    NewPeer = 2,

    /// <summary>What gossip brought shows that something before it is missing, or events were lost that may have.</summary>
    Gap = 4,

    /// <summary>The node has stopped: there will be no other reason.</summary>
    Stopped = 8,
}

/// <summary>Watches a node's events for reasons to catch up again. One caller at a time.</summary>
internal sealed class GapWatch : IDisposable
{
    private const int Capacity = 1024;
    private readonly P2pHandle _handle;
    private readonly ICommitmentStore _store;
    private readonly CatchUpOptions _options;
    private readonly KnownMissing _known;
    private readonly EventReader<NetworkEvent> _events;
    private readonly HashSet<PeerId> _connected = [];
    private readonly Queue<Suspicion> _suspicions = new();
    private Task<bool>? _readable;
    private CatchUpReasons _due;

    /// <summary>Watches from now on; the peers that are connected are not new.</summary>
    public GapWatch(P2pHandle handle, CatchUpOptions options, KnownMissing known)
    {
        _handle = handle;
        _store = handle.Store;
        _options = options;
        _known = known;
        _events = handle.Subscribe(Capacity);
        SeePeers();
    }

    /// <summary>Watches until there is one of some reasons, <paramref name="end"/> ends, or the node stops.</summary>
    /// <param name="reasons">What to return for; none: the events are read all the same, so that no reason is missed.</param>
    /// <param name="end">Whose end ends it; how it ended is its owner's matter.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The reasons there are, others than asked for included.</returns>
    public async Task<CatchUpReasons> UntilAsync(CatchUpReasons reasons, Task end, CancellationToken cancellationToken)
    {
        while (true)
        {
            Read();
            TimeSpan wait = reasons.HasFlag(CatchUpReasons.Gap) ? LookForGaps() : Timeout.InfiniteTimeSpan;
            if ((_due & (reasons | CatchUpReasons.Stopped)) != 0 || end.IsCompleted)
            {
                return _due;
            }

            _readable ??= _events.WaitToReadAsync(cancellationToken).AsTask();
            using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(_readable, end, Task.Delay(wait, _handle.Time, over.Token)).ConfigureAwait(false);
            await over.CancelAsync().ConfigureAwait(false);
            if (_readable.IsCompleted)
            {
                _due |= await _readable.ConfigureAwait(false) ? CatchUpReasons.None : CatchUpReasons.Stopped;
                _readable = null;
            }
        }
    }

    /// <summary>Takes the reasons there are: a run that begins now looks into all of them, and asks those who are connected.</summary>
    public CatchUpReasons Take()
    {
        Read();
        SeePeers();
        while (_suspicions.TryDequeue(out Suspicion suspicion))
        {
            Forget(in suspicion);
        }

        CatchUpReasons due = _due;
        _due &= CatchUpReasons.Stopped;
        return due;
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();

    private void Read()
    {
        while (_events.TryRead(out NetworkEvent told))
        {
            switch (told.Kind)
            {
                case NetworkEventKind.Stopped:
                    _due |= CatchUpReasons.Stopped;
                    break;
                case NetworkEventKind.PeerConnected when told.Peer is { } peer:
                    bool alone = _connected.Count == 0;
                    _due |= !_connected.Add(peer) ? CatchUpReasons.None : alone ? CatchUpReasons.Reconnected : CatchUpReasons.NewPeer;
                    break;
                case NetworkEventKind.PeerDisconnected when told.Peer is { } gone:
                    _connected.Remove(gone);
                    break;
                case NetworkEventKind.GossipSignedCommitment:
                    Suspect(told.Commitment.Commitment.Preconf, isFirst: !told.Flag);
                    break;
                case NetworkEventKind.EventsDropped when told.IsReaderLoss:
                    // Anything may have been among what was lost.
                    _due |= CatchUpReasons.Gap;
                    SeePeers();
                    break;
            }
        }
    }

    private void SeePeers()
    {
        _connected.Clear();
        _connected.UnionWith(_handle.PeerEntries.Select(peer => peer.Id));
    }

    private void Suspect(in Preconfirmation preconf, bool isFirst)
    {
        UInt256? before = isFirst && preconf.BlockNumber.TrySubtract(UInt256.One, out UInt256 number) && !(number < _options.From) ? number : null;
        Suspicion suspicion = new(_handle.Time.GetTimestamp(), before, preconf.RawTxListHash);
        if (!IsGap(in suspicion))
        {
            return;
        }

        if (_suspicions.Count < Capacity)
        {
            _suspicions.Enqueue(suspicion);
        }
        else
        {
            // More than can be remembered is reason enough.
            _due |= CatchUpReasons.Gap;
            Forget(in suspicion);
        }
    }

    // How long until the next suspicion has been one for long enough.
    private TimeSpan LookForGaps()
    {
        while (_suspicions.TryPeek(out Suspicion suspicion))
        {
            TimeSpan left = _options.GapPatience - _handle.Time.GetElapsedTime(suspicion.At);
            if (left > TimeSpan.Zero)
            {
                return left;
            }

            _suspicions.Dequeue();
            if (IsGap(in suspicion))
            {
                _due |= CatchUpReasons.Gap;
                Forget(in suspicion);
            }
        }

        return Timeout.InfiniteTimeSpan;
    }

    private bool IsGap(in Suspicion suspicion)
    {
        Bytes32 txList = suspicion.TxList;
        if (_options.TxLists && TxListFetch.IsToBeHad(_store, in txList) && !_known.Contains(in txList))
        {
            return true;
        }

        return suspicion.Before is { } before && !_store.TryGetCommitment(before, out _);
    }

    // When nobody had the blocks before one, that one had not been heard of: there may have been none yet.
    private void Forget(in Suspicion suspicion)
    {
        if (suspicion.Before is { } before && !_store.TryGetCommitment(before, out _))
        {
            _known.ForgetUpTo(in before);
        }
    }

    // Before: the block before it, where it is the first commitment of its block that was heard.
    private readonly record struct Suspicion(long At, UInt256? Before, Bytes32 TxList);
}
