using Preconf.Native.Network;

namespace Preconf.Native.Sync;

/// <summary>
/// Catches up with the network (protocol, section 5): asks peers for their heads, finds the blocks that are not held, pages their commitments from
/// all peers that may have them, each validated, and fetches the txlists that are missing. What is held is never asked for, so a run goes on where
/// another ended, whatever ended it.
/// </summary>
public static class CatchUp
{
    /// <summary>
    /// Catches up once. Peers that are empty, behind, silent or lie about their head are passed over; what could not be had is told, not thrown.
    /// </summary>
    /// <param name="handle">The node.</param>
    /// <param name="options">What to fetch, and how; null for the defaults.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Gives up; what is stored stays, and the next run goes on from there.</param>
    /// <returns>What was fetched, and what is still missing and why.</returns>
    /// <exception cref="NetworkException">No peer is connected, none told its head, or the node stopped.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its bounds.</exception>
    public static Task<CatchUpResult> RunAsync(
        P2pHandle handle, CatchUpOptions? options = null, IProgress<CatchUpProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handle);
        options ??= new CatchUpOptions();
        options.Check();
        return new CatchUpRun(handle, options, progress).RunAsync(cancellationToken);
    }

    /// <summary>
    /// Keeps the node caught up: at the start, as soon as a peer is there; again when all peers were lost and one is back; when a gossiped commitment shows a
    /// gap below it, or its txlist does not come; for a new peer, while fewer than three have told their heads; and with growing pauses while requests fail. For
    /// these reasons, not for others, the fetching of txlists is broken off and begun again (<see cref="CatchUpOptions.Pause"/>). What nobody has is looked for
    /// again after <see cref="CatchUpOptions.RetryMissing"/>. Says in the log (<c>Preconf.Native.Sync</c>) what it does, a few lines a run.
    /// </summary>
    /// <param name="handle">The node, started.</param>
    /// <param name="options">What to fetch, and how; null for the defaults.</param>
    /// <param name="progress">Told how far each run is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Ends normally when the node stops or the token is cancelled.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its bounds.</exception>
    public static Task FollowAsync(
        P2pHandle handle, CatchUpOptions? options = null, IProgress<CatchUpProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handle);
        options ??= new CatchUpOptions();
        options.Check();
        return new CatchUpFollower(handle, options, progress).RunAsync(cancellationToken);
    }
}
