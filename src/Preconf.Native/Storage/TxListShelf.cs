using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>
/// Txlists by hash, and which of them held commitments name. Two queues by age, whatever the order they were named in: those nobody names go first.
/// One that comes late, as an answer, counts as old as the next higher block's: else the history would outlive what is above it. Not thread-safe.
/// </summary>
internal sealed class TxListShelf
{
    // From this size on a list lies where the collector neither ages nor moves it: it lives for hours, and each move is another copy of it.
    private const int StayFrom = 16 << 10;

    private readonly StoreOptions _options;
    private readonly Dictionary<Bytes32, Item> _items = [];
    private readonly Dictionary<Bytes32, Naming> _references = [];
    private readonly SortedSet<Item> _byBlock = new(Item.Lower);
    private readonly Queue _referenced = new();
    private readonly Queue _unreferenced = new();
    private long _number;

    /// <exception cref="ArgumentOutOfRangeException">The bytes of unreferenced lists are bounded by less than none, which no eviction reaches.</exception>
    public TxListShelf(StoreOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxUnreferencedBytes);
        _options = options;
    }

    public int Count => _items.Count;

    public long Bytes => _referenced.Bytes + _unreferenced.Bytes;

    public long Evicted { get; private set; }

    public bool Contains(in Bytes32 hash) => _items.ContainsKey(hash);

    public bool IsReferenced(in Bytes32 hash) => _references.ContainsKey(hash);

    public bool TryGet(in Bytes32 hash, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = _items.TryGetValue(hash, out Item? item) ? item.Data : null;
        return bytes is not null;
    }

    /// <summary>What <see cref="Add"/> is given: made before, so that nobody waits for the copy of a large list.</summary>
    public static byte[] Copy(ReadOnlySpan<byte> bytes)
    {
        byte[] copy = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: bytes.Length >= StayFrom);
        bytes.CopyTo(copy);
        return copy;
    }

    /// <summary>What would become of a list.</summary>
    public StoreResult Foretell(in Bytes32 hash, int length, StoreOrigin origin, long now)
    {
        if (_items.ContainsKey(hash))
        {
            return StoreResult.Duplicate;
        }

        bool isNamed = _references.TryGetValue(hash, out Naming naming);
        bool tooLong = length > _options.MaxBytes || (length > _options.MaxUnreferencedBytes && !isNamed);
        bool tooOld = isNamed && origin == StoreOrigin.Answer && !HasRoom(length, in naming.Block, AgeOf(in naming.Block, now));
        return tooLong || tooOld ? StoreResult.Refused : StoreResult.Added;
    }

    public StoreResult Add(in Bytes32 hash, byte[] bytes, StoreOrigin origin, long now)
    {
        StoreResult result = Foretell(in hash, bytes.Length, origin, now);
        if (result != StoreResult.Added)
        {
            return result;
        }

        bool isNamed = _references.TryGetValue(hash, out Naming naming);
        Item item = new(hash, bytes, isNamed && origin == StoreOrigin.Answer ? AgeOf(in naming.Block, now) : now, _number++) { Block = naming.Block };
        _items.Add(hash, item);
        (isNamed ? _referenced : _unreferenced).Add(item);
        _ = isNamed && _byBlock.Add(item);
        MakeRoom();
        return result;
    }

    /// <summary>A commitment that names the list is held. A higher block's makes the list as new as if it came with it.</summary>
    public void Reference(in Bytes32 hash, in UInt256 block, StoreOrigin origin, long now)
    {
        ref Naming naming = ref CollectionsMarshal.GetValueRefOrAddDefault(_references, hash, out bool wasNamed);
        naming.Count++;
        if (wasNamed && block <= naming.Block)
        {
            return;
        }

        naming.Block = block;
        if (!_items.TryGetValue(hash, out Item? item))
        {
            return;
        }

        _byBlock.Remove(item);
        (wasNamed ? _referenced : _unreferenced).Remove(item);
        item.Block = block;
        item.At = Math.Max(item.At, origin == StoreOrigin.Answer ? AgeOf(in block, now) : now);
        _referenced.Add(item);
        _byBlock.Add(item);
    }

    /// <summary>Such a commitment is held no longer.</summary>
    public void Dereference(in Bytes32 hash)
    {
        ref Naming naming = ref CollectionsMarshal.GetValueRefOrNullRef(_references, hash);
        if (--naming.Count != 0)
        {
            return;
        }

        _references.Remove(hash);
        if (_items.TryGetValue(hash, out Item? item))
        {
            _referenced.Remove(item);
            _byBlock.Remove(item);
            _unreferenced.Add(item);
            MakeRoom();
        }
    }

    /// <summary>Drops what came before <paramref name="limit"/>.</summary>
    public void DropOlderThan(long limit)
    {
        while (_unreferenced.First is { } item && item.At < limit)
        {
            Evict(_unreferenced, item);
        }

        while (_referenced.First is { } item && item.At < limit)
        {
            Evict(_referenced, item);
        }
    }

    // What is farther above than a store holds blocks is not of the chain, and says nothing.
    private long AgeOf(in UInt256 block, long now)
    {
        if (_byBlock.Max is not { } highest || highest.Block <= block)
        {
            return now;
        }

        Item at = new(default, [], 0, long.MaxValue) { Block = block };
        Item next = _byBlock.GetViewBetween(at, highest).Min!;
        return next.Block - block > (ulong)_options.MaxCommitments ? now : Math.Min(now, next.At - 1);
    }

    // Whether what goes before it, none of it of a higher block, is enough.
    private bool HasRoom(int length, in UInt256 block, long age)
    {
        long bytes = Bytes + length - _options.MaxBytes - _unreferenced.Bytes;
        long lists = _items.Count + 1 - _options.MaxTxLists - _unreferenced.Count;
        foreach (Item item in _referenced.ByAge)
        {
            if ((bytes <= 0 && lists <= 0) || item.At > age || item.Block > block)
            {
                break;
            }

            bytes -= item.Data.Length;
            lists--;
        }

        return bytes <= 0 && lists <= 0;
    }

    private void MakeRoom()
    {
        while (_unreferenced.Bytes > _options.MaxUnreferencedBytes)
        {
            Evict(_unreferenced, _unreferenced.First!);
        }

        while (Bytes > _options.MaxBytes || _items.Count > _options.MaxTxLists)
        {
            Queue queue = _unreferenced.First is null ? _referenced : _unreferenced;
            Evict(queue, queue.First!);
        }
    }

    private void Evict(Queue queue, Item item)
    {
        queue.Remove(item);
        _byBlock.Remove(item);
        _items.Remove(item.Hash);
        Evicted++;
        DroppedLists.Shared.Add(item.Data.Length);
    }

    /// <summary>How many commitments name a list, and the highest of their blocks.</summary>
    private record struct Naming
    {
        public int Count;
        public UInt256 Block;
    }

    private sealed class Item(Bytes32 hash, byte[] data, long at, long number) : IComparable<Item>
    {
        private readonly long _number = number;

        /// <summary>By block, those of one block as they came.</summary>
        public static Comparer<Item> Lower { get; } = Comparer<Item>.Create(static (left, right) => (left.Block, left._number).CompareTo((right.Block, right._number)));

        public Bytes32 Hash { get; } = hash;

        public byte[] Data { get; } = data;

        /// <summary>Its age: when it came or was named, or what it is counted as old as. Changed only while it is in no queue.</summary>
        public long At { get; set; } = at;

        /// <summary>The highest block whose commitment names it; means nothing while none does.</summary>
        public UInt256 Block { get; set; }

        public int CompareTo(Item? other) => other is null ? 1 : (At, _number).CompareTo((other.At, other._number));
    }

    private sealed class Queue
    {
        private readonly SortedSet<Item> _byAge = [];

        public Item? First => _byAge.Min;

        public IEnumerable<Item> ByAge => _byAge;

        public int Count => _byAge.Count;

        public long Bytes { get; private set; }

        public void Add(Item item)
        {
            _byAge.Add(item);
            Bytes += item.Data.Length;
        }

        public void Remove(Item item)
        {
            _byAge.Remove(item);
            Bytes -= item.Data.Length;
        }
    }
}
