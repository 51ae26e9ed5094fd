using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>
/// A store in memory, bounded by count, bytes and age. Adding in block order, finding and serving are O(log n) under one short lock; a
/// commitment costs no allocation once the bounds are reached.
/// </summary>
public sealed class InMemoryStore : ICommitmentStore
{
    private const int None = -1;
    private const long NewsFor = 10 * TimeSpan.TicksPerMinute;

    private readonly Lock _gate = new();
    private readonly StoreOptions _options;
    private readonly TimeProvider _time;
    private readonly BlockIndex _blocks = new();
    private readonly CommitmentSlab _slab = new();
    private readonly TxListShelf _shelf;
    private UInt256? _highestAged;
    private long _evicted;

    /// <summary>Makes an empty store.</summary>
    /// <param name="options">Its bounds; null for the defaults.</param>
    /// <param name="time">The clock of ages; null for the system's.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is below 1.</exception>
    public InMemoryStore(StoreOptions? options = null, TimeProvider? time = null)
    {
        _options = options ?? new StoreOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxCommitments, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxCommitmentsPerBlock, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxTxLists, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxBytes, 1);
        _time = time ?? TimeProvider.System;
        _shelf = new TxListShelf(_options);
    }

    /// <inheritdoc/>
    public StoreResult AddCommitment(in SignedCommitment commitment, in Bytes32 preconfirmationHash, in Address signer, StoreOrigin origin = StoreOrigin.Live)
    {
        Span<byte> ssz = stackalloc byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in commitment, ssz);
        UInt256 block = commitment.Commitment.Preconf.BlockNumber;
        UInt256 windowEnd = commitment.Commitment.Preconf.SubmissionWindowEnd;
        DateTimeOffset now = _time.GetUtcNow();
        long seconds = now.ToUnixTimeSeconds();
        CommitmentSlab.Record record = new()
        {
            Hash = preconfirmationHash,
            TxListHash = commitment.Commitment.Preconf.RawTxListHash,
            Signer = signer,
            At = now.UtcTicks,
            Since = windowEnd < (ulong)seconds ? (long)(ulong)windowEnd : seconds,
            Next = None,
            Answered = origin == StoreOrigin.Answer,
        };
        lock (_gate)
        {
            DropAged();
            int position = _blocks.Find(in block, out bool found);
            return found ? AddBeside(position, ssz, ref record) : AddBlock(position, in block, ssz, in record);
        }
    }

    /// <inheritdoc/>
    public bool TryGetCommitment(UInt256 blockNumber, out SignedCommitment commitment)
    {
        lock (_gate)
        {
            DropAged();
            int position = _blocks.Find(in blockNumber, out bool found);
            commitment = found ? Decode(_blocks[position].Slot) : default;
            return found;
        }
    }

    /// <inheritdoc/>
    public bool TryGetByHash(in Bytes32 preconfirmationHash, out StoredCommitment commitment)
    {
        lock (_gate)
        {
            DropAged();
            int slot = _slab.Find(in preconfirmationHash);
            commitment = slot == None ? default : Stored(slot);
            return slot != None;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<StoredCommitment> GetAll(UInt256 blockNumber)
    {
        lock (_gate)
        {
            DropAged();
            int position = _blocks.Find(in blockNumber, out bool found);
            List<StoredCommitment> all = [];
            for (int slot = found ? _blocks[position].Slot : None; slot != None; slot = _slab[slot].Next)
            {
                all.Add(Stored(slot));
            }

            return all;
        }
    }

    /// <inheritdoc/>
    public int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination)
    {
        int written = 0;
        lock (_gate)
        {
            DropAged();
            for (int position = _blocks.Find(in startBlock, out _); position < _blocks.Count && written < maxCount; position++)
            {
                _slab.Ssz(_blocks[position].Slot).CopyTo(destination[(written * SignedCommitmentCodec.Size)..]);
                written++;
            }
        }

        return written;
    }

    /// <inheritdoc/>
    public StoreResult AddTxList(in Bytes32 hash, ReadOnlySpan<byte> txList, StoreOrigin origin = StoreOrigin.Live)
    {
        long now = _time.GetUtcNow().UtcTicks;
        lock (_gate)
        {
            DropAged();
            StoreResult expected = _shelf.Foretell(in hash, txList.Length, origin, now);
            if (expected != StoreResult.Added)
            {
                return expected;
            }
        }

        byte[] copy = TxListShelf.Copy(txList);
        lock (_gate)
        {
            return _shelf.Add(in hash, copy, origin, now);
        }
    }

    /// <inheritdoc/>
    public bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
    {
        lock (_gate)
        {
            DropAged();
            bool held = _shelf.TryGet(in hash, out byte[]? bytes);
            txList = bytes;
            return held;
        }
    }

    /// <inheritdoc/>
    public bool ContainsTxList(in Bytes32 hash)
    {
        lock (_gate)
        {
            DropAged();
            return _shelf.Contains(in hash);
        }
    }

    /// <inheritdoc/>
    public bool IsReferenced(in Bytes32 txListHash)
    {
        lock (_gate)
        {
            DropAged();
            return _shelf.IsReferenced(in txListHash);
        }
    }

    /// <inheritdoc/>
    public bool IsHeadInMemory => true;

    /// <inheritdoc/>
    public bool TryGetHead(out PreconfHead head)
    {
        lock (_gate)
        {
            DropAged();
            if (_blocks.Count == 0)
            {
                head = default;
                return false;
            }

            Preconfirmation highest = Decode(_blocks[_blocks.Count - 1].Slot).Commitment.Preconf;
            head = new PreconfHead(highest.BlockNumber, highest.SubmissionWindowEnd);
            return true;
        }
    }

    /// <inheritdoc/>
    public StoreStats GetStats()
    {
        lock (_gate)
        {
            DropAged();
            long bytes = ((long)_slab.Count * SignedCommitmentCodec.Size) + _shelf.Bytes;
            return new StoreStats(_blocks.Count, _slab.Count, _shelf.Count, bytes, _evicted + _shelf.Evicted);
        }
    }

    private StoreResult AddBlock(int position, in UInt256 block, ReadOnlySpan<byte> ssz, in CommitmentSlab.Record record)
    {
        // With the age of its arrival it would outlive everything above it, again and again.
        if (block <= _highestAged)
        {
            return StoreResult.Refused;
        }

        if (_slab.Count >= _options.MaxCommitments)
        {
            if (position == 0 && !IsLater(in record))
            {
                return StoreResult.Refused;
            }

            position = Math.Clamp(position - DropOne(), 0, _blocks.Count);
        }

        _blocks.Insert(position, in block, _slab.Add(ssz, in record));
        Reference(in record, in block);
        return StoreResult.Added;
    }

    private StoreResult AddBeside(int position, ReadOnlySpan<byte> ssz, ref CommitmentSlab.Record record)
    {
        int served = _blocks[position].Slot;
        int values = 0;
        (int oldest, int before) = (None, None);
        for (int slot = served; slot != None; slot = _slab[slot].Next)
        {
            if (_slab.Ssz(slot).SequenceEqual(ssz))
            {
                return _slab[slot].Answered && !record.Answered ? Hear(position, slot, oldest, in record) : StoreResult.Duplicate;
            }

            values++;
            (before, oldest) = (oldest, slot);
        }

        if (values >= _options.MaxCommitmentsPerBlock)
        {
            if (record.Answered && (oldest == served || !_slab[oldest].Answered))
            {
                return StoreResult.Refused;
            }

            Unlink(position, oldest, before);
            Drop(oldest);
        }
        else if (position == 0 && _blocks.Count > 1 && _slab.Count >= _options.MaxCommitments)
        {
            // The lowest block would have to go for it, and it is of that block.
            return StoreResult.Refused;
        }

        Link(position, _slab.Add(ssz, in record), record.Answered ? _blocks[position].Slot : None);
        Reference(in record, _blocks[position].Block);
        while (_slab.Count > _options.MaxCommitments && _blocks.Count > 1)
        {
            DropOne();
        }

        return record.Answered ? StoreResult.Beside : StoreResult.Superseded;
    }

    // What was had by a request is heard live: only now it is known to be later than what was heard before. Long after, it is a replay.
    private StoreResult Hear(int position, int slot, int before, in CommitmentSlab.Record heard)
    {
        bool isNews = heard.At - _slab[slot].At <= NewsFor;
        _slab[slot].Answered = false;
        if (before == None || !isNews)
        {
            return StoreResult.Duplicate;
        }

        Unlink(position, slot, before);
        (_slab[slot].At, _slab[slot].Since) = (heard.At, heard.Since);
        Link(position, slot, None);
        return StoreResult.Superseded;
    }

    private void Link(int position, int slot, int before)
    {
        int next = before == None ? _blocks[position].Slot : _slab[before].Next;
        _slab[slot].Next = next;
        Follow(position, before, slot);

        // A block is as late as the latest of its values.
        if (next != None)
        {
            _slab[slot].Since = Math.Max(_slab[slot].Since, _slab[next].Since);
        }
    }

    private void Unlink(int position, int slot, int before) => Follow(position, before, _slab[slot].Next);

    private void Follow(int position, int before, int slot)
    {
        if (before == None)
        {
            _blocks[position].Slot = slot;
        }
        else
        {
            _slab[before].Next = slot;
        }
    }

    // The lowest block goes, but of blocks far above the chain, which one signer can make without end, the highest goes once the chain has got later.
    private int DropOne()
    {
        if (SinceAt(_blocks.Count - 1) >= SinceAt(0))
        {
            DropLowest();
            return 1;
        }

        int highest = _blocks[_blocks.Count - 1].Slot;
        _blocks.RemoveLast();
        DropValues(highest);
        return 0;
    }

    // What is heard below all that is held is old, unless what is held is of before its window: that was not the chain, then.
    private bool IsLater(in CommitmentSlab.Record record) =>
        !record.Answered && record.Since > Math.Min(SinceAt(0), SinceAt(_blocks.Count - 1));

    private long SinceAt(int position) => _slab[_blocks[position].Slot].Since;

    private void DropLowest()
    {
        int lowest = _blocks[0].Slot;
        _blocks.RemoveFirst();
        DropValues(lowest);
    }

    private void DropValues(int slot)
    {
        while (slot != None)
        {
            int next = _slab[slot].Next;
            Drop(slot);
            slot = next;
        }
    }

    private void Drop(int slot)
    {
        Bytes32 txList = _slab[slot].TxListHash;
        _slab.Remove(slot);
        _evicted++;
        if (!txList.IsZero)
        {
            _shelf.Dereference(in txList);
        }
    }

    private void Reference(in CommitmentSlab.Record record, in UInt256 block)
    {
        if (!record.TxListHash.IsZero)
        {
            _shelf.Reference(in record.TxListHash, in block, record.Answered ? StoreOrigin.Answer : StoreOrigin.Live, record.At);
        }
    }

    private void DropAged()
    {
        if (_options.MaxAge is not { } age)
        {
            return;
        }

        long limit = _time.GetUtcNow().UtcTicks - age.Ticks;
        while (_blocks.Count != 0 && _slab[_blocks[0].Slot].At < limit)
        {
            _highestAged = _blocks[0].Block;
            DropLowest();
        }

        // Where nothing is left, nothing says that this block was not far above the chain.
        if (_blocks.Count == 0)
        {
            _highestAged = null;
        }

        _shelf.DropOlderThan(limit);
    }

    private SignedCommitment Decode(int slot) => SignedCommitmentCodec.Decode(_slab.Ssz(slot));

    private StoredCommitment Stored(int slot)
    {
        ref CommitmentSlab.Record record = ref _slab[slot];
        return new StoredCommitment(Decode(slot), record.Hash, record.Signer, new DateTimeOffset(record.At, TimeSpan.Zero));
    }
}
