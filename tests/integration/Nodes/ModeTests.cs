using Preconf.Native.Network;
using Preconf.Native.Reputation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>The modes that are there for parity and for small networks, as a configuration switches them on, seen at running nodes.</summary>
public sealed class ModeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task TheReferencesPolicyChargesFailuresOfTransportAndItsBanHasNoEnd()
    {
        await using TestNet net = new(output);
        StandingTime time = new();
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Reputation.Policy = ReputationPolicy.Reference;
        config.Reputation.BanSharedAddresses = true;
        P2pConfig refusing = TestNet.Config(TestNet.Tcp);
        refusing.RateLimit = new RateLimitOptions { MaxRequests = 1, Window = TimeSpan.FromHours(1), Patience = int.MaxValue };
        P2pNode asking = await net.StartAsync(config, new P2pNodeServices { TimeProvider = time });
        P2pNode refuses = await net.StartAsync(refusing);
        await TestNet.ConnectAsync(asking, refuses);
        await asking.Handle.RequestHeadAsync(refuses.LocalPeerId).WaitAsync(TestNet.Patience);
        PeerReputation Standing() => asking.Handle.Explain(refuses.LocalPeerId);
        Assert.Equal(0.05, Standing().Score, 6);

        // Four at most in ten seconds; at -5 for more than thirty it is banned, by the action that finds it so.
        (double Score, bool Banned)[] wanted = [(-3.95, false), (-3.95, false), (-7.51, false), (-10, false), (-10, false), (-10, true)];
        int[] seconds = [0, 0, 11, 11, 11, 11];
        for (int i = 0; i < wanted.Length; i++)
        {
            time.Advance(TimeSpan.FromSeconds(seconds[i]));
            await Assert.ThrowsAsync<NetworkException>(() => asking.Handle.RequestHeadAsync(refuses.LocalPeerId).WaitAsync(TestNet.Patience));
            (PeerReputation now, int step) = (Standing(), i);
            Assert.True(Math.Abs(now.Score - wanted[step].Score) < 0.1 && wanted[step].Banned == now.BannedUntil is not null, $"step {step}: {now.Score}, {now.BannedUntil}");
            Assert.Equal(!wanted[step].Banned, now.IsGreylisted);
        }

        PeerBan ban = Assert.Single(asking.Handle.Bans);
        Assert.Equal((DateTimeOffset.MaxValue, ReputationReason.Banned, null), (ban.Until, ban.Reason, ban.Network));
        await LifecycleTests.UntilAsync(() => asking.Handle.PeerCount == 0 && refuses.Handle.PeerCount == 0);
        time.Advance(TimeSpan.FromDays(1));
        Assert.Single(asking.Handle.Bans);
        Assert.True(asking.Handle.Unban(refuses.LocalPeerId));
        await TestNet.ConnectAsync(asking, refuses);
        Assert.Equal(0, Standing().Score);
    }

    [Theory]
    [InlineData(RateLimitMode.TumblingWindow)]
    [InlineData(RateLimitMode.TokenBucket)]
    public async Task ATumblingWindowStaysClosedToItsEndAndABucketRefillsEvenly(RateLimitMode mode)
    {
        await using TestNet net = new(output);
        StandingTime time = new();
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.RateLimit = new RateLimitOptions { Mode = mode, MaxRequests = 2, Window = TimeSpan.FromSeconds(10) };
        P2pNode node = await net.StartAsync(config, new P2pNodeServices { TimeProvider = time });
        P2pNode asking = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(asking, node);
        async Task<bool> IsAnsweredAsync()
        {
            try
            {
                await asking.Handle.RequestHeadAsync(node.LocalPeerId).WaitAsync(TestNet.Patience);
                return true;
            }
            catch (NetworkException)
            {
                return false;
            }
        }

        Assert.True(await IsAnsweredAsync());
        Assert.True(await IsAnsweredAsync());
        Assert.False(await IsAnsweredAsync());
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(mode == RateLimitMode.TokenBucket, await IsAnsweredAsync());
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(await IsAnsweredAsync());
    }

    [Theory]
    [InlineData(GaterMode.Kona)]
    [InlineData(GaterMode.Default)]
    public async Task KonasGaterDialsAnAddressOncePerPeriod(GaterMode mode)
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Gater.Mode = mode;
        P2pNode node = await net.StartAsync(config);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(node, other);
        node.Handle.Disconnect(other.LocalPeerId);
        await LifecycleTests.UntilAsync(() => node.Handle.PeerCount == 0 && other.Handle.PeerCount == 0);
        Task again = node.Handle.DialAsync(other.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience);
        if (mode == GaterMode.Default)
        {
            await again;
            return;
        }

        Assert.Equal(NetworkErrorKind.GateBlocked, (await Assert.ThrowsAsync<NetworkException>(() => again)).Kind);

        // Its rules are about dials alone.
        await TestNet.ConnectAsync(other, node);
    }

    [Fact]
    public async Task ASmallMeshAmongTenPeersKeepsItsSizeAndLosesNothing()
    {
        const int Peers = 10;
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Gossip.Mesh = MeshProfile.Small;
        P2pNode hub = await net.StartAsync(config);
        List<EventReader<NetworkEvent>> readers = [];
        for (int i = 0; i < Peers; i++)
        {
            P2pNode peer = await net.StartAsync(TestNet.Tcp);
            readers.Add(peer.Handle.Subscribe(1024));
            await TestNet.ConnectAsync(peer, hub);
        }

        // Every one of the ten grafts the hub; Kona's mesh would take them all, up to twelve.
        await LifecycleTests.UntilAsync(() => hub.Handle.PeerCount == Peers && hub.Handle.GetStats().MeshCommitments >= 2);
        for (ulong block = 1; block <= 5; block++)
        {
            Assert.InRange(hub.Handle.GetStats().MeshCommitments, 1, 8);
            Assert.Equal(PublishOutcome.Sent, (await hub.Handle.PublishCommitmentAsync(net.Commit(block))).Outcome);
        }

        using CancellationTokenSource patience = new(TestNet.Patience);
        foreach (EventReader<NetworkEvent> reader in readers)
        {
            HashSet<ulong> heard = [];
            while (heard.Count < 5 && await reader.WaitToReadAsync(patience.Token))
            {
                while (reader.TryRead(out NetworkEvent networkEvent))
                {
                    if (networkEvent.Kind == NetworkEventKind.GossipSignedCommitment)
                    {
                        heard.Add((ulong)networkEvent.BlockNumber);
                    }
                }
            }

            Assert.Equal(5, heard.Count);
            reader.Dispose();
        }

        Assert.InRange(hub.Handle.GetStats().MeshCommitments, 1, 8);
    }

    /// <summary>A clock that stands until it is moved; its timers are the machine's.</summary>
    private sealed class StandingTime : TimeProvider
    {
        private readonly DateTimeOffset _began = System.GetUtcNow();
        private long _ticks = TimeSpan.TicksPerDay;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Volatile.Read(ref _ticks);

        public override DateTimeOffset GetUtcNow() => _began + TimeSpan.FromTicks(Volatile.Read(ref _ticks));

        public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    }
}
