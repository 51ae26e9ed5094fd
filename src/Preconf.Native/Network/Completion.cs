using System.Threading.Tasks.Sources;

namespace Preconf.Native.Network;

/// <summary>Ends waits of the host's.</summary>
internal static class Completion
{
    /// <summary>
    /// Gives a wait its result. Who awaits under a synchronization context or a task scheduler is handed to it here and now: one that throws, as that of a
    /// window which is closed does, loses its continuation and takes neither the pump nor the process with it.
    /// </summary>
    public static void Settle<T>(ref ManualResetValueTaskSourceCore<T> core, T result)
    {
        try
        {
            core.SetResult(result);
        }
        catch (Exception) when (core.GetStatus(core.Version) == ValueTaskSourceStatus.Succeeded)
        {
        }
    }

    /// <summary>Gives a wait its error, likewise.</summary>
    public static void Fail<T>(ref ManualResetValueTaskSourceCore<T> core, Exception error)
    {
        try
        {
            core.SetException(error);
        }
        catch (Exception) when (core.GetStatus(core.Version) is ValueTaskSourceStatus.Faulted or ValueTaskSourceStatus.Canceled)
        {
        }
    }
}
