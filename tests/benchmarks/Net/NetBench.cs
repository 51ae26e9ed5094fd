using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Preconf.Native.Benchmarks.Report;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>
/// Runs each scenario several times on both sides, in turns, each run in a process of its own, so that whatever the machine does
/// meanwhile hits both alike; gives medians and their ratio.
/// </summary>
public sealed class NetBench
{
    private static readonly string[] QuicToo = ["commitments-200", "commitments-1", "txlists-64k", "txlists-1m", "head-1", "txlist-1m-1"];
    private static readonly string[] IdentityToo = ["commitments-200", "commitments-1"];

    private readonly string? _rust;
    private readonly int _runs;

    /// <param name="rust">The plain-Rust program; null: only the library is measured.</param>
    /// <param name="runs">Runs of each scenario on each side.</param>
    public NetBench(string? rust, int runs)
    {
        _rust = rust;
        _runs = runs;
    }

    /// <summary>Runs what <paramref name="only"/> names, or everything, and prints rows as they are there.</summary>
    public async Task<List<ResultRow>> RunAsync(IReadOnlyCollection<string> only, bool quick)
    {
        List<ResultRow> rows = [];
        foreach (string[] arguments in Plan(only, quick))
        {
            foreach (ResultRow row in await RowsAsync(arguments))
            {
                rows.Add(row);
                Console.WriteLine(Table.Line(row));
            }
        }

        return rows;
    }

    private static IEnumerable<string[]> Plan(IReadOnlyCollection<string> only, bool quick)
    {
        bool Wanted(string name) => only.Count == 0 || only.Contains(name);
        foreach (Scenario scenario in Scenario.All.Where(scenario => Wanted(scenario.Name)))
        {
            string[] count = quick ? ["--count", Few(scenario.Name)] : [];
            yield return [scenario.Name, "--transport", "tcp", "--author", "ed25519", .. count];
            if (IdentityToo.Contains(scenario.Name))
            {
                yield return [scenario.Name, "--transport", "tcp", "--author", "identity", .. count];
            }

            if (QuicToo.Contains(scenario.Name))
            {
                yield return [scenario.Name, "--transport", "quic", "--author", "ed25519", .. count];
            }
        }
    }

    private static string Few(string scenario) => scenario switch
    {
        "idle" => "3",
        "start" => "3",
        _ when scenario.StartsWith("commitments", StringComparison.Ordinal) || scenario.StartsWith("head", StringComparison.Ordinal) => "500",
        _ => "24",
    };

    private async Task<IEnumerable<ResultRow>> RowsAsync(string[] arguments)
    {
        List<Result> results = [];

        // Both memories and idle times hardly vary; two runs tell as much as five.
        int runs = arguments[0] == "idle" ? Math.Min(2, _runs) : _runs;

        (string host, string[] self) = Self();
        for (int run = 0; run < runs; run++)
        {
            results.AddRange(await RunOneAsync(host, [.. self, "net-run", .. arguments]));
            if (_rust is not null)
            {
                results.AddRange(await RunOneAsync(_rust, ["net", .. arguments]));
            }
        }

        return results.GroupBy(result => (result.Scenario, result.Transport, result.Author)).Select(group => ToRow([.. group], runs));
    }

    /// <summary>This program and the arguments it needs before its own: started by its own executable none, by `dotnet exec` its library.</summary>
    internal static (string Program, string[] Before) Self()
    {
        string host = Environment.ProcessPath!;
        return (host, Path.GetFileNameWithoutExtension(host) == "dotnet" ? ["exec", Environment.GetCommandLineArgs()[0]] : []);
    }

    private static async Task<List<Result>> RunOneAsync(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{program} did not start");
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{Path.GetFileName(program)} {string.Join(' ', arguments)} failed with {process.ExitCode}; its words are above");
        }

        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, ResultJson.Default.Result)!)];
    }

    private static ResultRow ToRow(Result[] results, int runs)
    {
        Result[] dotnet = [.. results.Where(result => result.Side == "dotnet")];
        Result[] rust = [.. results.Where(result => result.Side == "rust")];
        Result first = dotnet[0];
        double value = Median(dotnet, result => result.Value)!.Value;
        double? other = Median(rust, result => result.Value);
        double? ratio = other is not { } plain ? null : first.LessIsBetter ? plain / value : value / plain;
        string name = first.Scenario + (first.Transport == "tcp" ? string.Empty : " " + first.Transport) + (first.Author == "ed25519" ? string.Empty : " " + first.Author);
        return new ResultRow(
            name, first.Unit, value, other, ratio, runs, Median(dotnet, result => result.P50), Median(dotnet, result => result.P99),
            Median(dotnet, result => result.Cores), Median(rust, result => result.Cores), first.Bytes, results.Sum(result => result.Lost));
    }

    private static double? Median(IEnumerable<Result> results, Func<Result, double?> pick)
    {
        double[] sorted = [.. results.Select(pick).OfType<double>().Order()];
        return sorted.Length == 0 ? null : sorted[sorted.Length / 2];
    }
}

/// <summary>Rows as text.</summary>
internal static class Table
{
    public static readonly string Head =
        string.Create(CultureInfo.InvariantCulture, $"{"scenario",-28} {"C#",10} {"Rust",10} {"unit",-14} {"C#/Rust",7} {"p50 us",9} {"p99 us",9} {"cores",6} {"bytes",11} {"lost",5}");

    public static string Line(ResultRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Scenario,-28} {row.DotNet,10:G5} {row.Rust,10:G5} {row.Unit,-14} {row.Ratio,7:F2} {row.P50,9:F0} {row.P99,9:F0} {row.Cores,6:F2} {row.Bytes,11} {row.Lost,5}");
}
