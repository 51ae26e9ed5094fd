using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Preconf.Native.Validation;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

public sealed class ExchangeTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(TestNet.Tcp)]
    [InlineData(TestNet.Quic)]
    public async Task GossipReachesThePeerAndIsStoredAndServed(string listen)
    {
        await using TestNet net = new(output);
        (P2pNode a, P2pNode b) = await net.PairAsync(listen);
        using EventReader<NetworkEvent> events = b.Handle.Subscribe();

        byte[] txList = new byte[100_000];
        Random.Shared.NextBytes(txList);
        Bytes32 hash = Keccak256.Hash(txList);
        SignedCommitment commitment = net.Commit(7, hash);

        PublishResult list = await a.Handle.PublishTxListAsync(txList);
        PublishResult signed = await a.Handle.PublishCommitmentAsync(commitment);
        Assert.Equal((PublishOutcome.Sent, 1), (list.Outcome, list.Peers));
        Assert.Equal((PublishOutcome.Sent, 1), (signed.Outcome, signed.Peers));

        NetworkEvent gotList = await NextAsync(events, NetworkEventKind.GossipRawTxList);
        NetworkEvent gotCommitment = await NextAsync(events, NetworkEventKind.GossipSignedCommitment);
        Assert.Equal(txList, gotList.TxList!.TxList.ToArray());
        Assert.Equal(commitment, gotCommitment.Commitment);
        Assert.Equal(net.Signer.Address, gotCommitment.Signer);
        Assert.Equal(a.LocalPeerId, gotCommitment.Peer);

        // Both serve it: the publisher because it stores what it publishes, the receiver because it took it.
        foreach ((P2pNode asking, P2pNode asked) in new[] { (a, b), (b, a) })
        {
            PreconfHead head = await asking.Handle.RequestHeadAsync(asked.LocalPeerId);
            Assert.Equal((UInt256)7, head.BlockNumber);
            GetCommitmentsByNumberResponse page = await asking.Handle.RequestCommitmentsAsync(0, 10, asked.LocalPeerId);
            Assert.Equal(commitment, Assert.Single(page.Commitments));
            GetRawTxListResponse served = await asking.Handle.RequestTxListAsync(hash, asked.LocalPeerId);
            Assert.Equal(txList, served.TxList.ToArray());
        }
    }

    [Fact]
    public async Task ATxListOfTwoMebibytesPassesAndOneByteMoreIsRefusedBeforeItIsSent()
    {
        await using TestNet net = new(output);
        (P2pNode a, P2pNode b) = await net.PairAsync();
        using EventReader<NetworkEvent> events = b.Handle.Subscribe();
        byte[] largest = new byte[PreconfLimits.MaxTxListBytes];
        Random.Shared.NextBytes(largest);

        Assert.True((await a.Handle.PublishTxListAsync(largest)).IsSent);
        NetworkEvent got = await NextAsync(events, NetworkEventKind.GossipRawTxList);
        Assert.Equal(Keccak256.Hash(largest), got.Hash);
        GetRawTxListResponse served = await b.Handle.RequestTxListAsync(got.Hash, a.LocalPeerId);
        Assert.True(served.TxList.Span.SequenceEqual(largest));

        NetworkException refused = await Assert.ThrowsAsync<NetworkException>(
            async () => await a.Handle.PublishTxListAsync(new byte[PreconfLimits.MaxTxListBytes + 1]));
        Assert.Equal(NetworkErrorKind.GossipValidation, refused.Kind);
    }

    [Fact]
    public async Task InALineTheMiddleForwardsOnlyWhatIsValidToIt()
    {
        await using TestNet net = new(output);
        P2pConfig strict = TestNet.Config(TestNet.Tcp);
        strict.AnySigner = false;
        strict.ExpectedSigners = [net.Signer.Address];
        P2pNode publisher = await net.StartAsync(TestNet.Tcp);
        P2pNode middle = await net.StartAsync(strict);
        P2pNode end = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(publisher, middle);
        await TestNet.ConnectAsync(end, middle);
        using EventReader<NetworkEvent> atMiddle = middle.Handle.Subscribe();
        using EventReader<NetworkEvent> atEnd = end.Handle.Subscribe();

        using PreconfSigner stranger = PreconfSigner.Generate();
        Bytes32 domain = PreconfSigning.DefaultDomain;
        SignedCommitment good = net.Commit(1);
        SignedCommitment wrongSigner = stranger.Sign(in domain, net.Commit(2).Commitment);
        await publisher.Handle.PublishCommitmentAsync(wrongSigner);
        await publisher.Handle.PublishCommitmentAsync(good);

        NetworkEvent rejected = await NextAsync(atMiddle, NetworkEventKind.GossipRejected);
        Assert.Equal(ValidationReason.WrongSigner, rejected.Reason);
        Assert.Equal(stranger.Address, rejected.Signer);
        NetworkEvent arrived = await NextAsync(atEnd, NetworkEventKind.GossipSignedCommitment);
        Assert.Equal(good, arrived.Commitment);
        Assert.Equal(middle.LocalPeerId, arrived.Peer);
        Assert.False(end.Handle.Store.TryGetCommitment(2, out _));
        Assert.False(middle.Handle.Store.TryGetCommitment(2, out _));
    }

    [Fact]
    public async Task ALateJoinerCatchesUpByPages()
    {
        await using TestNet net = new(output);
        P2pNode old = await net.StartAsync(TestNet.Tcp);
        Dictionary<Bytes32, byte[]> txLists = [];
        for (ulong block = 1; block <= 600; block++)
        {
            byte[] txList = BitConverter.GetBytes(block);
            Bytes32 hash = Keccak256.Hash(txList);
            Bytes32 none = default;
            bool withList = block % 50 == 0;
            if (withList)
            {
                txLists[hash] = txList;
                old.Handle.Store.AddTxList(in hash, txList);
            }

            SignedCommitment commitment = net.Commit(block, withList ? hash : none);
            Bytes32 own = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
            old.Handle.Store.AddCommitment(in commitment, in own, net.Signer.Address);
        }

        P2pNode late = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(late, old);
        CatchUpResult done = await CatchUp.RunAsync(late.Handle);

        Assert.Equal((600, 12), (done.Commitments, done.TxLists));
        for (ulong block = 1; block <= 600; block++)
        {
            Assert.True(late.Handle.Store.TryGetCommitment(block, out SignedCommitment held));
            Assert.True(old.Handle.Store.TryGetCommitment(block, out SignedCommitment original));
            Assert.Equal(original, held);
        }

        foreach ((Bytes32 hash, byte[] bytes) in txLists)
        {
            Assert.True(late.Handle.Store.TryGetTxList(in hash, out ReadOnlyMemory<byte> held));
            Assert.Equal(bytes, held.ToArray());
        }

        CatchUpResult again = await CatchUp.RunAsync(late.Handle);
        Assert.Equal((0, 0), (again.Commitments, again.TxLists));
    }

    [Fact]
    public async Task APublishWithoutPeersSaysSoAndIsStillServed()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.PublishTimeout = TimeSpan.FromMilliseconds(200);
        P2pNode alone = await net.StartAsync(config);
        SignedCommitment commitment = net.Commit(3);

        Assert.Equal(PublishOutcome.NoPeers, (await alone.Handle.PublishCommitmentAsync(commitment)).Outcome);

        P2pNode other = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(other, alone);
        GetCommitmentsByNumberResponse page = await other.Handle.RequestCommitmentsAsync(3, 1);
        Assert.Equal(commitment, Assert.Single(page.Commitments));

        // Nobody took it, so publishing it again is no duplicate.
        Assert.Equal(PublishOutcome.Sent, (await alone.Handle.PublishCommitmentAsync(commitment)).Outcome);
    }

    [Fact]
    public async Task RequestsOverTheLimitWaitAndAreNeverRefused()
    {
        await using TestNet net = new(output);
        P2pConfig limited = TestNet.Config(TestNet.Tcp);
        limited.RateLimit = new RateLimitOptions { MaxRequests = 4, Window = TimeSpan.FromSeconds(1) };
        P2pNode server = await net.StartAsync(limited);
        P2pConfig client = TestNet.Config(TestNet.Tcp);
        client.RateLimit = limited.RateLimit;
        P2pNode asking = await net.StartAsync(client);
        await TestNet.ConnectAsync(asking, server);

        Task<PreconfHead>[] heads = [.. Enumerable.Range(0, 10).Select(_ => asking.Handle.RequestHeadAsync())];
        await Task.WhenAll(heads).WaitAsync(TestNet.Patience);

        P2pNode greedy = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(greedy, server);
        Task<PreconfHead>[] many = [.. Enumerable.Range(0, 10).Select(_ => greedy.Handle.RequestHeadAsync(server.LocalPeerId))];
        int refused = 0;
        foreach (Task<PreconfHead> head in many)
        {
            try
            {
                await head.WaitAsync(TestNet.Patience);
            }
            catch (NetworkException error) when (error.Kind == NetworkErrorKind.ReqRespFailure)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 5, 6);
        Assert.Equal(2, server.Handle.PeerCount);
    }

    internal static Task<NetworkEvent> NextAsync(EventReader<NetworkEvent> events, NetworkEventKind kind) =>
        NextAsync(events, networkEvent => networkEvent.Kind == kind, kind.ToString());

    internal static async Task<NetworkEvent> NextAsync(EventReader<NetworkEvent> events, Func<NetworkEvent, bool> isWanted, string wanted)
    {
        using CancellationTokenSource patience = new(TestNet.Patience);
        while (await events.WaitToReadAsync(patience.Token))
        {
            while (events.TryRead(out NetworkEvent networkEvent))
            {
                if (isWanted(networkEvent))
                {
                    return networkEvent;
                }
            }
        }

        throw new InvalidOperationException($"the events ended before {wanted}");
    }
}
