using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Network;

public sealed class PeerHoldingsTests
{
    [Fact]
    public void AClaimCountsUntilItTurnsOutEmptyAndAgainAfterAProof()
    {
        PeerHoldings holdings = new();
        Assert.Equal(PeerHolding.Unknown, holdings.Of(5));
        holdings.Claims(UInt256.MaxValue);
        Assert.Equal((PeerHolding.Claimed, ulong.MaxValue), (holdings.Of(5), holdings.Claimed));

        holdings.Lacks(5);
        Assert.Equal((PeerHolding.Lacking, PeerHolding.Unknown, null), (holdings.Of(5), holdings.Of(4), holdings.Claimed));
        holdings.Claims(1000);
        Assert.Equal((PeerHolding.Lacking, null), (holdings.Of(5), holdings.Claimed));

        holdings.Proves(4);
        Assert.Equal((PeerHolding.Proven, PeerHolding.Lacking), (holdings.Of(4), holdings.Of(5)));
        holdings.Proves(7);
        Assert.Equal((PeerHolding.Proven, PeerHolding.Claimed, PeerHolding.Lacking), (holdings.Of(7), holdings.Of(1000), holdings.Of(1001)));
    }

    [Fact]
    public void WhoSaidTheTruthIsBelievedAgainWhenItHasGrown()
    {
        PeerHoldings holdings = new();
        holdings.Claims(10);
        holdings.Lacks(11);
        Assert.Equal((PeerHolding.Claimed, PeerHolding.Lacking), (holdings.Of(10), holdings.Of(11)));
        holdings.Claims(20);
        Assert.Equal((PeerHolding.Claimed, PeerHolding.Lacking), (holdings.Of(20), holdings.Of(21)));
    }

    [Fact]
    public void AProofEndsWhenThePeerHasNothingAnyMore()
    {
        PeerHoldings holdings = new();
        holdings.Proves(100);
        Assert.True(holdings.HasProven);
        holdings.Lacks(50);
        Assert.Equal((PeerHolding.Proven, PeerHolding.Lacking), (holdings.Of(49), holdings.Of(50)));
        holdings.Lacks(0);
        Assert.False(holdings.HasProven);
    }
}
