using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace Preconf.Native.Network;

/// <summary>
/// Operations in flight, each named by a token that the native part gives back when it ends. Slots and their value-task
/// sources are reused, so an operation costs no allocation in steady state; a token carries a generation, so an answer
/// that comes after its operation was cancelled finds nobody. Where results are told (<see cref="Completed"/>), that of a cancelled operation is told
/// too, and its slot is kept until then.
/// </summary>
/// <typeparam name="TContext">What the operation carries along, in its slot.</typeparam>
/// <typeparam name="T">The operation's result.</typeparam>
internal sealed class PendingTable<TContext, T>
    where TContext : struct
{
    /// <summary>Told of a result before the waiter is, also when nobody waits any more.</summary>
    /// <returns>The result that the waiter gets.</returns>
    public delegate T Completed(in TContext context, T result);

    private const int FirstSlots = 16;

    private readonly Lock _gate = new();
    private readonly int _limit;
    private readonly Completed? _completed;
    private Operation?[] _slots = [];
    private Operation? _free;
    private int _made;
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
    /// <param name="cancellation">Ends the wait.</param>
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
                if (_made >= _limit)
                {
                    return false;
                }

                operation = Make();
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
    /// <returns>False when it has ended already, or was cancelled and nobody is told.</returns>
    public bool TryComplete(ulong token, T result) => Find(token)?.TryEnd(token, result, null) ?? false;

    /// <summary>Ends an operation with an error.</summary>
    /// <returns>As <see cref="TryComplete"/>.</returns>
    public bool TryFail(ulong token, Exception error) => Find(token)?.TryEnd(token, default!, error) ?? false;

    /// <summary>Fails everything in flight and whatever would follow.</summary>
    public void Close(Exception error)
    {
        Operation?[] slots;
        lock (_gate)
        {
            _closed ??= error;
            slots = _slots;
        }

        foreach (Operation? slot in slots)
        {
            slot?.Abort(error);
        }
    }

    private Operation Make()
    {
        if (_made == _slots.Length)
        {
            Operation?[] larger = new Operation?[(int)Math.Min(_limit, Math.Max(FirstSlots, _slots.Length * 2L))];
            _slots.CopyTo(larger, 0);
            Volatile.Write(ref _slots, larger);
        }

        Operation made = new(this, (uint)_made);
        Volatile.Write(ref _slots[_made++], made);
        return made;
    }

    private Operation? Find(ulong token)
    {
        Operation?[] slots = Volatile.Read(ref _slots);
        uint index = (uint)token;
        return index < (uint)slots.Length ? Volatile.Read(ref slots[index]) : null;
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
        // The state: a generation, and what has not ended yet. Each end clears its bit; the slot is free when all are clear.
        private const int GenerationShift = 8;
        private const ulong Waiting = 1;
        private const ulong Unanswered = 2;
        private const ulong Unread = 4;
        private const ulong Telling = 8;

        private readonly PendingTable<TContext, T> _table;
        private readonly uint _index;
        private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _registration;
        private ulong _state;
        private TContext _context;

        internal Operation(PendingTable<TContext, T> table, uint index)
        {
            _table = table;
            _index = index;
        }

        internal Operation? Next { get; set; }

        /// <summary>Names the operation to the native part.</summary>
        public ulong Token => ((Volatile.Read(ref _state) >> GenerationShift) << 32) | _index;

        /// <summary>What it carries along; to be set before it is handed over.</summary>
        public ref TContext Context => ref _context;

        /// <summary>The wait for its end.</summary>
        public ValueTask<T> Task => new(this, _core.Version);

        /// <summary>Ends it here, because it was never handed over.</summary>
        public void Fail(Exception error) => TryEnd(Token, default!, error);

        internal void Begin(CancellationToken cancellation)
        {
            _core.Reset();
            ulong generation = ((Volatile.Read(ref _state) >> GenerationShift) + 1) & 0xffff_ffff;
            Volatile.Write(ref _state, (generation << GenerationShift) | Unread | Waiting | (_table._completed is null ? 0 : Unanswered));
            _registration = cancellation.UnsafeRegister(
                static (self, token) => ((Operation)self!).Abort(new OperationCanceledException(token)), this);
        }

        internal bool TryEnd(ulong token, T result, Exception? error)
        {
            ulong awaited = _table._completed is null ? Waiting : Unanswered;
            ulong before;
            do
            {
                before = Volatile.Read(ref _state);
                if (before >> GenerationShift != token >> 32 || (before & awaited) == 0)
                {
                    return false;
                }
            }
            while (Interlocked.CompareExchange(ref _state, (before & ~(Waiting | Unanswered)) | Telling, before) != before);

            if (error is null && _table._completed is { } completed)
            {
                result = completed(in _context, result);
            }

            // Before the slot may be free: the waiter's reading of it is one of its ends.
            if ((before & Waiting) != 0)
            {
                Settle(result, error);
            }

            Clear(Telling);
            return true;
        }

        internal void Abort(Exception error)
        {
            ulong before;
            do
            {
                before = Volatile.Read(ref _state);
                if ((before & Waiting) == 0)
                {
                    return;
                }
            }
            while (Interlocked.CompareExchange(ref _state, before & ~Waiting, before) != before);
            Settle(default!, error);
        }

        private void Settle(T result, Exception? error)
        {
            if (error is null)
            {
                Completion.Settle(ref _core, result);
            }
            else
            {
                Completion.Fail(ref _core, error);
            }
        }

        private void Clear(ulong bit)
        {
            if ((Interlocked.And(ref _state, ~bit) & ~bit & 0xff) == 0)
            {
                _context = default;
                _table.Return(this);
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
                Clear(Unread);
            }
        }

        ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
