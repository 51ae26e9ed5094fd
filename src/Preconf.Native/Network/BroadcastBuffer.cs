namespace Preconf.Native.Network;

/// <summary>Hands each published value to every reader. Publishing never blocks and allocates nothing once a reader's ring has grown.</summary>
/// <typeparam name="T">A value type; it is copied to each reader.</typeparam>
internal sealed class BroadcastBuffer<T>
    where T : struct
{
    private readonly Lock _gate = new();
    private EventReader<T>[] _readers = [];
    private bool _completed;
    private Exception? _error;

    /// <summary>Readers at the moment.</summary>
    public int ReaderCount => Volatile.Read(ref _readers).Length;

    /// <summary>Adds a reader of what is published from now on.</summary>
    /// <param name="capacity">Values it may fall behind; at least 1.</param>
    public EventReader<T> Subscribe(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        EventReader<T> reader = new(this, capacity);
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
        foreach (EventReader<T> reader in Volatile.Read(ref _readers))
        {
            reader.Enqueue(in value);
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

    internal void Remove(EventReader<T> reader)
    {
        lock (_gate)
        {
            Volatile.Write(ref _readers, Array.FindAll(_readers, known => known != reader));
        }
    }
}
