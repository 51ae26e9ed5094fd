using Preconf.Native.Protocol;

namespace Preconf.Native.RateLimiting;

/// <summary>
/// What peers may ask: a token bucket per peer and protocol, <c>MaxRequests</c> at once, refilled evenly over the window. What this
/// node asks goes through <see cref="RequestPacer"/>, so that an honest pair never meets the limit.
/// </summary>
public sealed class RequestRateLimiter
{
    private const int Protocols = 3;
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, Bucket[]> _buckets = [];
    private readonly TimeProvider _time;
    private readonly double _capacity;
    private readonly double _perTick;
    private readonly long _fullAfter;
    private long _sweptAt;

    /// <summary>Makes a limiter.</summary>
    /// <param name="maxRequests">Requests at once; at least 1.</param>
    /// <param name="window">Time in which that many come back; above zero.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is not positive.</exception>
    public RequestRateLimiter(int maxRequests, TimeSpan window, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _capacity = maxRequests;
        _fullAfter = (long)(window.TotalSeconds * time.TimestampFrequency);
        _perTick = maxRequests / (double)Math.Max(1, _fullAfter);
        _sweptAt = time.GetTimestamp();
    }

    /// <summary>Takes a token, if there is one.</summary>
    /// <param name="peer">Whose bucket.</param>
    /// <param name="protocol">Which of its buckets.</param>
    /// <returns>Zero when taken; else how long until one is there.</returns>
    public TimeSpan Take(PeerId peer, RequestProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            Sweep(now);
            if (!_buckets.TryGetValue(peer, out Bucket[]? buckets))
            {
                buckets = new Bucket[Protocols];
                Array.Fill(buckets, new Bucket(_capacity, now));
                _buckets.Add(peer, buckets);
            }

            ref Bucket bucket = ref buckets[(int)protocol];
            double tokens = Math.Min(_capacity, bucket.Tokens + ((now - bucket.At) * _perTick));
            if (tokens >= 1)
            {
                bucket = new Bucket(tokens - 1, now);
                return TimeSpan.Zero;
            }

            bucket = new Bucket(tokens, now);
            return TimeSpan.FromSeconds(((1 - tokens) / _perTick / _time.TimestampFrequency) + 0.000_001);
        }
    }

    // A bucket untouched for a whole window is full again, so dropping it loses nothing and bounds the map.
    private void Sweep(long now)
    {
        if (now - _sweptAt < _fullAfter)
        {
            return;
        }

        _sweptAt = now;
        foreach ((PeerId peer, Bucket[] buckets) in _buckets)
        {
            if (buckets.All(bucket => now - bucket.At >= _fullAfter))
            {
                _buckets.Remove(peer);
            }
        }
    }

    private readonly record struct Bucket(double Tokens, long At);
}
