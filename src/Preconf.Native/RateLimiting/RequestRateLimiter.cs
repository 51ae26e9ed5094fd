using Preconf.Native.Protocol;

namespace Preconf.Native.RateLimiting;

/// <summary>
/// What peers may ask: two token buckets per peer and protocol, requests and bytes answered, each full at once and refilled evenly over
/// the window. What this node asks goes through <see cref="RequestPacer"/>, so that an honest pair never meets the limit. Thread-safe.
/// </summary>
public sealed class RequestRateLimiter : IRequestLimiter
{
    private const int Protocols = 3;
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, Bucket[]> _buckets = [];
    private readonly TimeProvider _time;
    private readonly double _capacity;
    private readonly double _perTick;
    private readonly double _maxBytes;
    private readonly double _bytesPerTick;
    private readonly long _fullAfter;
    private long _sweptAt;

    /// <summary>Makes a limiter.</summary>
    /// <param name="maxRequests">Requests at once; at least 1.</param>
    /// <param name="window">Time in which that many come back; above zero.</param>
    /// <param name="time">The clock.</param>
    /// <param name="maxBytes">Bytes of answers per window; at least 1. A request goes through while any are left, however long its answer.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is not positive.</exception>
    public RequestRateLimiter(int maxRequests, TimeSpan window, TimeProvider time, long maxBytes = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _capacity = maxRequests;
        _fullAfter = (long)(window.TotalSeconds * time.TimestampFrequency);
        _perTick = maxRequests / (double)Math.Max(1, _fullAfter);
        _maxBytes = maxBytes;
        _bytesPerTick = maxBytes / (double)Math.Max(1, _fullAfter);
        _sweptAt = time.GetTimestamp();
    }

    /// <inheritdoc/>
    public TimeSpan Take(PeerId peer, RequestProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            ref Bucket bucket = ref Filled(peer, protocol);
            if (bucket.Tokens >= 1 && bucket.Bytes > 0)
            {
                bucket = bucket with { Tokens = bucket.Tokens - 1 };
                return TimeSpan.Zero;
            }

            double ticks = Math.Max((1 - bucket.Tokens) / _perTick, (1 - bucket.Bytes) / _bytesPerTick);
            return TimeSpan.FromSeconds((ticks / _time.TimestampFrequency) + 0.000_001);
        }
    }

    /// <inheritdoc/>
    public void Charge(PeerId peer, RequestProtocol protocol, long bytes)
    {
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        lock (_gate)
        {
            ref Bucket bucket = ref Filled(peer, protocol);
            bucket = bucket with { Bytes = bucket.Bytes - bytes };
        }
    }

    private ref Bucket Filled(PeerId peer, RequestProtocol protocol)
    {
        long now = _time.GetTimestamp();
        Sweep(now);
        if (!_buckets.TryGetValue(peer, out Bucket[]? buckets))
        {
            buckets = new Bucket[Protocols];
            Array.Fill(buckets, new Bucket(_capacity, _maxBytes, now));
            _buckets.Add(peer, buckets);
        }

        ref Bucket bucket = ref buckets[(int)protocol];
        long since = now - bucket.At;
        bucket = new Bucket(
            Math.Min(_capacity, bucket.Tokens + (since * _perTick)), Math.Min(_maxBytes, bucket.Bytes + (since * _bytesPerTick)), now);
        return ref bucket;
    }

    // A bucket that would be full again tells nothing, so dropping it loses nothing and bounds the map.
    private void Sweep(long now)
    {
        if (now - _sweptAt < _fullAfter)
        {
            return;
        }

        _sweptAt = now;
        foreach ((PeerId peer, Bucket[] buckets) in _buckets)
        {
            if (buckets.All(bucket => now - bucket.At >= _fullAfter && bucket.Bytes + ((now - bucket.At) * _bytesPerTick) >= _maxBytes))
            {
                _buckets.Remove(peer);
            }
        }
    }

    private readonly record struct Bucket(double Tokens, double Bytes, long At);
}
