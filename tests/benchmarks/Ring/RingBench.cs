using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Interop;

namespace Preconf.Native.Benchmarks.Ring;

/// <summary>What the boundary costs: a call, an event handed over, a wake-up, and what happens when the host is too slow.</summary>
internal sealed class RingBench(int runs, bool quick)
{
    private const int Slots = 1 << 14;

    // Batches asked for before the one that is read: the node never waits to be asked, and all of them find room.
    private const int Ahead = 3;
    private bool _warm;

    /// <summary>Runs all of it in a process of its own, for one process has one native library, and this one takes another.</summary>
    /// <param name="options">Runs, and whether it is in a hurry.</param>
    /// <param name="found">Takes what each figure's runs found.</param>
    /// <param name="missing">Is told why it can't be measured, if so.</param>
    public static async Task RunApartAsync(Options options, Action<IEnumerable<Result>> found, Action<string> missing)
    {
        if (Environment.GetEnvironmentVariable("PRECONF_BENCH_LIBRARY") is not { Length: > 0 } library)
        {
            missing("ring: it takes a library with test exports, which cargo could not build");
            return;
        }

        string[] arguments = ["ring-run", library, options.Runs.ToString(CultureInfo.InvariantCulture), .. options.Quick ? ["--quick"] : Array.Empty<string>()];
        List<Result> results = await Apart.RunAsync(Apart.Self(arguments), Apart.Long);
        foreach (IGrouping<string, Result> figure in results.GroupBy(result => result.Scenario))
        {
            found(figure);
        }
    }

    /// <summary>Runs all of it here and prints a line of JSON for each run of each figure.</summary>
    public static int Run(string library, string runs, string[] rest)
    {
        TestNode.Use(library);
        new RingBench(int.Parse(runs, CultureInfo.InvariantCulture), rest.Contains("--quick")).Run();
        return 0;
    }

    private void Run()
    {
        Repeat(() => Print("call that does nothing", "ns", Call()));
        using (CacheLines lines = new())
        {
            int count = quick ? 100_000 : 20_000_000;
            Repeat(() => Print("this machine: a line of 64 B written by one core, read by another", "ns", lines.HandOver(count)));
        }

        foreach ((string name, int length) in new[] { ("no payload", 0), ("128 B leased", 128), ("382 B leased", 382), ("1 KiB leased", 1024), ("64 KiB leased", 64 << 10) })
        {
            Repeat(() =>
            {
                double nanos = HandOver(length);
                Print($"event handed over, {name}", "ns", nanos);
                Print($"events a second, {name}", "M/s", 1000 / nanos);
            });
        }

        Repeat(Wakes);
        TooSlow();
    }

    /// <summary>Once to warm up, then as often as it counts.</summary>
    private void Repeat(Action measure)
    {
        _warm = false;
        measure();
        _warm = true;
        for (int run = 0; run < runs; run++)
        {
            measure();
        }
    }

    private void Print(string name, string unit, double value)
    {
        if (_warm)
        {
            Result result = new() { Side = Result.DotNet, Scenario = name, Unit = unit, Value = value, Count = 1 };
            Console.WriteLine(JsonSerializer.Serialize(result, DocumentJson.Default.Result));
        }
    }

    private double Call()
    {
        int count = quick ? 10_000 : 5_000_000;
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            TestNode.pcn_test_nothing();
        }

        return Stopwatch.GetElapsedTime(started).TotalNanoseconds / count;
    }

    /// <summary>Nanoseconds an event while producer and reader run at once; new ones are asked for before the old are read, and none finds the ring full.</summary>
    private double HandOver(int length)
    {
        int each = length == 0 ? 2048 : Math.Clamp((1 << 20) / length, 64, 2048);
        int total = quick ? each * 4 : Math.Max(each * 4, length > 10_000 ? 20_000 : 4_000_000);
        using TestNode node = TestNode.Start(Slots);
        Counter counter = default;
        int asked = 0;
        long started = Stopwatch.GetTimestamp();
        while (counter.Events < total)
        {
            while (asked < total && asked - counter.Events <= each * Ahead)
            {
                node.Emit(Math.Min(each, total - asked), length);
                asked += each;
            }

            if (!node.Read(ref counter))
            {
                throw new TimeoutException($"{counter.Events} of {total} events came");
            }
        }

        double elapsed = Stopwatch.GetElapsedTime(started).TotalNanoseconds;
        return counter.Dropped == 0 ? elapsed / total : throw new InvalidOperationException($"{counter.Dropped} events were dropped where there was room");
    }

    /// <summary>From the node's clock, read before the event is pushed, to the reader that was parked for a millisecond or more.</summary>
    private void Wakes()
    {
        int count = quick ? 20 : 2000;
        using TestNode node = TestNode.Start(Slots);
        double[] micros = new double[count];
        Wake wake = new() { Offset = Offset() };
        bool done = false;

        // Sleeps, for with two cores whoever waits busily keeps one of them from the reader; and never waits for the reader.
        Thread asker = new(() =>
        {
            while (!Volatile.Read(ref done))
            {
                Thread.Sleep(2);
                node.Emit(1, 16);
            }
        });
        asker.Start();
        for (int i = 0; i < count; i++)
        {
            wake.Seen = false;
            while (!wake.Seen)
            {
                // Events that tell of other things come, too.
                if (!node.Read(ref wake))
                {
                    throw new TimeoutException($"{i} of {count} events came");
                }
            }

            micros[i] = wake.Nanos / 1000.0;
        }

        Volatile.Write(ref done, true);
        asker.Join();
        Array.Sort(micros);
        Print("wake from idle, p50", "us", Statistics.Percentile(micros, 50)!.Value);
        Print("wake from idle, p99", "us", Statistics.Percentile(micros, 99)!.Value);
    }

    /// <summary>
    /// A reader that takes half as many events a second as the node makes. How fast the node makes them while it finds the ring full
    /// is measured first; what the factor really was in a run is measured in it.
    /// </summary>
    private void TooSlow()
    {
        int total = quick ? 100_000 : 2_000_000;
        Overload first = Overwhelm(total, HandOver(382) * 2);
        double each = first.MakesNanos * 2;
        Repeat(() =>
        {
            Overload run = Overwhelm(total, each);
            Print("too slow a reader: events made for each taken", "x", run.Factor);
            Print("too slow a reader: read", "% read", 100.0 * run.Read / total);
            Print("too slow a reader: dropped and counted", "% dropped", 100.0 * run.Dropped / total);
            Print("too slow a reader: unaccounted for", "events lost", total - run.Read - run.Dropped);
            Print("too slow a reader: control events lost", "events lost", 2 - run.Controls);
            Print("too slow a reader: memory grown by", "MB", run.Grown / 1e6);
        });
    }

    /// <summary>Events made as fast as the node can, read by one that takes so long for each.</summary>
    private static Overload Overwhelm(int total, double nanosEach)
    {
        using TestNode node = TestNode.Start(Slots);
        Slow slow = new() { TicksEach = (long)(nanosEach * Stopwatch.Frequency / 1e9), Next = Stopwatch.GetTimestamp() };
        long before = Environment.WorkingSet;
        long peak = before;
        node.Emit(total, 382);
        while (slow.Events + slow.Dropped < total || slow.Controls < 2)
        {
            if (!node.Read(ref slow))
            {
                if (slow.Events + slow.Dropped == total)
                {
                    // Control events are lost; that is told.
                    break;
                }

                throw new TimeoutException($"{slow.Events} events came and {slow.Dropped} were counted as dropped, of {total}");
            }

            peak = Math.Max(peak, Environment.WorkingSet);
        }

        double makes = (double)(slow.LastMade - slow.FirstMade) / slow.LastNumber;
        double takes = (double)(slow.LastTaken - slow.FirstTaken) * 1e9 / Stopwatch.Frequency / slow.Events;
        return new Overload(makes, takes / makes, slow.Events, slow.Dropped, slow.Controls, peak - before);
    }

    /// <summary>What a run of a reader that is too slow was like.</summary>
    /// <param name="MakesNanos">Nanoseconds the node took for an event, taken or dropped.</param>
    /// <param name="Factor">Events made in the time the reader took for one.</param>
    /// <param name="Read">Events read.</param>
    /// <param name="Dropped">Events that found no room, as the node counted them.</param>
    /// <param name="Controls">Control events read, of two.</param>
    /// <param name="Grown">Bytes of memory more than before, at most.</param>
    private readonly record struct Overload(double MakesNanos, double Factor, long Read, long Dropped, int Controls, long Grown);

    /// <summary>What to add to this process's clock to get the node's; the least of many readings has waited least.</summary>
    private static long Offset()
    {
        long best = long.MaxValue;
        for (int i = 0; i < 10_000; i++)
        {
            long node = (long)TestNode.pcn_test_clock();
            best = Math.Min(best, Nanos() - node);
        }

        return best;
    }

    private static long Nanos() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    private struct Counter : IEventReader
    {
        public long Dropped;
        public int Events;
        public ulong Sum;

        public unsafe void On(in PcnEvent nativeEvent)
        {
            switch ((PcnEventKind)nativeEvent.kind)
            {
                case PcnEventKind.Gossip:
                    Events++;
                    Sum += nativeEvent.len >= 8 ? *(ulong*)nativeEvent.data : 0;
                    break;
                case PcnEventKind.Dropped:
                    Dropped += nativeEvent.count;
                    break;
            }
        }
    }

    private struct Wake : IEventReader
    {
        public long Offset;
        public long Nanos;
        public bool Seen;

        public unsafe void On(in PcnEvent nativeEvent)
        {
            if ((PcnEventKind)nativeEvent.kind == PcnEventKind.Gossip)
            {
                Nanos = RingBench.Nanos() - Offset - ((long*)nativeEvent.data)[1];
                Seen = true;
            }
        }
    }

    private struct Slow : IEventReader
    {
        public long TicksEach;
        public long Next;
        public long Events;
        public long Dropped;
        public int Controls;
        public long FirstMade;
        public long LastMade;
        public long LastNumber;
        public long FirstTaken;
        public long LastTaken;

        public unsafe void On(in PcnEvent nativeEvent)
        {
            switch ((PcnEventKind)nativeEvent.kind)
            {
                case PcnEventKind.Gossip:
                    LastNumber = ((long*)nativeEvent.data)[0];
                    LastMade = ((long*)nativeEvent.data)[1];
                    if (Events++ == 0)
                    {
                        FirstMade = LastMade;
                        FirstTaken = Stopwatch.GetTimestamp();
                    }

                    Next = Math.Max(Next, Stopwatch.GetTimestamp() - TicksEach) + TicksEach;
                    do
                    {
                        // Slow on purpose.
                        LastTaken = Stopwatch.GetTimestamp();
                    }
                    while (LastTaken < Next);

                    break;
                case PcnEventKind.Dropped:
                    Dropped += nativeEvent.count;
                    break;
                case PcnEventKind.PeerConnected or PcnEventKind.PeerDisconnected:
                    Controls++;
                    break;
            }
        }
    }
}
