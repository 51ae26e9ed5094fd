using System.Globalization;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Benchmarks.Report;

namespace Preconf.Native.Benchmarks;

/// <summary>The suite's command line.</summary>
internal sealed record Options
{
    /// <summary>Fewer runs have no median worth the name, and are not recorded.</summary>
    public const int FewestRuns = 5;

    /// <summary>The one part asked for; null: all.</summary>
    public string? Part { get; init; }

    /// <summary>Only shows that all of it runs.</summary>
    public bool Quick { get; init; }

    /// <summary>Exit code 1 when a row is not as asked.</summary>
    public bool Check { get; init; }

    /// <summary>Writes the results that are committed.</summary>
    public bool Record { get; init; }

    public int Runs { get; init; } = FewestRuns;

    /// <summary>Names of network scenarios; empty: all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];

    /// <summary>BenchmarkDotNet's filters of micro benchmarks; empty: all.</summary>
    public IReadOnlyList<string> Filters { get; init; } = [];

    public bool Help { get; init; }

    /// <summary>Whether everything of the parts asked for is run as it should be.</summary>
    public bool IsWhole => !Quick && Only.Count == 0 && Filters.Count == 0 && Runs >= FewestRuns;

    public bool Wants(string part) => Part is null || Part == part;

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">It has a fault; says which.</exception>
    public static Options Parse(string[] args)
    {
        Options options = new();
        Queue<string> left = new(args);
        if (left.TryPeek(out string? part) && part is Parts.Micro or Parts.Ring or Parts.Net)
        {
            options = options with { Part = left.Dequeue() };
        }

        while (left.TryDequeue(out string? option))
        {
            options = option switch
            {
                "--help" or "-h" => options with { Help = true },
                "--quick" => options with { Quick = true },
                "--check" => options with { Check = true },
                "--record" => options with { Record = true },
                "--runs" => options with { Runs = Number(Value(left, option)) },
                "--only" => options with { Only = [.. options.Only, .. Names(Value(left, option))] },
                "--filter" => options with { Filters = [.. options.Filters, Value(left, option)] },
                _ => throw new FormatException($"unknown option '{option}'"),
            };
        }

        return options.Checked(args.Contains("--runs"));
    }

    private Options Checked(bool runsGiven)
    {
        if (Only.Count > 0 && !Wants(Parts.Net))
        {
            throw new FormatException("--only names scenarios of net");
        }

        if (Filters.Count > 0 && !Wants(Parts.Micro))
        {
            throw new FormatException("--filter is of micro");
        }

        if (Quick && (Check || Record))
        {
            throw new FormatException("the figures of --quick mean nothing: neither --check nor --record goes with it");
        }

        // What names scenarios or micro benchmarks wants nothing else.
        Options whole = this with
        {
            Part = Part ?? (Only.Count > 0 ? Parts.Net : Filters.Count > 0 ? Parts.Micro : null),
            Runs = Quick && !runsGiven ? 1 : Runs,
        };
        if (Record && Runs < FewestRuns)
        {
            throw new FormatException($"--record takes {FewestRuns} runs or more");
        }

        return Only.Count > 0 && Filters.Count > 0 ? throw new FormatException("--only is of net and --filter of micro: one at a time") : whole;
    }

    private static string Value(Queue<string> left, string option) =>
        left.TryDequeue(out string? value) && !value.StartsWith('-') ? value : throw new FormatException($"{option} needs a value");

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1000
            ? number
            : throw new FormatException($"--runs: '{text}' is no number from 1 to 1000");

    private static string[] Names(string list)
    {
        string[] names = list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] unknown = [.. names.Where(name => !Scenario.All.Any(scenario => scenario.Name == name))];
        return unknown.Length == 0 && names.Length > 0
            ? names
            : throw new FormatException($"--only: no scenario '{string.Join("', '", unknown)}'; there are {string.Join(", ", Scenario.All.Select(scenario => scenario.Name))}");
    }
}
