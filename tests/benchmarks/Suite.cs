using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Benchmarks.Ring;
using Preconf.Native.Network;

namespace Preconf.Native.Benchmarks;

/// <summary>The benchmarks as commands.</summary>
internal static class Suite
{
    private static string Output => Environment.GetEnvironmentVariable("PRECONF_BENCH_OUTPUT") ?? "BenchmarkDotNet.Artifacts";

    public static int Usage()
    {
        Console.Error.WriteLine(
            """
            usage: ./build.sh bench [micro|ring|net] [--quick] [options]
              micro [BenchmarkDotNet options]      SSZ, signing, recovery, keccak
              ring [--runs N]                      calls, events handed over, wake-ups, a host that is too slow
              net [--runs N] [--only A,B,...]      two nodes over loopback, C# and plain Rust in turns
            --quick only shows that all of it runs.
            """);
        foreach (Scenario scenario in Scenario.All)
        {
            Console.Error.WriteLine($"  {scenario.Name,-22} {scenario.Text}");
        }

        return 2;
    }

    public static async Task<int> AllAsync(string[] args)
    {
        int micro = Micro(args);
        int ring = await RingApartAsync(args);
        return Math.Max(Math.Max(micro, ring), await NetAsync(args));
    }

    /// <summary>In a process of its own: one process has one native library.</summary>
    private static async Task<int> RingApartAsync(string[] args)
    {
        (string program, string[] before) = NetBench.Self();
        using Process process = Process.Start(program, [.. before, "ring", .. args]);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    public static int Ring(string[] args)
    {
        if (Environment.GetEnvironmentVariable("PRECONF_BENCH_LIBRARY") is not { Length: > 0 } library)
        {
            Console.Error.WriteLine("the ring is not measured: it takes a library with test exports, which cargo could not build");
            return 0;
        }

        bool quick = args.Contains("--quick");
        int runs = int.Parse(Option(args, "--runs") ?? (quick ? "1" : "5"), CultureInfo.InvariantCulture);
        TestNode.Use(library);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"medians of {runs} runs; {Machine.Describe()}"));
        IReadOnlyList<RingRow> rows = new RingBench(runs, quick).Run();
        Directory.CreateDirectory(Output);
        File.WriteAllText(Path.Combine(Output, "ring.json"), JsonSerializer.Serialize([.. rows], ResultJson.Default.RingRowArray));
        return 0;
    }

    public static int Micro(string[] args)
    {
        bool quick = args.Contains("--quick");
        Job job = quick ? Job.Dry.WithToolchain(InProcessEmitToolchain.Instance) : Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance);
        IConfig config = ManualConfig.Create(DefaultConfig.Instance).AddJob(job).WithArtifactsPath(Output);
        string[] own = [.. args.Where(arg => arg != "--quick")];
        int failed = BenchmarkSwitcher.FromAssembly(typeof(Suite).Assembly).Run(own.Length == 0 ? ["--filter", "*"] : own, config)
            .Sum(summary => summary.Reports.Count(report => !report.Success));
        return failed == 0 ? 0 : 1;
    }

    public static async Task<int> NetAsync(string[] args)
    {
        string? rust = Environment.GetEnvironmentVariable("PRECONF_BENCH_RUST");
        bool quick = args.Contains("--quick");
        string[] only = Option(args, "--only")?.Split(',') ?? [];
        int runs = int.Parse(Option(args, "--runs") ?? (quick ? "1" : "5"), CultureInfo.InvariantCulture);
        string caption = string.Create(CultureInfo.InvariantCulture, $"medians of {runs} runs each, in turns; {Machine.Describe()}");
        Console.WriteLine(caption);
        Console.WriteLine(rust is null ? "plain Rust is not measured: its program could not be built" : "plain Rust: native/preconf-bench");
        Console.WriteLine("two nodes in one process, loopback, rate limit lifted, every commitment verified and stored, every txlist hashed and stored");
        Console.WriteLine(Table.Head);
        List<ResultRow> rows = await new NetBench(rust, runs).RunAsync(only, quick);
        Directory.CreateDirectory(Output);
        await File.WriteAllTextAsync(Path.Combine(Output, "net.json"), JsonSerializer.Serialize([.. rows], ResultJson.Default.ResultRowArray));
        await File.WriteAllTextAsync(Path.Combine(Output, "net.svg"), Plot.Draw(rows, caption));
        Console.WriteLine($"written: {Path.Combine(Output, "net.json")}, net.svg");
        return 0;
    }

    public static async Task<int> RunScenarioAsync(string name, string[] args)
    {
        Scenario? scenario = Scenario.All.FirstOrDefault(known => known.Name == name);
        if (scenario is null)
        {
            return Usage();
        }

        string? count = Option(args, "--count");
        NetOptions options = new(
            Option(args, "--transport") == "quic",
            Option(args, "--author") == "identity" ? GossipAuthor.Identity : GossipAuthor.Ed25519,
            count is null ? null : int.Parse(count, CultureInfo.InvariantCulture));
        foreach (Result result in await scenario.RunAsync(options))
        {
            Console.WriteLine(JsonSerializer.Serialize(result, ResultJson.Default.Result));
        }

        return 0;
    }

    private static string? Option(string[] args, string name) => args.SkipWhile(arg => arg != name).Skip(1).FirstOrDefault();
}
