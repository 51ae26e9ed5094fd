using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;

namespace Preconf.Native.UnitTests.Network;

public sealed class TxListAllowancesTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void SmallListsCostAKibibyteAndAReconnectRefillsNothing()
    {
        TxListAllowances all = new(new GossipOptions { UnreferencedTxListBurst = 10 * 1024, UnreferencedTxListRate = 1024 }, _time);
        PeerId peer = Peer(1);
        ByteAllowance first = all.Of(peer);
        for (int i = 0; i < 10; i++)
        {
            Assert.True(all.TryTake(first, 0));
        }

        Assert.False(all.TryTake(first, 0));
        ByteAllowance again = all.Of(peer);
        Assert.False(all.TryTake(again, 0));
        Assert.True(all.TryTake(all.Of(Peer(2)), 9 * 1024));

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.False(all.TryTake(again, 2000));
        Assert.True(all.TryTake(again, 1024));
        Assert.False(all.TryTake(again, 0));
    }

    [Fact]
    public void TooManyPeersForgetThoseThatConnectedLongestAgo()
    {
        TxListAllowances all = new(new GossipOptions { UnreferencedTxListBurst = 2000, UnreferencedTxListRate = 0 }, _time);
        Assert.True(all.TryTake(all.Of(Peer(0)), 0));
        for (int i = 1; i < 4096; i++)
        {
            all.Of(Peer(i));
        }

        Assert.False(all.TryTake(all.Of(Peer(0)), 0));
        all.Of(Peer(5000));
        Assert.False(all.TryTake(all.Of(Peer(0)), 0));
        for (int i = 6000; i < 10_096; i++)
        {
            all.Of(Peer(i));
        }

        Assert.True(all.TryTake(all.Of(Peer(0)), 0));
    }

    private static PeerId Peer(int number)
    {
        byte[] key = new byte[32];
        BitConverter.TryWriteBytes(key, number);
        return PeerId.FromEd25519(key);
    }
}
