using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Parameters;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using Perfolizer.Mathematics.OutlierDetection;
using Preconf.Native.Benchmarks.Report;

namespace Preconf.Native.Benchmarks.Micro;

/// <summary>The micro benchmarks, by BenchmarkDotNet in this process; each iteration is a run.</summary>
internal static class MicroBench
{
    private const int WarmUps = 5;
    private static readonly TimeInterval IterationTime = TimeInterval.FromMilliseconds(250);
    private static readonly Type[] All = [typeof(SszBenchmarks), typeof(TxListBenchmarks), typeof(CryptoBenchmarks), typeof(KeccakBenchmarks)];

    /// <summary>Runs them class by class and gives what each found. BenchmarkDotNet's own log, JSON and Markdown go to <paramref name="artifacts"/>.</summary>
    /// <exception cref="InvalidOperationException">A benchmark failed, or no one has the name.</exception>
    public static void Run(Options options, string artifacts, Action<IEnumerable<Result>> found)
    {
        Directory.CreateDirectory(artifacts);
        using StreamLogger log = new(Path.Combine(artifacts, "log.txt"));
        IConfig config = ManualConfig.CreateEmpty()
            .AddJob(Job(options))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddExporter(JsonExporter.Full)
            .AddLogger(log)
            .WithArtifactsPath(artifacts)
            .WithOptions(ConfigOptions.DisableOptimizationsValidator);
        if (options.Filters.Count > 0)
        {
            config = config.AddFilter(new BenchmarkDotNet.Filters.GlobFilter([.. options.Filters]));
        }

        int ran = 0;
        foreach (Type type in All)
        {
            foreach (BenchmarkReport report in BenchmarkRunner.Run(type, config).Reports)
            {
                log.Flush();
                found(Results(report, artifacts));
                ran++;
            }
        }

        if (ran == 0)
        {
            throw new InvalidOperationException($"--filter: no micro benchmark like {string.Join(", ", options.Filters)}");
        }
    }

    private static Job Job(Options options)
    {
        // Every iteration counts: what a machine does to one of five is part of the picture, and the median stands it.
        Job job = BenchmarkDotNet.Jobs.Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithOutlierMode(OutlierMode.DontRemove);
        return options.Quick
            ? job.WithStrategy(RunStrategy.ColdStart).WithLaunchCount(1).WithWarmupCount(1).WithIterationCount(1).WithInvocationCount(1).WithUnrollFactor(1)
            : job.WithIterationTime(IterationTime).WithWarmupCount(WarmUps).WithIterationCount(options.Runs);
    }

    private static IEnumerable<Result> Results(BenchmarkReport report, string artifacts)
    {
        BenchmarkCase benchmark = report.BenchmarkCase;
        if (!report.Success)
        {
            throw new InvalidOperationException($"{benchmark.DisplayInfo} failed; see {Path.Combine(artifacts, "log.txt")}");
        }

        string name = benchmark.Descriptor.WorkloadMethodDisplayInfo.Trim('\'');
        ParameterInstance? length = benchmark.Parameters.Items.FirstOrDefault(item => item.Name == nameof(TxListBenchmarks.Length));
        name += length is null ? string.Empty : ", " + Size((int)length.Value);
        long? allocated = report.GcStats.GetBytesAllocatedPerOperation(benchmark);
        foreach (Measurement iteration in report.AllMeasurements.Where(one => one.Is(IterationMode.Workload, IterationStage.Result)))
        {
            yield return new Result
            {
                Side = Result.DotNet,
                Scenario = name,
                Value = iteration.Nanoseconds / iteration.Operations,
                Unit = "ns",
                Count = (int)Math.Min(iteration.Operations, int.MaxValue),
                Bytes = length is null ? 0 : (int)length.Value,
                Allocated = allocated,
            };
        }

        foreach ((string side, double nanos) in Beside.Taken(benchmark.Descriptor.WorkloadMethod.Name))
        {
            yield return new Result { Side = side, Scenario = name, Value = nanos, Unit = "ns", Count = 1 };
        }
    }

    private static string Size(int length) => length switch
    {
        >= 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{length >> 20} MiB"),
        >= 1 << 10 => string.Create(CultureInfo.InvariantCulture, $"{length >> 10} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{length} B"),
    };
}

/// <summary>What the plain-Rust program takes for the same work alone, measured before each iteration: so both meet the same machine.</summary>
internal static class Beside
{
    private static readonly Dictionary<string, List<(string Side, double Nanos)>> All = [];

    /// <summary>Measures one of the program's figures for a benchmark; nothing where the program is not there.</summary>
    public static void Take(string method, string figure)
    {
        if (Machine.Rust is null)
        {
            return;
        }

        Machine machine = Machine.Alone(figure);
        (string side, double? micros) = figure switch
        {
            "sign" => ("libsecp256k1", machine.Sign),
            "recover" => ("libsecp256k1", machine.Recover),
            "keccak350" => (Result.Rust, machine.Keccak350),
            "keccak128k" => (Result.Rust, machine.Keccak128k),
            _ => (Result.Rust, machine.Keccak2m),
        };
        if (!All.TryGetValue(method, out List<(string Side, double Nanos)>? taken))
        {
            All[method] = taken = [];
        }

        taken.Add((side, (micros ?? throw new InvalidOperationException($"the plain-Rust program does not tell {figure}")) * 1000));
    }

    /// <summary>What was measured for a benchmark so far.</summary>
    public static IReadOnlyList<(string Side, double Nanos)> Taken(string method) => All.GetValueOrDefault(method) ?? [];
}
