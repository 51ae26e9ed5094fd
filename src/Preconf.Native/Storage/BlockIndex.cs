using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>
/// Block numbers in order, each with the slot of its served commitment: a sorted ring. Appending above and dropping at either end are
/// O(1), finding O(log n), inserting between moves the shorter side.
/// </summary>
internal sealed class BlockIndex
{
    private Entry[] _ring = new Entry[16];
    private int _start;

    /// <summary>Blocks in the index.</summary>
    public int Count { get; private set; }

    /// <summary>The entry at a position, lowest block first.</summary>
    public ref Entry this[int position] => ref _ring[(_start + position) & (_ring.Length - 1)];

    /// <summary>The position of the first block not below <paramref name="block"/>, and whether it is that block.</summary>
    public int Find(in UInt256 block, out bool found)
    {
        int low = 0;
        int high = Count;

        // Blocks mostly come in order, so the end is looked at first.
        if (high != 0 && this[high - 1].Block < block)
        {
            found = false;
            return high;
        }

        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (this[middle].Block < block)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        found = low < Count && this[low].Block == block;
        return low;
    }

    public void Insert(int position, in UInt256 block, int slot)
    {
        if (Count == _ring.Length)
        {
            Grow();
        }

        if (position < Count - position)
        {
            _start = (_start - 1) & (_ring.Length - 1);
            for (int i = 0; i < position; i++)
            {
                this[i] = this[i + 1];
            }
        }
        else
        {
            for (int i = Count; i > position; i--)
            {
                this[i] = this[i - 1];
            }
        }

        Count++;
        this[position] = new Entry(block, slot);
    }

    public void RemoveFirst()
    {
        _start = (_start + 1) & (_ring.Length - 1);
        Count--;
    }

    public void RemoveLast() => Count--;

    private void Grow()
    {
        Entry[] larger = new Entry[_ring.Length * 2];
        for (int i = 0; i < Count; i++)
        {
            larger[i] = this[i];
        }

        _ring = larger;
        _start = 0;
    }

    internal record struct Entry(UInt256 Block, int Slot);
}
