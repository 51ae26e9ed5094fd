using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.Network;

/// <summary>Judging peers: where they stand, why, and bans.</summary>
public sealed partial class P2pHandle
{
    /// <summary>The bans in force, in no order.</summary>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public IReadOnlyList<PeerBan> Bans => _node.Core.Reputation.Bans;

    /// <summary>
    /// Bans a peer: its connections are closed, none is made or taken until the ban ends or is lifted. Kept across restarts, unless
    /// <see cref="P2pConfig.EphemeralKey"/> is set: written at once, but not waited for; the log says when it could not be. With
    /// <see cref="ReputationOptions.MaxBans"/> bans in force another ends for it.
    /// </summary>
    /// <param name="peer">Whom. Need not be connected.</param>
    /// <param name="duration">For how long, above zero; null: <see cref="ReputationOptions.BanDuration"/>.</param>
    /// <param name="reason">Why, for people; cut at <see cref="ReputationEntry.MaxDetail"/> characters.</param>
    /// <returns>False for a trusted peer: it is never banned.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The duration is not above zero.</exception>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public bool Ban(PeerId peer, TimeSpan? duration = null, string? reason = null) => _node.Core.Reputation.Ban(peer, duration, reason);

    /// <summary>Lifts a ban; the peer's score starts again from zero. A block of <see cref="SetBlocked"/> stays.</summary>
    /// <param name="peer">Whose.</param>
    /// <returns>False when it was not banned.</returns>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public bool Unban(PeerId peer) => _node.Core.Reputation.Unban(peer);

    /// <summary>Where a peer stands, and the last reasons why: each penalty, failure, reward, and ban.</summary>
    /// <param name="peer">Whom. Need not be connected; an unknown one stands at zero.</param>
    /// <returns>Its standing now.</returns>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public PeerReputation Explain(PeerId peer) => _node.Core.Reputation.Explain(peer);
}
