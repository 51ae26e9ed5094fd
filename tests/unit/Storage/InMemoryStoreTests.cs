using Preconf.Native.Crypto;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Storage;

public sealed class InMemoryStoreTests
{
    private static readonly Address Signer = new(Enumerable.Repeat((byte)7, 20).ToArray());
    private readonly ManualTime _time = new();

    [Fact]
    public void PagesAreInBlockOrderWhateverTheOrderOfArrival()
    {
        InMemoryStore store = Store(new StoreOptions());
        foreach (ulong block in new ulong[] { 5, 1, 9, 3, 7 })
        {
            Assert.Equal(StoreResult.Added, Add(store, block));
        }

        Assert.Equal([3UL, 5UL, 7UL], Page(store, 2, 3));
        Assert.Equal([9UL], Page(store, 8, 256));
        Assert.Empty(Page(store, 10, 256));
        Assert.True(store.TryGetHead(out PreconfHead head));
        Assert.Equal(9UL, (ulong)head.BlockNumber);
    }

    [Fact]
    public void TheSameAgainIsADuplicateAndAnotherOfTheBlockIsKeptBesideIt()
    {
        InMemoryStore store = Store(new StoreOptions());
        Assert.Equal(StoreResult.Added, Add(store, 4, salt: 1));
        Assert.Equal(StoreResult.Duplicate, Add(store, 4, salt: 1));
        Assert.Equal(StoreResult.Superseded, Add(store, 4, salt: 2));
        Assert.Equal(StoreResult.Duplicate, Add(store, 4, salt: 1));
        Assert.Equal(2, store.GetAll(4UL).Count);
        Assert.True(store.TryGetCommitment(4UL, out SignedCommitment latest));
        Assert.Equal(2UL, (ulong)latest.Commitment.Preconf.Timestamp);
        Assert.Single(Page(store, 0, 256));
        Assert.True(store.TryGetByHash(HashOf(Make(4, 1)), out StoredCommitment first));
        Assert.Equal(Signer, first.Signer);
    }

    [Fact]
    public void ABlockKeepsABoundedNumberOfCommitments()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitmentsPerBlock = 3 });
        for (ulong salt = 1; salt <= 10; salt++)
        {
            Add(store, 4, salt);
        }

        Assert.InRange(store.GetAll(4UL).Count, 1, 3);
        Assert.Equal(1, store.GetStats().Blocks);
    }

    [Fact]
    public void OverItsCountTheLowestBlocksGoAndTheNewestStay()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 100 });
        for (ulong block = 1; block <= 1000; block++)
        {
            Assert.Equal(StoreResult.Added, Add(store, block));
        }

        Assert.Equal(100, store.GetStats().Commitments);
        Assert.Equal(901UL, Page(store, 0, 1)[0]);
        Assert.Equal(StoreResult.Refused, Add(store, 5));
        Assert.True(store.TryGetCommitment(1000UL, out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    [InlineData(-60)]
    public void BlocksFarAboveTheChainKeepItOutOfNoFullStore(int windowFromNow)
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 10 });
        for (ulong block = 1; block <= 20; block++)
        {
            Assert.Equal(StoreResult.Added, Hear(block, 2));
        }

        // One signer fills it in one slot; with a window of long ago it gets no further than with one to come.
        for (ulong block = 1_000_000; block < 1_000_020; block++)
        {
            Assert.Equal(StoreResult.Added, Add(store, block, window: Now(windowFromNow)));
        }

        for (ulong block = 21; block <= 40; block++)
        {
            Assert.Equal(StoreResult.Added, Hear(block, 2));
            Assert.True(store.TryGetCommitment(block, out _));
        }

        Assert.Equal(Enumerable.Range(31, 10).Select(block => (ulong)block), Page(store, 0, 256));

        // What is old is refused all the same, heard or had on request, and so is what lies below all of it and is of now on request.
        Assert.Equal(StoreResult.Refused, Add(store, 5, window: Now(-70)));
        Assert.Equal(StoreResult.Refused, Add(store, 5, window: Now(-70), origin: StoreOrigin.Answer));
        Assert.Equal(StoreResult.Refused, Add(store, 5, window: Now(0), origin: StoreOrigin.Answer));
        Assert.Equal(10, store.GetStats().Commitments);

        StoreResult Hear(ulong block, int after)
        {
            _time.Advance(TimeSpan.FromSeconds(after));
            return Add(store, block, window: Now(2));
        }
    }

    [Fact]
    public void BlocksFarBelowTheChainPushOutNoneOfItsNewest()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 10 });
        for (ulong block = 1001; block <= 1010; block++)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
            Add(store, block, window: Now(2));
        }

        // Another value of the newest, of a window long gone, does not make it an old one.
        Add(store, 1010, salt: 2, window: Now(-1000));
        for (ulong block = 5; block > 0; block--)
        {
            Add(store, block, window: Now(0));
        }

        Assert.True(store.TryGetCommitment(1010UL, out _));
        Assert.Equal(StoreResult.Added, Add(store, 1011, window: Now(2)));
        Assert.True(store.TryGetCommitment(1010UL, out _));
        Assert.Equal(10, store.GetStats().Commitments);
    }

    [Fact]
    public void AFullStoreLetsNoBlockGoForAnotherValueOfIt()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 4 });
        Add(store, 1, 1);
        Add(store, 1, 2);
        Add(store, 2);
        Add(store, 3);
        Assert.Equal(StoreResult.Refused, Add(store, 1, 3));
        Assert.Equal(2, store.GetAll(1UL).Count);
        Assert.Equal(4, store.GetStats().Commitments);
        Assert.Equal(StoreResult.Superseded, Add(store, 2, 2));
        Assert.Equal([2UL, 3UL], Page(store, 0, 256).Distinct());
    }

    [Fact]
    public void NoRoomForListsThatNobodyNamesIsNoneNotLess()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Store(new StoreOptions { MaxUnreferencedBytes = -1 }));
        InMemoryStore store = Store(new StoreOptions { MaxUnreferencedBytes = 0 });
        byte[] list = [1, 2, 3];
        Bytes32 hash = Keccak256.Hash(list);
        Assert.Equal(StoreResult.Refused, store.AddTxList(in hash, list));
    }

    [Fact]
    public void WhatIsTooOldGoes()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Add(store, 1);
        AddTxList(store, 1, 100);
        _time.Advance(TimeSpan.FromMinutes(11));
        Add(store, 2);
        AddTxList(store, 2, 100);
        Assert.Equal([2UL], Page(store, 0, 10));
        Assert.Equal(1, store.GetStats().TxLists);
    }

    [Fact]
    public void WhatWentForItsAgeDoesNotComeBackAndKeepsNothingFromGoing()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        for (ulong block = 10; block <= 30; block++)
        {
            Add(store, block);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal([.. Enumerable.Range(21, 10).Select(block => (ulong)block)], Page(store, 0, 256));
        foreach (ulong old in new ulong[] { 20, 15, 9, 1 })
        {
            Assert.Equal(StoreResult.Refused, Add(store, old));
            Assert.Equal(StoreResult.Refused, Add(store, old, salt: 2));
        }

        // An hour on, what is held is the last ten minutes, whoever sent old ones meanwhile.
        for (ulong block = 31; block <= 90; block++)
        {
            Add(store, block);
            Assert.Equal(StoreResult.Refused, Add(store, block - 15));
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal([.. Enumerable.Range(81, 10).Select(block => (ulong)block)], Page(store, 0, 256));
    }

    [Fact]
    public void ABlockFarAboveTheChainThatWentForItsAgeKeepsTheChainOutNoLonger()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Add(store, 10);
        Add(store, 1_000_000);
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(StoreResult.Added, Add(store, 11));
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(StoreResult.Added, Add(store, 12));
        Assert.Equal([12UL], Page(store, 0, 10));
    }

    [Fact]
    public void WhatIsTooOldIsNotServedThoughNothingNewComes()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Bytes32 txList = AddTxList(store, 1, 100);
        Add(store, 1, txList: txList);
        Bytes32 hash = HashOf(Make(1, txList: txList));
        Func<bool>[] reads =
        [
            () => store.TryGetCommitment(1UL, out _),
            () => store.TryGetByHash(in hash, out _),
            () => store.GetAll(1UL).Count != 0,
            () => Page(store, 0, 10).Count != 0,
            () => store.TryGetTxList(in txList, out _),
            () => store.ContainsTxList(in txList),
            () => store.IsReferenced(in txList),
            () => store.TryGetHead(out _),
            () => store.GetStats() is not { Blocks: 0, TxLists: 0, Bytes: 0 },
        ];
        foreach (Func<bool> read in reads)
        {
            Assert.True(read());
            _time.Advance(TimeSpan.FromMinutes(11));
            Assert.False(read());
            AddTxList(store, 1, 100);
            Add(store, 1, txList: txList);
        }
    }

    [Fact]
    public void AListWhoseCommitmentWentIsAsOldAsItIs()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 1, MaxUnreferencedBytes = 2000, MaxAge = TimeSpan.FromMinutes(10) });
        Bytes32 old = AddTxList(store, 1, 1000);
        Add(store, 1, txList: old);
        _time.Advance(TimeSpan.FromMinutes(6));
        Bytes32 young = AddTxList(store, 2, 1000);

        // Its commitment makes room for another; it is now the oldest that nobody names, though the last to become so.
        Add(store, 2);
        Assert.False(store.IsReferenced(in old));
        Bytes32 third = AddTxList(store, 3, 1000);
        Assert.False(store.ContainsTxList(in old));
        Assert.True(store.ContainsTxList(in young) && store.ContainsTxList(in third));
    }

    [Fact]
    public void TxListsNobodyNamesGoFirstAndAViewOutlivesThem()
    {
        InMemoryStore store = Store(new StoreOptions { MaxUnreferencedBytes = 10_000 });
        Bytes32 named = AddTxList(store, 0, 1000);
        Assert.True(store.TryGetTxList(in named, out ReadOnlyMemory<byte> view));
        byte[] before = view.ToArray();
        Add(store, 1, txList: named);
        Assert.True(store.IsReferenced(in named));
        for (int i = 1; i <= 100; i++)
        {
            AddTxList(store, i, 1000);
        }

        Assert.True(store.ContainsTxList(in named));
        Assert.Equal(11, store.GetStats().TxLists);
        Assert.Equal(before, view.ToArray());
    }

    [Fact]
    public void ATxListAboveTheBoundIsRefusedAndCostsNothingStored()
    {
        InMemoryStore store = Store(new StoreOptions { MaxUnreferencedBytes = 5000, MaxBytes = 50_000 });
        Bytes32 kept = AddTxList(store, 1, 4000);
        byte[] large = new byte[6000];
        Bytes32 hash = Keccak256.Hash(large);
        Assert.Equal(StoreResult.Refused, store.AddTxList(in hash, large));
        Assert.True(store.ContainsTxList(in kept));
    }

    [Fact]
    public async Task ReadersAndWritersAtOnceSeeWholeCommitments()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitments = 64 });
        using CancellationTokenSource stop = new();
        Task[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            byte[] page = new byte[256 * SignedCommitmentCodec.Size];
            while (!stop.IsCancellationRequested)
            {
                int count = store.GetCommitments(UInt256.Zero, 256, page);
                for (int i = 0; i < count; i++)
                {
                    SignedCommitment read = SignedCommitmentCodec.Decode(page.AsSpan(i * SignedCommitmentCodec.Size, SignedCommitmentCodec.Size));
                    Assert.Equal(read.Commitment.Preconf.BlockNumber, read.Commitment.Preconf.GasLimit);
                }
            }
        }))];
        await Task.WhenAll(Enumerable.Range(0, 2).Select(writer => Task.Run(() =>
        {
            for (ulong i = 0; i < 5000; i++)
            {
                Add(store, (i * 2) + (ulong)writer);
            }
        })));
        await stop.CancelAsync();
        await Task.WhenAll(readers);
        Assert.Equal(64, store.GetStats().Commitments);
    }

    [Fact]
    public void WhatAnAnswerBringsIsServedOnlyWhereNothingElseIsUntilItIsHeard()
    {
        InMemoryStore store = Store(new StoreOptions { MaxCommitmentsPerBlock = 3 });
        Assert.Equal(StoreResult.Added, Add(store, 4, salt: 1, origin: StoreOrigin.Answer));
        Assert.Equal(1UL, Served(store, 4));
        Assert.Equal(StoreResult.Superseded, Add(store, 4, salt: 2));
        Assert.Equal(StoreResult.Beside, Add(store, 4, salt: 3, origin: StoreOrigin.Answer));
        Assert.Equal([2UL, 3UL, 1UL], store.GetAll(4UL).Select(one => (ulong)one.Commitment.Commitment.Preconf.Timestamp));
        Assert.Equal(StoreResult.Duplicate, Add(store, 4, salt: 3, origin: StoreOrigin.Answer));
        Assert.Equal(2UL, Served(store, 4));

        // Over the bound the oldest goes, and never the one that is served.
        Assert.Equal(StoreResult.Beside, Add(store, 4, salt: 4, origin: StoreOrigin.Answer));
        Assert.Equal([2UL, 4UL, 3UL], store.GetAll(4UL).Select(one => (ulong)one.Commitment.Commitment.Preconf.Timestamp));
        Add(store, 6, salt: 1);
        Add(store, 6, salt: 2);
        Add(store, 6, salt: 3);
        Assert.Equal(StoreResult.Refused, Add(store, 6, salt: 4, origin: StoreOrigin.Answer));
        InMemoryStore single = Store(new StoreOptions { MaxCommitmentsPerBlock = 1 });
        Add(single, 4, salt: 1);
        Assert.Equal(StoreResult.Refused, Add(single, 4, salt: 2, origin: StoreOrigin.Answer));
        Assert.Equal((StoreResult.Superseded, 3UL), (Add(single, 4, salt: 3), Served(single, 4)));

        // Heard live, it is the latest, once: who says it again brings nothing back.
        Assert.Equal(StoreResult.Superseded, Add(store, 4, salt: 3));
        Assert.Equal([3UL, 2UL, 4UL], store.GetAll(4UL).Select(one => (ulong)one.Commitment.Commitment.Preconf.Timestamp));
        Assert.Equal(StoreResult.Duplicate, Add(store, 4, salt: 2));
        Assert.Equal(StoreResult.Duplicate, Add(store, 4, salt: 3));
        Assert.Equal((3UL, 6), (Served(store, 4), store.GetStats().Commitments));
        Assert.Equal(StoreResult.Added, Add(store, 5, salt: 1, origin: StoreOrigin.Answer));
        Assert.Equal(StoreResult.Duplicate, Add(store, 5, salt: 1));
        Assert.Equal(StoreResult.Superseded, Add(store, 5, salt: 2));
        Assert.Equal(StoreResult.Duplicate, Add(store, 5, salt: 1));
        Assert.Equal(2UL, Served(store, 5));

        // Long after it was had, hearing it is a replay.
        Assert.Equal(StoreResult.Beside, Add(store, 5, salt: 3, origin: StoreOrigin.Answer));
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(StoreResult.Duplicate, Add(store, 5, salt: 3));
        Assert.Equal(2UL, Served(store, 5));
    }

    [Fact]
    public void AListFromAnAnswerPushesOutNoneOfAHigherBlock()
    {
        InMemoryStore store = Store(new StoreOptions { MaxBytes = 4000 });
        Bytes32[] lists = [.. Enumerable.Range(0, 10).Select(number => HashOfList(number, 1000))];
        for (int block = 0; block < 10; block++)
        {
            Add(store, (ulong)block, txList: lists[block]);
        }

        // Blocks 5 to 7 were heard, then the history is fetched downwards until it is full.
        AddLists(StoreOrigin.Live, StoreResult.Added, 5, 6, 7);
        AddLists(StoreOrigin.Answer, StoreResult.Added, 4);
        AddLists(StoreOrigin.Answer, StoreResult.Refused, 3, 2);
        Assert.Equal([4, 5, 6, 7], Held());

        // What is heard from then on takes the place of the lowest, though that came last; a gap's list does so too.
        AddLists(StoreOrigin.Live, StoreResult.Added, 9);
        Assert.Equal([5, 6, 7, 9], Held());
        AddLists(StoreOrigin.Answer, StoreResult.Added, 8);
        Assert.Equal([6, 7, 8, 9], Held());
        AddLists(StoreOrigin.Answer, StoreResult.Refused, 5);

        // A list of a block far above, heard early, does not keep those of the chain out.
        Bytes32 far = HashOfList(100, 1000);
        Add(store, 1_000_000, txList: far);
        AddTxList(store, 100, 1000);
        AddLists(StoreOrigin.Live, StoreResult.Added, 0, 1, 2, 3);
        Assert.Equal([0, 1, 2, 3], Held());

        void AddLists(StoreOrigin origin, StoreResult expected, params int[] blocks)
        {
            foreach (int block in blocks)
            {
                _time.Advance(TimeSpan.FromSeconds(2));
                Bytes32 hash = lists[block];
                Assert.Equal(expected, store.AddTxList(in hash, ListOf(block, 1000), origin));
                Assert.Equal(expected == StoreResult.Added, store.ContainsTxList(in hash));
            }
        }

        int[] Held() => [.. Enumerable.Range(0, 10).Where(block =>
        {
            Bytes32 hash = lists[block];
            return store.ContainsTxList(in hash);
        })];
    }

    [Fact]
    public void AListFromAnAnswerIsAsOldAsTheNextHigherOne()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Bytes32 low = HashOfList(1, 1000), high = HashOfList(2, 1000), shared = HashOfList(3, 1000);
        Add(store, 2, txList: high);
        AddTxList(store, 2, 1000);
        _time.Advance(TimeSpan.FromMinutes(8));
        Add(store, 1, txList: low);
        Add(store, 1, salt: 2, txList: shared);
        Add(store, 3, txList: shared);
        Assert.Equal(StoreResult.Added, store.AddTxList(in low, ListOf(1, 1000), StoreOrigin.Answer));
        Assert.Equal(StoreResult.Added, store.AddTxList(in shared, ListOf(3, 1000), StoreOrigin.Answer));

        // One that a higher block names as well is of that block.
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal((false, false, true), (store.ContainsTxList(in low), store.ContainsTxList(in high), store.ContainsTxList(in shared)));
    }

    [Fact]
    public void AListThatANewBlockNamesAgainIsAsNewAsTheBlock()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Bytes32 shared = AddTxList(store, 1, 1000), last = HashOfList(2, 1000), far = AddTxList(store, 3, 1000);
        Add(store, 1, txList: shared);
        Add(store, 10_000_000, txList: far);
        _time.Advance(TimeSpan.FromMinutes(9));
        Add(store, 5, txList: last);
        Add(store, 6, txList: shared);
        Assert.Equal(StoreResult.Added, store.AddTxList(in last, ListOf(2, 1000), StoreOrigin.Answer));
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal((true, true, false), (store.ContainsTxList(in shared), store.ContainsTxList(in last), store.ContainsTxList(in far)));
    }

    [Fact]
    public void AListOfABlockFarAboveSaysNothingOfTheAgeOfOthers()
    {
        InMemoryStore store = Store(new StoreOptions { MaxAge = TimeSpan.FromMinutes(10) });
        Bytes32 alone = HashOfList(1, 1000), far = AddTxList(store, 2, 1000);
        Add(store, 10_000_000, txList: far);
        _time.Advance(TimeSpan.FromMinutes(9));
        Add(store, 7, txList: alone);
        Assert.Equal(StoreResult.Added, store.AddTxList(in alone, ListOf(1, 1000), StoreOrigin.Answer));
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal((true, false), (store.ContainsTxList(in alone), store.ContainsTxList(in far)));
    }

    private static ulong Served(InMemoryStore store, ulong block) =>
        store.TryGetCommitment(block, out SignedCommitment served) ? (ulong)served.Commitment.Preconf.Timestamp : 0;

    private InMemoryStore Store(StoreOptions options) => new(options, _time);

    private ulong Now(int seconds) => (ulong)(_time.GetUtcNow().ToUnixTimeSeconds() + seconds);

    private static SignedCommitment Make(ulong block, ulong salt = 1, Bytes32 txList = default, ulong window = 0)
    {
        Preconfirmation preconf = new()
        {
            Eop = txList.IsZero,
            BlockNumber = block,
            GasLimit = block,
            Timestamp = salt,
            RawTxListHash = txList,
            SubmissionWindowEnd = window,
        };
        PreconfCommitment commitment = new(in preconf, default);
        Signature signature = default;
        return new SignedCommitment(in commitment, in signature);
    }

    private static Bytes32 HashOf(SignedCommitment commitment) => PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);

    private static StoreResult Add(InMemoryStore store, ulong block, ulong salt = 1, Bytes32 txList = default, StoreOrigin origin = StoreOrigin.Live, ulong window = 0)
    {
        SignedCommitment commitment = Make(block, salt, txList, window);
        Bytes32 hash = HashOf(commitment);
        return store.AddCommitment(in commitment, in hash, in Signer, origin);
    }

    private static Bytes32 AddTxList(InMemoryStore store, int number, int length)
    {
        byte[] bytes = ListOf(number, length);
        Bytes32 hash = Keccak256.Hash(bytes);
        Assert.Equal(StoreResult.Added, store.AddTxList(in hash, bytes));
        return hash;
    }

    private static byte[] ListOf(int number, int length)
    {
        byte[] bytes = new byte[length];
        BitConverter.TryWriteBytes(bytes, number);
        return bytes;
    }

    private static Bytes32 HashOfList(int number, int length) => Keccak256.Hash(ListOf(number, length));

    private static List<ulong> Page(InMemoryStore store, ulong start, int count)
    {
        byte[] page = new byte[count * SignedCommitmentCodec.Size];
        int found = store.GetCommitments(start, count, page);
        return [.. Enumerable.Range(0, found).Select(i =>
            (ulong)SignedCommitmentCodec.Decode(page.AsSpan(i * SignedCommitmentCodec.Size, SignedCommitmentCodec.Size)).Commitment.Preconf.BlockNumber)];
    }
}
