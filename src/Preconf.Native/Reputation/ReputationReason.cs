using System.Net;
using Preconf.Native.Protocol;

namespace Preconf.Native.Reputation;

/// <summary>Why a peer's standing changed. What it costs: <see cref="DefaultPolicy.DeltaOf"/>.</summary>
public enum ReputationReason
{
    /// <summary>It brought gossip that was valid, new and wanted.</summary>
    Accepted,

    /// <summary>It answered a request with something valid.</summary>
    Answered,

    /// <summary>Its bytes are no message: gossip, request, answer or frame. A proven fault.</summary>
    Garbage,

    /// <summary>It brought a signature that recovers to nobody. A proven fault.</summary>
    BadSignature,

    /// <summary>It brought a commitment whose signer may not sign. A proven fault.</summary>
    WrongSigner,

    /// <summary>It brought bytes that do not hash to what was claimed or asked for. A proven fault.</summary>
    WrongHash,

    /// <summary>It brought what breaks another rule anyone can check. A proven fault.</summary>
    RuleBroken,

    /// <summary>It went on and on asking more than the rate limit allows. A proven fault.</summary>
    Flood,

    /// <summary>It was refused for asking more than the rate limit allows. No fault by itself.</summary>
    OverLimit,

    /// <summary>It did not answer in time. Nobody's fault: only the choice of peers heeds it.</summary>
    TimedOut,

    /// <summary>It refused, or the stream or connection broke. Nobody's fault: only the choice of peers heeds it.</summary>
    TransportFailed,

    /// <summary>Its score fell to the greylist threshold.</summary>
    Greylisted,

    /// <summary>Its score is above the greylist threshold again.</summary>
    GreylistLifted,

    /// <summary>Its score stayed below the ban threshold for too long.</summary>
    Banned,

    /// <summary>The host banned it.</summary>
    BannedByHost,

    /// <summary>Its ban has run out.</summary>
    BanEnded,

    /// <summary>The host lifted its ban; its score starts again from zero.</summary>
    UnbannedByHost,
}

/// <summary>One change of a peer's standing, or several alike in a row.</summary>
/// <param name="At">When, the last time.</param>
/// <param name="Reason">Why.</param>
/// <param name="Detail">Which rule or message, at most <see cref="MaxDetail"/> characters; mostly none.</param>
/// <param name="Delta">What it added to the score, all <paramref name="Count"/> together; after the caps.</param>
/// <param name="Score">The score after it.</param>
/// <param name="Count">How often in a row, at least 1.</param>
public readonly record struct ReputationEntry(DateTimeOffset At, ReputationReason Reason, string? Detail, double Delta, double Score, int Count)
{
    /// <summary>Longer details are cut.</summary>
    public const int MaxDetail = 200;
}

/// <summary>Where a peer stands, and how it came to.</summary>
/// <param name="Peer">Who.</param>
/// <param name="Score">-10 to 10, now.</param>
/// <param name="Preference">1 for a peer whose requests do not fail, towards 0 the more of them failed lately. It picks peers and nothing else.</param>
/// <param name="IsGreylisted">Out of the mesh, not asked, not answered.</param>
/// <param name="IsTrusted">Never limited, greylisted or banned.</param>
/// <param name="BannedUntil">When its ban ends; null when it is not banned.</param>
/// <param name="History">The last changes, oldest first.</param>
public sealed record PeerReputation(
    PeerId Peer, double Score, double Preference, bool IsGreylisted, bool IsTrusted, DateTimeOffset? BannedUntil, IReadOnlyList<ReputationEntry> History);

/// <summary>A ban.</summary>
/// <param name="Peer">Whose.</param>
/// <param name="Until">Its end; <see cref="DateTimeOffset.MaxValue"/> for none.</param>
/// <param name="Reason"><see cref="ReputationReason.Banned"/> or <see cref="ReputationReason.BannedByHost"/>.</param>
/// <param name="Detail">Words beyond the reason, at most <see cref="ReputationEntry.MaxDetail"/> characters.</param>
/// <param name="Network">The addresses banned with it (<see cref="BanScope"/>); null for none.</param>
public sealed record PeerBan(PeerId Peer, DateTimeOffset Until, ReputationReason Reason, string? Detail, IPNetwork? Network = null);
