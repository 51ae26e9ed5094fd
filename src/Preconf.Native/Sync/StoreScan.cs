using System.Buffers;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Reads a store's commitments in pages, so that a long history is never in memory at once.</summary>
internal static class StoreScan
{
    private const int Page = 256;

    /// <summary>The lowest block held; null for none.</summary>
    public static UInt256? Lowest(ICommitmentStore store)
    {
        UInt256? lowest = null;
        Read(store, UInt256.Zero, 1, (in SignedCommitment commitment) => lowest = commitment.Commitment.Preconf.BlockNumber);
        return lowest;
    }

    /// <summary>Takes the blocks held between two, both included, out of a set.</summary>
    public static void RemoveHeld(ICommitmentStore store, BlockRanges wanted, UInt256 first, UInt256 last)
    {
        BlockRange? run = null;
        ForEach(store, first, last, (in SignedCommitment commitment) =>
        {
            UInt256 block = commitment.Commitment.Preconf.BlockNumber;
            if (run is { } open && open.Last.TryIncrement(out UInt256 next) && next == block)
            {
                run = open with { Last = block };
                return;
            }

            Close();
            run = new BlockRange(block, block);
        });
        Close();

        void Close()
        {
            if (run is { } done)
            {
                wanted.Remove(done.First, done.Last);
            }
        }
    }

    /// <summary>Looks at the commitments held between two blocks, both included, ascending.</summary>
    public static void ForEach(ICommitmentStore store, UInt256 first, UInt256 last, Look look)
    {
        UInt256 next = first;
        bool more = true;
        while (more && next <= last)
        {
            UInt256 start = next;
            int read = Read(store, start, Page, (in SignedCommitment commitment) =>
            {
                UInt256 block = commitment.Commitment.Preconf.BlockNumber;
                more = block.TryIncrement(out next);
                if (block <= last)
                {
                    look(in commitment);
                }
            });
            more &= read == Page;
        }
    }

    private static int Read(ICommitmentStore store, UInt256 start, int count, Look look)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(count * SignedCommitmentCodec.Size);
        try
        {
            int read = store.GetCommitments(start, count, buffer);
            for (int i = 0; i < read; i++)
            {
                SignedCommitment commitment = SignedCommitmentCodec.Decode(buffer.AsSpan(i * SignedCommitmentCodec.Size, SignedCommitmentCodec.Size));
                look(in commitment);
            }

            return read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Looks at one.</summary>
    public delegate void Look(in SignedCommitment commitment);
}
