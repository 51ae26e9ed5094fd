using System.Diagnostics;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;
using Preconf.Native.Storage;
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
        Address signer = NodePair.Signer;
        Flow flow = new(
            pair,
            NetworkEventKind.GossipSignedCommitment,
            number => pair.From.Handle.PublishCommitmentAsync(all[number]),
            e => e.Signer == signer ? (int)(ulong)e.BlockNumber - 1 : throw new InvalidOperationException($"a commitment signed by {e.Signer}"));
        await flow.RunAsync(0, warmUp, limit);
        Measured run = await flow.RunAsync(warmUp, count, limit);
        int missing = Math.Min(new StoreOptions().MaxCommitments, warmUp + count) - pair.ToStore.GetStats().Commitments;
        (double value, string unit) = limit == 1 ? (Statistics.Percentile(run.Micros, 50) ?? 0, "us") : (run.PerSecond, "commitments/s");
        return [run.ToResult(options, name, value, unit, count, 382, missing)];
    }

    public static async Task<Result[]> TxListsAsync(NetOptions options, string name, int defaultCount, int length, int limit)
    {
        int count = options.Count ?? defaultCount;
        int warmUp = Scenario.WarmUp(count);
        RawTxListGossip[] all = NodePair.MakeTxLists(warmUp + count, length);
        await using NodePair pair = await NodePair.ConnectAsync(options);
        Flow flow = new(
            pair, NetworkEventKind.GossipRawTxList, number => pair.From.Handle.PublishTxListAsync(all[number]), e => (int)BitConverter.ToInt64(e.TxList!.TxList.Span));
        await flow.RunAsync(0, warmUp, limit);
        Measured run = await flow.RunAsync(warmUp, count, limit);
        long room = NodePair.Config(options).Store.MaxUnreferencedBytes / length;
        int missing = (int)Math.Min(room, warmUp + count) - pair.ToStore.GetStats().TxLists;
        return [run.ToResult(options, name, run.PerSecond * length / 1e6, "MB/s", count, length, missing)];
    }

    internal sealed record Measured(double PerSecond, double[] Micros, int Lost, double Cores)
    {
        /// <summary>As a result; <paramref name="missing"/> is what the receiving store does not hold and should, had all come and been verified.</summary>
        public Result ToResult(NetOptions options, string name, double value, string unit, int count, int size, int missing) =>
            Scenario.Result(options, name, value, unit, Micros, count, (long)count * size, Cores) with { Lost = Lost, Unverified = Math.Max(0, missing - Lost) };
    }

    private sealed class Flow(NodePair pair, NetworkEventKind kind, Func<int, ValueTask<PublishResult>> publish, Func<NetworkEvent, int> numberOf)
    {
        private int _seen;

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
                if (i < published.Length)
                {
                    window.Enter();
                }

                // How a publish ended is looked at when its place is needed again: by then it is known, and nobody has to be woken for it.
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
                    Volatile.Write(ref published[i], Stopwatch.GetTimestamp());
                    slot = publish(first + i);
                }
            }
        }

        private async Task<(int Seen, TimeSpan Wall, double Cores)> ReadAsync(
            EventReader<NetworkEvent> events, Window window, long[] published, double[] micros, int first, ProcessMeter meter)
        {
            int seen = 0;
            _seen = 0;
            try
            {
                // What has not come when the watchdog ends the wait is lost, and counted as such.
                using Timer watchdog = Watch(events);
                while (seen < micros.Length && await events.WaitToReadAsync())
                {
                    while (seen < micros.Length && events.TryRead(out NetworkEvent e))
                    {
                        seen += Take(in e, window, published, micros, seen, first);
                        Volatile.Write(ref _seen, seen);
                    }
                }

                return (seen, meter.Wall, meter.Cores);
            }
            finally
            {
                window.Open();
            }
        }

        /// <summary>Ends the reader when nothing has come for long: one timer for a whole run.</summary>
        private Timer Watch(EventReader<NetworkEvent> events)
        {
            int before = -1;
            return new Timer(
                _ =>
                {
                    int now = Volatile.Read(ref _seen);
                    if (now == before)
                    {
                        events.Dispose();
                    }

                    before = now;
                },
                null,
                NodePair.Patience,
                NodePair.Patience);
        }

        private int Take(in NetworkEvent e, Window window, long[] published, double[] micros, int seen, int first)
        {
            if (e.Kind == kind)
            {
                micros[seen] = Stopwatch.GetElapsedTime(Volatile.Read(ref published[numberOf(e) - first])).TotalMicroseconds;
                window.Leave();
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
        private bool _open;

        public void Enter()
        {
            lock (_gate)
            {
                if (_inFlight >= limit)
                {
                    while (_inFlight > _resume && !_open)
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

        /// <summary>Nobody reads any more: whoever waits goes on, and finds out.</summary>
        public void Open()
        {
            lock (_gate)
            {
                _open = true;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
