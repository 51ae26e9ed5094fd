using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>A host's loggers are the host's code: whatever they do, the node does what it would have done.</summary>
public sealed class LoggerTests
{
    [Fact]
    public async Task ALoggerThatThrowsEndsNeitherTheNodeNorItsEvents()
    {
        await using TestNet net = new();
        using Loggers loggers = new() { OnLog = static (_, _, _) => throw new InvalidOperationException("the disk of the logs is full") };
        P2pNode node = await net.StartAsync(Banning(), new P2pNodeServices { LoggerFactory = loggers });
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        int heard = 0;
        using IDisposable handler = node.Handle.OnEvent(_ =>
        {
            Interlocked.Increment(ref heard);
            throw new InvalidOperationException("asked for by a test");
        });
        FillBans(node);
        Fault(node, "asked for by a test");
        NetworkEvent faulted = await ExchangeTests.NextAsync(events, NetworkEventKind.Faulted);
        Assert.Contains("asked for by a test", faulted.Error!.Detail, StringComparison.Ordinal);

        // The pump's thread has no caller: what is thrown here would have ended the process.
        ((INativeEventSink)node.CoreOrNull!).OnEnd(new InvalidOperationException("asked for by a test"));
        await ExchangeTests.NextAsync(events, NetworkEventKind.Stopped);
        Assert.False(await events.WaitToReadAsync());
        await LifecycleTests.UntilAsync(() => Volatile.Read(ref heard) >= 2);
        await node.StopAsync().WaitAsync(TestNet.Patience);
    }

    [Fact]
    public async Task ALoggerThatBlocksHoldsNothingUp()
    {
        await using TestNet net = new();
        using ManualResetEventSlim free = new();
        using Loggers loggers = new() { OnLog = (_, _, _) => free.Wait() };
        P2pNode node = await net.StartAsync(Banning(), new P2pNodeServices { LoggerFactory = loggers });
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        try
        {
            await Task.Run(() => FillBans(node)).WaitAsync(TestNet.Patience);
            await Task.Run(() => Fault(node, "asked for by a test")).WaitAsync(TestNet.Patience);
            await ExchangeTests.NextAsync(events, NetworkEventKind.Faulted);
        }
        finally
        {
            free.Set();
        }

        await node.StopAsync().WaitAsync(TestNet.Patience);
        Assert.Contains(loggers.Lines, line => line.Category == "Preconf.Native.Node" && line.Level == LogLevel.Critical);
        Assert.Contains(loggers.Lines, line => line.Text.Contains("MaxBans 1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Preconf.Native.preconf_p2p")]
    [InlineData("Preconf.Native.libp2p_swarm")]
    public async Task ACategoryOfTheNativePartMayBeMoreVerboseThanTheOthersFromTheStartOrLater(string category)
    {
        await using TestNet net = new();
        using Loggers loggers = new() { Takes = (name, level) => level >= (name.StartsWith(category, StringComparison.Ordinal) ? LogLevel.Debug : LogLevel.Information) };
        P2pNodeServices services = new() { LoggerFactory = loggers, TimeProvider = new FastTime(10) };
        P2pNode node = await net.StartAsync(TestNet.Config(TestNet.Tcp), services);
        bool IsHeard() => loggers.Lines.Any(line => line.Level == LogLevel.Debug && line.Category.StartsWith(category, StringComparison.Ordinal));
        await FailToDialAsync(node);
        await LifecycleTests.UntilAsync(IsHeard);
        Assert.DoesNotContain(loggers.Lines, line => line.Level < LogLevel.Information && !line.Category.StartsWith(category, StringComparison.Ordinal));

        Func<string, LogLevel, bool> verbose = loggers.Takes;
        loggers.Takes = static (_, level) => level >= LogLevel.Information;
        await LifecycleTests.UntilAsync(() => node.Core.NativeLogLevel == 3);
        loggers.Lines.Clear();
        loggers.Takes = verbose;
        await LifecycleTests.UntilAsync(() => node.Core.NativeLogLevel == 4);
        await FailToDialAsync(node);
        await LifecycleTests.UntilAsync(IsHeard);
    }

    private static async Task FailToDialAsync(P2pNode node) =>
        await Assert.ThrowsAsync<NetworkException>(() => node.Handle.DialAsync(Multiaddr.Parse("/ip4/127.0.0.1/tcp/1")).WaitAsync(TestNet.Patience));

    private static P2pConfig Banning()
    {
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Reputation.MaxBans = 1;
        config.Reputation.GreylistingsToBan = 1;
        return config;
    }

    // The host's ban takes all the room there is; that there is none for the next one is logged.
    private static void FillBans(P2pNode node)
    {
        Assert.True(node.Handle.Ban(NewPeer()));
        PeerId bad = NewPeer();
        for (int i = 0; i < 6; i++)
        {
            node.Core.Reputation.Report(bad, ReputationReason.Garbage);
        }

        Assert.Single(node.Handle.Bans);
    }

    private static unsafe void Fault(P2pNode node, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        fixed (byte* data = bytes)
        {
            PcnEvent faulted = new() { kind = (byte)PcnEventKind.Faulted, data = data, len = (uint)bytes.Length };
            ((INativeEventSink)node.Core).OnEvent(in faulted);
        }
    }

    private static PeerId NewPeer()
    {
        byte[] key = new byte[32];
        Random.Shared.NextBytes(key);
        return PeerId.FromEd25519(key);
    }

    private sealed class Loggers : ILoggerFactory
    {
        public Action<string, LogLevel, string> OnLog { get; init; } = static (_, _, _) => { };

        public Func<string, LogLevel, bool> Takes { get; set; } = static (_, level) => level >= LogLevel.Information;

        public ConcurrentQueue<(string Category, LogLevel Level, string Text)> Lines { get; } = [];

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(Loggers loggers, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => loggers.Takes(category, logLevel);

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                ArgumentNullException.ThrowIfNull(formatter);
                string text = formatter(state, exception);
                loggers.OnLog(category, logLevel, text);
                loggers.Lines.Enqueue((category, logLevel, text));
            }
        }
    }
}
