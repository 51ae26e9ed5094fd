using System.Net;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

public sealed class BlockTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(TestNet.Tcp)]
    [InlineData(TestNet.Quic)]
    public async Task ABlockCutsOffBothWaysUntilItIsLifted(string listen)
    {
        await using TestNet net = new(output);
        (P2pNode a, P2pNode b) = await net.PairAsync(listen);
        foreach (BlockTarget target in new[] { BlockTarget.Of(b.LocalPeerId), BlockTarget.Of(IPAddress.Loopback), BlockTarget.Parse("127.0.0.0/8") })
        {
            await a.Handle.BlockAsync(target);
            Assert.Equal([target], a.Handle.BlockedTargets);
            await LifecycleTests.UntilAsync(() => a.Handle.PeerCount == 0 && b.Handle.PeerCount == 0);
            NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => a.Handle.DialAsync(b.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience));
            Assert.Equal(NetworkErrorKind.GateBlocked, error.Kind);
            if (target.Address is not null)
            {
                long refused = a.Handle.GetStats().InboundBlocked;
                await Assert.ThrowsAsync<NetworkException>(() => b.Handle.DialAsync(a.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience));
                Assert.Equal(refused + 1, a.Handle.GetStats().InboundBlocked);
            }

            await a.Handle.UnblockAsync(target);
            Assert.Empty(a.Handle.BlockedTargets);
            await TestNet.ConnectAsync(b, a);
        }

        Assert.Equal(3, a.Handle.GetStats().DialsBlocked);
    }

    [Fact]
    public async Task BlocksOutliveANodeAndABanIsAnotherMatter()
    {
        string directory = Directory.CreateTempSubdirectory("preconf-blocks-").FullName;
        try
        {
            await using TestNet net = new(output);
            P2pNode other = await net.StartAsync(TestNet.Tcp);
            P2pConfig config = TestNet.Config(TestNet.Tcp);
            config.EphemeralKey = false;
            config.DataDirectory = directory;
            config.Gater.BlockedSubnets = ["192.0.2.77/24"];
            await using (P2pNode first = await net.StartAsync(config))
            {
                await first.Handle.BlockAsync(BlockTarget.Of(other.LocalPeerId));
                await first.Handle.ProtectAsync(other.LocalPeerId);
            }

            P2pNode second = await net.StartAsync(config);
            Assert.Equal(["192.0.2.0/24", other.LocalPeerId.ToString()], second.Handle.BlockedTargets.Select(target => target.ToString()));
            Assert.Equal([other.LocalPeerId], second.Handle.ProtectedPeers);
            Multiaddr address = other.Handle.DialableAddresses[0];
            await Assert.ThrowsAsync<NetworkException>(() => second.Handle.DialAsync(address).WaitAsync(TestNet.Patience));

            second.Handle.SetBlocked(other.LocalPeerId, true);
            await second.Handle.UnblockAsync(BlockTarget.Of(other.LocalPeerId));
            await Assert.ThrowsAsync<NetworkException>(() => second.Handle.DialAsync(address).WaitAsync(TestNet.Patience));
            second.Handle.SetBlocked(other.LocalPeerId, false);
            Assert.Equal(other.LocalPeerId, await second.Handle.DialAsync(address).WaitAsync(TestNet.Patience));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task ALimitRefusesCountsAndLetsProtectedPeersPass()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Connections.MaxEstablishedIncoming = 1;
        P2pNode full = await net.StartAsync(config);
        P2pNode first = await net.StartAsync(TestNet.Tcp);
        P2pNode second = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(first, full);
        await second.Handle.DialAsync(full.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience).ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
        await LifecycleTests.UntilAsync(() => full.Handle.GetStats().ConnectionsLimited == 1 && second.Handle.PeerCount == 0);
        Assert.Equal(1, full.Handle.PeerCount);

        await full.Handle.ProtectAsync(second.LocalPeerId);
        await TestNet.ConnectAsync(second, full);
        Assert.Equal(2, full.Handle.PeerCount);
    }

    [Fact]
    public async Task CommandsToANodeThatHasStoppedFail()
    {
        await using TestNet net = new(output);
        P2pNode node = await net.StartAsync(TestNet.Tcp);
        BlockTarget target = BlockTarget.Parse("10.0.0.0/8");
        await node.StopAsync();
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => node.Handle.BlockAsync(target));
        Assert.Equal(NetworkErrorKind.SendCommandFailed, error.Kind);
        await Assert.ThrowsAsync<NetworkException>(() => node.Handle.ProtectAsync(node.LocalPeerId));
        Assert.Empty(node.Handle.BlockedTargets);
    }
}
