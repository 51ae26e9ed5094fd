using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;
using Preconf.Native.Validation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>What is forwarded and when, over real sockets.</summary>
public sealed class GossipTests(ITestOutputHelper output)
{
    [Fact]
    public async Task WhatCameByRequestFirstIsForwardedWhenGossipBringsItAndNotAgain()
    {
        await using TestNet net = new(output);
        (P2pNode first, P2pNode middle, P2pNode end) = await LineAsync(net, TestNet.Config(TestNet.Tcp));
        using EventReader<NetworkEvent> atMiddle = middle.Handle.Subscribe();
        using EventReader<NetworkEvent> atEnd = end.Handle.Subscribe();
        byte[] txList = [1, 2, 3];
        Bytes32 hash = Keccak256.Hash(txList);
        SignedCommitment commitment = net.Commit(5, hash);
        Bytes32 own = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
        first.Handle.Store.AddCommitment(in commitment, in own, net.Signer.Address);
        first.Handle.Store.AddTxList(in hash, txList);
        Assert.Single((await middle.Handle.RequestCommitmentsAsync(5, 1, first.LocalPeerId)).Commitments);
        Assert.True((await middle.Handle.RequestTxListAsync(hash, first.LocalPeerId)).IsFound);

        Assert.True((await first.Handle.PublishTxListAsync(txList)).IsSent);
        Assert.True((await first.Handle.PublishCommitmentAsync(commitment)).IsSent);
        Assert.Equal(hash, (await ExchangeTests.NextAsync(atEnd, NetworkEventKind.GossipRawTxList)).Hash);
        Assert.Equal(commitment, (await ExchangeTests.NextAsync(atEnd, NetworkEventKind.GossipSignedCommitment)).Commitment);
        for (int i = 0; i < 2; i++)
        {
            NetworkEvent seen = await ExchangeTests.NextAsync(atMiddle, NetworkEventKind.GossipIgnored);
            Assert.Equal((ValidationReason.Duplicate, true), (seen.Reason, seen.Flag));
        }

        // gossipsub forgets after two minutes what it has seen: then the same comes to the lanes again.
        byte[] ssz = new byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in commitment, ssz);
        byte[] gossip = new byte[RawTxListGossipCodec.EncodedLength(txList.Length)];
        RawTxListGossipCodec.Encode(in hash, txList, gossip);
        Assert.Equal(Verdicts.Ignore, VerdictOf(middle, first, GossipTopic.Commitments, ssz));
        Assert.Equal(Verdicts.Ignore, VerdictOf(middle, first, GossipTopic.TxLists, gossip));

        // Nor does the publisher forward its own when it comes back.
        Assert.Equal(Verdicts.Ignore, VerdictOf(first, middle, GossipTopic.Commitments, ssz));
        Assert.Equal(Verdicts.Ignore, VerdictOf(first, middle, GossipTopic.TxLists, gossip));
    }

    [Fact]
    public async Task WhatWasGotByRequestLongAgoIsNotForwardedAnyMore()
    {
        await using TestNet net = new(output);
        FastTime time = new(6000);
        P2pNode node = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { TimeProvider = time });
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, node);
        SignedCommitment commitment = net.Commit(5);
        Bytes32 own = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
        node.Handle.Store.AddCommitment(in commitment, in own, net.Signer.Address);
        await Task.Delay(TimeSpan.FromMilliseconds(150));
        byte[] ssz = new byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in commitment, ssz);
        Assert.Equal(Verdicts.Ignore, VerdictOf(node, other, GossipTopic.Commitments, ssz));
    }

    [Fact]
    public async Task WhatTheStoreIsPastIsNeitherForwardedNorRewarded()
    {
        await using TestNet net = new(output);
        SetTime time = new();
        InMemoryStore store = new(new StoreOptions { MaxAge = TimeSpan.FromHours(24) }, time);
        P2pNode node = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = store });
        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, node);
        SignedCommitment old = net.Commit(5);
        History.Put(node, net, old);
        time.Now += TimeSpan.FromHours(20);
        History.Put(node, net, net.Commit(6));
        time.Now += TimeSpan.FromHours(10);

        using EventReader<NetworkEvent> events = node.Handle.Subscribe();
        byte[] ssz = new byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in old, ssz);
        Assert.Equal(Verdicts.Ignore, VerdictOf(node, other, GossipTopic.Commitments, ssz));
        NetworkEvent told = await ExchangeTests.NextAsync(events, NetworkEventKind.GossipIgnored);
        Assert.Equal((ValidationReason.StoreRefused, false), (told.Reason, told.Flag));
        Assert.Equal(0, node.Handle.Explain(other.LocalPeerId).Score);
    }

    [Fact]
    public async Task AVerdictLeavesWhileTheNextValidationStandsStill()
    {
        await using TestNet net = new(output);
        using StandingValidator standing = new(block: 2);
        (P2pNode first, _, P2pNode end) = await LineAsync(net, OneLane(), standing);
        using EventReader<NetworkEvent> atEnd = end.Handle.Subscribe();
        await Task.WhenAll(first.Handle.PublishCommitmentAsync(net.Commit(1)).AsTask(), first.Handle.PublishCommitmentAsync(net.Commit(2)).AsTask());
        Assert.True(standing.Standing.Wait(TestNet.Patience));

        Assert.Equal(1UL, (ulong)(await ExchangeTests.NextAsync(atEnd, NetworkEventKind.GossipSignedCommitment)).BlockNumber);
        standing.Release();
        Assert.Equal(2UL, (ulong)(await ExchangeTests.NextAsync(atEnd, NetworkEventKind.GossipSignedCommitment)).BlockNumber);
    }

    [Fact]
    public async Task AValidationPastItsDeadlineIsIgnoredAtOnceAndAFaultItFindsStillCosts()
    {
        await using TestNet net = new(output);
        using StandingValidator standing = new(block: 2, ValidationOutcome.Reject(ValidationReason.ParameterRule));
        P2pConfig config = OneLane();
        config.Gossip.Heartbeat = TimeSpan.FromMilliseconds(100);
        (P2pNode first, P2pNode middle, P2pNode end) = await LineAsync(net, config, standing);
        using EventReader<NetworkEvent> atMiddle = middle.Handle.Subscribe();
        using EventReader<NetworkEvent> atEnd = end.Handle.Subscribe();
        await first.Handle.PublishCommitmentAsync(net.Commit(2));
        Assert.True(standing.Standing.Wait(TestNet.Patience));
        await first.Handle.PublishCommitmentAsync(net.Commit(3));

        NetworkEvent late = await ExchangeTests.NextAsync(atMiddle, NetworkEventKind.VerdictLate);
        Assert.Equal((first.LocalPeerId, GossipTopic.Commitments), (late.Peer, late.Topic));
        await ExchangeTests.NextAsync(atMiddle, NetworkEventKind.VerdictLate);
        Assert.Equal(2, middle.Handle.GetStats().VerdictsLate);
        Assert.Equal(0, middle.Handle.Explain(first.LocalPeerId).Score);

        standing.Release();
        Assert.Equal(ValidationReason.ParameterRule, (await ExchangeTests.NextAsync(atMiddle, NetworkEventKind.GossipRejected)).Reason);
        Assert.Single(middle.Handle.Explain(first.LocalPeerId).History, entry => entry is { Reason: ReputationReason.RuleBroken, Delta: < 0 });

        // What waited behind it is kept though it is forwarded no more; the native part got nothing after its time, and the payloads are given back.
        await ExchangeTests.NextAsync(atMiddle, NetworkEventKind.GossipSignedCommitment);
        Assert.True(middle.Handle.Store.TryGetCommitment(3, out _));
        await LifecycleTests.UntilAsync(() => middle.Handle.GetStats() is { LeasedBytes: 0, VerdictsLate: 2 });
        await first.Handle.PublishCommitmentAsync(net.Commit(4));
        Assert.Equal(4UL, (ulong)(await ExchangeTests.NextAsync(atEnd, NetworkEventKind.GossipSignedCommitment)).BlockNumber);
    }

    [Fact]
    public async Task AFlooderLosesItsOwnAndAnothersCommitmentIsNext()
    {
        await using TestNet net = new(output);
        using StandingValidator standing = new(block: 1);
        P2pConfig config = OneLane();
        config.Resources.RingSlots = 128;
        config.Resources.RingReserved = 32;
        P2pNode judge = await net.StartAsync(config, new P2pNodeServices { Validator = standing });
        P2pNode flooder = await net.StartAsync(TestNet.Tcp);
        P2pNode honest = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(flooder, judge);
        await TestNet.ConnectAsync(honest, judge);
        await LifecycleTests.UntilAsync(() => judge.Handle.GetStats().MeshCommitments == 2);
        using EventReader<NetworkEvent> events = judge.Handle.Subscribe();

        await flooder.Handle.PublishCommitmentAsync(net.Commit(1));
        Assert.True(standing.Standing.Wait(TestNet.Patience));
        for (ulong block = 2; block <= 300; block++)
        {
            await flooder.Handle.PublishCommitmentAsync(net.Commit(block));
        }

        await LifecycleTests.UntilAsync(() => judge.Handle.GetStats().GossipDropped >= 150);
        await honest.Handle.PublishCommitmentAsync(net.Commit(1000));
        await LifecycleTests.UntilAsync(() => judge.Handle.GetStats().GossipReceived >= 301);
        standing.Release();

        List<NetworkEvent> kept = [];
        while (kept.Count < 20)
        {
            kept.Add(await ExchangeTests.NextAsync(events, NetworkEventKind.GossipSignedCommitment));
        }

        int at = kept.FindIndex(e => e.Peer!.Equals(honest.LocalPeerId));
        Assert.InRange(at, 0, 4);
        Assert.Equal(1000UL, (ulong)kept[at].BlockNumber);
    }

    [Fact]
    public async Task ARequestDoesNotWaitForTheSamePeersGossip()
    {
        await using TestNet net = new(output);
        using StandingValidator standing = new(block: 0) { StandAtTxLists = true };
        P2pNode judge = await net.StartAsync(OneLane(), new P2pNodeServices { Validator = standing });
        P2pNode peer = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(peer, judge);
        await peer.Handle.PublishTxListAsync(new byte[100]);
        Assert.True(standing.Standing.Wait(TestNet.Patience));

        Assert.Equal(default, await peer.Handle.RequestHeadAsync(judge.LocalPeerId).WaitAsync(TestNet.Patience));
        standing.Release();
    }

    [Fact]
    public async Task AReconnectGivesNoTxListAllowanceBack()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Gossip.UnreferencedTxListBurst = 3 * 1024;
        config.Gossip.UnreferencedTxListRate = 0;
        P2pNode judge = await net.StartAsync(config);
        P2pNode sender = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(sender, judge);
        using EventReader<NetworkEvent> events = judge.Handle.Subscribe();
        await sender.Handle.PublishTxListAsync(new byte[] { 1 });
        await ExchangeTests.NextAsync(events, NetworkEventKind.GossipRawTxList);
        await sender.Handle.PublishTxListAsync(new byte[] { 2 });
        await ExchangeTests.NextAsync(events, NetworkEventKind.GossipRawTxList);

        sender.Handle.Disconnect(judge.LocalPeerId);
        await LifecycleTests.UntilAsync(() => judge.Handle.PeerCount == 0 && sender.Handle.PeerCount == 0);
        await TestNet.ConnectAsync(sender, judge);
        await sender.Handle.PublishTxListAsync(new byte[] { 3 });
        NetworkEvent refused = await ExchangeTests.NextAsync(events, NetworkEventKind.GossipIgnored);
        Assert.Equal((ValidationReason.TxListUnreferenced, false), (refused.Reason, refused.Flag));
    }

    [Theory]
    [InlineData(GossipTopic.Commitments, 3, NetworkErrorKind.GossipDecode)]
    [InlineData(GossipTopic.TxLists, 3, NetworkErrorKind.GossipDecode)]
    [InlineData(GossipTopic.TxLists, PreconfLimits.MaxTxListBytes + 100, NetworkErrorKind.GossipInvalid)]
    [InlineData(GossipTopic.Commitments, SignedCommitmentCodec.Size, NetworkErrorKind.GossipValidation)]
    public async Task BadGossipIsCountedByTheReferencesKinds(GossipTopic topic, int length, NetworkErrorKind kind)
    {
        await using TestNet net = new(output);
        (P2pNode sender, P2pNode judge) = await net.PairAsync();
        using EventReader<NetworkEvent> events = judge.Handle.Subscribe();
        byte[] payload = new byte[length];
        if (length == SignedCommitmentCodec.Size)
        {
            SignedCommitment signed = net.Commit(7);
            SignedCommitmentCodec.Encode(in signed, payload);
            payload.AsSpan(length - Signature.Size).Clear();
        }

        Assert.True((await sender.Handle.PublishRawAsync(topic, payload)).IsSent);
        NetworkEvent rejected = await ExchangeTests.NextAsync(events, NetworkEventKind.GossipRejected);
        Assert.Equal((kind, sender.LocalPeerId, topic), (rejected.Error!.Kind, rejected.Peer, rejected.Topic));
    }

    private static P2pConfig OneLane()
    {
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Resources.ValidationLanes = 1;
        return config;
    }

    private static async Task<(P2pNode First, P2pNode Middle, P2pNode End)> LineAsync(TestNet net, P2pConfig middle, IPreconfValidator? validator = null)
    {
        P2pConfig Outer()
        {
            P2pConfig config = TestNet.Config(TestNet.Tcp);
            config.Gossip.Heartbeat = middle.Gossip.Heartbeat;
            return config;
        }

        P2pNode first = await net.StartAsync(Outer());
        P2pNode between = await net.StartAsync(middle, new P2pNodeServices { Validator = validator });
        P2pNode end = await net.StartAsync(Outer());
        await TestNet.ConnectAsync(first, between);
        await TestNet.ConnectAsync(end, between);
        return (first, between, end);
    }

    // What a lane of the node says of a payload, as it would when gossip brought it; the token names no message, so nothing comes of it.
    private static unsafe byte VerdictOf(P2pNode node, P2pNode from, GossipTopic topic, byte[] payload)
    {
        byte? verdict = null;
        VerdictBatch batch = new(verdicts => verdict = verdicts[0].verdict, TimeProvider.System, () => true);
        PeerEntry peer = node.Core.Peers.Find(from.LocalPeerId)!;
        fixed (byte* data = payload)
        {
            PcnEvent gossip = new() { kind = (byte)PcnEventKind.Gossip, topic = (byte)topic, data = data, len = (uint)payload.Length, token = ulong.MaxValue };
            new GossipWork(node.Core).Process(in gossip, peer, batch);
        }

        batch.Flush();
        return verdict!.Value;
    }
}
