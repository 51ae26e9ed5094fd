using Preconf.Native.Network;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>What a scenario runs over.</summary>
/// <param name="Quic">QUIC instead of TCP.</param>
/// <param name="Author">Who signs gossip.</param>
/// <param name="Count">Messages, requests, starts or seconds; null is the scenario's own.</param>
public sealed record NetOptions(bool Quic, GossipAuthor Author, int? Count);

/// <summary>A scenario: the same names and work as in <c>native/preconf-bench</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Text">What it measures.</param>
/// <param name="RunAsync">Runs it.</param>
public sealed record Scenario(string Name, string Text, Func<NetOptions, Task<Report.Result[]>> RunAsync)
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("commitments-200", "commitments, at most 200 in flight", o => GossipScenarios.CommitmentsAsync(o, "commitments-200", 20_000, 200)),
        new("commitments-unpaced", "commitments, published as fast as they are taken", o => GossipScenarios.CommitmentsAsync(o, "commitments-unpaced", 20_000, null)),
        new("commitments-1", "one commitment, publish to event", o => GossipScenarios.CommitmentsAsync(o, "commitments-1", 3_000, 1)),
        new("txlists-64k", "txlists of 64 KiB, 8 in flight", o => GossipScenarios.TxListsAsync(o, "txlists-64k", 2_400, 64 * KiB, 8)),
        new("txlists-128k", "txlists of 128 KiB, 1 in flight", o => GossipScenarios.TxListsAsync(o, "txlists-128k", 1_000, 128 * KiB, 1)),
        new("txlists-1m", "txlists of 1 MiB, 2 in flight", o => GossipScenarios.TxListsAsync(o, "txlists-1m", 150, MiB, 2)),
        new("txlists-2m", "txlists of 2 MiB, 1 in flight", o => GossipScenarios.TxListsAsync(o, "txlists-2m", 75, 2 * MiB, 1)),
        new("head-1", "get_head, 1 in flight", o => RequestScenarios.HeadsAsync(o, "head-1", 5_000, 1)),
        new("head-32", "get_head, 32 in flight", o => RequestScenarios.HeadsAsync(o, "head-32", 30_000, 32)),
        new("pages-1", "256 commitments per request, 1 in flight", o => RequestScenarios.PagesAsync(o, "pages-1", 200, 1)),
        new("pages-8", "256 commitments per request, 8 in flight", o => RequestScenarios.PagesAsync(o, "pages-8", 300, 8)),
        new("txlist-1m-1", "a txlist of 1 MiB, 1 in flight", o => RequestScenarios.TxListsAsync(o, "txlist-1m-1", 250, 1)),
        new("txlist-1m-8", "a txlist of 1 MiB, 8 in flight", o => RequestScenarios.TxListsAsync(o, "txlist-1m-8", 300, 8)),
        new("start", "start to first peer", o => LifeScenarios.StartAsync(o, 20)),
        new("idle", "two connected nodes, 30 s of nothing", o => LifeScenarios.IdleAsync(o, 30)),
    ];

    /// <summary>Numbers of a run as a result.</summary>
    internal static Report.Result Result(NetOptions options, string name, double value, string unit, double[] sortedMicros, int count, long bytes, int lost, double? cores) => new()
    {
        Side = "dotnet",
        Scenario = name,
        Transport = options.Quic ? "quic" : "tcp",
        Author = options.Author == GossipAuthor.Identity ? "identity" : "ed25519",
        Value = value,
        Unit = unit,
        P50 = Percentile(sortedMicros, 50),
        P99 = Percentile(sortedMicros, 99),
        Count = count,
        Bytes = bytes,
        Lost = lost,
        Cores = cores,
    };

    /// <summary>A percentile of sorted times, the nearest rank; null when there are none.</summary>
    internal static double? Percentile(double[] sorted, int percent) =>
        sorted.Length == 0 ? null : sorted[Math.Max(1, ((sorted.Length * percent) + 99) / 100) - 1];
}
