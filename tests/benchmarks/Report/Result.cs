using System.Text.Json.Serialization;
using Preconf.Native.Benchmarks.Ring;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>One measured figure; the plain-Rust program prints the same fields.</summary>
public sealed record Result
{
    /// <summary><c>dotnet</c> or <c>rust</c>.</summary>
    public required string Side { get; init; }

    public required string Scenario { get; init; }

    public string Transport { get; init; } = "tcp";

    public string Author { get; init; } = "ed25519";

    public required double Value { get; init; }

    public required string Unit { get; init; }

    /// <summary>Microseconds of single operations, where they were taken.</summary>
    public double? P50 { get; init; }

    public double? P99 { get; init; }

    public int Count { get; init; }

    public long Bytes { get; init; }

    public int Lost { get; init; }

    /// <summary>Processor time per wall time of the process, 1 being a core.</summary>
    public double? Cores { get; init; }

    /// <summary>Whether less is better.</summary>
    [JsonIgnore]
    public bool LessIsBetter => Unit is "us" or "ms" or "ns" or "%" or "MB" or "wakeups/s";
}

/// <summary>Results as JSON, one way for all.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Result))]
[JsonSerializable(typeof(ResultRow[]))]
[JsonSerializable(typeof(RingRow[]))]
public sealed partial class ResultJson : JsonSerializerContext;

/// <summary>A scenario's medians on both sides and their ratio.</summary>
/// <param name="Scenario">Its name, with transport and author where they are not TCP and ed25519.</param>
/// <param name="Unit">The unit of both values.</param>
/// <param name="DotNet">The library's median.</param>
/// <param name="Rust">Plain Rust's median; null when it was not run.</param>
/// <param name="Ratio">How good the library is, plain Rust being 1: above 1 is better, whatever the unit.</param>
/// <param name="Runs">Runs on each side.</param>
/// <param name="P50">The library's median p50 in microseconds.</param>
/// <param name="P99">The library's median p99 in microseconds.</param>
/// <param name="Cores">Cores the library used.</param>
/// <param name="RustCores">Cores plain Rust used.</param>
/// <param name="Bytes">Payload bytes moved in a run.</param>
/// <param name="Lost">Messages lost in all runs of both sides.</param>
public sealed record ResultRow(
    string Scenario, string Unit, double DotNet, double? Rust, double? Ratio, int Runs, double? P50, double? P99, double? Cores, double? RustCores, long Bytes, int Lost);
