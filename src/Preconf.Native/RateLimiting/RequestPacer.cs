using Preconf.Native.Protocol;

namespace Preconf.Native.RateLimiting;

/// <summary>
/// Paces what this node asks of a peer so that a peer which counts fairly never refuses: a request's place is free again one window and a
/// hundredth (at least 20 ms more, for timers that fire early) after its answer, so the peer, which saw it before that, never counts more than the limit in any span of a window, whether it keeps a
/// tumbling window (the reference), a sliding one or a token bucket. Bytes of answers are counted too: above their limit the next request
/// waits for longer. Kept by peer id, so a reconnect does not reset it. Thread-safe.
/// </summary>
public sealed class RequestPacer
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    // Timers keep a coarser time than clocks and fire up to a tick of it early; a place must not be free before its window is over.
    private static readonly TimeSpan TimerTick = TimeSpan.FromMilliseconds(20);
    private readonly Lock _gate = new();
    private readonly Dictionary<(PeerId Peer, RequestProtocol Protocol), Lane> _lanes = [];
    private readonly int _maxRequests;
    private readonly TimeSpan _window;
    private readonly TimeProvider _time;
    private readonly long _maxBytes;

    /// <summary>Makes a pacer.</summary>
    /// <param name="maxRequests">Requests per window; at least 1.</param>
    /// <param name="window">The window; above zero.</param>
    /// <param name="time">The clock.</param>
    /// <param name="maxBytes">Bytes of answers per window; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is not positive.</exception>
    public RequestPacer(int maxRequests, TimeSpan window, TimeProvider time, long maxBytes = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRequests, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(time);
        _maxRequests = maxRequests;
        _window = window + TimeSpan.FromTicks(Math.Max(TimerTick.Ticks, window.Ticks / 100));
        _time = time;
        _maxBytes = maxBytes;
    }

    /// <summary>Peers and protocols with places taken at the moment.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _lanes.Count;
            }
        }
    }

    /// <summary>Whether a request would have to wait for a place.</summary>
    /// <param name="peer">Whom to ask.</param>
    /// <param name="protocol">What.</param>
    /// <returns>True when no place is free.</returns>
    public bool IsFull(PeerId peer, RequestProtocol protocol)
    {
        lock (_gate)
        {
            return _lanes.TryGetValue((peer, protocol), out Lane? lane) && lane.Places.CurrentCount == 0;
        }
    }

    /// <summary>Waits for a place, in the order of the calls.</summary>
    /// <param name="peer">Whom to ask.</param>
    /// <param name="protocol">What.</param>
    /// <param name="cancellationToken">Gives up; no place is taken then.</param>
    /// <returns>The place; dispose it when the answer is there, or the request has failed.</returns>
    public async ValueTask<Place> EnterAsync(PeerId peer, RequestProtocol protocol, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(peer);
        Lane? lane;
        lock (_gate)
        {
            if (!_lanes.TryGetValue((peer, protocol), out lane))
            {
                lane = new Lane((peer, protocol), _maxRequests, new ByteAllowance(_maxBytes, BytesPerSecond, _time));
                _lanes.Add(lane.Key, lane);
            }

            lane.Users++;
        }

        bool placed = false;
        try
        {
            await lane.Places.WaitAsync(cancellationToken).ConfigureAwait(false);
            placed = true;
            while (BytesWait(lane) is { } wait && wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            if (placed)
            {
                lane.Places.Release();
            }

            Forget(lane);
            throw;
        }

        return new Place(this, lane);
    }

    private long BytesPerSecond => (long)Math.Clamp(_maxBytes / _window.TotalSeconds, 1, long.MaxValue / 2);

    private TimeSpan BytesWait(Lane lane)
    {
        lock (_gate)
        {
            TimeSpan wait = lane.Bytes.Wait();
            return wait < LongestWait ? wait : LongestWait;
        }
    }

    private async Task LeaveAsync(Lane lane)
    {
        // Kept at least until the bytes are repaid too: a lane that goes takes its debt along.
        TimeSpan repaid = BytesWait(lane);
        await Task.Delay(repaid > _window ? repaid : _window, _time).ConfigureAwait(false);
        lane.Places.Release();
        Forget(lane);
    }

    private void Forget(Lane lane)
    {
        lock (_gate)
        {
            if (--lane.Users == 0)
            {
                _lanes.Remove(lane.Key);
                lane.Places.Dispose();
            }
        }
    }

    /// <summary>A request's place.</summary>
    public readonly struct Place : IDisposable
    {
        private readonly RequestPacer? _pacer;
        private readonly Lane? _lane;

        internal Place(RequestPacer pacer, Lane lane)
        {
            _pacer = pacer;
            _lane = lane;
        }

        /// <summary>Counts the bytes of the answer; to be called before the place is given back.</summary>
        /// <param name="bytes">How many; not negative.</param>
        public void Charge(long bytes)
        {
            if (_lane is not null)
            {
                lock (_pacer!._gate)
                {
                    _lane.Bytes.Charge(bytes);
                }
            }
        }

        /// <summary>The request has ended: one window later the place is free. To be called once; a default place does nothing.</summary>
        public void Dispose()
        {
            if (_lane is not null)
            {
                _ = _pacer!.LeaveAsync(_lane);
            }
        }
    }

    /// <summary>The places of one peer and protocol, while somebody holds or wants one.</summary>
    internal sealed class Lane((PeerId Peer, RequestProtocol Protocol) key, int places, ByteAllowance bytes)
    {
        public (PeerId Peer, RequestProtocol Protocol) Key { get; } = key;

        public SemaphoreSlim Places { get; } = new(places);

        public ByteAllowance Bytes { get; } = bytes;

        public int Users { get; set; }
    }
}
