using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using System.Runtime.InteropServices;
using Preconf.Native.Network;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>What a run was made on, of and with.</summary>
public sealed record Context
{
    internal const string Modified = "-modified";

    /// <summary>When it began, UTC.</summary>
    public required string Date { get; init; }

    /// <summary>The commit, with "-modified" when files differ from it; "unknown" outside of a checkout.</summary>
    public required string Commit { get; init; }

    public required string Processor { get; init; }

    public required int Cores { get; init; }

    public required string System { get; init; }

    public required string DotNet { get; init; }

    /// <summary>Processes that ran or wanted to when it began, as the system's average over a minute; null where it does not tell.</summary>
    public double? Load { get; init; }

    /// <summary>How everything is set.</summary>
    public required string Configuration { get; init; }

    /// <summary>Runs of each figure on each side, at least.</summary>
    public required int Runs { get; init; }

    /// <summary>Whether it only shows that all of it runs.</summary>
    public required bool Quick { get; init; }

    /// <summary>The checkout this program was built in; null when it is elsewhere.</summary>
    internal static string? Root { get; } = FindRoot();

    internal static Context Take(int runs, bool quick) => new()
    {
        Date = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        Commit = FindCommit(),
        Processor = FindProcessor(),
        Cores = Environment.ProcessorCount,
        System = $"{RuntimeInformation.OSDescription} {RuntimeInformation.OSArchitecture}",
        DotNet = RuntimeInformation.FrameworkDescription,
        Load = FindLoad(),
        Configuration = FormattableString.Invariant(
            $"Release, {(GCSettings.IsServerGC ? "server" : "workstation")} GC, tiered PGO, thread pool without spinning; two nodes in one process over loopback (idle: one node), {new P2pConfig().Resources.NativeThreads} native thread(s) a node, rate limit lifted, discovery off; every commitment verified and stored, every txlist hashed and stored; TCP and ed25519 authors unless a row says otherwise"),
        Runs = runs,
        Quick = quick,
    };

    /// <summary>The lines above a table.</summary>
    internal IEnumerable<string> Lines()
    {
        yield return $"{Date}, commit {Commit}";
        yield return Place();
        yield return Configuration;
        yield return Quick
            ? "quick: shows that all of it runs; its figures mean nothing"
            : string.Create(CultureInfo.InvariantCulture, $"medians of {Runs} runs on each side, in turns, unless n says otherwise");
    }

    internal string Place() => string.Create(
        CultureInfo.InvariantCulture, $"{Processor}, {Cores} cores, {System}, {DotNet}{(Load is { } load ? $", load {load:F2} at the start" : string.Empty)}");

    private static string? FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Preconf.Native.sln")))
            {
                return at.FullName;
            }
        }

        return null;
    }

    private static string FindCommit()
    {
        if (Root is null || Git("rev-parse", "HEAD") is not { Length: > 0 } commit)
        {
            return "unknown";
        }

        // What an earlier part recorded is no change of what is measured.
        return Git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!tests/benchmarks/results") is { Length: > 0 } ? commit + Modified : commit;
    }

    private static string? Git(params string[] arguments)
    {
        try
        {
            ProcessStartInfo start = new("git", ["-C", Root!, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using Process git = Process.Start(start)!;
            string said = git.StandardOutput.ReadToEnd().Trim();
            git.WaitForExit();
            return git.ExitCode == 0 ? said : null;
        }
        catch (Exception error) when (error is InvalidOperationException or global::System.ComponentModel.Win32Exception)
        {
            // No git here.
            return null;
        }
    }

    private static string FindProcessor()
    {
        const string Field = "model name";
        string? line = File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(text => text.StartsWith(Field, StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown processor";
    }

    private static double? FindLoad() =>
        File.Exists("/proc/loadavg") ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture) : null;
}
