using Preconf.Native.Network;
using Preconf.Native.Reputation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>The addresses that bans take in: each node has a loopback address of its own, and one test setting lets those be banned.</summary>
public sealed class BanNetworkTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("preconf-ban-networks-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task ABanTakesTheAddressInUntilItIsLiftedAndAfterARestartToo()
    {
        await using TestNet net = new(output);
        P2pNode bad = await net.StartAsync(At(3));
        P2pNode sibling = await net.StartAsync(At(3));
        P2pNode other = await net.StartAsync(At(4));
        await using (P2pNode first = await net.StartAsync(Judging()))
        {
            await ConnectAsync(first, bad);
            await ConnectAsync(first, other);
            Assert.True(first.Handle.Ban(bad.LocalPeerId, TimeSpan.FromHours(1)));
            Assert.Equal("127.0.0.3/32", Assert.Single(first.Handle.Bans).Network.ToString());
            await IsRefusedAsync(first, sibling);
            Assert.Empty(first.Handle.BlockedTargets);

            // What the operator lifts is the operator's own; a ban's end lifts nothing of the operator's.
            BlockTarget same = BlockTarget.Parse("127.0.0.3/32");
            await first.Handle.BlockAsync(same);
            await first.Handle.UnblockAsync(same);
            await IsRefusedAsync(first, sibling);
            await first.Handle.BlockAsync(same);
            Assert.True(first.Handle.Unban(bad.LocalPeerId));
            await IsRefusedAsync(first, sibling);
            await first.Handle.UnblockAsync(same);
            await ConnectAsync(first, bad);
            Assert.True(first.Handle.Ban(bad.LocalPeerId, TimeSpan.FromHours(1)));
        }

        await using (P2pNode second = await net.StartAsync(Judging()))
        {
            Assert.Equal("127.0.0.3/32", Assert.Single(second.Handle.Bans).Network.ToString());
            await IsRefusedAsync(second, sibling);
            await ConnectAsync(second, other);
            Assert.True(second.Handle.Unban(bad.LocalPeerId));
            await ConnectAsync(second, sibling);
            second.Handle.Disconnect(sibling.LocalPeerId);
            await LifecycleTests.UntilAsync(() => sibling.Handle.PeerCount == 0);
            await ConnectAsync(second, bad);
            Assert.True(second.Handle.Ban(bad.LocalPeerId, TimeSpan.FromHours(1)));
            Assert.NotNull(Assert.Single(second.Handle.Bans).Network);
        }

        // The sibling is a static peer now: the kept ban is the bad peer's alone.
        P2pConfig wanting = Judging();
        wanting.StaticPeers = [sibling.Handle.DialableAddresses[0].ToString()];
        P2pNode third = await net.StartAsync(wanting);
        Assert.Null(Assert.Single(third.Handle.Bans).Network);
        await LifecycleTests.UntilAsync(() => third.Handle.Peers.Any(peer => peer.Id.Equals(sibling.LocalPeerId)));
    }

    [Fact]
    public async Task NobodyInGoodStandingIsCutOffForANeighbour()
    {
        await using TestNet net = new(output);
        P2pNode bad = await net.StartAsync(At(3));
        P2pNode honest = await net.StartAsync(At(3));
        P2pNode worse = await net.StartAsync(At(3));
        P2pNode judge = await net.StartAsync(Judging());
        await ConnectAsync(judge, bad);
        await ConnectAsync(judge, honest);
        Assert.True(judge.Handle.Ban(bad.LocalPeerId));
        Assert.Null(Assert.Single(judge.Handle.Bans).Network);
        await LifecycleTests.UntilAsync(() => bad.Handle.PeerCount == 0);
        Assert.Equal(1, honest.Handle.PeerCount);

        // A neighbour that is no better spares nobody.
        await ConnectAsync(judge, worse);
        for (int i = 0; i < 4; i++)
        {
            judge.Core.Reputation.Report(honest.LocalPeerId, ReputationReason.Garbage);
        }

        Assert.True(judge.Handle.Explain(honest.LocalPeerId).IsGreylisted);
        Assert.True(judge.Handle.Ban(worse.LocalPeerId));
        Assert.Equal("127.0.0.3/32", judge.Handle.Bans.Single(ban => ban.Peer.Equals(worse.LocalPeerId)).Network.ToString());
    }

    [Theory]
    [InlineData("protected")]
    [InlineData("static, by name")]
    public async Task WhereAWantedPeerHasBeenNothingIsBannedWithOthers(string how)
    {
        await using TestNet net = new(output);
        P2pNode bad = await net.StartAsync(At(1));
        P2pNode wanted = await net.StartAsync(At(1));
        P2pConfig config = Judging();
        if (how != "protected")
        {
            // The file of hosts knows it; nothing is listening there.
            config.StaticPeers = [$"/dns4/localhost/tcp/1/p2p/{wanted.LocalPeerId}"];
        }

        P2pNode judge = await net.StartAsync(config);
        await ConnectAsync(judge, bad);
        if (how == "protected")
        {
            await ConnectAsync(judge, wanted);
            await judge.Handle.ProtectAsync(wanted.LocalPeerId);
            judge.Handle.Disconnect(wanted.LocalPeerId);
            await LifecycleTests.UntilAsync(() => wanted.Handle.PeerCount == 0);
        }

        // At first nobody knows where the name leads: what was banned till then is freed.
        Assert.True(judge.Handle.Ban(bad.LocalPeerId));
        await LifecycleTests.UntilAsync(() => judge.Handle.Bans.Single().Network is null);
        await ConnectAsync(judge, wanted);
    }

    private P2pConfig Judging()
    {
        P2pConfig config = At(2);
        (config.EphemeralKey, config.DataDirectory) = (false, _directory);
        config.Reputation.BanSharedAddresses = true;
        return config;
    }

    private static P2pConfig At(int host) => TestNet.Config($"/ip4/127.0.0.{host}/tcp/0");

    // The judge dials, so it knows where everyone is.
    private static Task ConnectAsync(P2pNode judge, P2pNode other) => TestNet.ConnectAsync(judge, other);

    private static async Task IsRefusedAsync(P2pNode judge, P2pNode other)
    {
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => judge.Handle.DialAsync(other.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.GateBlocked, error.Kind);
    }
}
