using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>How far a catch-up is.</summary>
/// <param name="Commitments">Commitments fetched, validated and stored.</param>
/// <param name="TxLists">Txlists fetched, hashed and stored.</param>
/// <param name="NextBlock">The block the next page starts at.</param>
/// <param name="Head">The block the peer claims as its head.</param>
public readonly record struct CatchUpProgress(long Commitments, long TxLists, UInt256 NextBlock, UInt256 Head);

/// <summary>
/// Catches up with one peer (protocol, section 5): asks its head, pages commitments from the local tip on, each validated, fetches
/// the txlists they name that are not held, and ends when the peer has no more. What is held is never asked again.
/// </summary>
public static class CatchUp
{
    /// <summary>Catches up.</summary>
    /// <param name="handle">The node.</param>
    /// <param name="peer">From whom; null: the best peer for each request.</param>
    /// <param name="from">The first block wanted; null: the one after the highest held, or the first the peer has.</param>
    /// <param name="progress">Told after each page and txlist.</param>
    /// <param name="cancellationToken">Gives up; what is stored stays, and the next run goes on from there.</param>
    /// <returns>What was fetched.</returns>
    /// <exception cref="NetworkException">A request failed or an answer was not valid.</exception>
    public static async Task<CatchUpProgress> RunAsync(
        P2pHandle handle, PeerId? peer = null, UInt256? from = null, IProgress<CatchUpProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ICommitmentStore store = handle.Store;
        UInt256 next = from ?? NextAfter(store);
        PreconfHead head = await handle.RequestHeadAsync(peer, cancellationToken).ConfigureAwait(false);
        CatchUpProgress state = new(0, 0, next, head.BlockNumber);
        while (state.NextBlock <= state.Head)
        {
            GetCommitmentsByNumberResponse page = await handle
                .RequestCommitmentsAsync(state.NextBlock, PreconfLimits.MaxCommitmentsPerResponse, peer, cancellationToken).ConfigureAwait(false);
            if (page.Commitments.Count == 0)
            {
                break;
            }

            UInt256 last = page.Commitments[^1].Commitment.Preconf.BlockNumber;
            state = state with { Commitments = state.Commitments + page.Commitments.Count, NextBlock = last.TryIncrement(out UInt256 after) ? after : last };
            progress?.Report(state);
            foreach (SignedCommitment commitment in page.Commitments)
            {
                if (await FetchTxListAsync(handle, store, commitment, peer, cancellationToken).ConfigureAwait(false))
                {
                    state = state with { TxLists = state.TxLists + 1 };
                    progress?.Report(state);
                }
            }

            if (last == UInt256.MaxValue)
            {
                break;
            }
        }

        return state;
    }

    private static async Task<bool> FetchTxListAsync(
        P2pHandle handle, ICommitmentStore store, SignedCommitment commitment, PeerId? peer, CancellationToken cancellationToken)
    {
        Bytes32 hash = commitment.Commitment.Preconf.RawTxListHash;
        if (hash.IsZero || store.ContainsTxList(in hash))
        {
            return false;
        }

        GetRawTxListResponse response = await handle.RequestTxListAsync(hash, peer, cancellationToken).ConfigureAwait(false);
        return !response.TxList.IsEmpty;
    }

    private static UInt256 NextAfter(ICommitmentStore store) =>
        store.TryGetHead(out PreconfHead held) && held.BlockNumber.TryIncrement(out UInt256 next) ? next : UInt256.Zero;
}
