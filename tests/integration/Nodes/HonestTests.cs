using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Storage;
using Preconf.Native.Sync;
using Preconf.Native.Types;
using Xunit.Abstractions;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>Honest nodes with bad luck, and honest nodes in a hurry: nobody is blamed.</summary>
public sealed class HonestTests(ITestOutputHelper output)
{
    private const int Failures = 1000;
    private static readonly PeerId Stranger = PeerId.Parse("16Uiu2HAm32StgRB2TL8iY1kfrTNpMFSQHwwzuuy16EQP16JN6Pfx");

    [Fact]
    public async Task AThousandFailuresOfTransportBanNobody()
    {
        await using TestNet net = new(output);
        using ManualResetEventSlim disk = new(initialState: true);
        P2pConfig limited = TestNet.Config(TestNet.Tcp);
        limited.RateLimit = new RateLimitOptions { MaxRequests = 1, Window = TimeSpan.FromHours(1), Patience = int.MaxValue };
        P2pConfig asks = TestNet.Config(TestNet.Tcp);
        asks.RequestTimeout = TimeSpan.FromMilliseconds(100);
        P2pNode asking = await net.StartAsync(asks);
        P2pNode silent = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new SlowStore(disk) });
        P2pNode refusing = await net.StartAsync(limited);
        P2pNode leaving = await net.StartAsync(TestNet.Config(TestNet.Tcp), new P2pNodeServices { Store = new SlowStore(disk) });
        P2pNode wired = await net.StartAsync(TestNet.Tcp);
        await using FailingWire wire = new(wired.Handle.DialableAddresses[0].Port!.Value);
        Multiaddr through = Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{wire.Port}").WithPeerId(wired.LocalPeerId);
        foreach (P2pNode node in new[] { silent, refusing, leaving })
        {
            await TestNet.ConnectAsync(asking, node);
        }

        await asking.Handle.DialAsync(through).WaitAsync(TestNet.Patience);

        await asking.Handle.RequestHeadAsync(refusing.LocalPeerId).WaitAsync(TestNet.Patience);
        Dictionary<NetworkErrorKind, int> seen = [];
        int failures = 0, tornOff = 0;
        while (failures < Failures)
        {
            disk.Reset();
            List<Task> asked = [.. Enumerable.Range(0, 40).Select(i => (Task)asking.Handle.RequestHeadAsync(i % 2 == 0 ? silent.LocalPeerId : refusing.LocalPeerId))];
            asked.AddRange(Enumerable.Range(0, 10).Select(_ => asking.Handle.RequestHeadAsync(leaving.LocalPeerId)));
            leaving.Handle.Disconnect(asking.LocalPeerId);
            asked.Add(asking.Handle.DialAsync(Multiaddr.Parse("/ip4/127.0.0.1/tcp/1").WithPeerId(Stranger)));
            (int swallowed, int torn) = await FailOnTheWireAsync(asking, wired, wire, seen);
            (failures, tornOff) = (failures + swallowed + torn, tornOff + torn);
            foreach (Task task in asked)
            {
                NetworkException error = await Assert.ThrowsAsync<NetworkException>(() => task.WaitAsync(TestNet.Patience));
                seen[error.Kind] = seen.GetValueOrDefault(error.Kind) + 1;
                failures++;
            }

            disk.Set();
            await LifecycleTests.UntilAsync(() =>
            {
                // A request that finds its peer gone dials it again.
                leaving.Handle.Disconnect(asking.LocalPeerId);
                return leaving.Handle.PeerCount == 0 && !asking.Handle.Peers.Any(peer => peer.Id.Equals(leaving.LocalPeerId));
            });
            await asking.Handle.DialAsync(leaving.Handle.DialableAddresses[0]).WaitAsync(TestNet.Patience);
            await LifecycleTests.UntilAsync(() => leaving.Handle.PeerCount == 1);
            wire.Mend();
            await ConnectAgainAsync(asking, wired, through);
        }

        output.WriteLine(string.Join(", ", seen));
        Assert.True(seen.Count >= 3, string.Join(", ", seen));
        Assert.True(tornOff > 0, "no request was in flight at any reset");
        P2pNode[] all = [asking, silent, refusing, leaving, wired];
        foreach (P2pNode node in all)
        {
            Assert.Empty(node.Handle.Bans);
            foreach (P2pNode other in all)
            {
                Assert.DoesNotContain(node.Handle.Explain(other.LocalPeerId).History, entry => entry.Delta < 0);
            }

            Assert.All(node.Handle.Peers, peer => Assert.True(peer.Score >= 0 && !peer.Greylisted, peer.ToString()));
        }

        // They still work together, and the choice of peers has learnt.
        Assert.True(asking.Handle.Explain(silent.LocalPeerId).Preference < 0.5);
        await silent.Handle.RequestHeadAsync(asking.LocalPeerId).WaitAsync(TestNet.Patience);
        PublishResult published = await leaving.Handle.PublishCommitmentAsync(net.Commit(1));
        Assert.Equal(PublishOutcome.Sent, published.Outcome);
    }

    // Requests that a dead wire swallows, and others that a reset tears off; of these, one that was not sent yet dials anew, past the wire, and is answered.
    private static async Task<(int Swallowed, int TornOff)> FailOnTheWireAsync(P2pNode asking, P2pNode wired, FailingWire wire, Dictionary<NetworkErrorKind, int> seen)
    {
        (int Swallowed, int TornOff) failures = (0, 0);
        wire.Die();
        foreach (bool reset in new[] { false, true })
        {
            Task[] asked = [.. Enumerable.Range(0, 10).Select(_ => asking.Handle.RequestHeadAsync(wired.LocalPeerId))];
            if (reset)
            {
                wire.Reset();
            }

            foreach (Task task in asked)
            {
                try
                {
                    await task.WaitAsync(TestNet.Patience);
                    Assert.True(reset, "a dead wire brings no answer");
                }
                catch (NetworkException error)
                {
                    seen[error.Kind] = seen.GetValueOrDefault(error.Kind) + 1;
                    failures = reset ? (failures.Swallowed, failures.TornOff + 1) : (failures.Swallowed + 1, failures.TornOff);
                }
            }
        }

        return failures;
    }

    private static async Task ConnectAgainAsync(P2pNode asking, P2pNode wired, Multiaddr through)
    {
        // What went past the wire is closed: the next round's failures are to be on it.
        await LifecycleTests.UntilAsync(() =>
        {
            wired.Handle.Disconnect(asking.LocalPeerId);
            return wired.Handle.PeerCount == 0 && !asking.Handle.Peers.Any(peer => peer.Id.Equals(wired.LocalPeerId));
        });
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!wired.Handle.Peers.Any(peer => peer.Id.Equals(asking.LocalPeerId)))
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TestNet.Patience, "the wire is mended and nobody gets through");
            await asking.Handle.DialAsync(through).WaitAsync(TestNet.Patience).ContinueWith(static task => _ = task.Exception, TaskScheduler.Default);
        }
    }

    [Fact]
    public async Task AnHonestNodeThatSyncsMuchWithDefaultLimitsIsNeverRefusedOrPenalised()
    {
        const int Commitments = 2000, TxLists = 500;
        await using TestNet net = new(output);
        FastTime time = new(60);

        // The clock runs sixty times as fast, and the machine does not: the deadline of a request is ten seconds even so.
        P2pConfig Defaults() => new() { Listen = [TestNet.Tcp], EphemeralKey = true, AnySigner = true, EnableDiscovery = false, RequestTimeout = TimeSpan.FromMinutes(10) };
        P2pNode old = await net.StartAsync(Defaults(), new P2pNodeServices { TimeProvider = time });
        Fill(old.Handle.Store, net, Commitments, TxLists);
        P2pNode late = await net.StartAsync(Defaults(), new P2pNodeServices { TimeProvider = time });
        await TestNet.ConnectAsync(late, old);

        using EventReader<NetworkEvent> events = old.Handle.Subscribe(1 << 16);
        CatchUpResult done = await CatchUp.RunAsync(late.Handle).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.True((done.Commitments, done.TxLists) == (Commitments, TxLists), $"{done}: {string.Join(", ", done.MissingTxLists)}");
        Assert.DoesNotContain(old.Handle.Explain(late.LocalPeerId).History, entry => entry.Delta < 0 || entry.Reason == ReputationReason.OverLimit);
        Assert.DoesNotContain(late.Handle.Explain(old.LocalPeerId).History, entry => entry.Delta < 0 || DefaultPolicy.IsTransport(entry.Reason));
        while (events.TryRead(out NetworkEvent networkEvent))
        {
            Assert.NotEqual(NetworkErrorKind.ReqRespRateLimited, networkEvent.Error?.Kind);
        }
    }

    private static void Fill(ICommitmentStore store, TestNet net, int commitments, int txLists)
    {
        for (int i = 1; i <= commitments; i++)
        {
            Bytes32 hash = default;
            if (i <= txLists)
            {
                byte[] txList = new byte[512];
                BitConverter.TryWriteBytes(txList, i);
                hash = Keccak256.Hash(txList);
                store.AddTxList(in hash, txList);
            }

            SignedCommitment commitment = net.Commit((ulong)i, hash);
            Bytes32 own = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
            store.AddCommitment(in commitment, in own, net.Signer.Address);
        }
    }

    /// <summary>A store on a disk that stands still at times.</summary>
    private sealed class SlowStore(ManualResetEventSlim disk) : PassingStore
    {
        public override bool TryGetHead(out PreconfHead head)
        {
            disk.Wait(TestNet.Patience);
            return base.TryGetHead(out head);
        }
    }
}
