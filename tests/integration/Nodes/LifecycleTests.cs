using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

public sealed class LifecycleTests(ITestOutputHelper output)
{
    [Fact]
    public async Task StartedThenStoppedAreTheFirstAndLastEvents()
    {
        await using TestNet net = new(output);
        P2pNode node = P2pNode.Create(TestNet.Config(TestNet.Tcp));
        IAsyncEnumerable<NetworkEvent> stream = node.Handle.ReadEventsAsync();
        await node.StartAsync();
        await node.StopAsync();

        List<NetworkEventKind> kinds = [];
        await foreach (NetworkEvent networkEvent in stream)
        {
            kinds.Add(networkEvent.Kind);
        }

        Assert.Equal(NetworkEventKind.Started, kinds[0]);
        Assert.Equal(NetworkEventKind.Stopped, kinds[^1]);
        Assert.False(node.Handle.IsRunning);
    }

    [Fact]
    public async Task EveryCommandAfterTheStopSaysSo()
    {
        await using TestNet net = new(output);
        P2pNode node = await net.StartAsync(TestNet.Tcp);
        SignedCommitment commitment = net.Commit(1);
        await node.StopAsync();
        await node.StopAsync();
        await node.DisposeAsync();

        Func<Task>[] commands =
        [
            async () => await node.Handle.PublishCommitmentAsync(commitment),
            async () => await node.Handle.PublishTxListAsync(new byte[10]),
            () => node.Handle.RequestHeadAsync(),
            () => node.Handle.DialAsync(Multiaddr.Parse("/ip4/127.0.0.1/tcp/1")),
            () => node.Handle.WaitForPeerAsync(),
            () => node.StartAsync(),
        ];
        foreach (Func<Task> command in commands)
        {
            NetworkException error = await Assert.ThrowsAsync<NetworkException>(command);
            Assert.Equal(NetworkErrorKind.SendCommandFailed, error.Kind);
        }
    }

    [Fact]
    public async Task AStopEndsEverythingInFlight()
    {
        await using TestNet net = new(output);
        P2pConfig patient = TestNet.Config(TestNet.Tcp);
        patient.PublishTimeout = TimeSpan.FromMinutes(5);
        P2pNode node = await net.StartAsync(patient);
        Task<PublishResult> publish = node.Handle.PublishCommitmentAsync(net.Commit(1)).AsTask();
        Task<PeerId> wait = node.Handle.WaitForPeerAsync();
        await Task.Delay(100);
        Assert.False(publish.IsCompleted);

        await node.StopAsync().WaitAsync(TestNet.Patience);

        try
        {
            Assert.Equal(PublishOutcome.Stopped, (await publish.WaitAsync(TestNet.Patience)).Outcome);
        }
        catch (NetworkException error)
        {
            Assert.Equal(NetworkErrorKind.SendCommandFailed, error.Kind);
        }

        await Assert.ThrowsAsync<NetworkException>(() => wait.WaitAsync(TestNet.Patience));
    }

    [Fact]
    public async Task WhatIsInFlightEndsThoughTheStopIsGivenUp()
    {
        await using TestNet net = new(output);
        using PumpBrake brake = new();
        P2pConfig config = TestNet.Config();
        (config.StopTimeout, config.PublishTimeout) = (TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        P2pNode node = await net.StartAsync(config, new P2pNodeServices { TimeProvider = brake });
        P2pNode peer = await net.StartAsync(TestNet.Tcp);
        P2pNode another = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(node, peer);
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        Task running = node.RunAsync();

        // From here on nothing that the native part says is heard, its last word included.
        brake.Pull();
        Task dial = node.Handle.DialAsync(another.Handle.DialableAddresses[0]);
        await UntilAsync(() => brake.Holds);
        Task[] inFlight =
        [
            dial,
            node.Handle.RequestHeadAsync(peer.LocalPeerId),
            node.Handle.PublishCommitmentAsync(net.Commit(1)).AsTask(),
        ];
        Task wait = node.Handle.WaitForListenAddressAsync(TimeSpan.FromMinutes(5));
        Task stop = node.StopAsync();
        await AssertClosedAsync(wait);
        Assert.False(stop.IsCompleted);
        await stop.WaitAsync(TestNet.Patience);
        foreach (Task operation in inFlight)
        {
            await AssertClosedAsync(operation);
        }

        await running.WaitAsync(TestNet.Patience);
        await foreach (NetworkEvent told in events.ReadAllAsync().WithCancellation(new CancellationTokenSource(TestNet.Patience).Token))
        {
            Assert.NotEqual(NetworkEventKind.Faulted, told.Kind);
        }
    }

    [Fact]
    public async Task CancellationEndsAWaitAndTheNodeGoesOn()
    {
        await using TestNet net = new(output);
        (P2pNode a, P2pNode b) = await net.PairAsync();
        using CancellationTokenSource cancelled = new();

        // Takes the connection and says nothing: the dial hangs in its handshake until it is given up.
        using System.Net.Sockets.TcpListener silent = new(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        Task<PeerId> dial = a.Handle.DialAsync(Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{((System.Net.IPEndPoint)silent.LocalEndpoint).Port}"), cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dial);

        for (int i = 0; i < 200; i++)
        {
            using CancellationTokenSource soon = new(TimeSpan.FromMicroseconds(i * 10));
            try
            {
                await a.Handle.RequestHeadAsync(b.LocalPeerId, soon.Token);
            }
            catch (OperationCanceledException)
            {
                // What the loop is for: answers that come after their request was given up.
            }
        }

        Assert.Equal(default, await a.Handle.RequestHeadAsync(b.LocalPeerId));
        await UntilAsync(() => a.Handle.GetStats() is { LeasedBytes: 0, RequestsInFlight: 0 });
    }

    [Fact]
    public async Task AWaitForAPeerThatIsNotToldHowLongTakesTheConfiguredTime()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.PeerTimeout = TimeSpan.FromMilliseconds(300);
        P2pNode node = await net.StartAsync(config);
        Task<PeerId> patient = node.Handle.WaitForPeerAsync(Timeout.InfiniteTimeSpan);
        foreach (Func<Task<PeerId>> wait in new Func<Task<PeerId>>[] { () => node.Handle.WaitForPeerAsync(), () => node.Handle.WaitForSubscriberAsync() })
        {
            NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => wait().WaitAsync(TestNet.Patience));
            Assert.Equal(NetworkErrorKind.ReqRespTimeout, error.Kind);
        }

        Assert.False(patient.IsCompleted);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, node);
        Assert.Equal(other.LocalPeerId, await patient.WaitAsync(TestNet.Patience));
    }

    [Fact]
    public async Task NodesStartAndStopAtAnyMoment()
    {
        await using TestNet net = new(output);
        for (int i = 0; i < 20; i++)
        {
            P2pNode node = P2pNode.Create(TestNet.Config(TestNet.Tcp, TestNet.Quic));
            Task start = node.StartAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(i % 5));
            Task[] stops = [node.StopAsync(), node.DisposeAsync().AsTask(), node.StopAsync()];
            await Task.WhenAll(stops).WaitAsync(TestNet.Patience);
            await start.WaitAsync(TestNet.Patience).ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
        }

        await UntilAsync(() => NativeThreads() == 0);
    }

    [Fact]
    public async Task AHandlerMayStopItsOwnNode()
    {
        await using TestNet net = new(output);
        P2pNode node = P2pNode.Create(TestNet.Config(TestNet.Tcp));
        using IDisposable subscription = node.Handle.OnEvent(networkEvent =>
        {
            if (networkEvent.Kind == NetworkEventKind.NewListenAddress)
            {
                node.StopAsync().GetAwaiter().GetResult();
            }
        });
        await node.RunAsync().WaitAsync(TestNet.Patience);
        Assert.False(node.Handle.IsRunning);
    }

    [Fact]
    public async Task AnAddressInUseFailsTheStartAndNamesIt()
    {
        await using TestNet net = new(output);
        P2pNode first = await net.StartAsync(TestNet.Tcp);
        string taken = first.Handle.ListeningAddresses[0].ToString();
        await using P2pNode second = P2pNode.Create(TestNet.Config(taken));
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => second.StartAsync());
        Assert.Contains(taken, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheKeyFileIsMadeOnceAndKeepsTheIdentity()
    {
        string directory = Directory.CreateTempSubdirectory("preconf-key-").FullName;
        try
        {
            P2pConfig config = TestNet.Config(TestNet.Tcp);
            config.EphemeralKey = false;
            config.DataDirectory = Path.Combine(directory, "node");
            await using P2pNode first = P2pNode.Create(config);
            await using P2pNode second = P2pNode.Create(config);
            Assert.Equal(first.LocalPeerId, second.LocalPeerId);
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(P2pNode.KeyFile(config.DataDirectory)));
            }

            await File.WriteAllTextAsync(P2pNode.KeyFile(config.DataDirectory), "not a key\n");
            NetworkException error = Assert.Throws<NetworkException>(() => P2pNode.Create(config));
            Assert.Contains("node.key", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void AllFaultsOfAConfigurationAreNamedAtOnce()
    {
        P2pConfig config = new()
        {
            Listen = ["nonsense", "/ip4/127.0.0.1/tcp/1"],
            EnableTcp = false,
            EnableQuic = false,
            StaticPeers = ["/ip4/127.0.0.1/tcp/1"],
            RequestTimeout = TimeSpan.Zero,
            DataDirectory = string.Empty,
            Gossip = { MeshLow = 20 },
            Reputation = { BanThreshold = 0 },
            Resources = { RingSlots = 100 },
        };
        P2pConfigException error = Assert.Throws<P2pConfigException>(() => P2pNode.Create(config));
        foreach (string field in new[]
        {
            "Listen[0]", "Listen[1]", "EnableTcp", "StaticPeers[0]", "RequestTimeout", "DataDirectory", "Gossip.MeshLow", "Reputation",
            "Resources.RingSlots", "Resources.RingReserved", "ExpectedSigners",
        })
        {
            Assert.Contains(error.Faults, fault => fault.StartsWith(field, StringComparison.Ordinal));
        }

        Assert.Empty(new P2pConfig().Validate());
    }

    private static async Task AssertClosedAsync(Task operation)
    {
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => operation.WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.SendCommandFailed, error.Kind);
    }

    internal static int NativeThreads() => OperatingSystem.IsLinux()
        ? Directory.GetDirectories("/proc/self/task").Count(task =>
        {
            try
            {
                return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("pcn-", StringComparison.Ordinal);
            }
            catch (IOException)
            {
                return false;
            }
        })
        : 0;

    internal static async Task UntilAsync(Func<bool> condition)
    {
        long deadline = Environment.TickCount64 + (long)TestNet.Patience.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < deadline, "the condition did not come about in time");
            await Task.Delay(10);
        }
    }

    /// <summary>A clock of the host that stands still where the pump reads it: to the node, native code that does not come to rest.</summary>
    private sealed class PumpBrake : TimeProvider, IDisposable
    {
        private readonly ManualResetEventSlim _free = new(true);
        private volatile bool _holds;

        public bool Holds => _holds;

        public void Pull() => _free.Reset();

        public override DateTimeOffset GetUtcNow()
        {
            if (!_free.IsSet && Thread.CurrentThread.Name == "preconf-pump")
            {
                _holds = true;
                _free.Wait();
            }

            return base.GetUtcNow();
        }

        public void Dispose() => _free.Set();
    }
}
