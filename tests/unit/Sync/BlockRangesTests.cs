using Preconf.Native.Sync;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Sync;

public sealed class BlockRangesTests
{
    [Fact]
    public void ItIsASetWhateverIsPutInAndTakenOut()
    {
        const int Numbers = 200;
        Random random = new(7);
        BlockRanges ranges = new();
        HashSet<int> expected = [];
        for (int step = 0; step < 3000; step++)
        {
            int first = random.Next(Numbers);
            int last = Math.Min(Numbers - 1, first + random.Next(12));
            if (random.Next(2) == 0)
            {
                ranges.Add((ulong)first, (ulong)last);
                expected.UnionWith(Enumerable.Range(first, last - first + 1));
            }
            else
            {
                ranges.Remove((ulong)first, (ulong)last);
                expected.ExceptWith(Enumerable.Range(first, last - first + 1));
            }

            Assert.Equal(expected.Count, ranges.Blocks);
            int at = random.Next(Numbers);
            Assert.Equal(expected.Contains(at), ranges.Contains((ulong)at));
            int[] above = [.. expected.Where(number => number >= at)];
            int[] below = [.. expected.Where(number => number <= at)];
            Assert.Equal(above.Length == 0 ? null : (UInt256?)(ulong)above.Min(), ranges.FirstFrom((ulong)at));
            Assert.Equal(below.Length == 0 ? null : (UInt256?)(ulong)below.Max(), ranges.LastUpTo((ulong)at));
            Assert.Equal(expected.Count(number => number >= first && number <= last), ranges.Within((ulong)first, (ulong)last).Sum(range => (int)(ulong)(range.Last - range.First) + 1));
            for (int i = 1; i < ranges.Count; i++)
            {
                Assert.True(ranges.Ranges[i - 1].Last + UInt256.One < ranges.Ranges[i].First);
            }
        }
    }

    [Fact]
    public void ItReachesToTheEndsOfTheNumbers()
    {
        BlockRanges ranges = new();
        ranges.Add(UInt256.Zero, UInt256.MaxValue);
        Assert.Equal(long.MaxValue, ranges.Blocks);
        ranges.Remove(UInt256.Zero, 9);
        ranges.Remove(UInt256.MaxValue, UInt256.MaxValue);
        Assert.Equal((UInt256)10, ranges.FirstFrom(UInt256.Zero));
        Assert.Null(ranges.FirstFrom(UInt256.MaxValue));
        Assert.Equal(UInt256.MaxValue - UInt256.One, ranges.LastUpTo(UInt256.MaxValue));
        ranges.Add(UInt256.MaxValue, UInt256.MaxValue);
        ranges.Add(UInt256.Zero, 9);
        Assert.Equal(new BlockRange(UInt256.Zero, UInt256.MaxValue), Assert.Single(ranges.Ranges));
    }

    [Fact]
    public void WhatEnoughPeersLackIsGivenUpOnceAndNoMore()
    {
        Denials denials = new(2);
        Assert.Empty(denials.Deny([new BlockRange(1, 10)]));
        Assert.Equal([new BlockRange(5, 7)], denials.Deny([new BlockRange(5, 7), new BlockRange(20, 30)]));
        Assert.Equal([new BlockRange(8, 10), new BlockRange(20, 20)], denials.Deny([new BlockRange(5, 20)]));
        denials.Forget(1, 4);
        Assert.Empty(denials.Deny([new BlockRange(1, 4)]));
    }
}
