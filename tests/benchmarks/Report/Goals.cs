using System.Globalization;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>What is asked of a figure.</summary>
internal enum AskKind
{
    /// <summary>The value is at most the limit.</summary>
    AtMost,

    /// <summary>The value is at least the limit.</summary>
    AtLeast,

    /// <summary>The value is at most the limit times what it is compared with.</summary>
    TimesCompared,

    /// <summary>The ratio with what it is compared with is at least the limit.</summary>
    Ratio,

    /// <summary>No byte is allocated.</summary>
    NothingAllocated,

    /// <summary>No message is lost. Wherever anything is asked a loss is a fault; here it is what is asked.</summary>
    NothingLost,
}

/// <summary>One thing that is asked of a figure.</summary>
/// <param name="Kind">What.</param>
/// <param name="Limit">How much, in the row's unit or as a ratio.</param>
internal readonly record struct Ask(AskKind Kind, double Limit = 0)
{
    /// <summary>The demand as text.</summary>
    public string Text(string unit) => Kind switch
    {
        AskKind.AtMost => string.Create(CultureInfo.InvariantCulture, $"≤ {Limit:0.###} {unit}"),
        AskKind.AtLeast => string.Create(CultureInfo.InvariantCulture, $"≥ {Limit:0.###} {unit}"),
        AskKind.TimesCompared => string.Create(CultureInfo.InvariantCulture, $"≤ {Limit:0.##} × it"),
        AskKind.Ratio => string.Create(CultureInfo.InvariantCulture, $"ratio ≥ {Limit:0.##}"),
        AskKind.NothingAllocated => "0 B allocated",
        _ => "none lost",
    };

    /// <summary>Whether a row has it; null when what it takes was not measured.</summary>
    public bool? Met(Row row) => Kind switch
    {
        AskKind.AtMost => row.Value <= Limit,
        AskKind.AtLeast => row.Value >= Limit,
        AskKind.TimesCompared => row.Compared is { } compared ? row.Value <= Limit * compared : null,
        AskKind.Ratio => row.Ratio is { } ratio ? ratio >= Limit : null,
        AskKind.NothingAllocated => row.Allocated is { } allocated ? allocated == 0 : null,
        _ => row.Lost == 0,
    };

    /// <summary>What was measured instead, for a row that does not have it.</summary>
    public string Instead(Row row) => Kind switch
    {
        AskKind.AtMost or AskKind.AtLeast => string.Create(CultureInfo.InvariantCulture, $"{Statistics.Text(row.Value)} {row.Unit}"),
        AskKind.TimesCompared => string.Create(CultureInfo.InvariantCulture, $"{row.Value / row.Compared:F2} × it"),
        AskKind.Ratio => string.Create(CultureInfo.InvariantCulture, $"ratio {row.Ratio:F2}"),
        AskKind.NothingAllocated => string.Create(CultureInfo.InvariantCulture, $"{row.Allocated} B allocated"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{row.Lost} lost"),
    };
}

/// <summary>What the Rust reference does and what is asked here, for one row.</summary>
/// <param name="Part">The part of the suite.</param>
/// <param name="Row">The row's name.</param>
/// <param name="Reference">What the reference was measured at, on another machine with two cores, in the row's unit.</param>
/// <param name="Asks">All that must be so.</param>
internal sealed record Goal(string Part, string Row, double? Reference, params Ask[] Asks);

/// <summary>The figures that this library is held against.</summary>
internal static class Goals
{
    /// <summary>What the library must reach of plain Rust, in every row of the network.</summary>
    private static readonly Ask BesideRust = new(AskKind.Ratio, 0.95);

    private static readonly Ask NoAllocation = new(AskKind.NothingAllocated);

    public static readonly IReadOnlyList<Goal> All =
    [
        new(Parts.Library, "native library", null, AtMost(8)),

        new(Parts.Micro, "decode SignedCommitment", 1670, AtMost(50), NoAllocation),
        new(Parts.Micro, "encode SignedCommitment", 9660, AtMost(60), NoAllocation),
        new(Parts.Micro, "encode RawTxListGossip, 2 MiB", 134e6, AtMost(0.5e6)),
        new(Parts.Micro, "recover commitment, with hashing", 69_900, new Ask(AskKind.TimesCompared, 1.1)),
        new(Parts.Micro, "sign commitment, with hashing", 59_900, new Ask(AskKind.TimesCompared, 1.1)),

        new(Parts.Ring, "event handed over, 382 B leased", null, AtMost(30)),
        new(Parts.Ring, "wake from idle, p50", null, AtMost(8)),

        new(Parts.Net, "commitments-200", 7122, AtLeast(11_000), BesideRust),
        new(Parts.Net, "commitments-unpaced", null, new Ask(AskKind.NothingLost), BesideRust),
        new(Parts.Net, "commitments-1", 1250, AtMost(400), BesideRust),
        new(Parts.Net, "txlists-64k", 15.1, AtLeast(110), BesideRust),
        new(Parts.Net, "txlists-1m", 16.4, AtLeast(110), BesideRust),
        new(Parts.Net, "head-1", 291, AtMost(290), BesideRust),
        new(Parts.Net, "head-32", 14_941, AtLeast(16_000), BesideRust),
        new(Parts.Net, "pages-1", 48, AtLeast(150), BesideRust),
        new(Parts.Net, "pages-8", 48, AtLeast(150), BesideRust),
        new(Parts.Net, "txlist-1m-1", 18, AtLeast(150), BesideRust),
        new(Parts.Net, "txlist-1m-8", 18, AtLeast(150), BesideRust),

        // "0 %" is what rounds to it. A host of managed code has memory and a runtime that plain Rust has not: these two have figures of their own.
        new(Parts.Net, "idle-cpu", null, AtMost(0.5)),
        new(Parts.Net, "idle-rss", 12.5, AtMost(60)),
    ];

    /// <summary>What is asked of a row. Rows of the network that nothing else is asked of are held against plain Rust.</summary>
    public static Goal? Of(string part, string name)
    {
        Goal? own = All.FirstOrDefault(goal => goal.Part == part && goal.Row == name);
        bool idle = name.StartsWith("idle-cpu", StringComparison.Ordinal) || name.StartsWith("idle-rss", StringComparison.Ordinal);
        return own ?? (part == Parts.Net && !idle ? new Goal(part, name, null, BesideRust) : null);
    }

    private static Ask AtMost(double limit) => new(AskKind.AtMost, limit);

    private static Ask AtLeast(double limit) => new(AskKind.AtLeast, limit);
}

/// <summary>The parts of the suite.</summary>
internal static class Parts
{
    public const string Library = "library";
    public const string Micro = "micro";
    public const string Ring = "ring";
    public const string Net = "net";
}
