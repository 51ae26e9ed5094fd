using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>
/// What bad gossip costs its sender: one charge a message, in one place. Whether gossipsub agrees is seen by the next good message: it arrives, or does not.
/// </summary>
public sealed class BadGossipTests(ITestOutputHelper output)
{
    private const byte CommitmentsTopic = 0;
    private const byte TxListsTopic = 1;
    private const ulong FirstBlock = 100;
    private ulong _block = FirstBlock;

    [Theory]
    [InlineData(ReputationReason.WrongSigner)]
    [InlineData(ReputationReason.WrongHash)]
    [InlineData(ReputationReason.Garbage)]
    public async Task EachCostsOnceTheThirdGreylistsAndALiftedBanLetsGossipFlowAgain(ReputationReason reason)
    {
        await using TestNet net = new(output);
        using PreconfSigner stranger = PreconfSigner.Generate();
        P2pConfig config = Judging(net);
        config.Reputation.BanDuration = TimeSpan.FromSeconds(2);
        config.Reputation.Interval = TimeSpan.FromMilliseconds(50);
        P2pNode judge = await net.StartAsync(config);
        P2pNode sender = await net.StartAsync(TestNet.Tcp);
        P2pNode behind = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(sender, judge);
        await TestNet.ConnectAsync(behind, judge);
        using EventReader<NetworkEvent> forwarded = behind.Handle.Subscribe(1024);
        PeerReputation Standing() => judge.Handle.Explain(sender.LocalPeerId);
        for (int times = 1; times <= 3; times++)
        {
            Send(sender, reason, stranger, times);
            int sent = times;
            await LifecycleTests.UntilAsync(() => Charges(Standing()) == sent);
            Assert.Equal(-1.0 * times, Math.Round(Standing().History.Where(entry => entry.Reason == reason).Sum(entry => entry.Delta), 6));

            // Two faults are short of the greylist, and gossipsub still takes what the sender brings.
            Assert.Equal(times == 3, Standing().IsGreylisted);
            if (times < 3)
            {
                await ArrivesAsync(net, sender, judge);
            }
        }

        Assert.True(judge.Handle.Ban(sender.LocalPeerId, TimeSpan.FromHours(1)));
        await LifecycleTests.UntilAsync(() => sender.Handle.PeerCount == 0);
        Assert.True(judge.Handle.Unban(sender.LocalPeerId));
        await TestNet.ConnectAsync(sender, judge);
        await ArrivesAsync(net, sender, judge);

        // The same by itself, at the ban's end.
        Send(sender, reason, stranger, 4);
        await LifecycleTests.UntilAsync(() => Standing().Score < -0.5);
        Assert.True(judge.Handle.Ban(sender.LocalPeerId));
        await LifecycleTests.UntilAsync(() => sender.Handle.PeerCount == 0);
        await LifecycleTests.UntilAsync(() => judge.Handle.Bans.Count == 0);
        await TestNet.ConnectAsync(sender, judge);
        await ArrivesAsync(net, sender, judge);
        await NothingBadWasForwardedAsync(forwarded);
    }

    [Fact]
    public async Task ATrustedSenderIsHeardWhateverItSends()
    {
        await using TestNet net = new(output);
        using PreconfSigner stranger = PreconfSigner.Generate();
        P2pNode friend = await net.StartAsync(TestNet.Tcp);
        P2pConfig config = Judging(net);
        config.TrustedPeers = [friend.LocalPeerId.ToString()];
        P2pNode judge = await net.StartAsync(config);
        P2pNode behind = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(friend, judge);
        await TestNet.ConnectAsync(behind, judge);
        using EventReader<NetworkEvent> forwarded = behind.Handle.Subscribe(1024);
        for (int i = 0; i < 10; i++)
        {
            Send(friend, ReputationReason.WrongSigner, stranger, i);
            Send(friend, ReputationReason.WrongHash, stranger, i);
            Send(friend, ReputationReason.Garbage, stranger, i);
        }

        await LifecycleTests.UntilAsync(() => Charges(judge.Handle.Explain(friend.LocalPeerId)) == 30);
        PeerReputation standing = judge.Handle.Explain(friend.LocalPeerId);
        Assert.Equal((0.0, false, true), (standing.Score, standing.IsGreylisted, standing.IsTrusted));
        await ArrivesAsync(net, friend, judge);
        await NothingBadWasForwardedAsync(forwarded);
    }

    [Fact]
    public async Task UnderTheReferencesPolicyGossipsubChargesTooAsTheReferencesDoes()
    {
        await using TestNet net = new(output);
        using PreconfSigner stranger = PreconfSigner.Generate();
        P2pConfig config = Judging(net);
        config.Reputation.Policy = ReputationPolicy.Reference;
        P2pNode judge = await net.StartAsync(config);
        P2pNode sender = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(sender, judge);
        for (int times = 1; times <= 2; times++)
        {
            Send(sender, ReputationReason.WrongSigner, stranger, times);
            int sent = times;
            await LifecycleTests.UntilAsync(() => Charges(judge.Handle.Explain(sender.LocalPeerId)) == sent);
        }

        // -2 of the book and -8 of gossipsub, which looks at nothing below -5, while the book's greylist is the only thing that is told.
        Assert.InRange(judge.Handle.Explain(sender.LocalPeerId).Score, -2, -1.5);
        long before = judge.Handle.GetStats().GossipReceived;
        await sender.Handle.PublishCommitmentAsync(net.Commit(++_block));
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.Equal(before, judge.Handle.GetStats().GossipReceived);
    }

    private static P2pConfig Judging(TestNet net)
    {
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.AnySigner = false;
        config.ExpectedSigners = [net.Signer.Address];
        return config;
    }

    private static int Charges(PeerReputation standing) =>
        standing.History.Where(entry => DefaultPolicy.DeltaOf(entry.Reason) < 0).Sum(entry => entry.Count);

    private async Task ArrivesAsync(TestNet net, P2pNode from, P2pNode to)
    {
        ulong block = ++_block;
        using EventReader<NetworkEvent> events = to.Handle.Subscribe(1024);
        await from.Handle.PublishCommitmentAsync(net.Commit(block));
        NetworkEvent arrived = await ExchangeTests.NextAsync(events, networkEvent => IsCommitmentOf(networkEvent, block), $"the commitment of block {block}");
        Assert.Equal(from.LocalPeerId, arrived.Peer);
    }

    // Up to the last good commitment: it came after all that was bad, so nothing bad is still on its way.
    private async Task NothingBadWasForwardedAsync(EventReader<NetworkEvent> forwarded)
    {
        ulong last = _block;
        await ExchangeTests.NextAsync(
            forwarded,
            networkEvent =>
            {
                Assert.NotEqual(NetworkEventKind.GossipRejected, networkEvent.Kind);
                Assert.NotEqual(NetworkEventKind.GossipRawTxList, networkEvent.Kind);
                Assert.True(networkEvent.Kind != NetworkEventKind.GossipSignedCommitment || networkEvent.BlockNumber > FirstBlock, networkEvent.ToString());
                return IsCommitmentOf(networkEvent, last);
            },
            $"the commitment of block {last}, forwarded");
    }

    private static bool IsCommitmentOf(NetworkEvent networkEvent, ulong block) =>
        networkEvent.Kind == NetworkEventKind.GossipSignedCommitment && networkEvent.BlockNumber == block;

    // No two alike: what gossipsub has seen it does not hand over again.
    private static void Send(P2pNode from, ReputationReason reason, PreconfSigner stranger, int number)
    {
        byte[] data;
        switch (reason)
        {
            case ReputationReason.WrongSigner:
                Bytes32 domain = PreconfSigning.DefaultDomain;
                Preconfirmation preconf = new() { Eop = true, BlockNumber = (UInt256)(ulong)(number + 1) };
                PreconfCommitment commitment = new(in preconf, default);
                SignedCommitment signed = stranger.Sign(in domain, in commitment);
                data = new byte[SignedCommitmentCodec.Size];
                SignedCommitmentCodec.Encode(in signed, data);
                break;
            case ReputationReason.WrongHash:
                data = new byte[36 + 4];
                (data[0], data[32], data[36]) = (7, 36, (byte)number);
                break;
            default:
                data = [1, 2, 3, (byte)number];
                break;
        }

        byte topic = reason == ReputationReason.WrongHash ? TxListsTopic : CommitmentsTopic;
        Assert.Equal(PcnStatus.Ok, from.Core.Native.Publish(topic, head: default, data, token: ulong.MaxValue, deadlineMs: 5000));
    }
}
