using Preconf.Native.Protocol;

namespace Preconf.Native.RateLimiting;

/// <summary>
/// The reference's request limiter, exactly (<c>upstream-values.md</c>, section 3; every step of <c>ratelimit.json</c>): per peer and
/// protocol a window begins with its first request, lets so many through, and the last of them closes it until its end; the next window
/// begins with the first request after that. For parity; <see cref="RequestRateLimiter"/> is the default. Thread-safe.
/// </summary>
public sealed class TumblingWindowLimiter : IRequestLimiter
{
    private const int IdleWindows = 4;
    private readonly Lock _gate = new();
    private readonly Dictionary<(PeerId Peer, RequestProtocol Protocol), Bucket> _buckets = [];
    private readonly List<(PeerId Peer, RequestProtocol Protocol)> _idle = [];
    private readonly int _maxRequests;
    private readonly long _window;
    private readonly TimeProvider _time;

    /// <summary>Makes a limiter.</summary>
    /// <param name="maxRequests">Requests per window; at least 1.</param>
    /// <param name="window">The window; above zero.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is not positive.</exception>
    public TumblingWindowLimiter(int maxRequests, TimeSpan window, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(time);
        _maxRequests = maxRequests;
        _window = (long)(window.TotalSeconds * time.TimestampFrequency);
        _time = time;
    }

    /// <summary>Peers and protocols kept track of: those that asked, refused or not, within the last four windows.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _buckets.Count;
            }
        }
    }

    /// <inheritdoc/>
    public TimeSpan Take(PeerId peer, RequestProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            DropIdle(now);
            if (!_buckets.TryGetValue((peer, protocol), out Bucket? bucket))
            {
                bucket = new Bucket { Until = now + _window, Left = _maxRequests };
                _buckets.Add((peer, protocol), bucket);
            }

            bucket.UsedAt = now;
            if (now >= bucket.Until)
            {
                bucket.Until = now + _window;
                bucket.Left = _maxRequests;
            }

            if (bucket.Left > 0)
            {
                bucket.Left--;
                return TimeSpan.Zero;
            }

            return _time.GetElapsedTime(now, bucket.Until);
        }
    }

    /// <inheritdoc/>
    public void Charge(PeerId peer, RequestProtocol protocol, long bytes)
    {
        // The reference counts requests alone.
    }

    private void DropIdle(long now)
    {
        foreach (((PeerId Peer, RequestProtocol Protocol) key, Bucket bucket) in _buckets)
        {
            if (now - bucket.UsedAt >= IdleWindows * _window)
            {
                _idle.Add(key);
            }
        }

        foreach ((PeerId Peer, RequestProtocol Protocol) key in _idle)
        {
            _buckets.Remove(key);
        }

        _idle.Clear();
    }

    private sealed class Bucket
    {
        public long Until { get; set; }

        public int Left { get; set; }

        public long UsedAt { get; set; }
    }
}
