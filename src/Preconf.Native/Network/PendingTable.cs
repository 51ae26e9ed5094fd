using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace Preconf.Native.Network;

/// <summary>
/// Operations in flight, each named by a token that the native part gives back when it ends. Slots and their value-task
/// sources are reused, so an operation costs no allocation in steady state; a token carries a generation, so an answer
/// that comes after its operation was cancelled finds nobody.
/// </summary>
/// <typeparam name="TContext">What the operation carries along, in its slot.</typeparam>
/// <typeparam name="T">The operation's result.</typeparam>
internal sealed class PendingTable<TContext, T>
    where TContext : struct
{
    /// <summary>Told of a result before the waiter is.</summary>
    public delegate void Completed(in TContext context, T result);

    private readonly Lock _gate = new();
    private readonly int _limit;
    private readonly Completed? _completed;
    private Operation[] _slots = [];
    private Operation? _free;
    private int _count;
    private Exception? _closed;

    /// <param name="limit">Operations in flight at once; at least 1.</param>
    /// <param name="completed">Called with the context of each operation that ends with a result.</param>
    public PendingTable(int limit, Completed? completed = null)
    {
        _limit = limit;
        _completed = completed;
    }

    /// <summary>Operations in flight.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a slot.</summary>
    /// <param name="cancellation">Ends the wait; whoever answers later finds nobody.</param>
    /// <param name="operation">The operation to await, or null when the table is full.</param>
    /// <returns>False when the limit is reached.</returns>
    /// <exception cref="Exception">What the table was closed with.</exception>
    public bool TryRent(CancellationToken cancellation, [NotNullWhen(true)] out Operation? operation)
    {
        cancellation.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (_closed is not null)
            {
                throw _closed;
            }

            operation = _free;
            if (operation is null)
            {
                if (_slots.Length >= _limit)
                {
                    return false;
                }

                operation = new Operation(this, (uint)_slots.Length);
                Array.Resize(ref _slots, _slots.Length + 1);
                _slots[^1] = operation;
            }
            else
            {
                _free = operation.Next;
                operation.Next = null;
            }

            _count++;
        }

        operation.Begin(cancellation);
        return true;
    }

    /// <summary>Ends an operation with its result.</summary>
    /// <returns>False when nobody waits for it (any more).</returns>
    public bool TryComplete(ulong token, T result) => Find(token)?.TryEnd(token, result, null) ?? false;

    /// <summary>Ends an operation with an error.</summary>
    /// <returns>False when nobody waits for it (any more).</returns>
    public bool TryFail(ulong token, Exception error) => Find(token)?.TryEnd(token, default!, error) ?? false;

    /// <summary>Fails everything in flight and whatever would follow.</summary>
    public void Close(Exception error)
    {
        Operation[] slots;
        lock (_gate)
        {
            _closed ??= error;
            slots = _slots;
        }

        foreach (Operation slot in slots)
        {
            slot.Abort(error);
        }
    }

    private Operation? Find(ulong token)
    {
        Operation[] slots = Volatile.Read(ref _slots);
        uint index = (uint)token;
        return index < (uint)slots.Length ? slots[index] : null;
    }

    private void Return(Operation operation)
    {
        lock (_gate)
        {
            _count--;
            operation.Next = _free;
            _free = operation;
        }
    }

    /// <summary>One operation: await <see cref="Task"/> once, exactly.</summary>
    internal sealed class Operation : IValueTaskSource<T>
    {
        private readonly PendingTable<TContext, T> _table;
        private readonly uint _index;
        private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _registration;

        // Generation in the upper bits, 1 in the lowest while somebody waits: one compare-and-swap decides who ends it.
        private ulong _state;
        private TContext _context;

        internal Operation(PendingTable<TContext, T> table, uint index)
        {
            _table = table;
            _index = index;
        }

        internal Operation? Next { get; set; }

        /// <summary>Names the operation to the native part.</summary>
        public ulong Token => ((Volatile.Read(ref _state) >> 1) << 32) | _index;

        /// <summary>What it carries along; to be set before it is handed over.</summary>
        public ref TContext Context => ref _context;

        /// <summary>The wait for its end.</summary>
        public ValueTask<T> Task => new(this, _core.Version);

        /// <summary>Ends it here, because it was never handed over.</summary>
        public void Fail(Exception error) => TryEnd(Token, default!, error);

        internal void Begin(CancellationToken cancellation)
        {
            _core.Reset();
            ulong generation = ((Volatile.Read(ref _state) >> 1) + 1) & 0xffff_ffff;
            Volatile.Write(ref _state, (generation << 1) | 1);
            _registration = cancellation.UnsafeRegister(
                static (self, token) => ((Operation)self!).Abort(new OperationCanceledException(token)), this);
        }

        internal bool TryEnd(ulong token, T result, Exception? error)
        {
            ulong waiting = ((token >> 32) << 1) | 1;
            if (Interlocked.CompareExchange(ref _state, waiting & ~1UL, waiting) != waiting)
            {
                return false;
            }

            if (error is null)
            {
                _table._completed?.Invoke(in _context, result);
                _core.SetResult(result);
            }
            else
            {
                _core.SetException(error);
            }

            return true;
        }

        internal void Abort(Exception error)
        {
            ulong state = Volatile.Read(ref _state);
            if ((state & 1) != 0)
            {
                TryEnd((state >> 1) << 32, default!, error);
            }
        }

        T IValueTaskSource<T>.GetResult(short token)
        {
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                _registration.Dispose();
                _registration = default;
                _context = default;
                _table.Return(this);
            }
        }

        ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
