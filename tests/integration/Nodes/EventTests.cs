using System.Diagnostics;
using System.Runtime.CompilerServices;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>What hosts are told: of what was lost, of publishes, of requests that end badly.</summary>
public sealed class EventTests(ITestOutputHelper output)
{
    [Fact]
    public async Task AHandlerAndAStreamThatAreTooSlowAreToldWhatTheyLost()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Resources.SubscriptionCapacity = 8;
        P2pNode node = await net.StartAsync(config);
        using ManualResetEventSlim held = new();
        using ManualResetEventSlim go = new();
        TaskCompletionSource<NetworkEvent> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using IDisposable subscription = node.Handle.OnEvent(networkEvent =>
        {
            held.Set();
            go.Wait(TestNet.Patience);
            if (networkEvent.Kind == NetworkEventKind.EventsDropped)
            {
                told.TrySetResult(networkEvent);
            }
        });
        await using IAsyncEnumerator<NetworkEvent> stream = node.Handle.ReadEventsAsync().GetAsyncEnumerator();
        node.Core.EmitError(NetworkErrorKind.Other, null, "first");
        Assert.True(held.Wait(TestNet.Patience));
        for (int i = 0; i < 20; i++)
        {
            node.Core.EmitError(NetworkErrorKind.Other, null, "more");
        }

        go.Set();
        NetworkEvent ofHandler = await told.Task.WaitAsync(TestNet.Patience);
        Assert.Equal((12, NetworkErrorKind.ChannelBackpressure, true), (ofHandler.Count, ofHandler.Error!.Kind, ofHandler.IsReaderLoss));
        Assert.True(await stream.MoveNextAsync());
        Assert.Equal((NetworkEventKind.EventsDropped, 13), (stream.Current.Kind, stream.Current.Count));
        Assert.True(await stream.MoveNextAsync());
        Assert.Equal("more", stream.Current.Error!.Detail);
        Assert.Equal(25, node.Handle.GetStats().EventsDropped);
    }

    [Fact]
    public async Task AStreamThatNobodyHoldsUnsubscribesAndOneThatIsReadStays()
    {
        await using TestNet net = new(output);
        P2pNode node = await net.StartAsync(TestNet.Tcp);
        Forget(node);
        Task<NetworkEvent> reading = FirstAsync(node);
        await LifecycleTests.UntilAsync(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return node.Events.ReaderCount == 1;
        });
        node.Core.EmitError(NetworkErrorKind.Other, null, "still here");
        Assert.Equal("still here", (await reading.WaitAsync(TestNet.Patience)).Error!.Detail);
        Assert.Equal(0, node.Events.ReaderCount);
    }

    [Fact]
    public async Task ACancelledPublishIsSentAndItsOutcomeTold()
    {
        await using TestNet net = new(output);
        P2pNode alone = await net.StartAsync(TestNet.Tcp);
        using EventReader<NetworkEvent> events = alone.Handle.Subscribe();
        using CancellationTokenSource cancel = new();
        Task<PublishResult> publish = alone.Handle.PublishCommitmentAsync(net.Commit(9), cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => publish);

        NetworkEvent published = await ExchangeTests.NextAsync(events, NetworkEventKind.Published);
        Assert.Equal((9UL, PublishOutcome.NoPeers, true), ((ulong)published.BlockNumber, published.Publish.Outcome, published.Publish.Stored));
    }

    [Fact]
    public async Task APublishCancelledBeforeItBeganStoresAndTellsNothing()
    {
        await using TestNet net = new(output);
        P2pNode alone = await net.StartAsync(TestNet.Tcp);
        using EventReader<NetworkEvent> events = alone.Handle.Subscribe();
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => alone.Handle.PublishCommitmentAsync(net.Commit(9), cancelled.Token).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => alone.Handle.PublishTxListAsync(new byte[10], cancelled.Token).AsTask());
        Assert.Equal((0, 0), (alone.Core.Store.GetStats().Commitments, alone.Core.Store.GetStats().TxLists));
        await alone.Handle.PublishCommitmentAsync(net.Commit(10));
        Assert.Equal(10UL, (ulong)(await ExchangeTests.NextAsync(events, NetworkEventKind.Published)).BlockNumber);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(2000)]
    public async Task APublishedTxListIsToldAsItWas(int length)
    {
        await using TestNet net = new(output);
        P2pConfig small = TestNet.Config(TestNet.Tcp);
        small.Store.MaxUnreferencedBytes = 1500;
        P2pNode node = await net.StartAsync(small);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, node);
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        byte[] list = new byte[length];
        await node.Handle.PublishTxListAsync(list);
        Array.Fill(list, (byte)1);
        NetworkEvent published = await ExchangeTests.NextAsync(events, NetworkEventKind.Published);
        Assert.Equal(published.Hash, Keccak256.Hash(published.TxList!.TxList.Span));
    }

    [Fact]
    public async Task APublishSaysWhetherItIsHeldHere()
    {
        await using TestNet net = new(output);
        P2pConfig small = TestNet.Config(TestNet.Tcp);
        small.Store.MaxCommitments = 2;
        small.Store.MaxUnreferencedBytes = 1000;
        P2pNode node = await net.StartAsync(small);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, node);
        using EventReader<NetworkEvent> events = node.Handle.Subscribe();

        Assert.True((await node.Handle.PublishCommitmentAsync(net.Commit(10))).Stored);
        Assert.True((await node.Handle.PublishCommitmentAsync(net.Commit(11))).Stored);
        PublishResult below = await node.Handle.PublishCommitmentAsync(net.Commit(9));
        Assert.Equal((PublishOutcome.Sent, false), (below.Outcome, below.Stored));
        PublishResult large = await node.Handle.PublishTxListAsync(new byte[2000]);
        Assert.Equal((PublishOutcome.Sent, false), (large.Outcome, large.Stored));
        PublishResult fits = await node.Handle.PublishTxListAsync(new byte[500]);
        Assert.True(fits is { IsSent: true, Stored: true });
        bool[] told = [.. Enumerable.Range(0, 5).Select(_ => ExchangeTests.NextAsync(events, NetworkEventKind.Published).GetAwaiter().GetResult().Publish.Stored)];
        Assert.Equal([true, true, false, false, true], told);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ARequestThatTheStoreSpoilsEndsAtOnce(bool throws)
    {
        await using TestNet net = new(output);
        P2pNode server = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new SpoilingStore(throws) });
        P2pConfig patient = TestNet.Config(TestNet.Tcp);
        patient.RequestTimeout = TimeSpan.FromMinutes(5);
        P2pNode asking = await net.StartAsync(patient);
        await TestNet.ConnectAsync(asking, server);
        using EventReader<NetworkEvent> events = server.Handle.Subscribe();
        Bytes32 wanted = Keccak256.Hash([1]);

        NetworkException refused = await Assert.ThrowsAsync<NetworkException>(() => asking.Handle.RequestTxListAsync(wanted, server.LocalPeerId).WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.ReqRespFailure, refused.Kind);
        Assert.Equal(asking.LocalPeerId, (await ExchangeTests.NextAsync(events, NetworkEventKind.Error)).Peer);
        Assert.Equal(default, await asking.Handle.RequestHeadAsync(server.LocalPeerId).WaitAsync(TestNet.Patience));
        while (events.TryRead(out NetworkEvent networkEvent))
        {
            Assert.NotEqual(NetworkEventKind.InboundRawTxListRequest, networkEvent.Kind);
        }

        await LifecycleTests.UntilAsync(() => server.Handle.GetStats().LeasedBytes == 0);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(P2pNode node)
    {
        node.Handle.ReadEventsAsync();
        Assert.NotEqual(0, node.Events.ReaderCount);
    }

    private static async Task<NetworkEvent> FirstAsync(P2pNode node)
    {
        await foreach (NetworkEvent networkEvent in node.Handle.ReadEventsAsync())
        {
            return networkEvent;
        }

        throw new UnreachableException();
    }

    /// <summary>Gives more than a txlist may have, or throws what can't even say what it is.</summary>
    private sealed class SpoilingStore(bool throws) : PassingStore
    {
        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
        {
            txList = throws ? throw new SpeechlessException() : new byte[PreconfLimits.MaxTxListBytes + 1];
            return true;
        }
    }

    private sealed class SpeechlessException : Exception
    {
        public override string Message => throw new NotSupportedException();
    }
}
