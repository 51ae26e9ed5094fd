using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Preconf.Native.Crypto;

namespace Preconf.Native.Benchmarks.Report;

/// <summary>The machine's own speeds, in microseconds: absolute times move with them.</summary>
public sealed record Machine
{
    /// <summary>By what: libsecp256k1 and keccak alone, in the plain-Rust program, or both through the ABI where that is not there.</summary>
    public required string By { get; init; }

    public double? Sign { get; init; }

    public double? Recover { get; init; }

    public double? Keccak350 { get; init; }

    public double? Keccak128k { get; init; }

    public double? Keccak2m { get; init; }

    /// <summary>The first write to a page of 4 KiB that the process did not have before.</summary>
    public double? Page { get; init; }

    /// <summary>The plain-Rust program; null where it could not be built.</summary>
    internal static string? Rust { get; } = Environment.GetEnvironmentVariable("PRECONF_BENCH_RUST") is { Length: > 0 } program ? program : null;

    /// <summary>Medians of so many takings.</summary>
    internal static Machine Take(int runs)
    {
        return Median([.. Enumerable.Range(0, runs).Select(_ => Rust is null ? ThroughAbi() : Alone())]);
    }

    /// <summary>Each figure's median; at least one taking.</summary>
    internal static Machine Median(IReadOnlyList<Machine> taken)
    {
        double? Median(Func<Machine, double?> pick) => Statistics.Median(taken.Select(pick).OfType<double>());
        return new Machine
        {
            By = taken[0].By,
            Sign = Median(one => one.Sign),
            Recover = Median(one => one.Recover),
            Keccak350 = Median(one => one.Keccak350),
            Keccak128k = Median(one => one.Keccak128k),
            Keccak2m = Median(one => one.Keccak2m),
            Page = Median(one => one.Page),
        };
    }

    /// <summary>The figures named, of the plain-Rust program, now; all when none is named.</summary>
    /// <exception cref="InvalidOperationException">It is not there, or failed.</exception>
    internal static Machine Alone(params string[] only)
    {
        ProcessStartInfo start = new(Rust ?? throw new InvalidOperationException("the plain-Rust program could not be built"), ["machine", .. only]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{Path.GetFileName(Rust)} machine failed with {process.ExitCode}; its words are above");
        }

        using JsonDocument figures = JsonDocument.Parse(output);
        double? Figure(string name) => figures.RootElement.TryGetProperty(name, out JsonElement figure) ? figure.GetDouble() : null;
        return new Machine
        {
            By = "libsecp256k1 and keccak alone",
            Sign = Figure("sign"),
            Recover = Figure("recover"),
            Keccak350 = Figure("keccak350"),
            Keccak128k = Figure("keccak128k"),
            Keccak2m = Figure("keccak2m"),
            Page = Figure("page"),
        };
    }

    /// <summary>The line above a table.</summary>
    internal string Line() => string.Create(
        CultureInfo.InvariantCulture,
        $"this machine's {By}: sign {Sign:F1} us, recover {Recover:F1} us, keccak of 350 B {Keccak350:F2} us, 128 KiB {Keccak128k:F0} us, 2 MiB {Keccak2m:F0} us; a page of new memory {Page:F2} us");

    private static Machine ThroughAbi()
    {
        byte[] secret = new byte[32];
        Array.Fill(secret, (byte)7);
        using PreconfSigner signer = new(secret);
        Types.Bytes32 hash = Keccak256.Hash(secret);
        Types.Signature signature = signer.SignHash(in hash);
        byte[] data = new byte[2 << 20];
        return new Machine
        {
            By = "libsecp256k1 and keccak through the ABI",
            Sign = Time(1000, () => signer.SignHash(in hash)),
            Recover = Time(1000, () => PreconfSigning.TryRecover(in hash, in signature, out _)),
            Keccak350 = Time(10_000, () => Keccak256.Hash(data.AsSpan(0, 350))),
            Keccak128k = Time(100, () => Keccak256.Hash(data.AsSpan(0, 128 << 10))),
            Keccak2m = Time(8, () => Keccak256.Hash(data)),
            Page = Time(1, TouchPages) / Pages,
        };
    }

    private const int PageSize = 4096;
    private const int Pages = 1024;

    private static unsafe void TouchPages()
    {
        // More than an allocator keeps.
        byte* memory = (byte*)NativeMemory.AllocZeroed(64 << 20);
        for (int at = 0; at < PageSize * Pages; at += PageSize)
        {
            memory[at] = 1;
        }

        NativeMemory.Free(memory);
    }

    private static double Time(int count, Action operation)
    {
        double Average()
        {
            long started = Stopwatch.GetTimestamp();
            for (int n = 0; n < count; n++)
            {
                operation();
            }

            return Stopwatch.GetElapsedTime(started).TotalMicroseconds / count;
        }

        Average();
        return Statistics.Median(Enumerable.Range(0, 5).Select(_ => Average()))!.Value;
    }
}
