namespace Preconf.Native.Reputation;

/// <summary>What the reference's policy tells apart (<c>upstream-values.md</c>, section 3; <c>reputation.json</c>, deltas).</summary>
public enum ReputationAction
{
    /// <summary>Gossip was valid: +0.05.</summary>
    GossipValid,

    /// <summary>Gossip was not valid: -1.</summary>
    GossipInvalid,

    /// <summary>A request of either side was answered: +0.05.</summary>
    ReqRespSuccess,

    /// <summary>A request failed in any way: -16384, which the cap per window makes -4 at most.</summary>
    ReqRespError,

    /// <summary>The peer was over its rate limit: -4096, capped likewise.</summary>
    Timeout,

    /// <summary>A dial failed: -25600, capped likewise.</summary>
    DialFailure,
}

/// <summary>Where a peer stands after an action, and where it stood before.</summary>
/// <param name="Score">The score, -10 to 10.</param>
/// <param name="IsBanned">Whether it is banned now.</param>
/// <param name="IsGreylisted">Whether it is greylisted now; never both.</param>
/// <param name="WasBanned">Whether it was banned before the action.</param>
/// <param name="WasGreylisted">Whether it was greylisted before the action.</param>
public readonly record struct ReputationUpdate(double Score, bool IsBanned, bool IsGreylisted, bool WasBanned, bool WasGreylisted);
