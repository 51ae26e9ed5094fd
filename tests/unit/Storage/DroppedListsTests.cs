using Preconf.Native.Crypto;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Storage;

public sealed class DroppedListsTests
{
    [Theory]
    [InlineData(0, DroppedLists.Least)]
    [InlineData(8 * DroppedLists.Least, DroppedLists.Least)]
    [InlineData(80 * DroppedLists.Least, 10 * DroppedLists.Least)]
    public void TheCollectorIsAskedOnceForEverySoManyBytes(long heap, long every)
    {
        int asked = 0;
        DroppedLists dropped = new(() => heap, () => asked++);
        for (int round = 1; round <= 3; round++)
        {
            for (long bytes = 0; bytes < every; bytes += 1 << 20)
            {
                Assert.Equal(round - 1, asked);
                dropped.Add(1 << 20);
            }

            Assert.Equal(round, asked);
        }
    }

    [Fact]
    public void ThreadsThatDropAtOnceAskNoMoreOften()
    {
        int asked = 0;
        DroppedLists dropped = new(() => 0, () => Interlocked.Increment(ref asked));
        Parallel.For(0, 1024, _ => dropped.Add(1 << 20));
        Assert.InRange(asked, 1, 16);
    }

    [Fact]
    public void AStoreThatEvictsHasItsMemoryTakenBack()
    {
        // What makes the collector wait: large arrays that live. None of their pages is touched.
        byte[][] kept = [.. Enumerable.Range(0, 32).Select(_ => GC.AllocateUninitializedArray<byte>(16 << 20, pinned: true))];
        GC.Collect();
        int before = GC.CollectionCount(GC.MaxGeneration);
        InMemoryStore store = new(new StoreOptions { MaxUnreferencedBytes = 2 << 20 });
        byte[] list = new byte[1 << 20];
        for (int number = 0; number < 640; number++)
        {
            BitConverter.TryWriteBytes(list, number);
            Bytes32 hash = Keccak256.Hash(list.AsSpan(0, 4));
            Assert.Equal(StoreResult.Added, store.AddTxList(in hash, list));
        }

        // 638 MiB were let go, of a heap of about 520 MiB and what other tests keep.
        Assert.True(SpinWait.SpinUntil(() => GC.CollectionCount(GC.MaxGeneration) > before, TimeSpan.FromSeconds(30)));
        GC.KeepAlive(kept);
    }
}
