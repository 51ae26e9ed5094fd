using System.Diagnostics;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Types;
using Preconf.Native.Validation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Whom a request goes to, when, and what becomes of its answer.</summary>
public sealed class AskingTests(ITestOutputHelper output)
{
    [Fact]
    public async Task APageIsNotLostForOneCommitmentThatIsNobodysFault()
    {
        await using TestNet net = new(output);
        (P2pNode server, P2pNode client) = await net.PairAsync();
        for (ulong block = 1; block <= 5; block++)
        {
            SignedCommitment commitment = net.Commit(block);
            History.Put(server, net, block is 3 or 5 ? History.HighS(commitment) : commitment);
        }

        CommitmentsAnswer page = await client.Handle.RequestCommitmentsAsync(1, 10).WaitAsync(TestNet.Patience);
        Assert.Equal([1, 2, 4], page.Commitments.Select(one => (int)(ulong)one.Commitment.Preconf.BlockNumber));
        Assert.Equal([(3, 2, ValidationReason.HighS), (5, 4, ValidationReason.HighS)], page.Skipped.Select(
            one => ((int)(ulong)one.Commitment.Commitment.Preconf.BlockNumber, one.Outcome.Element ?? -1, one.Outcome.Reason)));
        Assert.Equal((UInt256)5, page.LastBlock);
        Assert.Equal([3UL, 5UL], History.Missing(client, 1, 5));
        Assert.DoesNotContain(client.Handle.Explain(server.LocalPeerId).History, entry => entry.Delta < 0);
    }

    [Theory]
    [InlineData(ValidationReason.WrongSigner)]
    [InlineData(ValidationReason.WrongSlotEnd)]
    public async Task APageIsNotLostForOneWhomThePeerTookInItsTime(ValidationReason reason)
    {
        await using TestNet net = new(output);
        using PreconfSigner former = PreconfSigner.Generate();
        PreconfSigner third = reason == ValidationReason.WrongSigner ? former : net.Signer;
        UInt256 window = net.Commit(3).Commitment.Preconf.SubmissionWindowEnd;
        (P2pNode server, P2pNode client) = await StrictPairAsync(net, reason == ValidationReason.WrongSlotEnd ? window : null);
        Bytes32 domain = PreconfSigning.DefaultDomain;
        for (ulong block = 1; block <= 5; block++)
        {
            SignedCommitment commitment = net.Commit(block);
            History.Put(server, net, block == 3 ? third.Sign(in domain, commitment.Commitment) : commitment);
        }

        CommitmentsAnswer page = await client.Handle.RequestCommitmentsAsync(1, 10).WaitAsync(TestNet.Patience);
        Assert.Equal([1, 2, 4, 5], page.Commitments.Select(one => (int)(ulong)one.Commitment.Preconf.BlockNumber));
        ValidationOutcome outcome = Assert.Single(page.Skipped).Outcome;
        Assert.Equal((ValidationVerdict.Ignore, reason, 2, third.Address), (outcome.Verdict, outcome.Reason, outcome.Element ?? -1, outcome.Signer));
        Assert.Equal([3UL], History.Missing(client, 1, 5));
        Assert.DoesNotContain(client.Handle.Explain(server.LocalPeerId).History, entry => entry.Delta < 0);

        // Nothing of it is accepted: no fault, and no thanks.
        int thanks = Thanks();
        CommitmentsAnswer nothing = await client.Handle.RequestCommitmentsAsync(3, 1).WaitAsync(TestNet.Patience);
        Assert.Equal((0, 1, thanks), (nothing.Count, nothing.Skipped.Count, Thanks()));

        int Thanks() => client.Handle.Explain(server.LocalPeerId).History.Where(entry => entry.Reason == ReputationReason.Answered).Sum(entry => entry.Count);
    }

    [Fact]
    public async Task WhatOnePeerHasAndIsNotAcceptedIsToldThoughAnotherHasNothing()
    {
        await using TestNet net = new(output);
        using PreconfSigner former = PreconfSigner.Generate();
        (P2pNode server, P2pNode client) = await StrictPairAsync(net);
        Bytes32 domain = PreconfSigning.DefaultDomain;
        History.Put(server, net, former.Sign(in domain, net.Commit(3).Commitment));
        P2pNode empty = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(client, empty);

        // Who claims a head is asked first.
        await client.Handle.RequestHeadAsync(server.LocalPeerId);
        using EventReader<NetworkEvent> asked = empty.Handle.Subscribe();
        CommitmentsAnswer page = await client.Handle.RequestCommitmentsAsync(1, 10).WaitAsync(TestNet.Patience);
        Assert.Equal((0, (UInt256?)3), (page.Count, page.LastBlock));
        await ExchangeTests.NextAsync(asked, NetworkEventKind.InboundCommitmentsRequest);
    }

    [Theory]
    [InlineData("slasher", false)]
    [InlineData("slasher", true)]
    [InlineData("signature", false)]
    public async Task APageWithACommitmentThatOnlyItsSenderCanBeBlamedForIsRefusedWhole(string fault, bool afterAFormerSigner)
    {
        await using TestNet net = new(output);
        (P2pNode server, P2pNode client) = await StrictPairAsync(net);
        using PreconfSigner stranger = PreconfSigner.Generate();
        Bytes32 domain = PreconfSigning.DefaultDomain;
        History.Put(server, net, net.Commit(1));
        History.Put(server, net, afterAFormerSigner ? stranger.Sign(in domain, net.Commit(2).Commitment) : History.HighS(net.Commit(2)));
        SignedCommitment bad = net.Commit(3);
        PreconfCommitment elsewhere = new(bad.Commitment.Preconf, stranger.Address);
        History.Put(server, net, fault == "slasher" ? net.Signer.Sign(in domain, in elsewhere) : new SignedCommitment(bad.Commitment, default));

        NetworkException refused = await Assert.ThrowsAsync<NetworkException>(() => client.Handle.RequestCommitmentsAsync(1, 10).WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.ReqRespValidation, refused.Kind);
        Assert.Equal([1UL, 2UL, 3UL], History.Missing(client, 1, 3));
        Assert.Equal(-1, Assert.Single(client.Handle.Explain(server.LocalPeerId).History, entry => entry.Delta < 0).Delta, 6);
    }

    [Fact]
    public async Task AStopEndsWhatWaitsForItsTurn()
    {
        await using TestNet net = new(output);
        (P2pNode _, P2pNode client) = await LimitedPairAsync(net, TimeSpan.FromHours(1));
        Task<PreconfHead>[] waiting = [.. Enumerable.Range(0, 100).Select(_ => client.Handle.RequestHeadAsync())];
        await Task.Delay(200);
        Assert.All(waiting, task => Assert.False(task.IsCompleted));

        await client.StopAsync();
        foreach (Task<PreconfHead> task in waiting)
        {
            NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => task.WaitAsync(TestNet.Patience));
            Assert.Equal(NetworkErrorKind.SendCommandFailed, error.Kind);
        }
    }

    [Fact]
    public async Task AWaitForThePeerThatLeavesEndsAndOneForAnyoneGoesToAnother()
    {
        await using TestNet net = new(output);
        (P2pNode leaving, P2pNode client) = await LimitedPairAsync(net, TimeSpan.FromHours(1));
        Task<PreconfHead> named = client.Handle.RequestHeadAsync(leaving.LocalPeerId);
        Task<PreconfHead> anyone = client.Handle.RequestHeadAsync();
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        History.Fill(other, net, 1, 9);
        await TestNet.ConnectAsync(client, other);
        Assert.False(named.IsCompleted || anyone.IsCompleted);

        client.Handle.Disconnect(leaving.LocalPeerId);
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => named.WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.Disconnect, error.Kind);
        Assert.Equal((UInt256)9, (await anyone.WaitAsync(TestNet.Patience)).BlockNumber);
    }

    [Fact]
    public async Task ThePaceOutlivesTheConnection()
    {
        await using TestNet net = new(output);
        (P2pNode server, P2pNode client) = await LimitedPairAsync(net, TimeSpan.FromHours(1), maxWait: TimeSpan.Zero);
        client.Handle.Disconnect(server.LocalPeerId);
        await LifecycleTests.UntilAsync(() => client.Handle.PeerCount == 0 && server.Handle.PeerCount == 0);
        await TestNet.ConnectAsync(client, server);
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => client.Handle.RequestHeadAsync(server.LocalPeerId).WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.ReqRespRateLimited, error.Kind);
    }

    [Fact]
    public async Task WhoWaitsLongerThanMaxWaitIsToldSo()
    {
        await using TestNet net = new(output);
        (P2pNode server, P2pNode client) = await LimitedPairAsync(net, TimeSpan.FromHours(1), maxWait: TimeSpan.FromMilliseconds(300));
        Stopwatch clock = Stopwatch.StartNew();
        NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => client.Handle.RequestHeadAsync(server.LocalPeerId).WaitAsync(TestNet.Patience));
        Assert.Equal(NetworkErrorKind.ReqRespRateLimited, error.Kind);
        Assert.True(clock.Elapsed >= TimeSpan.FromMilliseconds(250), clock.Elapsed.ToString());

        // Other protocols have a pace of their own, and a request that names nobody goes to who has a place.
        await client.Handle.RequestCommitmentsAsync(0, 1, server.LocalPeerId).WaitAsync(TestNet.Patience);
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        History.Fill(other, net, 1, 9);
        await TestNet.ConnectAsync(client, other);
        Assert.Equal((UInt256)9, (await client.Handle.RequestHeadAsync().WaitAsync(TestNet.Patience)).BlockNumber);
    }

    [Fact]
    public async Task ATxListIsAskedOfASecondPeerWhenTheFirstTakesLong()
    {
        await using TestNet net = new(output);
        using ManualResetEventSlim disk = new();
        P2pConfig hedging = TestNet.Config(TestNet.Tcp);
        hedging.TxListHedgeDelay = TimeSpan.FromMilliseconds(100);
        hedging.RequestTimeout = TimeSpan.FromMinutes(5);
        P2pConfig patient = TestNet.Config(TestNet.Tcp);
        patient.RequestTimeout = hedging.RequestTimeout;
        P2pNode slow = await net.StartAsync(patient, new P2pNodeServices { Store = new StuckStore(disk) });
        P2pNode quick = await net.StartAsync(TestNet.Tcp);
        P2pNode client = await net.StartAsync(hedging);
        History.PutList(quick, 7);
        History.PutList(slow, 7);
        await TestNet.ConnectAsync(client, slow);
        await TestNet.ConnectAsync(client, quick);
        using EventReader<NetworkEvent> events = client.Handle.Subscribe();

        // The slow one is the better choice by all that is known: it has the block.
        client.Core.Peers.Find(slow.LocalPeerId)!.Knows(7);
        Task<GetRawTxListResponse> asked = client.Handle.RequestTxListAsync(History.ListHash(7), 7, null, null, CancellationToken.None);
        GetRawTxListResponse answer = await asked.WaitAsync(TestNet.Patience);
        Assert.Equal(History.List(7), answer.TxList.ToArray());
        NetworkEvent told = await ExchangeTests.NextAsync(events, NetworkEventKind.ReqRespRawTxList);
        Assert.Equal(quick.LocalPeerId, told.Peer);

        // Who lost is forgotten, not waited for and not blamed.
        await LifecycleTests.UntilAsync(() => client.Handle.GetStats().RequestsInFlight == 0);
        Assert.Equal(0, client.Handle.Explain(slow.LocalPeerId).Score);
        disk.Set();
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(1, false)]
    public async Task ARequestThatFailsGoesToAsManyPeersAsAllowed(int attempts, bool answered)
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.RequestAttempts = attempts;
        P2pNode broken = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new BrokenStore() });
        P2pNode good = await net.StartAsync(TestNet.Tcp);
        P2pNode client = await net.StartAsync(config);
        History.Fill(good, net, 1, 9);
        await TestNet.ConnectAsync(client, broken);
        await TestNet.ConnectAsync(client, good);
        client.Core.Peers.Find(broken.LocalPeerId)!.Knows(100);

        Task<CommitmentsAnswer> asked = client.Handle.RequestCommitmentsAsync(5, 3);
        if (answered)
        {
            Assert.Equal(3, (await asked.WaitAsync(TestNet.Patience)).Count);
            Assert.True(client.Handle.Explain(broken.LocalPeerId).Preference < 1);
        }
        else
        {
            NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => asked.WaitAsync(TestNet.Patience));
            Assert.Equal(NetworkErrorKind.ReqRespFailure, error.Kind);
        }
    }

    [Fact]
    public async Task TheBestPeerIsTheOneThatHasItAnswersFastFailsSeldomAndIsNotBusy()
    {
        await using TestNet net = new(output);
        P2pNode one = await net.StartAsync(TestNet.Tcp);
        P2pNode two = await net.StartAsync(TestNet.Tcp);
        P2pNode client = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(client, one);
        await TestNet.ConnectAsync(client, two);
        PeerEntry first = client.Core.Peers.Find(one.LocalPeerId)!;
        PeerEntry second = client.Core.Peers.Find(two.LocalPeerId)!;
        void Took(PeerEntry peer, double milliseconds)
        {
            peer.RequestBegins();
            peer.RequestEnds(TimeSpan.FromMilliseconds(milliseconds), answered: true);
        }

        async Task<PeerId> AskedAsync(ulong block)
        {
            using EventReader<NetworkEvent> events = client.Handle.Subscribe();
            await client.Handle.RequestCommitmentsAsync(block, 1).WaitAsync(TestNet.Patience);
            return (await ExchangeTests.NextAsync(events, NetworkEventKind.ReqRespCommitments)).Peer!;
        }

        History.Fill(one, net, 1, 20);
        History.Fill(two, net, 1, 20);

        // Latency: much quicker is better, among peers of whom nothing else is known.
        for (int i = 0; i < 30; i++)
        {
            Took(first, 500);
            Took(second, 5);
        }

        Assert.Equal(two.LocalPeerId, await AskedAsync(10));

        // What it has comes before how fast it is: the quick one is known to lack the block.
        first.Knows(15);
        second.Holdings.Lacks(15);
        Assert.Equal(one.LocalPeerId, await AskedAsync(15));

        // Busy: with much in flight the quick one is no longer the better.
        for (int i = 0; i < 10_000; i++)
        {
            second.RequestBegins();
        }

        Assert.Equal(one.LocalPeerId, await AskedAsync(5));
        for (int i = 0; i < 10_000; i++)
        {
            second.RequestEnds(TimeSpan.Zero, answered: false);
        }

        Assert.Equal(two.LocalPeerId, await AskedAsync(5));

        // Failures count against it.
        for (int i = 0; i < 400; i++)
        {
            client.Core.Reputation.Report(two.LocalPeerId, Reputation.ReputationReason.TimedOut);
            Took(first, 5);
        }

        Assert.Equal(one.LocalPeerId, await AskedAsync(5));
    }

    // A pair whose client has used its one request for a head.
    private static async Task<(P2pNode Server, P2pNode Client)> LimitedPairAsync(TestNet net, TimeSpan window, TimeSpan? maxWait = null)
    {
        P2pConfig limited = TestNet.Config(TestNet.Tcp);
        limited.RateLimit = new RateLimitOptions { MaxRequests = 1, Window = window, MaxWait = maxWait ?? Timeout.InfiniteTimeSpan };
        P2pNode server = await net.StartAsync(TestNet.Tcp);
        P2pNode client = await net.StartAsync(limited);
        await TestNet.ConnectAsync(client, server);
        await client.Handle.RequestHeadAsync(server.LocalPeerId).WaitAsync(TestNet.Patience);
        return (server, client);
    }

    /// <summary>A client with a schedule, and a server without one.</summary>
    private static async Task<(P2pNode Server, P2pNode Client)> StrictPairAsync(TestNet net, UInt256? oddWindow = null)
    {
        LookaheadValidationAdapter validator = new(new Schedule(net.Signer.Address, oddWindow), net.Commit(1).Commitment.SlasherAddress);
        P2pConfig strict = TestNet.Config(TestNet.Tcp);
        strict.AnySigner = false;
        P2pNode client = await net.StartAsync(strict, new P2pNodeServices { Validator = validator });
        P2pNode server = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(client, server);
        return (server, client);
    }

    /// <summary>A store whose txlists are on a disk that stands still.</summary>
    private sealed class StuckStore(ManualResetEventSlim disk) : PassingStore
    {
        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
        {
            disk.Wait(TestNet.Patience * 2);
            return base.TryGetTxList(in hash, out txList);
        }
    }

    /// <summary>A store that can't be read.</summary>
    private sealed class BrokenStore : PassingStore
    {
        public override int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination) => throw new IOException("the disk is gone");
    }

    /// <summary>One signer has all windows, of which one is to end elsewhere than was signed.</summary>
    private sealed class Schedule(Address signer, UInt256? oddWindow) : ILookaheadResolver
    {
        public LookaheadAnswer SignerFor(UInt256 submissionWindowEnd) =>
            LookaheadAnswer.Known(in signer, submissionWindowEnd == oddWindow ? submissionWindowEnd + UInt256.One : submissionWindowEnd);
    }
}
