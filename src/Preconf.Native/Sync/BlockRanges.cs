using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Blocks from one to another, both included.</summary>
internal readonly record struct BlockRange(UInt256 First, UInt256 Last);

/// <summary>A set of block numbers, kept as ranges that neither touch nor overlap, ascending. Not thread-safe.</summary>
internal sealed class BlockRanges
{
    private readonly List<BlockRange> _ranges = [];

    /// <summary>How many ranges.</summary>
    public int Count => _ranges.Count;

    /// <summary>The ranges, ascending; not to be kept over a change.</summary>
    public IReadOnlyList<BlockRange> Ranges => _ranges;

    /// <summary>How many blocks; the largest number where that is more.</summary>
    public long Blocks
    {
        get
        {
            long sum = 0;
            foreach (BlockRange range in _ranges)
            {
                UInt256 size = range.Last - range.First;
                sum = size < (ulong)(long.MaxValue - sum) ? sum + (long)(ulong)size + 1 : long.MaxValue;
            }

            return sum;
        }
    }

    /// <summary>Puts blocks in.</summary>
    public void Add(in UInt256 first, in UInt256 last)
    {
        UInt256 touching = first.TrySubtract(UInt256.One, out UInt256 before) ? before : first;
        int from = IndexOf(in touching);
        int to = from;
        (UInt256 low, UInt256 high) = (first, last);
        UInt256 next = last.TryIncrement(out UInt256 after) ? after : last;
        while (to < _ranges.Count && _ranges[to].First <= next)
        {
            low = _ranges[to].First < low ? _ranges[to].First : low;
            high = _ranges[to].Last > high ? _ranges[to].Last : high;
            to++;
        }

        Replace(from, to, [new BlockRange(low, high)]);
    }

    /// <summary>Takes blocks out.</summary>
    public void Remove(in UInt256 first, in UInt256 last)
    {
        int from = IndexOf(in first);
        int to = from;
        List<BlockRange> left = [];
        while (to < _ranges.Count && _ranges[to].First <= last)
        {
            BlockRange range = _ranges[to++];
            if (range.First < first)
            {
                left.Add(new BlockRange(range.First, first - UInt256.One));
            }

            if (range.Last > last)
            {
                left.Add(new BlockRange(last + UInt256.One, range.Last));
            }
        }

        Replace(from, to, left);
    }

    /// <summary>Takes every block out.</summary>
    public void Clear() => _ranges.Clear();

    /// <summary>Whether a block is in.</summary>
    public bool Contains(in UInt256 block) => TryFind(in block, out _);

    /// <summary>The range a block is in.</summary>
    public bool TryFind(in UInt256 block, out BlockRange range)
    {
        int index = IndexOf(in block);
        bool found = index < _ranges.Count && _ranges[index].First <= block;
        range = found ? _ranges[index] : default;
        return found;
    }

    /// <summary>The first block in the set that is not below another.</summary>
    public UInt256? FirstFrom(in UInt256 block)
    {
        int index = IndexOf(in block);
        return index == _ranges.Count ? null : _ranges[index].First > block ? _ranges[index].First : block;
    }

    /// <summary>The last block in the set that is not above another.</summary>
    public UInt256? LastUpTo(in UInt256 block)
    {
        int index = IndexOf(in block);
        return index < _ranges.Count && _ranges[index].First <= block ? block : index == 0 ? null : _ranges[index - 1].Last;
    }

    /// <summary>The blocks of the set between two, both included.</summary>
    public List<BlockRange> Within(in UInt256 first, in UInt256 last)
    {
        List<BlockRange> within = [];
        for (int i = IndexOf(in first); i < _ranges.Count && _ranges[i].First <= last; i++)
        {
            within.Add(new BlockRange(_ranges[i].First > first ? _ranges[i].First : first, _ranges[i].Last < last ? _ranges[i].Last : last));
        }

        return within;
    }

    /// <summary>Keeps only what is in another set too.</summary>
    public void IntersectWith(BlockRanges other)
    {
        List<BlockRange> both = [.. _ranges.SelectMany(range => other.Within(range.First, range.Last))];
        _ranges.Clear();
        _ranges.AddRange(both);
    }

    private void Replace(int from, int to, List<BlockRange> by)
    {
        _ranges.RemoveRange(from, to - from);
        _ranges.InsertRange(from, by);
    }

    /// <summary>The first range that ends at a block or above.</summary>
    private int IndexOf(in UInt256 block)
    {
        (int low, int high) = (0, _ranges.Count);
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_ranges[middle].Last < block)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
