namespace Preconf.Native.RateLimiting;

/// <summary>A token bucket in bytes, for one peer: a burst at once, refilled at a rate. Not thread-safe: one lane owns it.</summary>
public sealed class ByteAllowance
{
    private readonly TimeProvider _time;
    private readonly double _burst;
    private readonly double _perTick;
    private double _left;
    private long _at;

    /// <summary>Makes a full bucket.</summary>
    /// <param name="burst">Bytes at once.</param>
    /// <param name="bytesPerSecond">Bytes that come back each second.</param>
    /// <param name="time">The clock.</param>
    public ByteAllowance(long burst, long bytesPerSecond, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _burst = burst;
        _left = burst;
        _perTick = bytesPerSecond / (double)time.TimestampFrequency;
        _at = time.GetTimestamp();
    }

    /// <summary>Takes bytes, all or none.</summary>
    /// <param name="bytes">How many.</param>
    /// <returns>False when fewer are left; then nothing was taken.</returns>
    public bool TryTake(long bytes)
    {
        Fill();
        if (bytes > _left)
        {
            return false;
        }

        _left -= bytes;
        return true;
    }

    /// <summary>Takes bytes, whether they are left or not.</summary>
    /// <param name="bytes">How many; not negative.</param>
    public void Charge(long bytes)
    {
        Fill();
        _left -= bytes;
    }

    /// <summary>How long until a byte is left.</summary>
    /// <returns>Zero when one is.</returns>
    public TimeSpan Wait()
    {
        Fill();
        return _left >= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(((1 - _left) / _perTick / _time.TimestampFrequency) + 0.001);
    }

    private void Fill()
    {
        long now = _time.GetTimestamp();
        _left = Math.Min(_burst, _left + ((now - _at) * _perTick));
        _at = now;
    }
}
