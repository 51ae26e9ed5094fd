using Preconf.Native.Network;
using Preconf.Native.Sync;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Reasons to catch up again, from a real node's events.</summary>
public sealed class GapWatchTests(ITestOutputHelper output)
{
    [Fact]
    public async Task LostEventsAreAReasonAndPeersAmongThemAreNotForgotten()
    {
        await using TestNet net = new(output);
        P2pNode node = await net.StartAsync(TestNet.Tcp);
        P2pNode stays = await net.StartAsync(TestNet.Tcp);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(node, stays);
        await TestNet.ConnectAsync(node, other);
        using GapWatch watch = new(node.Handle, new CatchUpOptions(), new KnownMissing());
        using CancellationTokenSource stop = new(TestNet.Patience);

        // Nobody reads while more happens than the watch keeps: a disconnect first.
        node.Handle.Disconnect(other.LocalPeerId);
        await LifecycleTests.UntilAsync(() => node.Handle.PeerCount == 1);
        for (int i = 0; i < 1100; i++)
        {
            await node.Handle.RequestHeadAsync(stays.LocalPeerId);
        }

        Task never = Task.Delay(Timeout.Infinite, stop.Token);
        Assert.Equal(CatchUpReasons.Gap, await watch.UntilAsync(CatchUpReasons.Gap, never, stop.Token));
        Assert.Equal(CatchUpReasons.Gap, watch.Take());
        Assert.Equal(CatchUpReasons.None, watch.Take());
        await TestNet.ConnectAsync(node, other);
        Assert.Equal(CatchUpReasons.NewPeer, await watch.UntilAsync(CatchUpReasons.NewPeer, never, stop.Token));
    }

    [Fact]
    public async Task MoreGapsThanAreRememberedAreAReasonAtOnce()
    {
        await using TestNet net = new(output);
        (P2pNode hub, P2pNode node) = await net.PairAsync();
        using GapWatch watch = new(node.Handle, new CatchUpOptions { GapPatience = TimeSpan.FromHours(1) }, new KnownMissing());
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        using CancellationTokenSource stop = new(TestNet.Patience);
        Task<CatchUpReasons> watching = watch.UntilAsync(CatchUpReasons.Gap, Task.Delay(Timeout.Infinite, stop.Token), stop.Token);
        for (ulong i = 1; i <= 1024; i++)
        {
            await hub.Handle.PublishCommitmentAsync(net.Commit(2 * i));
            await ExchangeTests.NextAsync(events, NetworkEventKind.GossipSignedCommitment);
        }

        Assert.False(watching.IsCompleted);
        await hub.Handle.PublishCommitmentAsync(net.Commit(5000));
        Assert.Equal(CatchUpReasons.Gap, await watching.WaitAsync(TestNet.Patience));
    }
}
