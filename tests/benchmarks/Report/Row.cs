using System.Text.Json.Serialization;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>A figure's runs on both sides, their medians, and how it stands to the reference and to what is asked.</summary>
public sealed record Row
{
    /// <summary>The part of the suite.</summary>
    public required string Part { get; init; }

    /// <summary>What was measured, with transport and author where they are not TCP and ed25519.</summary>
    public required string Name { get; init; }

    public required string Unit { get; init; }

    /// <summary>The library's median.</summary>
    public required double Value { get; init; }

    /// <summary>What it is compared with: <c>rust</c> (plain Rust) or <c>libsecp256k1</c> (alone); null when with nothing.</summary>
    public string? ComparedWith { get; init; }

    /// <summary>Its median.</summary>
    public double? Compared { get; init; }

    /// <summary>How good the library is beside it, that being 1: above 1 is better, whatever the unit.</summary>
    public double? Ratio { get; init; }

    /// <summary>Runs of the library; each counts once in its median.</summary>
    public required int N { get; init; }

    /// <summary>Runs of what it is compared with.</summary>
    public int ComparedN { get; init; }

    /// <summary>Median p50 and p99 of single operations in microseconds, on both sides.</summary>
    public double? P50 { get; init; }

    public double? P99 { get; init; }

    public double? ComparedP50 { get; init; }

    public double? ComparedP99 { get; init; }

    /// <summary>Cores used, 1 being a whole one.</summary>
    public double? Cores { get; init; }

    public double? ComparedCores { get; init; }

    /// <summary>Operations in a run.</summary>
    public int Count { get; init; }

    /// <summary>Payload bytes moved in a run.</summary>
    public long Bytes { get; init; }

    /// <summary>Managed bytes an operation allocates.</summary>
    public long? Allocated { get; init; }

    /// <summary>Messages the library lost in all its runs.</summary>
    public int Lost { get; init; }

    /// <summary>Messages the library got in all its runs and did not verify and store.</summary>
    public int Unverified { get; init; }

    /// <summary>The same two of what it is compared with: a ratio with one that leaves work out says nothing.</summary>
    public int ComparedFaults { get; init; }

    /// <summary>Microseconds of a recovery by libsecp256k1 alone at the time of this row: how fast the machine was then.</summary>
    public double? MachineRecover { get; init; }

    /// <summary>Microseconds of a page of new memory at that time: what large payloads take moves with it.</summary>
    public double? MachinePage { get; init; }

    /// <summary>The commit it was measured at.</summary>
    public string? Commit { get; init; }

    /// <summary>What the Rust reference was measured at, in this unit.</summary>
    public double? Reference { get; init; }

    /// <summary>What is asked; empty: nothing.</summary>
    public string Asked { get; init; } = string.Empty;

    /// <summary>Whether it is so: <c>met</c>, <c>not met</c>, <c>not measured</c> (nothing to compare with), <c>not judged</c> (a quick run), or empty.</summary>
    public string Verdict { get; init; } = string.Empty;

    /// <summary>Why it is not met.</summary>
    public string Why { get; init; } = string.Empty;

    /// <summary>The single runs.</summary>
    public IReadOnlyList<Result> Runs { get; init; } = [];

    /// <summary>Whether a check of what is asked fails on it.</summary>
    [JsonIgnore]
    public bool Fails => Verdict is NotMet or NotMeasured;

    /// <summary>A commit as git shortens it.</summary>
    internal static string Short(string? commit) => commit is null
        ? string.Empty
        : commit[..Math.Min(7, commit.Length)] + (commit.EndsWith(Context.Modified, StringComparison.Ordinal) ? Context.Modified : string.Empty);

    internal const string IsMet = "met";
    internal const string NotMet = "not met";
    internal const string NotMeasured = "not measured";
    internal const string NotJudged = "not judged";

    /// <summary>Rows of single results, one for each scenario, transport and author among them.</summary>
    internal static IEnumerable<Row> From(string part, IEnumerable<Result> results, bool judged, Machine? machine = null) =>
        results.GroupBy(result => (result.Scenario, result.Transport, result.Author)).Select(group => Of(part, [.. group], judged, machine));

    private static Row Of(string part, Result[] results, bool judged, Machine? machine)
    {
        Result[] own = [.. results.Where(result => result.Side == Result.DotNet)];
        Result[] other = [.. results.Where(result => result.Side != Result.DotNet)];
        Result first = own[0];
        double value = Statistics.Median(own, result => result.Value)!.Value;
        double? compared = Statistics.Median(other, result => result.Value);
        string transport = first.Transport == Result.Tcp ? string.Empty : " " + first.Transport;
        Row row = new()
        {
            Part = part,
            Name = first.Scenario + transport + (first.Author == Result.Ed25519 ? string.Empty : " " + first.Author),
            Unit = first.Unit,
            Value = value,
            ComparedWith = other.FirstOrDefault()?.Side,
            Compared = compared,
            Ratio = Statistics.Goodness(value, compared, first.Unit),
            N = own.Length,
            ComparedN = other.Length,
            P50 = Statistics.Median(own, result => result.P50),
            P99 = Statistics.Median(own, result => result.P99),
            ComparedP50 = Statistics.Median(other, result => result.P50),
            ComparedP99 = Statistics.Median(other, result => result.P99),
            Cores = Statistics.Median(own, result => result.Cores),
            ComparedCores = Statistics.Median(other, result => result.Cores),
            Count = first.Count,
            Bytes = first.Bytes,
            Allocated = own.Max(result => result.Allocated),
            Lost = own.Sum(result => result.Lost),
            Unverified = own.Sum(result => result.Unverified),
            ComparedFaults = other.Sum(result => result.Lost + result.Unverified),
            MachineRecover = machine?.Recover,
            MachinePage = machine?.Page,
            Runs = results,
        };
        return row.Judged(judged);
    }

    /// <summary>The row with what is asked of it and whether it is so.</summary>
    private Row Judged(bool judged)
    {
        if (Goals.Of(Part, Name) is not { } goal)
        {
            return this;
        }

        List<string> faults = [];
        if (Lost > 0)
        {
            faults.Add($"{Lost} lost");
        }

        if (Unverified > 0)
        {
            faults.Add($"{Unverified} not verified");
        }

        if (ComparedFaults > 0)
        {
            faults.Add($"{ComparedFaults} lost or not verified by what it is compared with");
        }

        faults.AddRange(goal.Asks.Where(ask => ask.Kind != AskKind.NothingLost && ask.Met(this) == false).Select(ask => ask.Instead(this)));
        bool unknown = goal.Asks.Any(ask => ask.Met(this) is null);
        return this with
        {
            Reference = goal.Reference,
            Asked = string.Join(", ", goal.Asks.Select(ask => ask.Text(Unit))),
            Verdict = !judged ? NotJudged : faults.Count > 0 ? NotMet : unknown ? NotMeasured : IsMet,
            Why = judged ? string.Join(", ", faults) : string.Empty,
        };
    }
}
