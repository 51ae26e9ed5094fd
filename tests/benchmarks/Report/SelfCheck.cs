namespace Preconf.Native.Benchmarks.Report;

/// <summary>Shows that rows are counted and judged as they say, on runs whose outcome is known; a quick run begins with it.</summary>
internal static class SelfCheck
{
    /// <exception cref="InvalidOperationException">Something is counted or judged wrongly; says what.</exception>
    public static void Run()
    {
        Expect(Statistics.Median([4.0, 1, 3, 2]) == 2.5, "the median of an even number of values is the mean of the middle two");
        Expect(Statistics.Median([9.0, 1, 3]) == 3, "the median of an odd number of values is the middle one");
        Expect(Statistics.Percentile([1, 2, 3, 4], 50) == 2 && Statistics.Percentile([1, 2, 3, 4], 99) == 4, "percentiles are of the nearest rank");
        Expect(Judge("idle-wakeups", "wakeups/s", [10], [20]) is { Ratio: 2, Verdict: Row.IsMet }, "half the wake-ups are twice as good");
        Expect(Judge("idle-rss", "MB", [59], [12]).Verdict == Row.IsMet && Judge("idle-rss", "MB", [61], [12]).Verdict == Row.NotMet, "memory is held against its own figure");
        Expect(Judge("idle-cpu", "%", [0], [0]) is { Ratio: 1, Verdict: Row.IsMet }, "nothing beside nothing is equal");
        Expect(Judge("start", "ms", [10], [20]).Ratio == 2, "half the time is twice as good");
        Expect(Judge("head-32", "requests/s", [20_000], [20_000]).Verdict == Row.IsMet, "what is reached is met");
        Expect(Judge("head-32", "requests/s", [15_000], [15_000]).Verdict == Row.NotMet, "below the asked figure is not met");
        Expect(Judge("head-32", "requests/s", [20_000], [22_000]).Verdict == Row.NotMet, "below 0.95 of plain Rust is not met");
        Expect(Judge("head-32", "requests/s", [20_000], []).Verdict == Row.NotMeasured, "without plain Rust a ratio is not measured");
        Expect(Judge("head-32", "requests/s", [20_000], [20_000], judged: false).Verdict == Row.NotJudged, "a quick run is not judged");
        Expect(Judge("commitments-200", "commitments/s", [20_000], [20_000], lost: 1).Verdict == Row.NotMet, "a loss is not met");
        Expect(Judge("commitments-unpaced", "commitments/s", [20_000], [20_000], unverified: 1).Verdict == Row.NotMet, "unverified is not met");
        Expect(Judge("commitments-unpaced", "commitments/s", [20_000, 1], [20_000]) is { N: 2, ComparedN: 1 }, "runs are counted on each side");
        Expect(Row.From(Parts.Micro, [Timed("sign commitment, with hashing", 33_000), Timed("sign commitment, with hashing", 30_500, "libsecp256k1")], true).Single().Verdict == Row.IsMet, "1.08 of libsecp256k1 is met");
        Expect(Row.From(Parts.Micro, [Timed("sign commitment, with hashing", 34_000), Timed("sign commitment, with hashing", 30_500, "libsecp256k1")], true).Single().Verdict == Row.NotMet, "1.11 of libsecp256k1 is not");
        Document merged = Found("b", "b", 2, "start", "idle-rss").Over(Document.Read(Found("a", null, 1, "start", "head-32").ToJson()));
        Expect(
            merged.Rows.Select(row => (row.Name, row.Value, row.Commit)).SequenceEqual([("start", 2, "b"), ("head-32", 1, "a"), ("idle-rss", 2, "b")]) && merged.Earlier.Single().Commit == "a",
            "a row that is measured again is recorded in the old one's place, and one that is not stays with its commit");
        Expect(Row.From(Parts.Micro, [Timed("decode SignedCommitment", 10) with { Allocated = 24 }], true).Single().Verdict == Row.NotMet, "an allocation where none is allowed is not met");
    }

    private static Document Found(string commit, string? rowsAt, double value, params string[] names) => new()
    {
        Context = Context.Take(Options.FewestRuns, quick: true) with { Commit = commit },
        Machine = new Machine { By = "nothing" },
        Library = NativeLibraryFile.Find(),
        Rows = [.. names.Select(name => Judge(name, "ms", [value], [value]) with { Commit = rowsAt })],
    };

    private static Row Judge(string name, string unit, double[] own, double[] rust, bool judged = true, int lost = 0, int unverified = 0)
    {
        Result[] results =
        [
            .. own.Select(value => new Result { Side = Result.DotNet, Scenario = name, Unit = unit, Value = value, Lost = lost, Unverified = unverified }),
            .. rust.Select(value => new Result { Side = "rust", Scenario = name, Unit = unit, Value = value }),
        ];
        return Row.From(Parts.Net, results, judged).Single();
    }

    private static Result Timed(string name, double nanos, string side = Result.DotNet) => new() { Side = side, Scenario = name, Unit = "ns", Value = nanos, Allocated = 0 };

    private static void Expect(bool so, string what)
    {
        if (!so)
        {
            throw new InvalidOperationException($"the suite itself is wrong: it must hold that {what}");
        }
    }
}
