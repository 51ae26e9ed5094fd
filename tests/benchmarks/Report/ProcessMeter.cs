using System.Diagnostics;
using System.Globalization;

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

    private static long Switches()
    {
        const string Field = "voluntary_ctxt_switches:";
        if (!Directory.Exists("/proc/self/task"))
        {
            return -1;
        }

        long sum = 0;
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                string? line = File.ReadLines(Path.Combine(task, "status")).FirstOrDefault(text => text.StartsWith(Field, StringComparison.Ordinal));
                sum += line is null ? 0 : long.Parse(line.AsSpan(Field.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
            }
            catch (IOException)
            {
                // The thread ended meanwhile.
            }
        }

        return sum;
    }
}
