using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Network;

public sealed class ForwardedGossipTests
{
    [Fact]
    public void EachIsNewOnceUntilAsManyOthersHaveCome()
    {
        ForwardedGossip forwarded = new(100);
        for (int i = 0; i < 100; i++)
        {
            Assert.True(forwarded.Add(Number(i)));
        }

        Assert.False(forwarded.Add(Number(0)));
        Assert.True(forwarded.Add(Number(100)));
        Assert.True(forwarded.Add(Number(0)));
        Assert.False(forwarded.Add(Number(2)));
    }

    [Fact]
    public void SignaturesAreKnownByTheirR()
    {
        ForwardedGossip forwarded = new(1000);
        byte[] bytes = new byte[Signature.Size];
        Random.Shared.NextBytes(bytes);
        Assert.True(forwarded.Add(new Signature(bytes)));
        Assert.False(forwarded.Add(new Signature(bytes)));
        for (int i = 0; i < 16; i++)
        {
            bytes[i] ^= 1;
            Assert.True(forwarded.Add(new Signature(bytes)));
            bytes[i] ^= 1;
        }
    }

    private static Bytes32 Number(int value)
    {
        byte[] bytes = new byte[32];
        BitConverter.TryWriteBytes(bytes, value);
        return new Bytes32(bytes);
    }
}
