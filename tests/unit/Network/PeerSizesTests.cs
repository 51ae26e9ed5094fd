using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class PeerSizesTests
{
    private const string Peer = "/ip4/192.0.2.1/tcp/9000/p2p/16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx";

    public static TheoryData<string, Action<P2pConfig>, (int Max, int? In, int? Out, int? Total)> Sizes => new()
    {
        { "the defaults", _ => { }, (100, 110, 110, 220) },
        { "a higher maximum", config => config.Peers.Max = 500, (500, 550, 550, 1100) },
        { "a lower maximum", config => config.Peers.Max = 50, (50, 60, 60, 120) },
        { "a higher target", config => config.Peers.Target = 300, (300, 330, 330, 660) },
        { "a lower target", config => config.Peers.Target = 5, (100, 110, 110, 220) },
        { "higher caps", config => (config.Connections.MaxEstablishedIncoming, config.Connections.MaxEstablishedOutgoing) = (1000, 1000), (200, 1000, 1000, 2000) },
        { "a lower cap", config => config.Connections.MaxEstablishedIncoming = 80, (70, 80, 110, 190) },
        { "no caps", config => (config.Connections.MaxEstablishedIncoming, config.Connections.MaxEstablishedTotal) = (null, null), (200, null, 220, null) },
        { "both", config => (config.Peers.Max, config.Connections.MaxEstablishedIncoming, config.Connections.MaxEstablishedTotal) = (90, 95, 120), (90, 95, 100, 120) },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void WhatIsNotSetFollowsWhatIs(string name, Action<P2pConfig> change, (int Max, int? In, int? Out, int? Total) wanted)
    {
        ArgumentNullException.ThrowIfNull(change);
        P2pConfig config = new();
        change(config);
        Assert.Empty(config.Validate());
        PeerSizes sizes = PeerSizes.Of(config);
        Assert.True(wanted == (sizes.Max, sizes.Incoming, sizes.Outgoing, sizes.Total), $"{name}: {sizes}");

        // Or nobody who comes could ever take a worse one's place.
        Assert.True(sizes.Incoming is null || sizes.Max < sizes.Incoming);
        Assert.True(sizes.Total is null || sizes.Max < sizes.Total);
    }

    [Fact]
    public void AMeshIsSmallWhenTheConfigurationSaysThatTheNetworkIs()
    {
        static P2pConfig With(Action<P2pConfig> change)
        {
            P2pConfig config = new();
            change(config);
            return config;
        }

        MeshSizes kona = new(8, 6, 12, 2), small = new(4, 2, 8, 1);
        Assert.Equal(kona, MeshSizes.Of(new P2pConfig()));
        Assert.Equal(kona, MeshSizes.Of(With(config => config.StaticPeers = [Peer])));
        Assert.Equal(kona, MeshSizes.Of(With(config => config.EnableDiscovery = false)));
        Assert.Equal(kona, MeshSizes.Of(With(config => config.Peers.Target = 11)));
        Assert.Equal(small, MeshSizes.Of(With(config => config.Peers.Target = 10)));
        Assert.Equal(small, MeshSizes.Of(With(config => (config.Peers.Target, config.Peers.Max) = (8, 10))));
        Assert.Equal(small, MeshSizes.Of(With(config => (config.EnableDiscovery, config.StaticPeers) = (false, [Peer, Peer, Peer]))));
        Assert.Equal(kona, MeshSizes.Of(With(config => (config.EnableDiscovery, config.StaticPeers) = (false, [.. Enumerable.Repeat(Peer, 11)]))));
        Assert.Equal(small, MeshSizes.Of(With(config => config.Gossip.Mesh = MeshProfile.Small)));
        Assert.Equal(kona, MeshSizes.Of(With(config => (config.Gossip.Mesh, config.Peers.Target) = (MeshProfile.Kona, 3))));
        Assert.Equal(small with { N = 5, High = 9 }, MeshSizes.Of(With(config => (config.Gossip.Mesh, config.Gossip.MeshN, config.Gossip.MeshHigh) = (MeshProfile.Small, 5, 9))));
    }
}
