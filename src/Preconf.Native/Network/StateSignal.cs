namespace Preconf.Native.Network;

/// <summary>Wakes those who wait for some state to change; costs nothing while nobody does.</summary>
internal sealed class StateSignal
{
    private TaskCompletionSource? _waiter;

    /// <summary>Says that the state has changed.</summary>
    public void Pulse() => Interlocked.Exchange(ref _waiter, null)?.TrySetResult();

    /// <summary>Waits until <paramref name="read"/> gives something.</summary>
    /// <exception cref="TimeoutException">It did not in time.</exception>
    public async Task<T> WaitAsync<T>(Func<T?> read, TimeSpan? timeout, TimeProvider time, CancellationToken cancellationToken)
        where T : class
    {
        using CancellationTokenSource deadline = timeout is { } limit ? new CancellationTokenSource(limit, time) : new CancellationTokenSource();
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        while (true)
        {
            // The waiter is there before the state is read, so no change is missed.
            Task changed = Waiter();
            if (read() is { } value)
            {
                return value;
            }

            try
            {
                await changed.WaitAsync(both.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException();
            }
            catch (OperationCanceledException)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }
    }

    private Task Waiter()
    {
        TaskCompletionSource? existing = Volatile.Read(ref _waiter);
        while (existing is null)
        {
            TaskCompletionSource made = new(TaskCreationOptions.RunContinuationsAsynchronously);
            existing = Interlocked.CompareExchange(ref _waiter, made, null) ?? made;
        }

        return existing.Task;
    }
}
