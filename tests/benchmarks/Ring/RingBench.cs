using System.Diagnostics;
using System.Globalization;
using Preconf.Native.Interop;

namespace Preconf.Native.Benchmarks.Ring;

/// <summary>What the boundary costs: a call, an event handed over, a wake-up, and what happens when the host is too slow.</summary>
internal sealed class RingBench(int runs, bool quick)
{
    private const int Slots = 1 << 15;
    private readonly List<RingRow> _rows = [];

    public IReadOnlyList<RingRow> Run()
    {
        Add("call that does nothing", "ns", Median(Call));
        foreach ((string name, int length) in new[] { ("push and pop, no payload", 0), ("128 B leased", 128), ("382 B leased", 382), ("1 KiB leased", 1024), ("64 KiB leased", 64 << 10) })
        {
            double nanos = Median(() => HandOver(length));
            Add($"event handed over, {name}", "ns", nanos);
            Add($"events a second, {name}", "M/s", 1000 / nanos);
        }

        Wakes();
        TooSlow();
        return _rows;
    }

    private void Add(string name, string unit, double value)
    {
        RingRow row = new(name, unit, value);
        _rows.Add(row);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Name,-52} {row.Value,10:G4} {row.Unit}"));
    }

    private double Median(Func<double> measure)
    {
        measure();
        double[] all = [.. Enumerable.Range(0, runs).Select(_ => measure()).Order()];
        return all[all.Length / 2];
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
            while (asked < total && asked - counter.Events <= each)
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
        using Barrier turn = new(2);
        double[] micros = new double[count];
        long offset = Offset();
        Thread asker = new(() =>
        {
            for (int i = 0; i < count; i++)
            {
                turn.SignalAndWait();
                Thread.Sleep(1);
                node.Emit(1, 16);
            }
        });
        asker.Start();
        Wake wake = new() { Offset = offset };
        for (int i = 0; i < count; i++)
        {
            turn.SignalAndWait();
            wake.Seen = false;
            while (!wake.Seen && node.Read(ref wake))
            {
                // Events that tell of other things come, too.
            }

            micros[i] = wake.Nanos / 1000.0;
        }

        asker.Join();
        Array.Sort(micros);
        Add("wake from idle, p50", "us", micros[count / 2]);
        Add("wake from idle, p99", "us", micros[count * 99 / 100]);
    }

    /// <summary>A reader that takes twice as long for each event as the node does to make one.</summary>
    private void TooSlow()
    {
        int total = quick ? 100_000 : 2_000_000;
        double makes = Median(() => HandOver(382));
        using TestNode node = TestNode.Start(Slots);
        Slow slow = new() { TicksEach = (long)(2 * makes * Stopwatch.Frequency / 1e9), Next = Stopwatch.GetTimestamp() };
        long before = Environment.WorkingSet;
        long peak = before;
        node.Emit(total, 382);
        while (slow.Events + slow.Dropped < total)
        {
            if (!node.Read(ref slow))
            {
                throw new TimeoutException($"{slow.Events} events came and {slow.Dropped} were counted as dropped, of {total}");
            }

            peak = Math.Max(peak, Environment.WorkingSet);
        }

        Add("at twice the reader's rate: read", "%", 100.0 * slow.Events / total);
        Add("at twice the reader's rate: dropped and counted", "%", 100.0 * slow.Dropped / total);
        Add("at twice the reader's rate: unaccounted for", "events", total - slow.Events - slow.Dropped);
        Add("at twice the reader's rate: control events lost", "events", 2 - slow.Controls);
        Add("at twice the reader's rate: memory grown by", "MB", (peak - before) / 1e6);
    }

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

        public void On(in PcnEvent nativeEvent)
        {
            switch ((PcnEventKind)nativeEvent.kind)
            {
                case PcnEventKind.Gossip:
                    Events++;
                    Next = Math.Max(Next, Stopwatch.GetTimestamp() - TicksEach) + TicksEach;
                    while (Stopwatch.GetTimestamp() < Next)
                    {
                        // Slow on purpose.
                    }

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

/// <summary>One figure of the ring.</summary>
public sealed record RingRow(string Name, string Unit, double Value);
