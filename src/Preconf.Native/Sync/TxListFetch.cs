using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Fetches the txlists that held commitments name and that are not held, those of the highest blocks first.</summary>
/// <param name="handle">The node.</param>
/// <param name="options">How to fetch.</param>
/// <param name="progressed">Called after each, from any thread.</param>
internal sealed class TxListFetch(P2pHandle handle, CatchUpOptions options, Action progressed)
{
    private readonly Lock _gate = new();
    private readonly ICommitmentStore _store = handle.Store;
    private readonly List<(Bytes32 Hash, UInt256 Block)> _wanted = [];
    private readonly List<MissingTxList> _missing = [];
    private bool _full;
    private long _missingCount;

    /// <summary>Txlists that came and are held.</summary>
    public long Fetched { get; private set; }

    /// <summary>Txlists still to be asked for.</summary>
    public long Left
    {
        get
        {
            lock (_gate)
            {
                return _wanted.Count;
            }
        }
    }

    /// <summary>Txlists that could not be had.</summary>
    public long MissingCount => _missingCount;

    /// <summary>Those, as far as they are listed.</summary>
    public IReadOnlyList<MissingTxList> Missing => _missing;

    /// <summary>Whether a commitment's txlist is one to ask for: there is one, it has bytes, and it is not held.</summary>
    public static bool IsToBeHad(ICommitmentStore store, in Bytes32 hash) => !hash.IsZero && hash != P2pHandle.NoTxListBytes && !store.ContainsTxList(in hash);

    /// <summary>Finds what is missing. At most one hash for each commitment held is remembered.</summary>
    /// <param name="from">The lowest block looked at.</param>
    /// <param name="known">What is not to be asked for.</param>
    public void Find(UInt256 from, KnownMissing? known)
    {
        HashSet<Bytes32> seen = [];
        StoreScan.ForEach(_store, from, UInt256.MaxValue, (in SignedCommitment commitment) =>
        {
            Bytes32 hash = commitment.Commitment.Preconf.RawTxListHash;
            if (IsToBeHad(_store, in hash) && known?.Contains(in hash) != true && seen.Add(hash))
            {
                _wanted.Add((hash, commitment.Commitment.Preconf.BlockNumber));
            }
        });
    }

    /// <summary>Fetches all of them.</summary>
    /// <param name="pause">Ends it early, without an error; what is left counts as failed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="NetworkException">The node stops.</exception>
    public async Task RunAsync(CancellationToken pause, CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(pause, cancellationToken);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, options.Parallel).Select(_ => WorkAsync(either))).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (pause.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // What is left is told below.
        }

        foreach ((Bytes32 hash, UInt256 block) in Enumerable.Reverse(_wanted))
        {
            Miss(hash, block, _full ? MissingReason.NotKept : MissingReason.RequestsFailed, _full ? null : "not asked for yet");
        }

        _wanted.Clear();
    }

    private async Task WorkAsync(CancellationTokenSource over)
    {
        try
        {
            while (TryTake(out Bytes32 hash, out UInt256 block))
            {
                await FetchAsync(hash, block, over.Token).ConfigureAwait(false);
                progressed();
            }
        }
        catch
        {
            // One that ends by an error ends all: the node stops, or it was given up.
            await over.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private bool TryTake(out Bytes32 hash, out UInt256 block)
    {
        lock (_gate)
        {
            while (!_full && _wanted.Count != 0)
            {
                (hash, block) = _wanted[^1];
                _wanted.RemoveAt(_wanted.Count - 1);
                if (!_store.ContainsTxList(in hash))
                {
                    return true;
                }
            }
        }

        (hash, block) = (default, default);
        return false;
    }

    private async Task FetchAsync(Bytes32 hash, UInt256 block, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                GetRawTxListResponse answer = await handle.RequestTxListAsync(hash, block, options.Attempts, options.Peer, cancellationToken).ConfigureAwait(false);
                Take(answer, hash, block);
                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                lock (_gate)
                {
                    _wanted.Add((hash, block));
                }

                throw;
            }
            catch (NetworkException error) when (handle.IsRunning)
            {
                if (!Turns.IsOwnLimit(error.Kind) || !HasAnyoneToAsk())
                {
                    Miss(hash, block, MissingReason.RequestsFailed, error.Message);
                    return;
                }
            }

            await Turns.PauseAsync(handle, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool HasAnyoneToAsk() => handle.PeerEntries.Any(peer => !double.IsInfinity(handle.CostOf(peer, RequestProtocol.TxList, UInt256.Zero)));

    private void Take(GetRawTxListResponse answer, Bytes32 hash, UInt256 block)
    {
        if (!answer.IsFound)
        {
            Miss(hash, block, MissingReason.NobodyHas, null);
            return;
        }

        lock (_gate)
        {
            if (_store.ContainsTxList(in hash))
            {
                Fetched++;
            }
            else
            {
                // What is left is of lower blocks still.
                _full = true;
                Miss(hash, block, MissingReason.NotKept, null);
            }
        }
    }

    private void Miss(Bytes32 hash, UInt256 block, MissingReason reason, string? detail)
    {
        lock (_gate)
        {
            // Requests in flight at once end in any order.
            _missingCount++;
            int place = _missing.Count;
            while (place != 0 && _missing[place - 1].BlockNumber < block)
            {
                place--;
            }

            _missing.Insert(place, new MissingTxList(hash, block, reason, detail));
            if (_missing.Count > CatchUpResult.MaxListed)
            {
                _missing.RemoveAt(CatchUpResult.MaxListed);
            }
        }
    }
}
