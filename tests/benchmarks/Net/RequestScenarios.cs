using System.Diagnostics;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Crypto;
using Preconf.Native.Protocol;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>Requests of one node, answered by the other from its store; every answer is verified and stored.</summary>
internal static class RequestScenarios
{
    private const int PageSize = 256;
    private const int TxLists = 64;
    private const int TxListLength = 1 << 20;

    public static async Task<Result[]> HeadsAsync(NetOptions options, string name, int defaultCount, int inFlight)
    {
        int count = options.Count ?? defaultCount;
        InMemoryStore served = Filled(1);
        await using NodePair pair = await NodePair.ConnectAsync(options, toStore: served);
        PeerId peer = pair.To.LocalPeerId;
        Run run = await MeasureAsync(count, inFlight, async _ => (await pair.From.Handle.RequestHeadAsync(peer)).BlockNumber == 1UL ? 1 : 0, 1);
        return inFlight == 1
            ? [Scenario.Result(options, name, Statistics.Percentile(run.Micros, 50) ?? 0, "us", run.Micros, count, count * 64L, run.Cores)]
            : [run.ToResult(options, name, count, 64)];
    }

    public static async Task<Result[]> PagesAsync(NetOptions options, string name, int defaultCount, int inFlight)
    {
        int count = options.Count ?? defaultCount;
        InMemoryStore served = Filled((count + Scenario.WarmUp(count)) * PageSize);
        await using NodePair pair = await NodePair.ConnectAsync(options, toStore: served);
        PeerId peer = pair.To.LocalPeerId;
        Run run = await MeasureAsync(
            count, inFlight, async i => (await pair.From.Handle.RequestCommitmentsAsync(((ulong)i * PageSize) + 1, PageSize, peer)).Commitments.Count, PageSize);
        int kept = Math.Min(new StoreOptions().MaxCommitments, (count + Scenario.WarmUp(count)) * PageSize);
        int missing = Math.Max(0, kept - pair.FromStore.GetStats().Commitments);
        return [run.ToResult(options, name, count, PageSize * 382) with { Unverified = missing }];
    }

    public static async Task<Result[]> TxListsAsync(NetOptions options, string name, int defaultCount, int inFlight)
    {
        int count = options.Count ?? defaultCount;
        InMemoryStore served = new(new StoreOptions { MaxUnreferencedBytes = (TxLists + 1L) * TxListLength });
        RawTxListGossip[] lists = NodePair.MakeTxLists(TxLists, TxListLength);
        foreach (RawTxListGossip list in lists)
        {
            Bytes32 hash = list.RawTxListHash;
            served.AddTxList(in hash, list.TxList.Span);
        }

        // Fewer are kept where they are asked for, so that each is new there.
        InMemoryStore few = new(new StoreOptions { MaxUnreferencedBytes = TxLists / 4L * TxListLength });
        await using NodePair pair = await NodePair.ConnectAsync(options, few, served);
        PeerId peer = pair.To.LocalPeerId;
        Run run = await MeasureAsync(
            count, inFlight, async i => (await pair.From.Handle.RequestTxListAsync(lists[i % TxLists].RawTxListHash, peer)).TxList.Length, TxListLength);
        int missing = Math.Max(0, Math.Min(TxLists / 4, count + Scenario.WarmUp(count)) - few.GetStats().TxLists);
        return [run.ToResult(options, name, count, TxListLength) with { Unverified = missing }];
    }

    private static InMemoryStore Filled(int count)
    {
        InMemoryStore store = new(new StoreOptions { MaxCommitments = count + 1 });
        foreach (SignedCommitment commitment in NodePair.Sign(count))
        {
            Bytes32 domain = PreconfSigning.DefaultDomain;
            Bytes32 signing = PreconfSigning.SigningHash(in domain, in commitment.Commitment);
            Bytes32 hash = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
            if (!PreconfSigning.TryRecover(in signing, in commitment.Signature, out Address signer))
            {
                throw new InvalidOperationException("a signature does not recover");
            }

            store.AddCommitment(in commitment, in hash, in signer);
        }

        return store;
    }

    private static async Task<Run> MeasureAsync(int count, int inFlight, Func<int, Task<int>> ask, int expected)
    {
        await FlowAsync(0, Scenario.WarmUp(count), inFlight, ask, expected);
        return await FlowAsync(Scenario.WarmUp(count), count, inFlight, ask, expected);
    }

    private static async Task<Run> FlowAsync(int first, int count, int inFlight, Func<int, Task<int>> ask, int expected)
    {
        double[] micros = new double[count];
        int next = -1;
        ProcessMeter meter = new();
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => Task.Run(async () =>
        {
            for (int i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
            {
                long asked = Stopwatch.GetTimestamp();
                int got = await ask(first + i);
                micros[i] = Stopwatch.GetElapsedTime(asked).TotalMicroseconds;
                if (got != expected)
                {
                    throw new InvalidOperationException($"{got} instead of {expected} in an answer");
                }
            }
        })));
        (TimeSpan wall, double cores) = (meter.Wall, meter.Cores);
        Array.Sort(micros);
        return new Run(wall, micros, cores);
    }

    private sealed record Run(TimeSpan Wall, double[] Micros, double Cores)
    {
        public Result ToResult(NetOptions options, string name, int count, long size) =>
            Scenario.Result(options, name, count / Wall.TotalSeconds, "requests/s", Micros, count, count * size, Cores);
    }
}
