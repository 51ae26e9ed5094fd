using Microsoft.Extensions.Logging;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Real nodes on loopback for one test, with a signer whose commitments they take.</summary>
public sealed class TestNet : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly List<P2pNode> _nodes = [];

    public TestNet(ITestOutputHelper? output = null) => Loggers = output is null ? null : new TestLoggers(output);

    public PreconfSigner Signer { get; } = PreconfSigner.Generate();

    public TestLoggers? Loggers { get; }

    public static P2pConfig Config(params string[] listen) => new()
    {
        Listen = listen,
        EphemeralKey = true,
        AnySigner = true,
        EnableDiscovery = false,
        RateLimit = { Enabled = false },
    };

    public const string Tcp = "/ip4/127.0.0.1/tcp/0";
    public const string Quic = "/ip4/127.0.0.1/udp/0/quic-v1";

    public async Task<P2pNode> StartAsync(P2pConfig config, P2pNodeServices? services = null)
    {
        services ??= new P2pNodeServices();
        if (Loggers is not null)
        {
            services.LoggerFactory = Loggers;
        }

        P2pNode node = P2pNode.Create(config, services);
        _nodes.Add(node);
        await node.StartAsync();
        if (config.Listen.Count != 0)
        {
            await node.Handle.WaitForListenAddressAsync(Patience);
        }

        return node;
    }

    public Task<P2pNode> StartAsync(string listen) => StartAsync(Config(listen));

    /// <summary>Dials, and waits until each side counts the other and knows it as a subscriber: others they have do not make up for that.</summary>
    public static async Task ConnectAsync(P2pNode from, P2pNode to)
    {
        await from.Handle.DialAsync(to.Handle.DialableAddresses[0]).WaitAsync(Patience);
        await LifecycleTests.UntilAsync(() => Reaches(from, to) && Reaches(to, from));

        static bool Reaches(P2pNode node, P2pNode other) =>
            node.Handle.Peers.Any(peer => peer.Id.Equals(other.LocalPeerId) && peer is { CommitmentsTopic: true, TxListsTopic: true });
    }

    public async Task<(P2pNode A, P2pNode B)> PairAsync(string listen = Tcp)
    {
        P2pNode a = await StartAsync(listen);
        P2pNode b = await StartAsync(listen);
        await ConnectAsync(b, a);
        return (a, b);
    }

    public SignedCommitment Commit(ulong block, Bytes32 txListHash = default, Bytes32 parent = default)
    {
        Bytes32 domain = PreconfSigning.DefaultDomain;
        Preconfirmation preconf = new()
        {
            Eop = txListHash.IsZero,
            BlockNumber = block,
            Timestamp = 1_744_218_460 + (2 * block),
            GasLimit = 60_000_000,
            RawTxListHash = txListHash,
            ParentPreconfirmationHash = parent,
            SubmissionWindowEnd = 1_744_218_462 + (2 * block),
        };
        PreconfCommitment commitment = new(in preconf, default);
        return Signer.Sign(in domain, in commitment);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (P2pNode node in _nodes)
        {
            await node.DisposeAsync();
        }

        Signer.Dispose();
    }
}

/// <summary>Logs into the test's output.</summary>
public sealed class TestLoggers(ITestOutputHelper output) : ILoggerFactory
{
    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => new Sink(output, categoryName);

    public void Dispose()
    {
    }

    private sealed class Sink(ITestOutputHelper output, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            try
            {
                output.WriteLine($"{logLevel} {category}: {formatter(state, exception)} {exception}");
            }
            catch (InvalidOperationException)
            {
                // The test has ended; its output is closed.
            }
        }
    }
}
