using System.Diagnostics;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>A node's start, and what it costs when nothing happens.</summary>
internal static class LifeScenarios
{
    private const int WarmUp = 3;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(3);

    public static async Task<Result[]> StartAsync(NetOptions options, int defaultCount)
    {
        int count = options.Count ?? defaultCount;
        await using P2pNode to = await NodePair.ListenAsync(NodePair.Config(options));
        string address = to.Handle.DialableAddresses[0].ToString();
        double[] micros = new double[count];
        for (int i = -WarmUp; i < count; i++)
        {
            long started = Stopwatch.GetTimestamp();
            P2pConfig config = NodePair.Config(options);
            config.StaticPeers = [address];
            await using P2pNode node = P2pNode.Create(config);
            await node.StartAsync();
            await node.Handle.WaitForPeerAsync(NodePair.Patience);
            if (i >= 0)
            {
                micros[i] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            }
        }

        Array.Sort(micros);
        return [Scenario.Result(options, "start", (Statistics.Percentile(micros, 50) ?? 0) / 1e3, "ms", micros, count, 0, null)];
    }

    /// <summary>One node in this process; what it is connected to is in another.</summary>
    public static async Task<Result[]> IdleAsync(NetOptions options, int defaultSeconds)
    {
        Multiaddr peer = options.Peer ?? throw new FormatException("idle takes --peer: the address of a node of another process");
        int seconds = options.Count ?? defaultSeconds;
        await using P2pNode node = await NodePair.ListenAsync(NodePair.Config(options));
        await node.Handle.DialAsync(peer).WaitAsync(NodePair.Patience);
        await NodePair.WaitForMeshAsync(node);
        await Task.Delay(Settle);
        ProcessMeter meter = new();
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        double cores = meter.Cores;
        double? woken = meter.WakeUpsPerSecond;
        double resident = ProcessMeter.Resident() / 1e6;
        List<Result> results =
        [
            Scenario.Result(options, "idle-cpu", cores * 100, "%", [], seconds, 0, cores),
            Scenario.Result(options, "idle-rss", resident, "MB", [], seconds, 0, cores),
        ];
        if (woken is { } wakeUps)
        {
            results.Add(Scenario.Result(options, "idle-wakeups", wakeUps, "wakeups/s", [], seconds, 0, cores));
        }

        return [.. results];
    }
}
