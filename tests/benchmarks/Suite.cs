using Preconf.Native.Benchmarks.Micro;
using Preconf.Native.Benchmarks.Net;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Benchmarks.Ring;

namespace Preconf.Native.Benchmarks;

/// <summary>The suite: its parts one after the other, and reports of what they found.</summary>
internal static class Suite
{
    /// <summary>Where reports go that nobody commits.</summary>
    private static string Output =>
        Environment.GetEnvironmentVariable("PRECONF_BENCH_OUTPUT") ?? Path.Combine(Context.Root ?? Environment.CurrentDirectory, "target", "bench");

    /// <summary>Says what is wrong with a command line, if anything is.</summary>
    /// <returns>0: nothing; 2: something.</returns>
    public static int CheckOptions(string[] args) => TryParse(args) is null ? 2 : 0;

    /// <summary>Runs what the command line asks for.</summary>
    /// <returns>0: done; 1: not done, or, with <c>--check</c>, not as asked; 2: the command line has a fault.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        if (TryParse(args) is not { } options)
        {
            return 2;
        }

        if (options.Help)
        {
            Usage();
            return 0;
        }

        Document document;
        try
        {
            document = await MeasureAsync(options);
        }
        catch (Exception failure) when (failure is InvalidOperationException or TimeoutException)
        {
            Console.Error.WriteLine($"error: {failure.Message}");
            return 1;
        }

        Console.WriteLine();
        foreach (string line in document.Summary())
        {
            Console.WriteLine(line);
        }

        await WriteAsync(options, document);

        // On loopback nothing may be lost, in a hurry or not: a fault, not a figure.
        bool lost = options.Quick && document.Rows.Any(row => row.Part == Parts.Net && row.Lost + row.Unverified > 0);
        return lost || (options.Check && (document.Missing.Count > 0 || document.Rows.Any(row => row.Fails))) ? 1 : 0;
    }

    private static Options? TryParse(string[] args)
    {
        try
        {
            return Options.Parse(args);
        }
        catch (FormatException fault)
        {
            Console.Error.WriteLine($"error: {fault.Message}");
            Console.Error.WriteLine("./build.sh bench --help lists the options and scenarios");
            return null;
        }
    }

    private static void Usage()
    {
        Console.WriteLine(
            """
            usage: ./build.sh bench [micro|ring|net] [options]
              micro   SSZ of the ten containers, signing, recovery, keccak; beside libsecp256k1 and keccak alone
              ring    calls across the boundary, events handed over, wake-ups, a host that is too slow
              net     nodes over loopback, C# and plain Rust in turns, each run a process of its own
              --runs N              runs (micro: iterations) of each figure on each side; 5
              --only NAME,NAME...   only these scenarios of net
              --filter GLOB         only these micro benchmarks
              --quick               only shows that all of it runs, in seconds
              --check               exit code 1 when a row is not as asked, or what it takes was not measured
              --record              writes tests/benchmarks/results, too, where rows that were not measured stay as they are; with 5 runs or more
            Reports go to target/bench, those of a part, of some scenarios or of fewer runs to target/bench/partial.
            Scenarios of net:
            """);
        foreach (Scenario scenario in Scenario.All)
        {
            Console.WriteLine($"  {scenario.Name,-22} {scenario.Text}");
        }
    }

    private static async Task<Document> MeasureAsync(Options options)
    {
        if (options.Quick)
        {
            SelfCheck.Run();
        }

        List<Row> rows = [];
        List<string> missing = [];
        Context context = Context.Take(options.Runs, options.Quick);
        Document document = new()
        {
            Context = context,
            Machine = Machine.Take(options.Quick ? 1 : FewMachineRuns),
            Library = NativeLibraryFile.Find(),
            Rows = rows,
            Missing = missing,
        };
        foreach (string line in document.Lines())
        {
            Console.WriteLine(line);
        }

        if (Machine.Rust is null)
        {
            missing.Add("plain Rust and libsecp256k1 alone: native/preconf-bench could not be built with cargo");
        }

        Console.WriteLine();
        Console.WriteLine(Table.Head);
        void Take(string part, IEnumerable<Result> results, Machine? machine = null)
        {
            foreach (Row row in Row.From(part, results, judged: !options.Quick, machine))
            {
                rows.Add(row with { Commit = context.Commit });
                Console.WriteLine(Table.Line(row));
            }
        }

        Take(Parts.Library, [document.Library.Result()]);
        if (options.Wants(Parts.Micro))
        {
            MicroBench.Run(options, Path.Combine(Output, "micro"), results => Take(Parts.Micro, results));
        }

        if (options.Wants(Parts.Ring))
        {
            await RingBench.RunApartAsync(options, results => Take(Parts.Ring, results), missing.Add);
        }

        if (options.Wants(Parts.Net))
        {
            await new NetBench(Machine.Rust, options).RunAsync((results, machine) => Take(Parts.Net, results, machine));
        }

        return document;
    }

    private const int FewMachineRuns = 3;

    private static async Task WriteAsync(Options options, Document document)
    {
        string directory = options.Quick ? Path.Combine(Output, "quick") : options.IsWhole ? Output : Path.Combine(Output, "partial");
        string name = options.Part ?? "results";
        await document.WriteAsync(directory, name, options.Part ?? "net");
        Console.WriteLine($"written: {directory}: {name}.json, {name}.md, {options.Part ?? "net"}.svg");
        if (options.Record)
        {
            string results = Path.Combine(Context.Root ?? throw new InvalidOperationException("--record needs the checkout"), "tests", "benchmarks", "results");
            string recorded = Path.Combine(results, "results.json");
            Document whole = options.Part is null || !File.Exists(recorded) ? document : document.Over(Document.Read(await File.ReadAllTextAsync(recorded)));
            await whole.WriteAsync(results, "results", "net");
            Console.WriteLine($"recorded: {results}");
        }
    }
}
