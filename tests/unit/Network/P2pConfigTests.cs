using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class P2pConfigTests
{
    public static TheoryData<string, Action<P2pConfig>> Faults => new()
    {
        { "Listen", config => config.Listen = ["/ip4/1.2.3.4"] },
        { "Listen", config => config.Listen = ["no address"] },
        { "StaticPeers", config => config.StaticPeers = ["/ip4/127.0.0.1/tcp/9000"] },
        { "Bootnodes[1]", config => config.Bootnodes = ["/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAm9XcuwSdYgKkMvvUUQ1mB7yW8XvCzBy3z9gNU6tNNrVqx", "enr:-IS4QA"] },
        { "Bootnodes[0]", config => config.Bootnodes = ["/ip4/127.0.0.1/udp/9001"] },
        { "Bootnodes[0]", config => config.Bootnodes = ["bootnode.example:9001"] },
        { "DiscoveryListen", config => config.DiscoveryListen = "localhost" },
        { "DiscoveryListen", config => config.DiscoveryListen = "0.0.0.0:1,127.0.0.1:2" },
        { "DiscoveryPort", config => config.DiscoveryPort = 65_536 },
        { "ExternalAddresses[0]", config => config.ExternalAddresses = ["192.0.2.1"] },
        { "RequestTimeout", config => config.RequestTimeout = TimeSpan.Zero },
        { "PublishTimeout", config => config.PublishTimeout = TimeSpan.FromSeconds(-1) },
        { "PeerTimeout", config => config.PeerTimeout = TimeSpan.Zero },
        { "MeshLow", config => config.Gossip.MeshLow = 20 },
        { "MaxRequests", config => config.RateLimit.MaxRequests = 0 },
        { "Window", config => config.RateLimit.Window = TimeSpan.Zero },
        { "RingSlots", config => config.Resources.RingSlots = 1000 },
        { "Store.MaxCommitments:", config => config.Store.MaxCommitments = 0 },
        { "Store.MaxCommitmentsPerBlock", config => config.Store.MaxCommitmentsPerBlock = 0 },
        { "Store.MaxUnreferencedBytes", config => config.Store.MaxUnreferencedBytes = -1 },
        { "Store.MaxAge", config => config.Store.MaxAge = TimeSpan.FromMinutes(-1) },
        { "Store.MaxAge", config => config.Store.MaxAge = TimeSpan.Zero },
        { "Gater.BlockedSubnets[1]", config => config.Gater.BlockedSubnets = ["203.0.113.77/25", "10.0.0.1"] },
        { "Gater.Blocked[0]", config => config.Gater.Blocked = ["/ip4/10.0.0.1"] },
        { "Gater.Blocked: 3073", config => config.Gater.Blocked = [.. Enumerable.Repeat("10.0.0.1", 3073)] },
        { "Gater.ProtectedPeers[0]", config => config.Gater.ProtectedPeers = ["10.0.0.1"] },
        { "Resources.MemoryCeiling", config => config.Resources.MemoryCeiling = 0 },
        { "Resources.QueueBytes", config => config.Resources.QueueBytes = 0 },
        { "MaxStreamsPerPeer", config => config.Connections.MaxStreamsPerPeer = 0 },
        { "Gater.Mode", config => config.Gater.Mode = (GaterMode)7 },
        { "Gater.DialPeriod", config => config.Gater.DialPeriod = TimeSpan.Zero },
        { "Peers.Target: 50 is above the 40", config => config.Connections.MaxEstablishedTotal = 40 },
        { "Peers.Target: 50 is above the 30", config => (config.Connections.MaxEstablishedIncoming, config.Connections.MaxEstablishedOutgoing) = (20, 10) },
        { "Peers.Max: 100 is not below the 100", config => (config.Peers.Max, config.Connections.MaxEstablishedTotal) = (100, 100) },
        { "Peers.Max: 20", config => config.Peers.Max = 20 },
        { "DialConcurrency", config => config.Connections.DialConcurrency = 0 },
    };

    [Fact]
    public void TheDefaultsAreSound() => Assert.Empty(new P2pConfig().Validate());

    [Theory]
    [MemberData(nameof(Faults))]
    public void AFaultNamesItsField(string field, Action<P2pConfig> spoil)
    {
        ArgumentNullException.ThrowIfNull(spoil);
        P2pConfig config = new();
        spoil(config);
        Assert.Contains(config.Validate(), fault => fault.Contains(field, StringComparison.Ordinal));
    }

    [Fact]
    public void WhatHasNoBoundIsSound()
    {
        P2pConfig config = new();
        config.Store.MaxAge = null;
        config.Store.MaxUnreferencedBytes = 0;
        Assert.Empty(config.Validate());
    }

    [Fact]
    public void AllFaultsComeAtOnce()
    {
        P2pConfig config = new() { RequestTimeout = TimeSpan.Zero, Listen = ["x"] };
        config.RateLimit.MaxRequests = -1;
        P2pConfigException error = Assert.Throws<P2pConfigException>(() => P2pNode.Create(config));
        Assert.True(error.Faults.Count >= 4, string.Join('\n', error.Faults));
    }
}
