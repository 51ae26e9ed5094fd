using System.Text;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>What peers do to each other's standing, over real sockets.</summary>
public sealed class ReputationTests(ITestOutputHelper output)
{
    private const byte CommitmentsTopic = 0;
    private const byte TxListsTopic = 1;

    public static TheoryData<string, ReputationReason> Faults => new()
    {
        { "gossip that is no commitment", ReputationReason.Garbage },
        { "gossip that is no txlist", ReputationReason.Garbage },
        { "gossip of a signature of zeros", ReputationReason.BadSignature },
        { "gossip of a signer who was not elected", ReputationReason.WrongSigner },
        { "gossip of a txlist under another hash", ReputationReason.WrongHash },
        { "a request that is no container", ReputationReason.Garbage },
        { "an answer that does not hash to what was asked for", ReputationReason.WrongHash },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task AProvenFaultCostsItsSenderExactlyOnce(string fault, ReputationReason reason)
    {
        await using TestNet net = new(output);
        P2pConfig judging = TestNet.Config(TestNet.Tcp);
        judging.AnySigner = false;
        judging.ExpectedSigners = [net.Signer.Address];
        P2pNode judge = await net.StartAsync(judging);
        P2pNode sender = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new LyingStore() });
        await TestNet.ConnectAsync(sender, judge);
        await DoAsync(fault, net, judge, sender);

        PeerReputation Standing() => judge.Handle.Explain(sender.LocalPeerId);
        await LifecycleTests.UntilAsync(() => Standing().History.Any(entry => entry.Delta < 0));

        // What follows is good and taken, so everything the fault could have set off has been.
        await sender.Handle.PublishCommitmentAsync(net.Commit(99));
        await LifecycleTests.UntilAsync(() => Standing().History[^1].Reason == ReputationReason.Accepted);
        ReputationEntry entry = Assert.Single(Standing().History, entry => entry.Delta < 0);
        Assert.Equal((reason, 1, -1.0), (entry.Reason, entry.Count, Math.Round(entry.Delta, 6)));
        Assert.InRange(Standing().Score, -1, -0.8);
        Assert.False(Standing().IsGreylisted);
        Assert.Equal(0, sender.Handle.Explain(judge.LocalPeerId).Score, 1);
    }

    [Fact]
    public async Task SustainedAbuseIsGreylistedThenBannedUntilTheBanEnds()
    {
        await using TestNet net = new(output);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.Reputation.Interval = TimeSpan.FromMilliseconds(50);
        config.Reputation.BanThreshold = -3;
        config.Reputation.BanAfter = TimeSpan.FromMilliseconds(300);
        config.Reputation.BanDuration = TimeSpan.FromSeconds(3);
        P2pNode judge = await net.StartAsync(config);
        P2pNode abuser = await net.StartAsync(TestNet.Tcp);
        P2pNode honest = await net.StartAsync(TestNet.Tcp);
        await TestNet.ConnectAsync(abuser, judge);
        await TestNet.ConnectAsync(honest, judge);
        using EventReader<NetworkEvent> events = judge.Handle.Subscribe(1024);

        for (int i = 0; i < 4; i++)
        {
            Abuse(abuser, judge);
        }

        await WaitForAsync(events, NetworkEventKind.PeerGreylisted, abuser);
        Assert.True(judge.Handle.Peers.Single(peer => peer.Id.Equals(abuser.LocalPeerId)).Greylisted);
        await WaitForAsync(events, NetworkEventKind.PeerBanned, abuser);
        PeerBan ban = Assert.Single(judge.Handle.Bans);
        Assert.Equal((abuser.LocalPeerId, ReputationReason.Banned, null), (ban.Peer, ban.Reason, ban.Network));
        await LifecycleTests.UntilAsync(() => judge.Handle.PeerCount == 1 && abuser.Handle.PeerCount == 0);
        await IsTurnedAwayAsync(abuser, judge);

        await WaitForAsync(events, NetworkEventKind.PeerUnbanned, abuser);
        await TestNet.ConnectAsync(abuser, judge);
        Assert.Equal(0, judge.Handle.Explain(abuser.LocalPeerId).Score);
        Assert.Equal(0, judge.Handle.Explain(honest.LocalPeerId).Score);
    }

    [Fact]
    public async Task AnUnbanReachesTheNetworkAndABanOutlivesTheNode()
    {
        string directory = Directory.CreateTempSubdirectory("preconf-bans-").FullName;
        try
        {
            await using TestNet net = new(output);
            P2pConfig config = TestNet.Config(TestNet.Tcp);
            (config.EphemeralKey, config.DataDirectory) = (false, directory);
            P2pNode other = await net.StartAsync(TestNet.Tcp);
            await using (P2pNode first = await net.StartAsync(config))
            {
                await TestNet.ConnectAsync(other, first);
                Assert.True(first.Handle.Ban(other.LocalPeerId, TimeSpan.FromHours(2), "spam"));
                await LifecycleTests.UntilAsync(() => other.Handle.PeerCount == 0);
            }

            P2pNode second = await net.StartAsync(config);
            PeerBan kept = Assert.Single(second.Handle.Bans);
            Assert.Equal((other.LocalPeerId, "spam"), (kept.Peer, kept.Detail));
            await IsTurnedAwayAsync(other, second);
            Assert.True(second.Handle.Unban(other.LocalPeerId));
            await TestNet.ConnectAsync(other, second);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task ATrustedPeerIsNeitherLimitedNorBanned()
    {
        await using TestNet net = new(output);
        P2pNode friend = await net.StartAsync(TestNet.Tcp);
        P2pConfig config = TestNet.Config(TestNet.Tcp);
        config.TrustedPeers = [friend.LocalPeerId.ToString()];
        config.RateLimit.Enabled = true;
        config.RateLimit.MaxRequests = 1;
        P2pNode node = await net.StartAsync(config);
        await TestNet.ConnectAsync(friend, node);
        for (int i = 0; i < 20; i++)
        {
            Abuse(friend, node);
            await friend.Handle.RequestHeadAsync(node.LocalPeerId).WaitAsync(TestNet.Patience);
        }

        Assert.False(node.Handle.Ban(friend.LocalPeerId));
        PeerReputation standing = node.Handle.Explain(friend.LocalPeerId);
        Assert.Equal((0.0, false, true), (standing.Score, standing.IsGreylisted, standing.IsTrusted));
    }

    private static async Task DoAsync(string fault, TestNet net, P2pNode judge, P2pNode sender)
    {
        byte[] commitment = new byte[SignedCommitmentCodec.Size];
        switch (fault)
        {
            case "gossip that is no commitment":
                Publish(sender, CommitmentsTopic, [1, 2, 3]);
                break;
            case "gossip that is no txlist":
                Publish(sender, TxListsTopic, [1, 2, 3]);
                break;
            case "gossip of a signature of zeros":
                SignedCommitment signed = net.Commit(7);
                SignedCommitmentCodec.Encode(in signed, commitment);
                commitment.AsSpan(commitment.Length - 65).Clear();
                Publish(sender, CommitmentsTopic, commitment);
                break;
            case "gossip of a signer who was not elected":
                await using (TestNet others = new())
                {
                    SignedCommitment strange = others.Commit(7);
                    SignedCommitmentCodec.Encode(in strange, commitment);
                }

                Publish(sender, CommitmentsTopic, commitment);
                break;
            case "gossip of a txlist under another hash":
                byte[] gossip = new byte[36 + 4];
                gossip[0] = 7;
                gossip[32] = 36;
                Publish(sender, TxListsTopic, gossip);
                break;
            case "a request that is no container":
                Abuse(sender, judge);
                break;
            default:
                Bytes32 wanted = Bytes32.Parse("0x" + new string('7', 64));
                await Assert.ThrowsAsync<NetworkException>(() => judge.Handle.RequestTxListAsync(wanted, sender.LocalPeerId).WaitAsync(TestNet.Patience));
                break;
        }
    }

    private static void Publish(P2pNode node, byte topic, byte[] data) =>
        Assert.Equal(PcnStatus.Ok, node.Core.Native.Publish(topic, head: default, data, token: ulong.MaxValue, deadlineMs: 5000));

    // A request of one byte more than its container has; nobody waits for the refusal.
    private static void Abuse(P2pNode from, P2pNode to) => Assert.Equal(
        PcnStatus.Ok,
        from.Core.Native.Request((byte)RequestProtocol.Head, Encoding.ASCII.GetBytes(to.LocalPeerId.ToString()), [9], token: ulong.MaxValue, 5000, out _));

    // Who is dialled sees whom it has banned only after the handshake: the dial may succeed, and the connection ends at once.
    private static async Task IsTurnedAwayAsync(P2pNode dialler, P2pNode judge)
    {
        try
        {
            await dialler.Handle.DialAsync(judge.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience);
        }
        catch (NetworkException)
        {
            // Turned away before it was told.
        }

        await LifecycleTests.UntilAsync(() => dialler.Handle.PeerCount == 0);
        Assert.DoesNotContain(judge.Handle.Peers, peer => peer.Id.Equals(dialler.LocalPeerId));
    }

    private static Task<NetworkEvent> WaitForAsync(EventReader<NetworkEvent> events, NetworkEventKind kind, P2pNode about) =>
        ExchangeTests.NextAsync(events, networkEvent => networkEvent.Kind == kind && about.LocalPeerId.Equals(networkEvent.Peer), $"{kind} of {about.LocalPeerId}");

    /// <summary>Serves a txlist of other bytes under every hash.</summary>
    private sealed class LyingStore : PassingStore
    {
        public override bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList)
        {
            txList = "not what was asked for"u8.ToArray();
            return true;
        }
    }
}
