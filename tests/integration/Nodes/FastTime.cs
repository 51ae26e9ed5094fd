namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>A clock that runs faster than the machine's, timers included: hours of a node's waiting in seconds of a test.</summary>
public sealed class FastTime(int factor) : TimeProvider
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);
    private readonly long _startedAt = System.GetTimestamp();
    private readonly DateTimeOffset _began = System.GetUtcNow();

    public override long TimestampFrequency => System.TimestampFrequency;

    public override long GetTimestamp() => _startedAt + ((System.GetTimestamp() - _startedAt) * factor);

    public override DateTimeOffset GetUtcNow() => _began + (System.GetElapsedTime(_startedAt) * factor);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new FastTimer(System.CreateTimer(callback, state, Faster(dueTime), Faster(period)), this);

    // The machine's timers fire up to a tick early, which would be so many ticks here.
    private TimeSpan Faster(TimeSpan time) => time <= TimeSpan.Zero ? time : (time / factor) + Tick;

    private sealed class FastTimer(ITimer inner, FastTime time) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(time.Faster(dueTime), time.Faster(period));

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
