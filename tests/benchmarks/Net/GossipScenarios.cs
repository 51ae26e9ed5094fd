using System.Diagnostics;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>Gossip from one node to the other. A message is in flight from its publish until the other's user has read its event.</summary>
internal static class GossipScenarios
{
    public static async Task<Result[]> CommitmentsAsync(NetOptions options, string name, int defaultCount, int? limit)
    {
        int count = options.Count ?? defaultCount;
        int warmUp = (count + 1) / 2;
        SignedCommitment[] all = NodePair.Sign(warmUp + count);
        await using NodePair pair = await NodePair.ConnectAsync(options);
        Flow flow = new(pair, NetworkEventKind.GossipSignedCommitment, number => pair.From.Handle.PublishCommitmentAsync(all[number]), e => (int)(ulong)e.BlockNumber - 1);
        await flow.RunAsync(0, warmUp, limit);
        Measured run = await flow.RunAsync(warmUp, count, limit);
        long bytes = (long)count * 382;
        return limit == 1
            ? [Scenario.Result(options, name, Scenario.Percentile(run.Micros, 50) ?? 0, "us", run.Micros, count, bytes, run.Lost, run.Cores)]
            : [Scenario.Result(options, name, run.PerSecond, "commitments/s", run.Micros, count, bytes, run.Lost, run.Cores)];
    }

    public static async Task<Result[]> TxListsAsync(NetOptions options, string name, int defaultCount, int length, int limit)
    {
        int count = options.Count ?? defaultCount;
        int warmUp = (count + 3) / 4;
        RawTxListGossip[] all = NodePair.MakeTxLists(warmUp + count, length);
        await using NodePair pair = await NodePair.ConnectAsync(options);
        Flow flow = new(
            pair, NetworkEventKind.GossipRawTxList, number => pair.From.Handle.PublishTxListAsync(all[number]), e => (int)BitConverter.ToInt64(e.TxList!.TxList.Span));
        await flow.RunAsync(0, warmUp, limit);
        Measured run = await flow.RunAsync(warmUp, count, limit);
        return [Scenario.Result(options, name, run.PerSecond * length / 1e6, "MB/s", run.Micros, count, (long)count * length, run.Lost, run.Cores)];
    }

    internal sealed record Measured(double PerSecond, double[] Micros, int Lost, double Cores);

    private sealed class Flow(NodePair pair, NetworkEventKind kind, Func<int, ValueTask<PublishResult>> publish, Func<NetworkEvent, int> numberOf)
    {
        public async Task<Measured> RunAsync(int first, int count, int? limit)
        {
            using EventReader<NetworkEvent> events = pair.To.Handle.Subscribe(Math.Max(1 << 16, count));
            Window window = new(limit ?? int.MaxValue);
            long[] published = new long[count];
            double[] micros = new double[count];
            ProcessMeter meter = new();
            Task<(int Seen, TimeSpan Wall, double Cores)> reading = Task.Run(() => ReadAsync(events, window, published, micros, first, meter));
            await Task.Factory.StartNew(() => Publish(window, published, first, limit ?? count), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            (int seen, TimeSpan wall, double cores) = await reading;
            Array.Resize(ref micros, seen);
            Array.Sort(micros);
            return new Measured(seen / wall.TotalSeconds, micros, count - seen, cores);
        }

        private void Publish(Window window, long[] published, int first, int inFlight)
        {
            ValueTask<PublishResult>[] results = new ValueTask<PublishResult>[Math.Min(inFlight, published.Length)];
            for (int i = 0; i < published.Length + results.Length; i++)
            {
                ref ValueTask<PublishResult> slot = ref results[i % results.Length];
                if (i >= results.Length)
                {
                    PublishResult result = slot.IsCompletedSuccessfully ? slot.Result : slot.AsTask().GetAwaiter().GetResult();
                    if (!result.IsSent)
                    {
                        throw new InvalidOperationException($"a publish ended as {result}");
                    }
                }

                if (i < published.Length)
                {
                    window.Enter();
                    Volatile.Write(ref published[i], Stopwatch.GetTimestamp());
                    slot = publish(first + i);
                }
            }
        }

        private async Task<(int Seen, TimeSpan Wall, double Cores)> ReadAsync(
            EventReader<NetworkEvent> events, Window window, long[] published, double[] micros, int first, ProcessMeter meter)
        {
            int seen = 0;
            try
            {
                while (seen < micros.Length)
                {
                    Task<bool> more = events.WaitToReadAsync().AsTask();
                    if (!await more.WaitAsync(NodePair.Patience))
                    {
                        break;
                    }

                    while (seen < micros.Length && events.TryRead(out NetworkEvent e))
                    {
                        seen += Take(in e, window, published, micros, seen, first);
                    }
                }
            }
            catch (TimeoutException)
            {
                // What has not come by now is lost, and counted as such.
            }

            window.Open();
            return (seen, meter.Wall, meter.Cores);
        }

        private int Take(in NetworkEvent e, Window window, long[] published, double[] micros, int seen, int first)
        {
            if (e.Kind == kind)
            {
                window.Leave();
                micros[seen] = Stopwatch.GetElapsedTime(Volatile.Read(ref published[numberOf(e) - first])).TotalMicroseconds;
                return 1;
            }

            return e.Kind is NetworkEventKind.Error or NetworkEventKind.GossipRejected or NetworkEventKind.GossipIgnored or NetworkEventKind.EventsDropped
                ? throw new InvalidOperationException($"{e.Kind} {e.Reason} {e.Error} {e.Count}")
                : 0;
        }
    }

    /// <summary>How many messages may be in flight; once full it takes new ones when a quarter is free, so that they go in groups.</summary>
    private sealed class Window(int limit)
    {
        private readonly object _gate = new();
        private readonly int _resume = limit - Math.Max(1, limit / 4);
        private int _inFlight;

        public void Enter()
        {
            lock (_gate)
            {
                if (_inFlight >= limit)
                {
                    while (_inFlight > _resume)
                    {
                        Monitor.Wait(_gate);
                    }
                }

                _inFlight++;
            }
        }

        public void Leave()
        {
            lock (_gate)
            {
                if (--_inFlight == _resume)
                {
                    Monitor.Pulse(_gate);
                }
            }
        }

        public void Open()
        {
            lock (_gate)
            {
                _inFlight = 0;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
