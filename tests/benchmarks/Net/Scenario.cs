using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>What a scenario runs over.</summary>
/// <param name="Quic">QUIC instead of TCP.</param>
/// <param name="Author">Who signs gossip.</param>
/// <param name="Count">Messages, requests, starts or seconds; null is the scenario's own.</param>
/// <param name="Peer">A node of another process, where the scenario wants only one in this.</param>
internal sealed record NetOptions(bool Quic, GossipAuthor Author, int? Count, Multiaddr? Peer);

/// <summary>A scenario: the same names and work as in <c>native/preconf-bench</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Text">What it measures.</param>
/// <param name="Few">A count that only shows that it runs.</param>
/// <param name="RunAsync">Runs it.</param>
internal sealed record Scenario(string Name, string Text, int Few, Func<NetOptions, Task<Result[]>> RunAsync)
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    /// <summary>Whether the author key matters.</summary>
    public bool IsGossip { get; private init; }

    /// <summary>Whether it wants a node of another process.</summary>
    public bool WantsPeer { get; private init; }

    public static IReadOnlyList<Scenario> All { get; } =
    [
        Gossip("commitments-200", "commitments, at most 200 in flight", 500, (o, name) => GossipScenarios.CommitmentsAsync(o, name, 20_000, 200)),
        Gossip("commitments-unpaced", "commitments, published as fast as they are taken", 500, (o, name) => GossipScenarios.CommitmentsAsync(o, name, 20_000, null)),
        Gossip("commitments-1", "one commitment, publish to event", 100, (o, name) => GossipScenarios.CommitmentsAsync(o, name, 3_000, 1)),
        Gossip("txlists-64k", "txlists of 64 KiB, 8 in flight", 24, (o, name) => GossipScenarios.TxListsAsync(o, name, 2_400, 64 * KiB, 8)),
        Gossip("txlists-128k", "txlists of 128 KiB, 1 in flight", 24, (o, name) => GossipScenarios.TxListsAsync(o, name, 1_000, 128 * KiB, 1)),
        Gossip("txlists-1m", "txlists of 1 MiB, 2 in flight", 8, (o, name) => GossipScenarios.TxListsAsync(o, name, 150, MiB, 2)),
        Gossip("txlists-2m", "txlists of 2 MiB, 1 in flight", 8, (o, name) => GossipScenarios.TxListsAsync(o, name, 75, 2 * MiB, 1)),
        new("head-1", "get_head, 1 in flight", 100, o => RequestScenarios.HeadsAsync(o, "head-1", 5_000, 1)),
        new("head-32", "get_head, 32 in flight", 500, o => RequestScenarios.HeadsAsync(o, "head-32", 30_000, 32)),
        new("pages-1", "256 commitments per request, 1 in flight", 8, o => RequestScenarios.PagesAsync(o, "pages-1", 200, 1)),
        new("pages-8", "256 commitments per request, 8 in flight", 16, o => RequestScenarios.PagesAsync(o, "pages-8", 300, 8)),
        new("txlist-1m-1", "a txlist of 1 MiB, 1 in flight", 8, o => RequestScenarios.TxListsAsync(o, "txlist-1m-1", 250, 1)),
        new("txlist-1m-8", "a txlist of 1 MiB, 8 in flight", 16, o => RequestScenarios.TxListsAsync(o, "txlist-1m-8", 300, 8)),
        new("start", "start to first peer", 3, o => LifeScenarios.StartAsync(o, 20)),
        new("idle", "one node with a peer in another process, 30 s of nothing", 1, o => LifeScenarios.IdleAsync(o, 30)) { WantsPeer = true },
    ];

    /// <summary>
    /// Lists or requests before those that count: as many, where plain Rust takes a quarter. Half a second is too short for the runtime to have compiled for
    /// good what runs often.
    /// </summary>
    internal static int WarmUp(int count) => count;

    /// <summary>Numbers of a run as a result.</summary>
    internal static Result Result(NetOptions options, string name, double value, string unit, double[] sortedMicros, int count, long bytes, double? cores) => new()
    {
        Side = Report.Result.DotNet,
        Scenario = name,
        Transport = options.Quic ? "quic" : Report.Result.Tcp,
        Author = options.Author == GossipAuthor.Identity ? "identity" : Report.Result.Ed25519,
        Value = value,
        Unit = unit,
        P50 = Statistics.Percentile(sortedMicros, 50),
        P99 = Statistics.Percentile(sortedMicros, 99),
        Count = count,
        Bytes = bytes,
        Cores = cores,
    };

    private static Scenario Gossip(string name, string text, int few, Func<NetOptions, string, Task<Result[]>> run) =>
        new(name, text, few, options => run(options, name)) { IsGossip = true };
}
