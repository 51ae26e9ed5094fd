using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Whom a request for the head waits for.</summary>
public sealed class HeadTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AHeadAtHandIsAnsweredWhileTheStoreStandsStill(bool inMemory)
    {
        await using TestNet net = new();
        using ManualResetEventSlim disk = new();
        (P2pNode server, P2pNode client) = await StuckPairAsync(net, new StuckStore(disk, inMemory));
        if (!inMemory)
        {
            server.Handle.UpdateHead(new PreconfHead(9, 11));
        }

        Task<CommitmentsAnswer> stuck = client.Handle.RequestCommitmentsAsync(1, 1, server.LocalPeerId);
        PreconfHead head = await client.Handle.RequestHeadAsync(server.LocalPeerId).WaitAsync(TestNet.Patience);
        Assert.Equal(inMemory ? 0UL : 9UL, head.BlockNumber);
        Assert.False(stuck.IsCompleted);
        disk.Set();
        await stuck.WaitAsync(TestNet.Patience);
    }

    [Fact]
    public async Task AHeadThatTheStoreMustReadHoldsNothingElseUp()
    {
        await using TestNet net = new();
        using ManualResetEventSlim disk = new();
        (P2pNode server, P2pNode client) = await StuckPairAsync(net, new StuckStore(disk, inMemory: false));
        using EventReader<NetworkEvent> events = server.Handle.Subscribe();
        Task<PreconfHead> stuck = client.Handle.RequestHeadAsync(server.LocalPeerId);
        await client.Handle.PublishCommitmentAsync(net.Commit(1));
        using CancellationTokenSource patience = new(TestNet.Patience);
        NetworkEventKind kind = NetworkEventKind.Error;
        while (kind != NetworkEventKind.GossipSignedCommitment)
        {
            Assert.True(await events.WaitToReadAsync(patience.Token));
            Assert.True(events.TryRead(out NetworkEvent told));
            kind = told.Kind;
        }

        Assert.False(stuck.IsCompleted);
        disk.Set();
        Assert.Equal((UInt256)1, (await stuck.WaitAsync(TestNet.Patience)).BlockNumber);
    }

    private static async Task<(P2pNode Server, P2pNode Client)> StuckPairAsync(TestNet net, StuckStore store)
    {
        P2pNode server = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = store });
        P2pNode client = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(client, server);
        return (server, client);
    }

    /// <summary>A store on a disk that stands still; its head may be in memory.</summary>
    private sealed class StuckStore(ManualResetEventSlim disk, bool inMemory) : PassingStore
    {
        public override bool IsHeadInMemory => inMemory;

        public override bool TryGetHead(out PreconfHead head)
        {
            if (!inMemory)
            {
                disk.Wait(TestNet.Patience * 2);
            }

            return base.TryGetHead(out head);
        }

        public override int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination)
        {
            disk.Wait(TestNet.Patience * 2);
            return base.GetCommitments(startBlock, maxCount, destination);
        }
    }
}
