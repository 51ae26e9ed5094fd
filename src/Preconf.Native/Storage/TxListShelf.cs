using System.Diagnostics.CodeAnalysis;
using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>
/// Txlists by hash, and which of them held commitments name. Two queues by age, whatever the order they were named in: those nobody names go first.
/// Not thread-safe.
/// </summary>
internal sealed class TxListShelf
{
    // From this size on a list lies where the collector neither ages nor moves it: it lives for hours, and each move is another copy of it.
    private const int StayFrom = 16 << 10;

    private readonly StoreOptions _options;
    private readonly Dictionary<Bytes32, Item> _items = [];
    private readonly Dictionary<Bytes32, int> _references = [];
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
    public StoreResult Foretell(in Bytes32 hash, int length)
    {
        if (_items.ContainsKey(hash))
        {
            return StoreResult.Duplicate;
        }

        bool tooLong = length > _options.MaxBytes || (length > _options.MaxUnreferencedBytes && !_references.ContainsKey(hash));
        return tooLong ? StoreResult.Refused : StoreResult.Added;
    }

    public StoreResult Add(in Bytes32 hash, byte[] bytes, long now)
    {
        StoreResult result = Foretell(in hash, bytes.Length);
        if (result == StoreResult.Added)
        {
            Item item = new(hash, bytes, now, _number++);
            _items.Add(hash, item);
            (_references.ContainsKey(hash) ? _referenced : _unreferenced).Add(item);
            MakeRoom();
        }

        return result;
    }

    /// <summary>A commitment that names the list is held.</summary>
    public void Reference(in Bytes32 hash)
    {
        ref int count = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_references, hash, out _);
        if (++count == 1 && _items.TryGetValue(hash, out Item? item))
        {
            _unreferenced.Remove(item);
            _referenced.Add(item);
        }
    }

    /// <summary>Such a commitment is held no longer.</summary>
    public void Dereference(in Bytes32 hash)
    {
        ref int count = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrNullRef(_references, hash);
        if (--count != 0)
        {
            return;
        }

        _references.Remove(hash);
        if (_items.TryGetValue(hash, out Item? item))
        {
            _referenced.Remove(item);
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
        _items.Remove(item.Hash);
        Evicted++;
        DroppedLists.Shared.Add(item.Data.Length);
    }

    private sealed class Item(Bytes32 hash, byte[] data, long at, long number) : IComparable<Item>
    {
        private readonly long _number = number;

        public Bytes32 Hash { get; } = hash;

        public byte[] Data { get; } = data;

        public long At { get; } = at;

        public int CompareTo(Item? other) => other is null ? 1 : (At, _number).CompareTo((other.At, other._number));
    }

    private sealed class Queue
    {
        private readonly SortedSet<Item> _byAge = [];

        public Item? First => _byAge.Min;

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
