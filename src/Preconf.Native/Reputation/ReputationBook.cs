using System.Net;
using Preconf.Native.Protocol;

namespace Preconf.Native.Reputation;

/// <summary>
/// What a change of standing does to the network. Called under the book's lock, but for <see cref="BansNotKept"/>: must not wait and not call the book.
/// </summary>
public interface IReputationEffects
{
    /// <summary>The score that gossipsub is to know.</summary>
    /// <param name="peer">Whose.</param>
    /// <param name="score">The application score.</param>
    void PushScore(PeerId peer, double score);

    /// <summary>The addresses that a ban of a peer takes in.</summary>
    /// <param name="peer">Whom.</param>
    /// <param name="isInGoodStanding">Tells of another peer whether it is neither greylisted nor banned: nobody like that is cut off for its neighbour.</param>
    /// <returns>The addresses; null for none, or when nobody knows where the peer is.</returns>
    IPNetwork? NetworkOf(PeerId peer, Func<PeerId, bool> isInGoodStanding);

    /// <summary>Whether a peer that is wanted whatever happens is, or was, at some of these addresses.</summary>
    /// <param name="network">The addresses of a ban.</param>
    /// <returns>True when they may not be banned.</returns>
    bool IsSpared(IPNetwork network);

    /// <summary>A ban begins, ends, or takes in other addresses than it did.</summary>
    /// <param name="ban">Whose, and what it takes in.</param>
    /// <param name="blocked">False when it ends.</param>
    /// <returns>False when there is no room for its addresses: then it holds for the peer alone.</returns>
    bool SetBlocked(PeerBan ban, bool blocked);

    /// <summary>A change other than a reward.</summary>
    /// <param name="peer">Whose.</param>
    /// <param name="entry">What.</param>
    void Tell(PeerId peer, in ReputationEntry entry);

    /// <summary>Bans could not be kept, or not all that were kept could be read. May come from any thread.</summary>
    /// <param name="why">What failed.</param>
    void BansNotKept(string why);
}

/// <summary>
/// Where every peer stands, by peer id, so a reconnect changes nothing: scores, the greylist, bans with their ends, and the last reasons.
/// Bounded per peer and in all. Trusted peers keep a history, but nothing costs them. Thread-safe; recording a reward allocates nothing.
/// </summary>
public sealed class ReputationBook
{
    /// <summary>
    /// What a greylisted peer's score is lowered by for gossipsub: more than first deliveries can earn on both topics (weight 0.5, cap 20), so
    /// that no earlier merit there keeps it in the mesh, and below the threshold at which gossipsub ignores what it sends.
    /// </summary>
    public const double GreylistWeight = 25;

    private const double ScoreStep = 0.01;
    private const double Forgettable = 0.01;
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, Standing> _peers = [];
    private readonly Dictionary<PeerId, PeerBan> _bans = [];
    private readonly List<PeerId> _leaving = [];

    // A ban too many ends another, whose peer may be new to the table: it changes under the walk.
    private readonly List<KeyValuePair<PeerId, Standing>> _walk = [];
    private readonly HashSet<PeerId> _trusted;
    private readonly ReputationOptions _options;
    private readonly DefaultPolicy _policy;
    private readonly ReferencePolicy? _reference;
    private readonly IReputationEffects _effects;
    private readonly TimeProvider _time;
    private readonly BanKeeper? _keeper;
    private readonly Func<PeerId, bool> _isInGoodStanding;
    private readonly int _patience;
    private readonly double _patiencePerTick;
    private bool _saidFull;
    private bool _still;

    // What is to be said of the bans once the lock is free: whoever hears it may take its time.
    private string? _untold;

    /// <summary>Makes a book and applies the bans that were kept and have not ended.</summary>
    /// <param name="options">The rules.</param>
    /// <param name="trusted">Who is never limited, greylisted or banned.</param>
    /// <param name="effects">What changes do.</param>
    /// <param name="time">The clock.</param>
    /// <param name="file">Where bans are kept, opened; null for nowhere.</param>
    /// <param name="overLimitPatience">Refusals over the rate limit in <paramref name="overLimitWindow"/> that are forgiven; at least 1.</param>
    /// <param name="overLimitWindow">In this time all of them are forgotten; null for 80 s.</param>
    public ReputationBook(
        ReputationOptions options, IEnumerable<PeerId> trusted, IReputationEffects effects, TimeProvider time, BanFile? file = null,
        int overLimitPatience = 64, TimeSpan? overLimitWindow = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(effects);
        ArgumentNullException.ThrowIfNull(time);
        _options = options;
        _trusted = [.. trusted];
        _effects = effects;
        _time = time;
        _keeper = file is null ? null : new BanKeeper(file, () => Bans, effects.BansNotKept);
        _isInGoodStanding = peer => !_bans.ContainsKey(peer) && !(_peers.TryGetValue(peer, out Standing? standing) && standing.Greylisted);
        _patience = overLimitPatience;
        _patiencePerTick = overLimitPatience / ((overLimitWindow ?? TimeSpan.FromSeconds(80)).TotalSeconds * time.TimestampFrequency);
        _policy = new DefaultPolicy(options, time);
        _reference = options.Policy == ReputationPolicy.Reference
            ? new ReferencePolicy(options.GreylistThreshold, options.BanThreshold, options.HalfLife, time, options.MaxPeers)
            : null;
        if (file is not null)
        {
            List<string> losses = [];
            lock (_gate)
            {
                Load(file, losses);
            }

            losses.ForEach(effects.BansNotKept);
        }
    }

    /// <summary>
    /// Called when something came that time changes, after a <see cref="Tick"/> that found nothing more of that; from any thread, with the book locked: it
    /// must not call the book.
    /// </summary>
    public Action? Stirred { get; set; }

    /// <summary>Peers remembered.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _peers.Count;
            }
        }
    }

    /// <summary>The bans in force, in no order.</summary>
    public IReadOnlyList<PeerBan> Bans
    {
        get
        {
            lock (_gate)
            {
                return [.. _bans.Values];
            }
        }
    }

    /// <summary>Whether a peer is trusted.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>True when nothing limits it.</returns>
    public bool IsTrusted(PeerId peer) => _trusted.Contains(peer);

    /// <summary>Whether a peer is greylisted: not asked unless named, its requests refused, out of gossipsub's mesh.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>True when it is.</returns>
    public bool IsGreylisted(PeerId peer)
    {
        lock (_gate)
        {
            return _peers.TryGetValue(peer, out Standing? standing) && standing.Greylisted;
        }
    }

    /// <summary>How much a peer is to be preferred for requests.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>1 without failures lately, towards 0 with many.</returns>
    public double PreferenceOf(PeerId peer)
    {
        lock (_gate)
        {
            if (!_peers.TryGetValue(peer, out Standing? standing))
            {
                return 1;
            }

            Refresh(standing);
            return standing.Score.Preference;
        }
    }

    /// <summary>Records what a peer did or what befell it.</summary>
    /// <param name="peer">Whom.</param>
    /// <param name="reason">What; not one of the greylist's or a ban's, which the book makes itself.</param>
    /// <param name="detail">Which rule or message; cut at <see cref="ReputationEntry.MaxDetail"/> characters.</param>
    public void Report(PeerId peer, ReputationReason reason, string? detail = null)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            Judge(peer, reason, detail);
        }

        TellUntold();
    }

    /// <summary>Bans a peer.</summary>
    /// <param name="peer">Whom.</param>
    /// <param name="duration">For how long; null for <see cref="ReputationOptions.BanDuration"/>. Above zero.</param>
    /// <param name="detail">Why, for people.</param>
    /// <returns>False for a trusted peer, which is never banned.</returns>
    public bool Ban(PeerId peer, TimeSpan? duration, string? detail)
    {
        ArgumentNullException.ThrowIfNull(peer);
        TimeSpan wanted = duration ?? _options.BanDuration;
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(wanted, TimeSpan.Zero, nameof(duration));
        lock (_gate)
        {
            if (_trusted.Contains(peer))
            {
                return false;
            }

            Begin(peer, ReputationReason.BannedByHost, detail, EndAfter(wanted));
            Keep();
            return true;
        }
    }

    /// <summary>Lifts a ban; the peer's score starts again from zero.</summary>
    /// <param name="peer">Whose.</param>
    /// <returns>False when it was not banned.</returns>
    public bool Unban(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            if (!End(peer, ReputationReason.UnbannedByHost))
            {
                return false;
            }

            Keep();
            return true;
        }
    }

    /// <summary>
    /// Looks at the addresses of all bans again: those where a peer is that is wanted whatever happens (<see cref="IReputationEffects.IsSpared"/>) are freed, and
    /// the bans hold for their peers alone.
    /// </summary>
    public void RecheckNetworks()
    {
        lock (_gate)
        {
            PeerBan[] spared = [.. _bans.Values.Where(ban => ban.Network is { } network && _effects.IsSpared(network))];
            foreach (PeerBan ban in spared)
            {
                Apply(ban with { Network = null });
            }

            if (spared.Length != 0)
            {
                Keep();
            }
        }
    }

    /// <summary>Waits for the file of bans.</summary>
    /// <returns>Ends when every ban and lift before the call is in the file, or could not be written, which was told.</returns>
    public Task KeptAsync() => _keeper?.KeptAsync() ?? Task.CompletedTask;

    /// <summary>Where a peer stands and why.</summary>
    /// <param name="peer">Whom.</param>
    /// <returns>Its standing; that of an unknown peer is all zero and empty.</returns>
    public PeerReputation Explain(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_gate)
        {
            DateTimeOffset? until = _bans.TryGetValue(peer, out PeerBan? ban) ? ban.Until : null;
            if (!_peers.TryGetValue(peer, out Standing? standing))
            {
                return new PeerReputation(peer, 0, 1, false, _trusted.Contains(peer), until, []);
            }

            Refresh(standing);
            return new PeerReputation(
                peer, standing.Score.Value, standing.Score.Preference, standing.Greylisted, _trusted.Contains(peer), until, standing.History.ToArray());
        }
    }

    /// <summary>What the timer does: decay, the greylist, bans that begin or end, scores for gossipsub, forgetting.</summary>
    /// <returns>Whether time changes anything more; if not, no tick is needed before <see cref="Stirred"/> is called.</returns>
    public bool Tick()
    {
        bool moves = false;
        lock (_gate)
        {
            bool changed = EndBans();
            _leaving.Clear();
            _walk.Clear();
            _walk.AddRange(_peers);
            foreach ((PeerId peer, Standing standing) in _walk)
            {
                Refresh(standing);
                if (_reference is null && !_trusted.Contains(peer))
                {
                    changed |= Judge(peer, standing);
                }

                PushScore(peer, standing);
                moves |= Moves(standing);
                if (IsForgettable(peer, standing))
                {
                    _leaving.Add(peer);
                }
            }

            foreach (PeerId peer in _leaving)
            {
                Forget(peer);
            }

            if (changed)
            {
                Keep();
            }

            moves |= _bans.Count != 0;
            _still = !moves;
        }

        TellUntold();
        return moves;
    }

    private void Judge(PeerId peer, ReputationReason reason, string? detail)
    {
        Standing standing = Find(peer);
        if (_trusted.Contains(peer) && (DefaultPolicy.DeltaOf(reason) < 0 || (_reference is not null && DefaultPolicy.DeltaOf(reason) == 0)))
        {
            Record(peer, standing, reason, detail, 0);
            return;
        }

        if (_reference is not null)
        {
            ApplyReference(peer, standing, reason, detail);
            return;
        }

        double delta = _policy.Apply(ref standing.Score, reason);
        Record(peer, standing, reason, detail, delta);
        if (delta < 0)
        {
            Settle(peer, standing);
        }
        else if (reason == ReputationReason.OverLimit && !_trusted.Contains(peer) && IsFlood(standing))
        {
            Record(peer, standing, ReputationReason.Flood, detail, _policy.Apply(ref standing.Score, ReputationReason.Flood));
            Settle(peer, standing);
        }
    }

    private void TellUntold()
    {
        if (Volatile.Read(ref _untold) is not null && Interlocked.Exchange(ref _untold, null) is { } why)
        {
            _effects.BansNotKept(why);
        }
    }

    private void Load(BanFile file, List<string> losses)
    {
        if (file.Loss is { } loss)
        {
            losses.Add(loss);
        }

        DateTimeOffset now = _time.GetUtcNow();
        PeerBan[] inForce = [.. file.Kept.Where(ban => ban.Until > now && !_trusted.Contains(ban.Peer)).OrderByDescending(Rank).DistinctBy(ban => ban.Peer)];
        foreach (PeerBan ban in inForce.Take(_options.MaxBans))
        {
            Apply(ban.Network is { } network && _effects.IsSpared(network) ? ban with { Network = null } : ban);
        }

        if (inForce.Length > _options.MaxBans)
        {
            losses.Add($"{inForce.Length - _options.MaxBans} bans are over MaxBans {_options.MaxBans} and were lifted");
        }

        if (file.Loss is not null || _bans.Count != file.Kept.Count || file.Kept.Any(ban => _bans[ban.Peer] != ban))
        {
            Keep();
        }
    }

    private void Keep() => _keeper?.Keep();

    private void ApplyReference(PeerId peer, Standing standing, ReputationReason reason, string? detail)
    {
        ReputationAction action = reason switch
        {
            ReputationReason.Accepted => ReputationAction.GossipValid,
            ReputationReason.Answered => ReputationAction.ReqRespSuccess,
            ReputationReason.OverLimit => ReputationAction.Timeout,
            ReputationReason.TimedOut or ReputationReason.TransportFailed => ReputationAction.ReqRespError,
            _ => ReputationAction.GossipInvalid,
        };
        double before = standing.Score.Value;
        ReputationUpdate update = _reference!.Apply(peer, action);
        standing.Score.Value = update.Score;
        Record(peer, standing, reason, detail, update.Score - before);
        SetGreylisted(peer, standing, update.IsGreylisted && !_trusted.Contains(peer));
        if (update.IsBanned && !_bans.ContainsKey(peer) && !_trusted.Contains(peer))
        {
            if (Begin(peer, ReputationReason.Banned, detail, DateTimeOffset.MaxValue))
            {
                Keep();
            }
        }
        else if (!update.IsBanned && update.WasBanned && End(peer, ReputationReason.BanEnded))
        {
            Keep();
        }

        PushScore(peer, standing);
    }

    private void Refresh(Standing standing)
    {
        if (_reference is null)
        {
            _policy.Decay(ref standing.Score);
        }
    }

    private void Settle(PeerId peer, Standing standing)
    {
        if (Judge(peer, standing))
        {
            Keep();
        }

        PushScore(peer, standing);
    }

    private bool Judge(PeerId peer, Standing standing)
    {
        bool greylisted = _policy.IsGreylisted(in standing.Score);
        bool again = greylisted && !standing.Greylisted && CountGreylisting(standing);
        SetGreylisted(peer, standing, greylisted);
        if (!(_policy.IsBannable(ref standing.Score) | again) || _bans.ContainsKey(peer))
        {
            return false;
        }

        return Begin(peer, ReputationReason.Banned, standing.LastFault, EndAfter(_options.BanDuration));
    }

    // What a greylisted peer sends is not even looked at, so its score rises whatever it does: who falls again and again is banned for that.
    private bool CountGreylisting(Standing standing)
    {
        standing.Greylistings = _time.GetElapsedTime(standing.GreylistedAt) < _options.BanDuration ? standing.Greylistings + 1 : 1;
        standing.GreylistedAt = _time.GetTimestamp();
        return standing.Greylistings >= _options.GreylistingsToBan;
    }

    private void SetGreylisted(PeerId peer, Standing standing, bool greylisted)
    {
        if (standing.Greylisted != greylisted)
        {
            standing.Greylisted = greylisted;
            Record(peer, standing, greylisted ? ReputationReason.Greylisted : ReputationReason.GreylistLifted, null, 0);
        }
    }

    /// <returns>False when there is no room for it: all there is has been taken by the host's bans.</returns>
    private bool Begin(PeerId peer, ReputationReason reason, string? detail, DateTimeOffset until)
    {
        if (!_bans.ContainsKey(peer) && _bans.Count >= _options.MaxBans)
        {
            PeerBan least = _bans.Values.MinBy(Rank)!;
            if (least.Reason == ReputationReason.BannedByHost && reason != ReputationReason.BannedByHost)
            {
                SayFull();
                return false;
            }

            End(least.Peer, ReputationReason.BanEnded);
        }

        // A ban that follows a ban: the peer is gone, so what is known of its addresses is what was known then.
        IPNetwork? network = _bans.TryGetValue(peer, out PeerBan? before) ? before.Network : _effects.NetworkOf(peer, _isInGoodStanding);
        Apply(new PeerBan(peer, until, reason, Cut(detail), network));
        Record(peer, Find(peer), reason, detail, 0);
        return true;
    }

    private void Apply(PeerBan ban) => _bans[ban.Peer] = _effects.SetBlocked(ban, true) ? ban : ban with { Network = null };

    private void SayFull()
    {
        if (!_saidFull)
        {
            _saidFull = true;
            _untold = $"all of MaxBans {_options.MaxBans} are the host's own; no other peer is banned until one of them ends";
        }
    }

    // The least is lifted first: the host's bans last, and of both kinds the one that ends first.
    private static (bool ByHost, DateTimeOffset Until) Rank(PeerBan ban) => (ban.Reason == ReputationReason.BannedByHost, ban.Until);

    private bool End(PeerId peer, ReputationReason reason)
    {
        if (!_bans.Remove(peer, out PeerBan? ban))
        {
            return false;
        }

        _saidFull = false;

        // Whoever comes back starts anew: else the rest of the old score would ban it again at its first tick.
        Standing standing = Find(peer);
        _reference?.Forget(peer);
        double before = standing.Score.Value;
        standing.Score = new PeerScore { At = _time.GetTimestamp() };
        standing.Greylisted = false;
        standing.OverLimit = 0;
        standing.Greylistings = 0;
        Record(peer, standing, reason, null, -before);
        _effects.SetBlocked(ban, false);
        PushScore(peer, standing);
        return true;
    }

    private bool EndBans()
    {
        DateTimeOffset now = _time.GetUtcNow();
        _leaving.Clear();
        foreach ((PeerId peer, PeerBan ban) in _bans)
        {
            if (ban.Until <= now)
            {
                _leaving.Add(peer);
            }
        }

        foreach (PeerId peer in _leaving)
        {
            End(peer, ReputationReason.BanEnded);
        }

        return _leaving.Count != 0;
    }

    private bool IsFlood(Standing standing)
    {
        long now = _time.GetTimestamp();
        standing.OverLimit = Math.Max(0, standing.OverLimit - ((now - standing.OverLimitAt) * _patiencePerTick)) + 1;
        standing.OverLimitAt = now;
        if (standing.OverLimit <= _patience)
        {
            return false;
        }

        standing.OverLimit = 0;
        return true;
    }

    private void PushScore(PeerId peer, Standing standing)
    {
        double score = standing.Score.Value - (standing.Greylisted ? GreylistWeight : 0);
        score = Math.Abs(score) < ScoreStep ? 0 : score;
        if (Math.Abs(score - standing.Pushed) >= ScoreStep || (score == 0 && standing.Pushed != 0))
        {
            standing.Pushed = score;
            _effects.PushScore(peer, score);
        }
    }

    private void Record(PeerId peer, Standing standing, ReputationReason reason, string? detail, double delta)
    {
        if (_still)
        {
            _still = false;
            Stirred?.Invoke();
        }

        ReputationEntry entry = new(_time.GetUtcNow(), reason, Cut(detail), delta, standing.Score.Value, 1);
        standing.TouchedAt = _time.GetTimestamp();
        standing.History.Add(in entry);
        if (delta < 0 && DefaultPolicy.DeltaOf(reason) < 0)
        {
            standing.LastFault = detail is null ? reason.ToString() : Cut($"{reason}: {detail}");
        }

        if (reason is not (ReputationReason.Accepted or ReputationReason.Answered or ReputationReason.OverLimit))
        {
            _effects.Tell(peer, in entry);
        }
    }

    private Standing Find(PeerId peer)
    {
        if (_peers.TryGetValue(peer, out Standing? standing))
        {
            return standing;
        }

        if (_peers.Count >= _options.MaxPeers)
        {
            Forget(_peers.MinBy(known => (_bans.ContainsKey(known.Key), Weight(known.Value), known.Value.TouchedAt)).Key);
        }

        standing = new Standing(_options.HistoryPerPeer) { Score = new PeerScore { At = _time.GetTimestamp() } };
        _peers.Add(peer, standing);
        return standing;
    }

    private void Forget(PeerId peer)
    {
        if (_peers.Remove(peer, out Standing? standing) && standing.Pushed != 0)
        {
            _effects.PushScore(peer, 0);
        }

        if (!_bans.ContainsKey(peer))
        {
            _reference?.Forget(peer);
        }
    }

    // Its history is worth keeping for a while after its score has faded: an hour.
    private bool IsForgettable(PeerId peer, Standing standing) =>
        Weight(standing) < Forgettable && !_bans.ContainsKey(peer) && _time.GetElapsedTime(standing.TouchedAt) > TimeSpan.FromHours(1);

    // What has faded counts no more; the reference's scores move with what is reported, not with time.
    private bool Moves(Standing standing) =>
        _reference is null && (Math.Abs(standing.Score.Value) >= ScoreStep || standing.Score.Failures >= Forgettable || standing.Pushed != 0);

    private static double Weight(Standing standing) => Math.Max(-standing.Score.Value, 0) + standing.Score.Failures;

    private DateTimeOffset EndAfter(TimeSpan duration)
    {
        DateTimeOffset now = _time.GetUtcNow();
        return duration >= DateTimeOffset.MaxValue - now ? DateTimeOffset.MaxValue : now + duration;
    }

    private static string? Cut(string? detail) => detail?.Length > ReputationEntry.MaxDetail ? detail[..ReputationEntry.MaxDetail] : detail;

    private sealed class Standing(int history)
    {
#pragma warning disable SA1401 // A struct that the policy changes in place.
        public PeerScore Score;
#pragma warning restore SA1401

        public ReputationHistory History { get; } = new(history);

        public bool Greylisted { get; set; }

        public int Greylistings { get; set; }

        public long GreylistedAt { get; set; }

        public double Pushed { get; set; }

        public string? LastFault { get; set; }

        public long TouchedAt { get; set; }

        public double OverLimit { get; set; }

        public long OverLimitAt { get; set; }
    }
}
