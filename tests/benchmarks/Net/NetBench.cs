using System.Globalization;
using Preconf.Native.Benchmarks.Report;
using Preconf.Native.Network;

namespace Preconf.Native.Benchmarks.Net;

/// <summary>
/// Runs each scenario several times on both sides, in turns, each run in a process of its own, so that whatever the machine does
/// meanwhile hits both alike. The sides take turns in going first, too.
/// </summary>
internal sealed class NetBench
{
    /// <summary>What a quick run shows of the other transport and the other author; all of it shows the same code again.</summary>
    private static readonly string[] QuickBesides = ["commitments-200", "head-1"];

    private readonly string? _rust;
    private readonly Options _options;

    /// <param name="rust">The plain-Rust program; null: only the library is measured.</param>
    /// <param name="options">Which scenarios, how often, and whether in a hurry.</param>
    public NetBench(string? rust, Options options)
    {
        _rust = rust;
        _options = options;
    }

    /// <summary>Runs what is asked for.</summary>
    /// <param name="found">Takes all runs of a scenario, and what a recovery and a page of new memory took the machine meanwhile.</param>
    public async Task RunAsync(Action<IEnumerable<Result>, Machine?> found)
    {
        foreach (Planned planned in Plan())
        {
            (List<Result> results, Machine? machine) = await RunAsync(planned);
            foreach (IGrouping<string, Result> figure in results.GroupBy(result => result.Scenario))
            {
                found(figure, machine);
            }
        }
    }

    private IEnumerable<Planned> Plan()
    {
        foreach (Scenario scenario in Scenario.All.Where(scenario => _options.Only.Count == 0 || _options.Only.Contains(scenario.Name)))
        {
            bool besides = !_options.Quick || QuickBesides.Contains(scenario.Name);
            yield return new Planned(scenario, Quic: false, GossipAuthor.Ed25519);
            if (scenario.IsGossip && besides)
            {
                yield return new Planned(scenario, Quic: false, GossipAuthor.Identity);
            }

            if (besides)
            {
                yield return new Planned(scenario, Quic: true, GossipAuthor.Ed25519);
            }
        }
    }

    private async Task<(List<Result> Results, Machine? Machine)> RunAsync(Planned planned)
    {
        List<Result> results = [];
        List<Machine> machines = [];
        await using P2pNode? peer = planned.Scenario.WantsPeer ? await NodePair.ListenAsync(NodePair.Config(planned.Options)) : null;
        string[] arguments = [planned.Scenario.Name, .. planned.Arguments(_options.Quick), .. peer is null ? [] : new[] { "--peer", peer.Handle.DialableAddresses[0].ToString() }];
        string[] dotnet = Apart.Self(["net-run", .. arguments]);
        string[]? rust = _rust is null ? null : [_rust, "net", .. arguments];
        for (int run = 0; run < _options.Runs; run++)
        {
            if (_rust is not null && !_options.Quick)
            {
                machines.Add(Machine.Alone("recover", "page"));
            }

            string[][] commands = rust is null ? [dotnet] : run % 2 == 0 ? [dotnet, rust] : [rust, dotnet];
            if (planned.Scenario.WantsPeer)
            {
                // Both at once: neither does anything, and so nothing happens to only one.
                List<Result>[] both = await Task.WhenAll(commands.Select(command => Apart.RunAsync(command, Apart.Patience)));
                results.AddRange(both.SelectMany(one => one));
                continue;
            }

            foreach (string[] command in commands)
            {
                results.AddRange(await Apart.RunAsync(command, Apart.Patience));
            }
        }

        return (results, machines.Count == 0 ? null : Machine.Median(machines));
    }

    /// <summary>A scenario over a transport with an author key.</summary>
    private sealed record Planned(Scenario Scenario, bool Quic, GossipAuthor Author)
    {
        public NetOptions Options => new(Quic, Author, null, null);

        public string[] Arguments(bool quick) =>
        [
            "--transport", Quic ? "quic" : "tcp", "--author", Author == GossipAuthor.Identity ? "identity" : "ed25519",
            .. quick ? new[] { "--count", Scenario.Few.ToString(CultureInfo.InvariantCulture) } : [],
        ];
    }
}
