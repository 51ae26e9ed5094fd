using Preconf.Native.Network;

namespace Preconf.Native.Sync;

/// <summary>This node's own limits on asking: they are nobody's failure, and pass.</summary>
internal static class Turns
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>Whether a request was never sent because of such a limit.</summary>
    public static bool IsOwnLimit(NetworkErrorKind kind) => kind is NetworkErrorKind.ReqRespRateLimited or NetworkErrorKind.ReqRespBackpressure;

    /// <summary>Waits until it may be worth trying again.</summary>
    public static Task PauseAsync(P2pHandle handle, CancellationToken cancellationToken) => Task.Delay(Pause, handle.Time, cancellationToken);
}
