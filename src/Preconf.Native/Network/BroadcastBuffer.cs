namespace Preconf.Native.Network;

/// <summary>Hands each published value to every reader. Publishing never blocks and allocates nothing once a reader's ring has grown.</summary>
/// <typeparam name="T">A value type; it is copied to each reader.</typeparam>
internal sealed class BroadcastBuffer<T>
    where T : struct
{
    /// <summary>The bytes that a value keeps alive beside itself.</summary>
    public delegate long Weigher(in T value);

    private readonly Lock _gate = new();
    private readonly Weigher? _weigh;
    private readonly Func<long, T>? _lost;
    private EventReader<T>[] _readers = [];
    private bool _completed;
    private Exception? _error;
    private long _dropped;

    /// <param name="weigh">What a value weighs against a reader's bytes; null: nothing.</param>
    /// <param name="lost">Makes the value that a reader gets in place of so many it lost; null: it gets none.</param>
    public BroadcastBuffer(Weigher? weigh = null, Func<long, T>? lost = null)
    {
        _weigh = weigh;
        _lost = lost;
    }

    /// <summary>Readers at the moment.</summary>
    public int ReaderCount => Volatile.Read(ref _readers).Length;

    /// <summary>Values that readers lost, all of them together.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Adds a reader of what is published from now on.</summary>
    /// <param name="capacity">Values it may fall behind; at least 1.</param>
    /// <param name="bytes">Bytes these may keep alive; the newest value is kept whatever it weighs.</param>
    public EventReader<T> Subscribe(int capacity, long bytes = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        EventReader<T> reader = new(this, capacity, bytes);
        lock (_gate)
        {
            if (!_completed)
            {
                Volatile.Write(ref _readers, [.. _readers, reader]);
                return reader;
            }
        }

        reader.Complete(_error);
        return reader;
    }

    /// <summary>Gives a value to every reader; from any thread. Values of one thread keep their order.</summary>
    public void Publish(in T value)
    {
        EventReader<T>[] readers = Volatile.Read(ref _readers);
        if (readers.Length == 0)
        {
            return;
        }

        long weight = Weigh(in value);
        foreach (EventReader<T> reader in readers)
        {
            reader.Enqueue(in value, weight);
        }
    }

    /// <summary>Nothing follows: readers get what is left, then the end.</summary>
    /// <param name="error">What the readers end with; null: normally.</param>
    public void Complete(Exception? error = null)
    {
        EventReader<T>[] readers;
        lock (_gate)
        {
            if (_completed)
            {
                return;
            }

            _completed = true;
            _error = error;
            readers = _readers;
            Volatile.Write(ref _readers, []);
        }

        foreach (EventReader<T> reader in readers)
        {
            reader.Complete(error);
        }
    }

    internal long Weigh(in T value) => _weigh is null ? 0 : _weigh(in value);

    /// <summary>What tells a reader of its loss.</summary>
    /// <returns>False where nothing does.</returns>
    internal bool TryTell(long lost, out T value)
    {
        value = _lost is null ? default : _lost(lost);
        return _lost is not null;
    }

    internal void Count(int dropped) => Interlocked.Add(ref _dropped, dropped);

    internal void Remove(EventReader<T> reader)
    {
        lock (_gate)
        {
            Volatile.Write(ref _readers, Array.FindAll(_readers, known => known != reader));
        }
    }
}
