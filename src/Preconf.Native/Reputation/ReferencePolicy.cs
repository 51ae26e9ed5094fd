using Preconf.Native.Protocol;

namespace Preconf.Native.Reputation;

/// <summary>
/// The reference's reputation, exactly (<c>upstream-values.md</c>, section 3; every step of <c>reputation.json</c>): a score decays only when
/// an action comes, failures of any kind cost, at most 4 per tumbling window of 10 s, and a ban has no end but an action that finds the
/// score above the threshold. For parity; <see cref="DefaultPolicy"/> says what is done instead. Thread-safe.
/// </summary>
public sealed class ReferencePolicy
{
    private const double FailureCap = 4;
    private const double Limit = 10;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Sustain = TimeSpan.FromSeconds(30);
    private static readonly double[] Deltas = [0.05, -1, 0.05, -16_384, -4_096, -25_600];

    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, Standing> _peers = [];
    private readonly double _greylist;
    private readonly double _ban;
    private readonly double _halfLife;
    private readonly int _maxPeers;
    private readonly TimeProvider _time;

    /// <summary>Makes a policy that knows nobody.</summary>
    /// <param name="greylistThreshold">At or below it a peer is greylisted.</param>
    /// <param name="banThreshold">At or below it for more than 30 s, at the actions that look, a peer is banned.</param>
    /// <param name="halfLife">In this time a score decays by half; less than 1 s counts as 1 s.</param>
    /// <param name="time">The clock; time that runs backwards counts as standing still.</param>
    /// <param name="maxPeers">Peers remembered; above it the one nearest to zero is forgotten. The reference forgets nobody. At least 1.</param>
    public ReferencePolicy(double greylistThreshold, double banThreshold, TimeSpan halfLife, TimeProvider time, int maxPeers = 4096)
    {
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPeers, 1);
        _greylist = greylistThreshold;
        _ban = banThreshold;
        _halfLife = Math.Max(1, halfLife.TotalSeconds);
        _time = time;
        _maxPeers = maxPeers;
    }

    /// <summary>What an action adds before the cap.</summary>
    /// <param name="action">The action.</param>
    /// <returns>Points.</returns>
    public static double DeltaOf(ReputationAction action) => Deltas[(int)action];

    /// <summary>Applies an action: decay, delta within the cap, clamp, sustain timer, lists; in this order.</summary>
    /// <param name="peer">Whose.</param>
    /// <param name="action">What happened.</param>
    /// <returns>Where the peer stands.</returns>
    public ReputationUpdate Apply(PeerId peer, ReputationAction action)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            Standing standing = Find(peer, now);
            (bool wasBanned, bool wasGreylisted) = (standing.Banned, standing.Greylisted);
            standing.Score *= Math.Exp(-Math.Log(2) / _halfLife * Elapsed(standing.UpdatedAt, now).TotalSeconds);
            standing.UpdatedAt = now;
            standing.Score = Math.Clamp(standing.Score + Capped(standing, Deltas[(int)action], now), -Limit, Limit);
            List(standing, now);
            return new ReputationUpdate(standing.Score, standing.Banned, standing.Greylisted, wasBanned, wasGreylisted);
        }
    }

    /// <summary>Whether a peer is banned, as its last action left it.</summary>
    /// <param name="peer">Whose.</param>
    /// <returns>True when it is.</returns>
    public bool IsBanned(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            return _peers.TryGetValue(peer, out Standing? standing) && standing.Banned;
        }
    }

    /// <summary>Forgets a peer, its ban included.</summary>
    /// <param name="peer">Whom.</param>
    public void Forget(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            _peers.Remove(peer);
        }
    }

    private static double Capped(Standing standing, double delta, long now, TimeSpan sinceStart)
    {
        if (delta >= 0)
        {
            return delta;
        }

        if (sinceStart >= Window)
        {
            standing.WindowAt = now;
            standing.Lost = 0;
        }

        double taken = Math.Min(-delta, Math.Max(0, FailureCap - standing.Lost));
        standing.Lost += taken;
        return -taken;
    }

    private double Capped(Standing standing, double delta, long now) => Capped(standing, delta, now, Elapsed(standing.WindowAt, now));

    private void List(Standing standing, long now)
    {
        standing.BelowSince = standing.Score <= _ban ? standing.BelowSince ?? now : null;
        standing.Banned = standing.BelowSince is { } since && Elapsed(since, now) > Sustain;
        standing.Greylisted = !standing.Banned && standing.Score <= _greylist;
    }

    private TimeSpan Elapsed(long from, long to) => to <= from ? TimeSpan.Zero : _time.GetElapsedTime(from, to);

    private Standing Find(PeerId peer, long now)
    {
        if (_peers.TryGetValue(peer, out Standing? standing))
        {
            return standing;
        }

        if (_peers.Count >= _maxPeers)
        {
            _peers.Remove(_peers.MinBy(known => (known.Value.Banned, Math.Abs(known.Value.Score))).Key);
        }

        standing = new Standing { UpdatedAt = now, WindowAt = now };
        _peers.Add(peer, standing);
        return standing;
    }

    private sealed class Standing
    {
        public double Score { get; set; }

        public long UpdatedAt { get; set; }

        public long WindowAt { get; set; }

        public double Lost { get; set; }

        public long? BelowSince { get; set; }

        public bool Banned { get; set; }

        public bool Greylisted { get; set; }
    }
}
