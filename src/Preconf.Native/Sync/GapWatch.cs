using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Why to catch up again.</summary>
internal enum CatchUpReason
{
    /// <summary>All peers were lost, and one is there again.</summary>
    Reconnected,

    /// <summary>A peer is there that has not been asked yet.</summary>
    NewPeer,

    /// <summary>What gossip brought shows that something before it is missing.</summary>
    Gap,

    /// <summary>It is time to look again.</summary>
    Retry,

    /// <summary>The node has stopped.</summary>
    Stopped,
}

/// <summary>Watches a node's events for reasons to catch up again. One waiter at a time.</summary>
internal sealed class GapWatch : IDisposable
{
    private const int Capacity = 1024;
    private readonly P2pHandle _handle;
    private readonly ICommitmentStore _store;
    private readonly CatchUpOptions _options;
    private readonly KnownMissing _known;
    private readonly EventReader<NetworkEvent> _events;
    private readonly HashSet<PeerId> _connected;
    private readonly Queue<Suspicion> _suspicions = new();
    private Task<bool>? _readable;

    /// <summary>Watches from now on; the peers that are connected are not new.</summary>
    public GapWatch(P2pHandle handle, CatchUpOptions options, KnownMissing known)
    {
        _handle = handle;
        _store = handle.Store;
        _options = options;
        _known = known;
        _events = handle.Subscribe(Capacity);
        _connected = [.. handle.PeerEntries.Select(peer => peer.Id)];
    }

    /// <summary>Waits for the next reason.</summary>
    public async Task<CatchUpReason> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (Read() is { } reason)
            {
                return reason;
            }

            if (IsGapFound(out TimeSpan wait))
            {
                return CatchUpReason.Gap;
            }

            _readable ??= _events.WaitToReadAsync(cancellationToken).AsTask();
            using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(_readable, Task.Delay(wait, _handle.Time, over.Token)).ConfigureAwait(false);
            await over.CancelAsync().ConfigureAwait(false);
            if (_readable.IsCompleted)
            {
                bool more = await _readable.ConfigureAwait(false);
                _readable = null;
                if (!more)
                {
                    return CatchUpReason.Stopped;
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();

    private CatchUpReason? Read()
    {
        while (_events.TryRead(out NetworkEvent told))
        {
            CatchUpReason? reason = told.Kind switch
            {
                NetworkEventKind.Stopped => CatchUpReason.Stopped,
                NetworkEventKind.PeerConnected when told.Peer is { } peer => Connected(peer),
                NetworkEventKind.GossipSignedCommitment => Suspect(told.Commitment.Commitment.Preconf),
                NetworkEventKind.EventsDropped when told.IsReaderLoss => Lost(),
                _ => null,
            };
            if (told.Kind == NetworkEventKind.PeerDisconnected && told.Peer is { } gone)
            {
                _connected.Remove(gone);
            }

            if (reason is not null)
            {
                return reason;
            }
        }

        return null;
    }

    // Anything may have been among what was lost.
    private CatchUpReason Lost()
    {
        _connected.Clear();
        _connected.UnionWith(_handle.PeerEntries.Select(peer => peer.Id));
        return CatchUpReason.Gap;
    }

    private CatchUpReason? Connected(PeerId peer)
    {
        bool alone = _connected.Count == 0;
        return !_connected.Add(peer) ? null : alone ? CatchUpReason.Reconnected : CatchUpReason.NewPeer;
    }

    private CatchUpReason? Suspect(in Preconfirmation preconf)
    {
        Suspicion suspicion = new(_handle.Time.GetTimestamp(), preconf.BlockNumber, preconf.RawTxListHash);
        if (_suspicions.Count < Capacity && IsGap(in suspicion))
        {
            _suspicions.Enqueue(suspicion);
        }

        return null;
    }

    private bool IsGapFound(out TimeSpan wait)
    {
        wait = Timeout.InfiniteTimeSpan;
        while (_suspicions.TryPeek(out Suspicion suspicion))
        {
            TimeSpan left = _options.GapPatience - _handle.Time.GetElapsedTime(suspicion.At);
            if (left > TimeSpan.Zero)
            {
                wait = left;
                return false;
            }

            _suspicions.Dequeue();
            if (IsGap(in suspicion))
            {
                // The run that follows looks for all of them.
                _suspicions.Clear();
                return true;
            }
        }

        return false;
    }

    private bool IsGap(in Suspicion suspicion)
    {
        Bytes32 txList = suspicion.TxList;
        if (_options.TxLists && !txList.IsZero && !_store.ContainsTxList(in txList) && !_known.Contains(in txList))
        {
            return true;
        }

        return suspicion.Block.TrySubtract(UInt256.One, out UInt256 before)
            && !(before < _options.From)
            && !_store.TryGetCommitment(before, out _)
            && !_known.Contains(in before);
    }

    private readonly record struct Suspicion(long At, UInt256 Block, Bytes32 TxList);
}
