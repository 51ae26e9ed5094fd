using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Preconf.Native.Network;

/// <summary>
/// One reader of a stream of events, with a ring of its own, bounded in events and in the bytes they keep alive. When it falls behind by more
/// it loses the oldest, counted in <see cref="Dropped"/>, and reads in their place one event that says how many: for a node's events
/// <see cref="NetworkEventKind.EventsDropped"/>. Waiting and reading allocate nothing. One consumer at a time; dispose from any thread.
/// </summary>
/// <typeparam name="T">The events' type.</typeparam>
public sealed class EventReader<T> : IValueTaskSource<bool>, IDisposable
    where T : struct
{
    private const int FirstCapacity = 16;

    private readonly BroadcastBuffer<T> _source;
    private readonly Lock _gate = new();
    private readonly int _capacity;
    private readonly long _maxBytes;
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _registration;
    private T[] _ring = [];
    private int _head;
    private int _count;
    private long _bytes;
    private long _dropped;
    private long _taken;
    private bool _waiting;
    private bool _completed;
    private Exception? _error;

    internal EventReader(BroadcastBuffer<T> source, int capacity, long maxBytes)
    {
        _source = source;
        _capacity = capacity;
        _maxBytes = maxBytes;
    }

    /// <summary>Events lost so far because this reader was too slow.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Events waiting to be read.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    /// <summary>Bytes of txlists and the like that the waiting events keep alive.</summary>
    public long Bytes
    {
        get
        {
            lock (_gate)
            {
                return _bytes;
            }
        }
    }

    /// <summary>Events lost since the last call of this method, or the last event read that told of lost ones.</summary>
    /// <returns>How many; 0 when none.</returns>
    public long TakeDropped()
    {
        lock (_gate)
        {
            long since = _dropped - _taken;
            _taken = _dropped;
            return since;
        }
    }

    /// <summary>Takes the next event, if there is one. Where events were lost, the next one says how many.</summary>
    /// <param name="value">The event.</param>
    /// <returns>False when none waits.</returns>
    public bool TryRead(out T value)
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                value = default;
                return false;
            }

            long lost = _dropped - _taken;
            if (lost != 0 && _source.TryTell(lost, out value))
            {
                _taken = _dropped;
                return true;
            }

            value = _ring[_head];
            DropHead();
            return true;
        }
    }

    /// <summary>Waits until there is an event or the stream has ended.</summary>
    /// <param name="cancellationToken">Ends the wait, not the stream.</param>
    /// <returns>True: <see cref="TryRead"/> gives one. False: the stream has ended and all was read, or the reader was disposed.</returns>
    /// <exception cref="InvalidOperationException">Somebody waits on this reader already.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        lock (_gate)
        {
            if (TryAnswer(out ValueTask<bool> answer))
            {
                return answer;
            }

            if (_waiting)
            {
                throw new InvalidOperationException("this reader is being waited on already; subscribe a reader of its own for each consumer");
            }
        }

        // Registered before the wait is armed, so that whoever ends the wait finds the registration in its place.
        _registration = cancellationToken.UnsafeRegister(static (self, token) => ((EventReader<T>)self!).Cancel(token), this);
        ValueTask<bool> early;
        lock (_gate)
        {
            if (!TryAnswer(out early))
            {
                if (!cancellationToken.IsCancellationRequested)
                {
                    _core.Reset();
                    _waiting = true;
                    return new ValueTask<bool>(this, _core.Version);
                }

                early = ValueTask.FromCanceled<bool>(cancellationToken);
            }
        }

        Unregister();
        return early;
    }

    /// <summary>The events as an async stream that ends with the source.</summary>
    /// <param name="cancellationToken">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The stream.</returns>
    public async IAsyncEnumerable<T> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            while (TryRead(out T value))
            {
                yield return value;
            }
        }
    }

    /// <summary>Ends the reader: what waits is dropped, a wait ends with false.</summary>
    public void Dispose()
    {
        _source.Remove(this);
        lock (_gate)
        {
            _count = 0;
            _bytes = 0;
            _ring = [];
        }

        Complete(null);
    }

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        Unregister();
        return _core.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    internal void Enqueue(in T value, long weight)
    {
        bool wake;
        int lost = 0;
        lock (_gate)
        {
            if (_completed)
            {
                return;
            }

            while (_count != 0 && weight > _maxBytes - _bytes)
            {
                DropHead();
                lost++;
            }

            if (_count == _ring.Length && !TryGrow())
            {
                DropHead();
                lost++;
            }

            _dropped += lost;
            _bytes += weight;
            int tail = _head + _count;
            _ring[tail >= _ring.Length ? tail - _ring.Length : tail] = value;
            _count++;
            wake = _waiting;
            _waiting = false;
        }

        if (lost != 0)
        {
            _source.Count(lost);
        }

        if (wake)
        {
            Completion.Settle(ref _core, true);
        }
    }

    internal void Complete(Exception? error)
    {
        bool wake;
        lock (_gate)
        {
            if (_completed)
            {
                return;
            }

            _completed = true;
            _error = error;
            wake = _waiting;
            _waiting = false;
        }

        if (!wake)
        {
            return;
        }

        if (error is null)
        {
            Completion.Settle(ref _core, false);
        }
        else
        {
            Completion.Fail(ref _core, error);
        }
    }

    private void DropHead()
    {
        ref T slot = ref _ring[_head];
        _bytes -= _source.Weigh(in slot);

        // What the event refers to must not live on in the ring.
        slot = default;
        _head = _head + 1 == _ring.Length ? 0 : _head + 1;
        _count--;
    }

    private bool TryAnswer(out ValueTask<bool> answer)
    {
        answer = _count != 0 ? new ValueTask<bool>(true)
            : _error is not null ? ValueTask.FromException<bool>(_error)
            : new ValueTask<bool>(false);
        return _count != 0 || _completed;
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_waiting)
            {
                return;
            }

            _waiting = false;
        }

        Completion.Fail(ref _core, new OperationCanceledException(cancellationToken));
    }

    private void Unregister()
    {
        _registration.Dispose();
        _registration = default;
    }

    private bool TryGrow()
    {
        if (_ring.Length == _capacity)
        {
            return false;
        }

        T[] larger = new T[(int)Math.Min(_capacity, Math.Max(FirstCapacity, _ring.Length * 2L))];
        for (int i = 0; i < _count; i++)
        {
            larger[i] = _ring[(_head + i) % _ring.Length];
        }

        _ring = larger;
        _head = 0;
        return true;
    }
}
