using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>Processor time, wake-ups and memory of this process.</summary>
public sealed class ProcessMeter
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly TimeSpan _cpu = Cpu();
    private readonly long _switches = Switches();

    public TimeSpan Wall => Stopwatch.GetElapsedTime(_started);

    /// <summary>Processor time per wall time since the start, 1 being a core.</summary>
    public double Cores => (Cpu() - _cpu) / Wall;

    /// <summary>How often a second a thread went to sleep by itself and was woken; null where the system does not tell.</summary>
    public double? WakeUpsPerSecond => _switches < 0 ? null : (Switches() - _switches) / Wall.TotalSeconds;

    /// <summary>Resident memory in bytes.</summary>
    public static long Resident()
    {
        using Process self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    private static TimeSpan Cpu()
    {
        using Process self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }

    // Of all threads, those that have ended too: threads of the pool end when they are idle, and a sum over those that live would forget theirs.
    private static unsafe long Switches()
    {
        const int Self = 0, Longs = 18, Voluntary = 16;
        long* usage = stackalloc long[Longs];
        return OperatingSystem.IsLinux() && Environment.Is64BitProcess && getrusage(Self, usage) == 0 ? usage[Voluntary] : -1;
    }

    [DllImport("libc")]
    private static extern unsafe int getrusage(int who, long* usage);
}
