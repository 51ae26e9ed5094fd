using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>
/// Commitments as 382-byte records in large chunks, so that thousands of them are a few objects; freed records are used again.
/// An open-addressing table finds them by preconfirmation hash.
/// </summary>
internal sealed class CommitmentSlab
{
    private const int PerChunk = 1024;
    private const int Empty = -1;

    private readonly List<byte[]> _chunks = [];
    private Record[] _records = [];
    private int[] _buckets = NewBuckets(32);
    private int _free = Empty;
    private int _used;

    /// <summary>Records in use.</summary>
    public int Count { get; private set; }

    public ref Record this[int slot] => ref _records[slot];

    /// <summary>A record's SSZ, 382 bytes.</summary>
    public Span<byte> Ssz(int slot) => _chunks[slot / PerChunk].AsSpan(slot % PerChunk * SignedCommitmentCodec.Size, SignedCommitmentCodec.Size);

    /// <summary>The record with a preconfirmation hash, or -1.</summary>
    public int Find(in Bytes32 hash)
    {
        int mask = _buckets.Length - 1;
        for (int bucket = hash.GetHashCode() & mask; _buckets[bucket] != Empty; bucket = (bucket + 1) & mask)
        {
            if (_records[_buckets[bucket]].Hash == hash)
            {
                return _buckets[bucket];
            }
        }

        return Empty;
    }

    public int Add(ReadOnlySpan<byte> ssz, in Record record)
    {
        int slot = _free;
        if (slot != Empty)
        {
            _free = _records[slot].Next;
        }
        else
        {
            slot = _used++;
            if (slot == _records.Length)
            {
                Array.Resize(ref _records, Math.Max(PerChunk, _records.Length * 2));
            }

            if (slot / PerChunk == _chunks.Count)
            {
                _chunks.Add(GC.AllocateUninitializedArray<byte>(PerChunk * SignedCommitmentCodec.Size));
            }
        }

        _records[slot] = record;
        ssz.CopyTo(Ssz(slot));
        if (++Count * 2 > _buckets.Length)
        {
            Rehash();
        }

        Index(slot);
        return slot;
    }

    public void Remove(int slot)
    {
        Unindex(slot);
        _records[slot] = new Record { Next = _free };
        _free = slot;
        Count--;
    }

    private void Index(int slot)
    {
        int mask = _buckets.Length - 1;
        int bucket = _records[slot].Hash.GetHashCode() & mask;
        while (_buckets[bucket] != Empty)
        {
            bucket = (bucket + 1) & mask;
        }

        _buckets[bucket] = slot;
    }

    // Linear probing has no tombstones: what follows the gap and may not be found past it moves into it.
    private void Unindex(int slot)
    {
        int mask = _buckets.Length - 1;
        int gap = _records[slot].Hash.GetHashCode() & mask;
        while (_buckets[gap] != slot)
        {
            gap = (gap + 1) & mask;
        }

        for (int next = (gap + 1) & mask; _buckets[next] != Empty; next = (next + 1) & mask)
        {
            int home = _records[_buckets[next]].Hash.GetHashCode() & mask;
            if (((next - home) & mask) >= ((next - gap) & mask))
            {
                _buckets[gap] = _buckets[next];
                gap = next;
            }
        }

        _buckets[gap] = Empty;
    }

    private void Rehash()
    {
        int[] old = _buckets;
        _buckets = NewBuckets(old.Length * 2);
        foreach (int slot in old)
        {
            if (slot != Empty)
            {
                Index(slot);
            }
        }
    }

    private static int[] NewBuckets(int length)
    {
        int[] buckets = new int[length];
        Array.Fill(buckets, Empty);
        return buckets;
    }

    /// <summary>
    /// What is kept beside the SSZ. <see cref="Next"/> is the next value of the block, which gives way before this one, or the next free record;
    /// <see cref="Answered"/> says that it has only been had on request so far. <see cref="Since"/> is when its submission window ended, in seconds since 1970, or
    /// when it came, if that was before.
    /// </summary>
    internal record struct Record
    {
        public Bytes32 Hash;
        public Bytes32 TxListHash;
        public Address Signer;
        public long At;
        public long Since;
        public int Next;
        public bool Answered;
    }
}
