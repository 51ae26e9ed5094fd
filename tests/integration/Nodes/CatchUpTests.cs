using System.Collections.Concurrent;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Preconf.Native.Validation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Catching up with peers of all kinds.</summary>
public sealed class CatchUpTests(ITestOutputHelper output)
{
    private static readonly CatchUpOptions FromOne = new() { From = 1, ProgressInterval = TimeSpan.Zero };

    [Fact]
    public async Task WhatLiesBelowAndBetweenLiveCommitmentsIsFetchedToo()
    {
        await using TestNet net = new(output);
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(full, net, 1, 700, listEvery: 50);
        foreach (ulong live in new ulong[] { 300, 301, 699 })
        {
            Assert.True(full.Handle.Store.TryGetCommitment(live, out SignedCommitment commitment));
            History.Put(late, net, commitment);
        }

        await TestNet.ConnectAsync(late, full);
        List<CatchUpProgress> told = [];
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne, new Teller(told.Add)).WaitAsync(TestNet.Patience);

        Assert.Equal((697, 14, true), (result.Commitments, result.TxLists, result.IsComplete));
        Assert.Empty(History.Missing(late, 1, 700));
        Assert.True(History.HasLists(late.Handle.Store, Enumerable.Range(1, 14).Select(i => (ulong)i * 50)));
        Assert.Equal((CatchUpStage.Started, (UInt256)1, (UInt256)700, 697L), (told[0].Stage, told[0].From, told[0].To, told[0].MissingBlocks));
        Assert.Equal((CatchUpStage.Ended, 697L, 0L, 0L), (told[^1].Stage, told[^1].Commitments, told[^1].MissingBlocks, told[^1].MissingTxLists));
        Assert.Same(result, told[^1].Result);
        Assert.True(told.Count(progress => progress.Stage == CatchUpStage.Fetching) >= 3 + 14);
    }

    [Fact]
    public async Task ARunGoesOnWhereAnotherFailedAndAsksForNothingThatIsHeld()
    {
        await using TestNet net = new(output);
        BrokenListStore store = new();
        P2pNode full = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = store });
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(full, net, 1, 300, listEvery: 100);
        await TestNet.ConnectAsync(late, full);

        store.IsBroken = true;
        CatchUpResult first = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((300, 0, 3), (first.Commitments, first.TxLists, first.MissingTxListCount));
        Assert.All(first.MissingTxLists, list => Assert.Equal(MissingReason.RequestsFailed, list.Reason));
        Assert.Equal([(UInt256)300, 200, 100], first.MissingTxLists.Select(list => list.BlockNumber));
        Assert.False(first.IsComplete);
        Assert.True(first.IsWorthRetrying);

        store.IsBroken = false;
        using EventReader<NetworkEvent> asked = full.Handle.Subscribe();
        CatchUpResult second = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((0, 3, true), (second.Commitments, second.TxLists, second.IsComplete));
        CatchUpResult third = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((0, 0, true), (third.Commitments, third.TxLists, third.IsComplete));
        await full.StopAsync();
        NetworkEventKind[] kinds = [.. Read(asked).Select(told => told.Kind)];
        Assert.DoesNotContain(NetworkEventKind.InboundCommitmentsRequest, kinds);
        Assert.Equal(3, kinds.Count(kind => kind == NetworkEventKind.InboundRawTxListRequest));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ALiarAnEmptyAndALaggingPeerKeepNothingAway(bool limited)
    {
        await using TestNet net = new(output);
        P2pConfig Config()
        {
            P2pConfig config = TestNet.Config(TestNet.Tcp);
            config.RateLimit = new RateLimitOptions { Enabled = limited };
            return config;
        }

        P2pNode liar = await net.StartAsync(Config(), new P2pNodeServices { Store = new LiarStore() });
        P2pNode newcomer = await net.StartAsync(Config());
        P2pNode lagging = await net.StartAsync(Config());
        P2pNode full = await net.StartAsync(Config());
        P2pNode late = await net.StartAsync(Config());
        History.Fill(full, net, 1, 600, listEvery: 100);
        History.Fill(lagging, net, 1, 90, listEvery: 100);
        foreach (P2pNode peer in new[] { liar, newcomer, lagging, full })
        {
            await TestNet.ConnectAsync(late, peer);
        }

        using EventReader<NetworkEvent> asked = liar.Handle.Subscribe();
        CatchUpResult result = await CatchUp.RunAsync(late.Handle).WaitAsync(TestNet.Patience);

        output.WriteLine(result.ToString());
        Assert.Equal((600, 6, true, (UInt256)600), (result.Commitments, result.TxLists, result.IsComplete, result.Head));
        Assert.Empty(History.Missing(late, 1, 600));
        Assert.True(History.HasLists(late.Handle.Store, 100, 200, 300, 400, 500, 600));

        // It is not preferred by who just asks, either, nor rewarded.
        for (int i = 0; i < 5; i++)
        {
            CommitmentsAnswer page = await late.Handle.RequestCommitmentsAsync(550, 10).WaitAsync(TestNet.Patience);
            Assert.Equal(10, page.Count);
        }

        await liar.StopAsync();
        Assert.InRange(Read(asked).Count(told => told.Kind == NetworkEventKind.InboundCommitmentsRequest), 0, 1);
    }

    [Fact]
    public async Task AHeadThatIsOnlyClaimedIsLookedIntoOnceAndCountsForNothing()
    {
        await using TestNet net = new(output);
        P2pNode liar = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new LiarStore() });
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(late, liar);
        double before = late.Handle.Explain(liar.LocalPeerId).Score;
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((UInt256.Zero, null, 0), (result.Head, result.UnprovenHead, result.MissingBlockCount));

        // One head was answered; the empty page earned nothing.
        Assert.InRange(late.Handle.Explain(liar.LocalPeerId).Score - before, 0, 0.051);
        CatchUpResult again = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal(UInt256.Zero, again.Head);
    }

    [Fact]
    public async Task PagesAndTxListsAreSpreadOverThePeersThatHaveThem()
    {
        await using TestNet net = new(output);
        List<(P2pNode Node, EventReader<NetworkEvent> Asked)> peers = [];
        P2pConfig limited = TestNet.Config(TestNet.Tcp);
        limited.RateLimit = new RateLimitOptions { MaxRequests = 8, Window = TimeSpan.FromSeconds(2) };
        P2pNode late = await net.StartAsync(limited);
        for (int i = 0; i < 3; i++)
        {
            P2pNode full = await net.StartAsync(limited);
            History.Fill(full, net, 1, 2500, listEvery: 100);
            await TestNet.ConnectAsync(late, full);
            peers.Add((full, full.Handle.Subscribe(4096)));
        }

        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((2500, 25, true), (result.Commitments, result.TxLists, result.IsComplete));
        int pages = 0;
        foreach ((P2pNode node, EventReader<NetworkEvent> asked) in peers)
        {
            await node.StopAsync();
            NetworkEvent[] told = [.. Read(asked)];
            int served = told.Count(one => one.Kind == NetworkEventKind.InboundCommitmentsRequest);

            // Who answers slowly, be it for want of a processor, is asked less; no one can be asked for all ten.
            Assert.InRange(served, 1, 8);
            Assert.Contains(told, one => one.Kind == NetworkEventKind.InboundRawTxListRequest);
            Assert.DoesNotContain(told, one => one.Error?.Kind == NetworkErrorKind.ReqRespRateLimited);
            pages += served;
            asked.Dispose();
        }

        // Ten pages hold them; while nobody has shown where the history begins, its first one is asked of up to three.
        Assert.InRange(pages, 10, 13);
    }

    [Fact]
    public async Task ACommitmentThatIsNotTheRegularOneIsSoughtElsewhereAndElseTold()
    {
        await using TestNet net = new(output);
        P2pNode odd = await net.StartAsync(TestNet.Tcp);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        foreach (ulong block in new ulong[] { 1, 2, 3, 4, 5 })
        {
            SignedCommitment commitment = net.Commit(block);
            History.Put(odd, net, block is 3 or 4 ? History.HighS(commitment) : commitment);
            if (block == 3)
            {
                History.Put(other, net, commitment);
            }
        }

        await TestNet.ConnectAsync(late, odd);
        await TestNet.ConnectAsync(late, other);
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((4, 1), (result.Commitments, result.MissingBlockCount));
        Assert.Equal([4UL], History.Missing(late, 1, 5));
        MissingBlocks missing = Assert.Single(result.MissingBlocks);
        Assert.Equal(((UInt256)4, (UInt256)4, MissingReason.NotAccepted), (missing.First, missing.Last, missing.Reason));
        Assert.Contains("HighS", missing.Detail, StringComparison.Ordinal);
        Assert.False(result.IsWorthRetrying);
    }

    [Fact]
    public async Task HolesThatNobodyFillsAreToldWithTheReason()
    {
        await using TestNet net = new(output);
        P2pNode one = await net.StartAsync(TestNet.Tcp);
        P2pNode two = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(one, net, 5000, 5099);
        History.Fill(one, net, 5200, 5299, listEvery: 5250, withLists: false);
        History.Fill(two, net, 5100, 5149);
        await TestNet.ConnectAsync(late, one);
        await TestNet.ConnectAsync(late, two);

        CatchUpResult result = await CatchUp.RunAsync(late.Handle).WaitAsync(TestNet.Patience);
        Assert.Equal(250, result.Commitments);
        Assert.Equal((UInt256)5000, result.From);
        Assert.Equal(new MissingBlocks(5150, 5199, MissingReason.NobodyHas, null), Assert.Single(result.MissingBlocks));
        Assert.Equal((50, 1), (result.MissingBlockCount, result.MissingTxListCount));
        MissingTxList list = Assert.Single(result.MissingTxLists);
        Assert.Equal((History.ListHash(5250), (UInt256)5250, MissingReason.NobodyHas), (list.Hash, list.BlockNumber, list.Reason));
        Assert.False(result.IsWorthRetrying);

        // With a lower bound, what is below the first that anybody has is missing as well.
        CatchUpResult bounded = await CatchUp.RunAsync(late.Handle, new CatchUpOptions { From = 4990 }).WaitAsync(TestNet.Patience);
        Assert.Equal(new MissingBlocks(4990, 4999, MissingReason.NobodyHas, null), bounded.MissingBlocks[0]);
        Assert.Equal(0, bounded.Commitments);
    }

    [Fact]
    public async Task AStoreThatIsFullEndsItAndIsTheReason()
    {
        await using TestNet net = new(output);
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        P2pConfig small = TestNet.Config(TestNet.Tcp);
        small.Store.MaxCommitments = 100;
        P2pNode late = await net.StartAsync(small);
        History.Fill(full, net, 1, 600);
        await TestNet.ConnectAsync(late, full);
        await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Empty(History.Missing(late, 501, 600));

        using EventReader<NetworkEvent> asked = full.Handle.Subscribe();
        CatchUpResult again = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Empty(History.Missing(late, 501, 600));
        Assert.Equal((0, 500), (again.Commitments, again.MissingBlockCount));
        Assert.All(again.MissingBlocks, blocks => Assert.Equal(MissingReason.NotKept, blocks.Reason));
        await full.StopAsync();
        Assert.InRange(Read(asked).Count(told => told.Kind == NetworkEventKind.InboundCommitmentsRequest), 1, 2);
    }

    [Fact]
    public async Task WhatWentForItsAgeIsNotFetchedBack()
    {
        await using TestNet net = new(output);
        SetTime time = new();
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new InMemoryStore(null, time) });
        History.Fill(full, net, 1, 610);
        History.Fill(late, net, 1, 590);
        time.Now += TimeSpan.FromHours(20);
        History.Fill(late, net, 591, 600);
        time.Now += TimeSpan.FromHours(10);
        await TestNet.ConnectAsync(late, full);

        CatchUpResult result = await CatchUp.RunAsync(late.Handle).WaitAsync(TestNet.Patience);
        Assert.Equal((10, true, (UInt256)591), (result.Commitments, result.IsComplete, result.From));
        Assert.Equal(590, History.Missing(late, 1, 610).Length);
    }

    [Fact]
    public async Task WhereNobodyHasAnythingNothingIsMissing()
    {
        await using TestNet net = new(output);
        P2pNode one = await net.StartAsync(TestNet.Tcp);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(one, other);
        CatchUpResult result = await CatchUp.RunAsync(one.Handle).WaitAsync(TestNet.Patience);
        Assert.True(result.IsComplete);
        Assert.Equal((0, 0L, 1), (result.Commitments, result.MissingBlockCount, result.Peers));
        Assert.Null(result.UnprovenHead);
    }

    [Fact]
    public async Task WithNobodyToAskItSaysSo()
    {
        await using TestNet net = new(output);
        P2pNode alone = await net.StartAsync(TestNet.Tcp);
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => CatchUp.RunAsync(alone.Handle));
        Assert.Equal(NetworkErrorKind.ReqRespBackpressure, error.Kind);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => CatchUp.RunAsync(alone.Handle, new CatchUpOptions { Parallel = 0 }));
    }

    [Fact]
    public async Task ANodeThatFollowsStaysCaughtUpThroughGapsAndDisconnects()
    {
        await using TestNet net = new(output);
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(full, net, 1, 300, listEvery: 100);
        CatchUpOptions options = new() { From = 1, Pause = TimeSpan.FromMilliseconds(50), GapPatience = TimeSpan.FromMilliseconds(100) };
        int runs = 0;
        Task following = CatchUp.FollowAsync(late.Handle, options, new Teller(progress => Interlocked.Add(ref runs, progress.Stage == CatchUpStage.Ended ? 1 : 0)));
        await Task.Delay(100);
        Assert.False(following.IsCompleted);

        await TestNet.ConnectAsync(late, full);
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 300).Length == 0 && History.HasLists(late.Handle.Store, 100, 200, 300));

        // A gap: what came before the gossiped one was never heard; nor was its txlist.
        History.Fill(full, net, 301, 349);
        History.PutList(full, 350);
        await full.Handle.PublishCommitmentAsync(net.Commit(350, History.ListHash(350)));
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 350).Length == 0 && History.HasLists(late.Handle.Store, 350));

        // All peers lost; what happened meanwhile is fetched when one is back.
        late.Handle.Disconnect(full.LocalPeerId);
        await LifecycleTests.UntilAsync(() => late.Handle.PeerCount == 0);
        History.Fill(full, net, 351, 700);
        await TestNet.ConnectAsync(late, full);
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 700).Length == 0);

        // Nothing happens, so nothing is done.
        await Task.Delay(500);
        int quiet = Volatile.Read(ref runs);
        await Task.Delay(1000);
        Assert.Equal(quiet, Volatile.Read(ref runs));

        await late.StopAsync();
        await following.WaitAsync(TestNet.Patience);
    }

    [Fact]
    public async Task ABlockFarAboveTheChainHidesNoGap()
    {
        await using TestNet net = new(output);
        (P2pNode full, P2pNode late) = await net.PairAsync();
        History.Fill(full, net, 1, 5);
        CatchUpOptions options = new() { From = 1, Pause = TimeSpan.FromMilliseconds(50), GapPatience = TimeSpan.FromMilliseconds(100) };
        CatchUpResult? last = null;
        _ = CatchUp.FollowAsync(late.Handle, options, new Teller(progress => Volatile.Write(ref last, progress.Result), CatchUpStage.Ended));
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 5).Length == 0);
        await full.Handle.PublishCommitmentAsync(net.Commit(1_000_000_000));
        await LifecycleTests.UntilAsync(() => Volatile.Read(ref last) is { MissingBlockCount: 999_999_994 });

        // Nobody had these blocks when they were looked for, because there were none.
        History.Fill(full, net, 6, 9);
        await full.Handle.PublishCommitmentAsync(net.Commit(10));
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 10).Length == 0);
    }

    [Fact]
    public async Task ATxListOfNoBytesIsNotMissing()
    {
        await using TestNet net = new(output);
        (P2pNode full, P2pNode late) = await net.PairAsync();
        History.Put(full, net, net.Commit(1, Keccak256.Hash([])));
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal((1, true), (result.Commitments, result.IsComplete));
    }

    [Fact]
    public async Task WithNobodyLeftWhoMayBeAskedTxListsAreNotWaitedFor()
    {
        await using TestNet net = new(output);
        (P2pNode full, P2pNode late) = await net.PairAsync();
        History.Fill(full, net, 1, 40, listEvery: 1);
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne with { Parallel = 1 }, new Teller(progress =>
        {
            for (int i = 0; i < 4 && progress is { TxLists: 1, Stage: CatchUpStage.Fetching }; i++)
            {
                late.Core.Reputation.Report(full.LocalPeerId, ReputationReason.Garbage);
            }
        })).WaitAsync(TestNet.Patience);
        Assert.True(late.Handle.Explain(full.LocalPeerId).IsGreylisted);
        Assert.Equal((40, 1, 39), (result.Commitments, result.TxLists, result.MissingTxListCount));
        Assert.All(result.MissingTxLists, list => Assert.Equal(MissingReason.RequestsFailed, list.Reason));
    }

    [Fact]
    public async Task AnswersBelowWhatWasAskedForComeToAnEndWhereTheyAreTaken()
    {
        await using TestNet net = new(output);
        SignedCommitment first = net.Commit(1);
        P2pNode deaf = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new ScrapsStore(_ => [first]) });
        LocalValidationAdapter validator = new(options: new ValidationOptions { ReferenceParity = true });
        P2pNode late = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Validator = validator });
        deaf.Handle.UpdateHead(new PreconfHead(1_000_000, 1_000_000));
        await TestNet.ConnectAsync(late, deaf);
        using EventReader<NetworkEvent> asked = deaf.Handle.Subscribe();
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne with { Parallel = 1 }).WaitAsync(TestNet.Patience);
        Assert.Equal((1, UInt256.One, null), (result.Commitments, result.Head, result.UnprovenHead));
        await deaf.StopAsync();
        Assert.Equal(2, Read(asked).Count(told => told.Kind == NetworkEventKind.InboundCommitmentsRequest));
    }

    [Fact]
    public async Task AnOlderValueOfAPeerIsNotServedInsteadOfTheOneHeard()
    {
        await using TestNet net = new(output);
        (P2pNode lagging, P2pNode late) = await net.PairAsync();
        SignedCommitment older = net.Commit(2, parent: History.ListHash(1)), heard = net.Commit(2);
        History.Put(lagging, net, net.Commit(1));
        History.Put(lagging, net, older);
        History.Put(late, net, heard);
        CommitmentsAnswer page = await late.Handle.RequestCommitmentsAsync(1, 10).WaitAsync(TestNet.Patience);
        Assert.Equal([1, 2], page.Commitments.Select(one => (int)(ulong)one.Commitment.Preconf.BlockNumber));
        Assert.True(late.Handle.Store.TryGetCommitment(2, out SignedCommitment served));
        Assert.Equal(heard, served);
        Assert.Equal([heard, older], late.Handle.Store.GetAll(2).Select(one => one.Commitment));
    }

    [Fact]
    public async Task FollowingOneThatHadNothingTurnsToTheNextPeer()
    {
        await using TestNet net = new(output);
        P2pNode newcomer = await net.StartAsync(TestNet.Tcp);
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(full, net, 1, 300);
        using CancellationTokenSource stop = new();
        TaskCompletionSource first = new();
        Task following = CatchUp.FollowAsync(
            late.Handle, new CatchUpOptions { Pause = TimeSpan.FromMilliseconds(50) }, new Teller(progress => _ = progress.Stage == CatchUpStage.Ended && first.TrySetResult()), stop.Token);
        await TestNet.ConnectAsync(late, newcomer);
        await first.Task.WaitAsync(TestNet.Patience);
        await TestNet.ConnectAsync(late, full);
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 300).Length == 0);
        await stop.CancelAsync();
        await following.WaitAsync(TestNet.Patience);
        Assert.True(late.Handle.IsRunning);
    }

    [Fact]
    public async Task AStoreWhoseTimeOutIsACancellationDoesNotEndTheFollowing()
    {
        await using TestNet net = new(output);
        P2pNode full = await net.StartAsync(TestNet.Tcp);
        TimedOutStore store = new();
        P2pNode late = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = store });
        History.Fill(full, net, 1, 300);
        Task following = CatchUp.FollowAsync(late.Handle, new CatchUpOptions { Pause = TimeSpan.FromMilliseconds(50) });
        await TestNet.ConnectAsync(late, full);
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 300).Length == 0);
        Assert.Equal(2, store.TimedOut);
        Assert.False(following.IsCompleted);
        await late.StopAsync();
        await following.WaitAsync(TestNet.Patience);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task APeerThatComesAndGoesHoldsNoTxListsUp(int peers)
    {
        const int Lists = 150;
        await using TestNet net = new(output);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        for (int i = 0; i < peers; i++)
        {
            P2pNode full = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new SlowListStore() });
            History.Fill(full, net, 1, Lists, listEvery: 1);
            await TestNet.ConnectAsync(late, full);
        }

        P2pNode restless = await net.StartAsync(TestNet.Config());
        using CancellationTokenSource stop = new();
        int came = 0;
        Task coming = ComeAndGoAsync();
        ConcurrentQueue<CatchUpResult> ended = [];
        Task following = CatchUp.FollowAsync(
            late.Handle, FromOne with { Pause = TimeSpan.FromMilliseconds(300), Parallel = 2 }, new Teller(progress => ended.Enqueue(progress.Result!), CatchUpStage.Ended), stop.Token);
        await LifecycleTests.UntilAsync(() => History.HasLists(late.Handle.Store, Enumerable.Range(1, Lists).Select(i => (ulong)i)));
        await stop.CancelAsync();
        await following.WaitAsync(TestNet.Patience);
        await coming.WaitAsync(TestNet.Patience);

        // Where enough peers were asked another one is no reason; else each run gets its time.
        output.WriteLine($"{ended.Count} runs, {came} times a peer");
        Assert.True(came > 10);
        Assert.InRange(ended.Count, 0, peers < 3 ? 30 : 1);

        async Task ComeAndGoAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                await restless.Handle.DialAsync(late.Handle.DialableAddresses[0]);
                came++;
                await Task.Delay(20);
                restless.Handle.Disconnect(late.LocalPeerId);
                await LifecycleTests.UntilAsync(() => restless.Handle.PeerCount == 0);
            }
        }
    }

    [Fact]
    public async Task APeerOfAnotherMindIsAskedOnceAndNotBlamedForIt()
    {
        await using TestNet net = new(output);
        P2pConfig strict = TestNet.Config(TestNet.Tcp);
        (strict.AnySigner, strict.ExpectedSigners) = (false, [Address.Parse("0x00000000000000000000000000000000000000aa", null)]);
        P2pNode peer = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(strict);
        History.Fill(peer, net, 1, 300);
        await TestNet.ConnectAsync(late, peer);
        using EventReader<NetworkEvent> asked = peer.Handle.Subscribe();
        TaskCompletionSource<CatchUpResult> first = new();
        _ = CatchUp.FollowAsync(late.Handle, new CatchUpOptions { Pause = TimeSpan.Zero }, new Teller(progress =>
            first.TrySetResult(progress.Result!), CatchUpStage.Ended));
        CatchUpResult result = await first.Task.WaitAsync(TestNet.Patience);
        Assert.Equal((null, false, false, 300), (result.UnprovenHead, result.IsComplete, result.IsWorthRetrying, result.MissingBlockCount));
        Assert.All(result.MissingBlocks, blocks => Assert.Equal(MissingReason.NotAccepted, blocks.Reason));
        Assert.Contains("WrongSigner", result.MissingBlocks[0].Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(late.Handle.Explain(peer.LocalPeerId).History, entry => entry.Delta < 0);

        // What is known to be so is not asked for again before long, whoever comes.
        int pages = Read(asked).Count(told => told.Kind == NetworkEventKind.InboundCommitmentsRequest);
        CatchUpResult again = await CatchUp.RunAsync(late.Handle).WaitAsync(TestNet.Patience);
        Assert.Equal(result.MissingBlockCount, again.MissingBlockCount);
        Assert.InRange(pages, 2, 3);
    }

    [Fact]
    public async Task FormerSignersHistoryKeepsNothingOfTheRestAway()
    {
        await using TestNet net = new(output);
        using PreconfSigner former = PreconfSigner.Generate();
        P2pConfig strict = TestNet.Config(TestNet.Tcp);
        (strict.AnySigner, strict.ExpectedSigners) = (false, [net.Signer.Address]);
        P2pNode peer = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(strict);
        Bytes32 domain = PreconfSigning.DefaultDomain;
        for (ulong block = 1; block <= 20_000; block++)
        {
            History.Put(peer, net, former.Sign(in domain, net.Commit(block).Commitment));
        }

        History.Fill(peer, net, 20_001, 20_300);
        await TestNet.ConnectAsync(late, peer);
        CatchUpResult result = await CatchUp.RunAsync(late.Handle).WaitAsync(TestNet.Patience);
        Assert.Empty(History.Missing(late, 20_001, 20_300));
        Assert.Equal((300, (UInt256)20_001, (UInt256)20_300, 20_000), (result.Commitments, result.From, result.Head, result.MissingBlockCount));
        Assert.Equal(((UInt256)1, (UInt256)20_000, MissingReason.NotAccepted), (result.MissingBlocks[0].First, result.MissingBlocks[^1].Last, result.MissingBlocks[0].Reason));
        Assert.DoesNotContain(late.Handle.Explain(peer.LocalPeerId).History, entry => entry.Delta < 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhoOnlyHasWhatIsNotAcceptedIsNotAskedWithoutEnd(bool withAnOldOne)
    {
        await using TestNet net = new(output);
        using PreconfSigner stranger = PreconfSigner.Generate();
        Bytes32 domain = PreconfSigning.DefaultDomain;
        ScrapsStore store = new(block => [.. withAnOldOne ? [net.Commit(1)] : Array.Empty<SignedCommitment>(), stranger.Sign(in domain, net.Commit(block).Commitment)]);
        P2pNode liar = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = store });
        AllowedSignersAdapter validator = new([net.Signer.Address], options: new ValidationOptions { ReferenceParity = withAnOldOne });
        P2pNode late = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Validator = validator });
        liar.Handle.UpdateHead(new PreconfHead(1_000_000, 1_000_000));
        await TestNet.ConnectAsync(late, liar);
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, FromOne).WaitAsync(TestNet.Patience);
        Assert.Equal(((UInt256?)1_000_000, true), (result.UnprovenHead, result.IsWorthRetrying));
        await liar.StopAsync();
        Assert.InRange(store.Asked, 60, 75);
    }

    [Fact]
    public async Task WhatAStrangerSignedIsNotKnownToBeMissingWhereAnotherPeerMayHaveIt()
    {
        await using TestNet net = new(output);
        using PreconfSigner stranger = PreconfSigner.Generate();
        Bytes32 domain = PreconfSigning.DefaultDomain;
        P2pNode hostile = await net.StartAsync(TestNet.Tcp);
        FailingPagesStore pages = new() { Fails = true };
        P2pNode honest = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = pages });
        AllowedSignersAdapter validator = new([net.Signer.Address]);
        P2pNode late = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Validator = validator });
        for (ulong block = 1; block <= 300; block++)
        {
            History.Put(hostile, net, stranger.Sign(in domain, net.Commit(block).Commitment));
        }

        History.Fill(honest, net, 1, 300);
        await TestNet.ConnectAsync(late, hostile);
        await TestNet.ConnectAsync(late, honest);
        TaskCompletionSource<CatchUpResult> first = new();
        _ = CatchUp.FollowAsync(late.Handle, new CatchUpOptions { Pause = TimeSpan.FromMilliseconds(50) }, new Teller(progress => first.TrySetResult(progress.Result!), CatchUpStage.Ended));
        CatchUpResult result = await first.Task.WaitAsync(TestNet.Patience);
        Assert.True(result.IsWorthRetrying);
        Assert.All(result.MissingBlocks, blocks => Assert.Equal(MissingReason.RequestsFailed, blocks.Reason));
        pages.Fails = false;
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 300).Length == 0);
    }

    [Fact]
    public async Task WhoLeavesWithTheOnlyClaimLeavesItUnproven()
    {
        await using TestNet net = new(output);
        P2pNode claims = await net.StartAsync(TestNet.Tcp);
        P2pNode empty = await net.StartAsync(TestNet.Tcp);
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        claims.Handle.UpdateHead(new PreconfHead(1000, 1000));
        await TestNet.ConnectAsync(late, empty);
        await TestNet.ConnectAsync(late, claims);
        CatchUpResult result = await CatchUp.RunAsync(late.Handle, progress: new Teller(_ => claims.StopAsync().Wait(TestNet.Patience), CatchUpStage.Started)).WaitAsync(TestNet.Patience);
        Assert.Equal(((UInt256?)1000, false, true), (result.UnprovenHead, result.IsComplete, result.IsWorthRetrying));
    }

    [Fact]
    public async Task AGapHeardOfBetweenTwoRunsIsNotHiddenByWhatWasKnownBefore()
    {
        await using TestNet net = new(output);
        (P2pNode full, P2pNode late) = await net.PairAsync();
        History.Fill(full, net, 1, 5);
        CatchUpOptions options = new() { From = 1, Pause = TimeSpan.FromSeconds(3), GapPatience = TimeSpan.FromMilliseconds(100) };
        CatchUpResult? last = null;
        _ = CatchUp.FollowAsync(late.Handle, options, new Teller(progress => Volatile.Write(ref last, progress.Result), CatchUpStage.Ended));
        await LifecycleTests.UntilAsync(() => Volatile.Read(ref last) is { Commitments: 5 });
        await full.Handle.PublishCommitmentAsync(net.Commit(1_000_000_000));
        await LifecycleTests.UntilAsync(() => Volatile.Read(ref last) is { MissingBlockCount: 999_999_994 });

        // The first gap is due, and waits for the pause to end: that is when the second is heard of.
        History.Fill(full, net, 6, 6);
        await full.Handle.PublishCommitmentAsync(net.Commit(7));
        await Task.Delay(500);
        History.Fill(full, net, 8, 9);
        await full.Handle.PublishCommitmentAsync(net.Commit(10));
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 10).Length == 0);
    }

    [Fact]
    public async Task AGapHeardOfWhileTxListsAreFetchedIsNotHiddenByThatRun()
    {
        await using TestNet net = new(output);
        P2pNode full = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new SlowListStore() });
        P2pNode late = await net.StartAsync(TestNet.Tcp);
        History.Fill(full, net, 1, 200, listEvery: 1);
        History.Put(full, net, net.Commit(1_000_000_000));
        await TestNet.ConnectAsync(late, full);
        CatchUpOptions options = new() { From = 1, Parallel = 1, Pause = TimeSpan.FromMilliseconds(50), GapPatience = TimeSpan.FromMilliseconds(100) };
        _ = CatchUp.FollowAsync(late.Handle, options, null);
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 200).Length == 0);
        History.Fill(full, net, 201, 204);
        await full.Handle.PublishCommitmentAsync(net.Commit(205));
        await LifecycleTests.UntilAsync(() => History.Missing(late, 1, 205).Length == 0);
    }

    private static List<NetworkEvent> Read(EventReader<NetworkEvent> events)
    {
        List<NetworkEvent> all = [];
        while (events.TryRead(out NetworkEvent told))
        {
            all.Add(told);
        }

        return all;
    }

    /// <summary>Tells at once, on the thread that reports.</summary>
    private sealed class Teller(Action<CatchUpProgress> tell, CatchUpStage? only = null) : IProgress<CatchUpProgress>
    {
        public void Report(CatchUpProgress value)
        {
            if (only is null || value.Stage == only)
            {
                tell(value);
            }
        }
    }

    /// <summary>A store that has something for whatever block is asked for, and not what comes after it.</summary>
    private sealed class ScrapsStore(Func<ulong, SignedCommitment[]> make) : PassingStore
    {
        private int _asked;

        public int Asked => Volatile.Read(ref _asked);

        public override int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination)
        {
            Interlocked.Increment(ref _asked);
            SignedCommitment[] all = make((ulong)startBlock);
            for (int i = 0; i < all.Length; i++)
            {
                SignedCommitmentCodec.Encode(in all[i], destination[(i * SignedCommitmentCodec.Size)..]);
            }

            return all.Length;
        }
    }

    /// <summary>A store whose pages can't be read for a while.</summary>
    private sealed class FailingPagesStore : PassingStore
    {
        public bool Fails { get; set; }

        public override int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination) =>
            Fails ? throw new IOException("the disk is away") : base.GetCommitments(startBlock, maxCount, destination);
    }

    /// <summary>A store whose txlists take their time.</summary>
    private sealed class SlowListStore : PassingStore
    {
        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
        {
            Thread.Sleep(20);
            return base.TryGetTxList(in hash, out txList);
        }
    }

    /// <summary>Claims all blocks there can be, and serves none.</summary>
    private sealed class LiarStore : PassingStore
    {
        public override bool TryGetHead(out PreconfHead head)
        {
            head = new PreconfHead(ulong.MaxValue, 1);
            return true;
        }
    }

    /// <summary>A store that times out the first two times that it is to take something, as a client of HTTP does.</summary>
    private sealed class TimedOutStore : PassingStore
    {
        public int TimedOut { get; private set; }

        public override StoreResult AddCommitment(in SignedCommitment commitment, in Bytes32 preconfirmationHash, in Address signer, StoreOrigin origin) =>
            TimedOut < 2 ? throw new TaskCanceledException($"time-out {++TimedOut}") : base.AddCommitment(in commitment, in preconfirmationHash, in signer, origin);
    }

    /// <summary>A store whose txlists can't be read for a while.</summary>
    private sealed class BrokenListStore : PassingStore
    {
        public bool IsBroken { get; set; }

        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList) =>
            IsBroken ? throw new IOException("the disk is gone") : base.TryGetTxList(in hash, out txList);
    }
}
