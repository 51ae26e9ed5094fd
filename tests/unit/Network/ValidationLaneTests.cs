using System.Collections.Concurrent;
using Preconf.Native.Interop;
using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;

namespace Preconf.Native.UnitTests.Network;

/// <summary>A lane's order, shares and clock, with work that stands still where the test wants it.</summary>
public sealed class ValidationLaneTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ManualTime _time = new();
    private readonly ConcurrentQueue<PcnVerdict> _reported = new();
    private readonly StandingWork _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public void APeersItemsKeepTheirOrderAndPeersTakeTurns()
    {
        ValidationLane lane = Lane(64);
        PeerEntry flooder = Peer(1), honest = Peer(2);
        Hold(lane, flooder, token: 1);
        for (ulong token = 2; token <= 20; token++)
        {
            Assert.True(lane.TryEnqueue(Item(token), flooder));
        }

        Assert.True(lane.TryEnqueue(Item(100), honest));
        Assert.True(lane.TryEnqueue(Item(101), honest));
        _work.Release();
        Until(() => lane.IsIdle);
        ulong[] order = [.. _reported.Select(verdict => verdict.token)];
        Assert.Equal(22, order.Length);
        Assert.Equal([.. Enumerable.Range(1, 20).Select(token => (ulong)token)], order.Where(token => token < 100));
        Assert.True(Array.IndexOf(order, 100UL) <= 3 && Array.IndexOf(order, 101UL) <= 5, string.Join(' ', order));
    }

    [Fact]
    public void AFlooderLosesItsOwnAndLeavesRoomForOthers()
    {
        ValidationLane lane = Lane(64);
        PeerEntry flooder = Peer(1), honest = Peer(2);
        Hold(lane, flooder, token: 1);
        int taken = Enumerable.Range(2, 200).Count(token => lane.TryEnqueue(Item((ulong)token), flooder));
        Assert.Equal(32, taken);
        for (ulong token = 1000; token < 1016; token++)
        {
            Assert.True(lane.TryEnqueue(Item(token), honest));
        }

        Assert.False(lane.TryEnqueue(Item(300), flooder));
        _work.Release();
        Until(() => lane.IsIdle);
        Assert.Equal(1 + 32 + 16, _reported.Count);
        Assert.True(lane.TryEnqueue(Item(301), flooder));
        Until(() => _reported.Any(verdict => verdict.token == 301));
    }

    [Fact]
    public void ABacklogFindsRoomUpToTheCapacityAndKeepsItsOrder()
    {
        // No power of two, and many times what a lane starts with.
        const int Capacity = 1000;
        ValidationLane lane = Lane(Capacity);
        PeerEntry[] peers = [Peer(1), Peer(2), Peer(3)];
        Hold(lane, peers[0], token: 1);
        List<ulong>[] taken = [[1], [], []];
        for (ulong token = 2; token < 2 * Capacity; token++)
        {
            if (lane.TryEnqueue(Item(token), peers[token % 3]))
            {
                taken[token % 3].Add(token);
            }
        }

        Assert.True(taken.Sum(tokens => tokens.Count) > Capacity / 2);
        _work.Release();
        Until(() => lane.IsIdle);
        ulong[] order = [.. _reported.Select(verdict => verdict.token)];
        Assert.Equal(taken.Sum(tokens => tokens.Count), order.Length);
        Assert.Equal(taken[1], order.Where(token => token % 3 == 1 && token != 1));
        Assert.Equal(taken[2], order.Where(token => token % 3 == 2));
    }

    [Fact]
    public void AVerdictDoesNotWaitForASlowValidation()
    {
        ValidationLane lane = Lane(64);
        PeerEntry peer = Peer(1);
        _work.StandAt(2);
        Assert.True(lane.TryEnqueue(Item(1), peer));
        Assert.True(lane.TryEnqueue(Item(2), peer));
        _work.WaitUntilStanding();
        _time.Advance(TimeSpan.FromMilliseconds(50));
        lane.Watch();
        Assert.Equal(1UL, Assert.Single(_reported).token);
        _work.Release();
        Until(() => lane.IsIdle);
    }

    [Fact]
    public void WhatIsPastItsDeadlineIsIgnoredAtOnceAndItsLeaseGoesBackAtItsEnd()
    {
        ValidationLane lane = Lane(64);
        PeerEntry peer = Peer(1), other = Peer(2);
        Hold(lane, peer, token: 1);
        Assert.True(lane.TryEnqueue(Item(2), peer));
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.True(lane.TryEnqueue(Item(3), other));
        lane.Watch();
        Assert.Empty(_reported);

        _time.Advance(TimeSpan.FromSeconds(1));
        lane.Watch();
        lane.Watch();
        Assert.Equal([(1UL, Verdicts.Ignore, 0UL), (2UL, Verdicts.Ignore, 0UL)], Reported());
        Assert.Equal([1UL, 2UL], _work.Late);

        _work.Release();
        Until(() => lane.IsIdle);
        (ulong Token, byte Verdict, ulong Lease)[] rest = [.. Reported().Skip(2).Order()];
        Assert.Equal([(1UL, Verdicts.Ignore, 1001UL), (2UL, Verdicts.Ignore, 1002UL), (3UL, Verdicts.Accept, 1003UL)], rest);
        Assert.Equal([1UL, 2UL, 3UL], _work.Done.Order());
    }

    [Fact]
    public async Task ManyPeersAtOnceLoseNothing()
    {
        ValidationLane lane = Lane(4096);
        PeerEntry[] peers = [.. Enumerable.Range(0, 50).Select(Peer)];
        ulong token = 0;
        await Task.Run(() =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                PeerEntry peer = peers[Random.Shared.Next(peers.Length)];
                while (!lane.TryEnqueue(Item(++token), peer))
                {
                    token--;
                    Thread.Yield();
                }
            }
        });
        Until(() => lane.IsIdle);
        Assert.Equal(Enumerable.Range(1, 20_000).Select(number => (ulong)number), _work.Done.Order());
    }

    private static PcnEvent Item(ulong token) => new() { token = token, lease = 1000 + token };

    private static PeerEntry Peer(int number)
    {
        byte[] key = new byte[32];
        BitConverter.TryWriteBytes(key, number);
        return new PeerEntry((ulong)number, PeerId.FromEd25519(key), null, false, default, new ByteAllowance(1, 1, TimeProvider.System));
    }

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience));

    private (ulong Token, byte Verdict, ulong Lease)[] Reported() => [.. _reported.Select(verdict => (verdict.token, verdict.verdict, verdict.lease))];

    private ValidationLane Lane(int capacity) => new(
        new LaneOptions(capacity, TimeSpan.FromSeconds(5), _time),
        verdicts =>
        {
            foreach (PcnVerdict verdict in verdicts)
            {
                _reported.Enqueue(verdict);
            }
        },
        _work);

    private void Hold(ValidationLane lane, PeerEntry peer, ulong token)
    {
        _work.StandAt(token);
        Assert.True(lane.TryEnqueue(Item(token), peer));
        _work.WaitUntilStanding();
    }

    private sealed class StandingWork : ILaneWork, IDisposable
    {
        private readonly ManualResetEventSlim _standing = new();
        private readonly ManualResetEventSlim _released = new();
        private ulong _standAt;

        public ConcurrentQueue<ulong> Done { get; } = new();

        public ConcurrentQueue<ulong> Late { get; } = new();

        public void StandAt(ulong token) => _standAt = token;

        public void WaitUntilStanding() => Assert.True(_standing.Wait(Patience));

        public void Release() => _released.Set();

        public void Dispose()
        {
            _standing.Dispose();
            _released.Dispose();
        }

        void ILaneWork.Process(in PcnEvent nativeEvent, PeerEntry peer, VerdictBatch verdicts)
        {
            if (nativeEvent.token == _standAt)
            {
                _standing.Set();
                Assert.True(_released.Wait(Patience));
            }

            Done.Enqueue(nativeEvent.token);
            verdicts.Add(in nativeEvent, Verdicts.Accept);
        }

        void ILaneWork.Late(in PcnEvent nativeEvent, PeerEntry peer) => Late.Enqueue(nativeEvent.token);
    }
}
