namespace Preconf.Native.Reputation;

/// <summary>
/// The rules of scoring (protocol, section 6; lessons, Scoring): a proven fault of the sender costs 1, at most 4 in 10 s; what it brings
/// that is valid and wanted earns 0.05; scores stay within -10 and 10 and decay by half in a half-life, with time and not with events. Failures of
/// transport never touch the score: they lower a preference, which fades alike. Holds nothing of any peer.
/// </summary>
public sealed class DefaultPolicy
{
    private const double Limit = 10;
    private const double FaultCap = 4;
    private static readonly TimeSpan FaultWindow = TimeSpan.FromSeconds(10);
    private readonly ReputationOptions _options;
    private readonly TimeProvider _time;
    private readonly double _perTick;

    /// <summary>Makes the policy.</summary>
    /// <param name="options">Thresholds and times.</param>
    /// <param name="time">The clock.</param>
    public DefaultPolicy(ReputationOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        _options = options;
        _time = time;
        _perTick = -Math.Log(2) / (options.HalfLife.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>What a reason adds to a score, before the caps.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>-1 for a proven fault, 0.05 for what is accepted, else 0.</returns>
    public static double DeltaOf(ReputationReason reason) => reason switch
    {
        ReputationReason.Accepted or ReputationReason.Answered => 0.05,
        ReputationReason.Garbage or ReputationReason.BadSignature or ReputationReason.WrongSigner or ReputationReason.WrongHash
            or ReputationReason.RuleBroken or ReputationReason.Flood => -1,
        _ => 0,
    };

    /// <summary>Whether a reason lowers the preference.</summary>
    /// <param name="reason">The reason.</param>
    /// <returns>True for failures of transport.</returns>
    public static bool IsTransport(ReputationReason reason) => reason is ReputationReason.TimedOut or ReputationReason.TransportFailed;

    /// <summary>Lets a score decay until now.</summary>
    /// <param name="score">The score.</param>
    public void Decay(ref PeerScore score)
    {
        long now = _time.GetTimestamp();
        double left = now > score.At ? Math.Exp(_perTick * (now - score.At)) : 1;
        score.At = now;
        score.Value *= left;
        score.Failures *= left;
    }

    /// <summary>Applies a reason, after the decay.</summary>
    /// <param name="score">The score.</param>
    /// <param name="reason">Why.</param>
    /// <returns>What was added: nearer to zero than <see cref="DeltaOf"/> where a cap holds.</returns>
    public double Apply(ref PeerScore score, ReputationReason reason)
    {
        Decay(ref score);
        if (IsTransport(reason))
        {
            score.Failures = Math.Min(PeerScore.MaxFailures, score.Failures + 1);
        }
        else if (reason == ReputationReason.Answered)
        {
            score.Failures /= 2;
        }

        double delta = DeltaOf(reason);
        if (delta < 0)
        {
            if (score.Lost == 0 || _time.GetElapsedTime(score.WindowAt, score.At) >= FaultWindow)
            {
                score.WindowAt = score.At;
                score.Lost = 0;
            }

            delta = -Math.Min(-delta, FaultCap - score.Lost);
            score.Lost -= delta;
        }

        double before = score.Value;
        score.Value = Math.Clamp(before + delta, -Limit, Limit);
        return score.Value - before;
    }

    /// <summary>Whether a score stands at the greylist threshold.</summary>
    /// <param name="score">The score, decayed.</param>
    /// <returns>True when the peer is to be greylisted.</returns>
    public bool IsGreylisted(in PeerScore score) => score.Value <= _options.GreylistThreshold;

    /// <summary>Whether a score has stood at the ban threshold for too long. To be asked at least once per interval, for the time to be told.</summary>
    /// <param name="score">The score, decayed.</param>
    /// <returns>True when the peer is to be banned.</returns>
    public bool IsBannable(ref PeerScore score)
    {
        if (score.Value > _options.BanThreshold)
        {
            score.Below = false;
            return false;
        }

        if (!score.Below)
        {
            score.Below = true;
            score.BelowSince = score.At;
        }

        return _time.GetElapsedTime(score.BelowSince, score.At) > _options.BanAfter;
    }
}

/// <summary>The numbers <see cref="DefaultPolicy"/> keeps for a peer.</summary>
public struct PeerScore
{
    /// <summary>Failures of transport above this are not told apart.</summary>
    public const double MaxFailures = 8;

    /// <summary>The score, as of <see cref="At"/>.</summary>
    public double Value { get; set; }

    /// <summary>Failures of transport, faded, as of <see cref="At"/>.</summary>
    public double Failures { get; set; }

    /// <summary>When it was last brought up to date, in the clock's timestamps.</summary>
    public long At { get; set; }

    internal long WindowAt { get; set; }

    internal double Lost { get; set; }

    internal bool Below { get; set; }

    internal long BelowSince { get; set; }

    /// <summary>1 without failures, a quarter with one, a sixteenth with two, and so on.</summary>
    public readonly double Preference => Math.Pow(4, -Failures);
}
