namespace Preconf.Native.Benchmarks.Report;

/// <summary>One figure of one run; the plain-Rust program prints the same fields.</summary>
public sealed record Result
{
    /// <summary><c>dotnet</c> for the library, else what it is compared with: <c>rust</c> or <c>libsecp256k1</c>.</summary>
    public required string Side { get; init; }

    public required string Scenario { get; init; }

    public string Transport { get; init; } = Tcp;

    public string Author { get; init; } = Ed25519;

    public required double Value { get; init; }

    public required string Unit { get; init; }

    /// <summary>Microseconds of single operations, where they were taken.</summary>
    public double? P50 { get; init; }

    public double? P99 { get; init; }

    /// <summary>Operations measured.</summary>
    public int Count { get; init; }

    /// <summary>Payload bytes moved by them.</summary>
    public long Bytes { get; init; }

    /// <summary>Messages that did not arrive.</summary>
    public int Lost { get; init; }

    /// <summary>Messages or answers that arrived and are not where verified ones are kept.</summary>
    public int Unverified { get; init; }

    /// <summary>Processor time per wall time of the process, 1 being a core.</summary>
    public double? Cores { get; init; }

    /// <summary>Bytes an operation allocates in managed memory, where it was measured.</summary>
    public long? Allocated { get; init; }

    internal const string DotNet = "dotnet";
    internal const string Rust = "rust";
    internal const string Tcp = "tcp";
    internal const string Ed25519 = "ed25519";
}

/// <summary>The units of the figures, and which way is better.</summary>
internal static class Units
{
    /// <summary>Whether less of a unit is better.</summary>
    /// <exception cref="ArgumentException">Nobody has said so of this unit: a ratio would be a guess.</exception>
    public static bool LessIsBetter(string unit) => unit switch
    {
        "us" or "ms" or "ns" or "%" or "MB" or "wakeups/s" or "events lost" or "% dropped" => true,
        "commitments/s" or "MB/s" or "requests/s" or "M/s" or "% read" or "x" => false,
        _ => throw new ArgumentException($"nobody has said whether less of '{unit}' is better", nameof(unit)),
    };
}
