using Preconf.Native.Network;

namespace Preconf.Native.UnitTests.Network;

public sealed class PendingTableTests
{
    [Fact]
    public async Task AResultReachesItsOperationOnce()
    {
        int told = 0;
        PendingTable<int, string> table = new(4, (in int context, string result) =>
        {
            told += context + result.Length;
            return result;
        });
        Assert.True(table.TryRent(default, out PendingTable<int, string>.Operation? operation));
        operation.Context = 10;
        ulong token = operation.Token;
        ValueTask<string> waiting = operation.Task;
        Assert.True(table.TryComplete(token, "ab"));
        Assert.False(table.TryComplete(token, "cd"));
        Assert.Equal("ab", await waiting);
        Assert.Equal(12, told);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public async Task AnAnswerAfterItsCancellationFindsNobodyEvenWhenTheSlotIsUsedAgain()
    {
        PendingTable<int, int> table = new(1);
        using CancellationTokenSource cancel = new();
        Assert.True(table.TryRent(cancel.Token, out PendingTable<int, int>.Operation? operation));
        ulong old = operation.Token;
        ValueTask<int> waiting = operation.Task;
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        Assert.True(table.TryRent(default, out PendingTable<int, int>.Operation? next));
        ValueTask<int> second = next.Task;
        Assert.False(table.TryComplete(old, 1));
        Assert.True(table.TryComplete(next.Token, 2));
        Assert.Equal(2, await second);
    }

    [Fact]
    public void OverItsLimitItRefuses()
    {
        PendingTable<int, int> table = new(2);
        Assert.True(table.TryRent(default, out _));
        Assert.True(table.TryRent(default, out _));
        Assert.False(table.TryRent(default, out _));
    }

    [Fact]
    public async Task ClosingFailsWhatWaitsAndWhatFollows()
    {
        PendingTable<int, int> table = new(2);
        Assert.True(table.TryRent(default, out PendingTable<int, int>.Operation? operation));
        ValueTask<int> waiting = operation.Task;
        table.Close(new InvalidOperationException("over"));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await waiting);
        Assert.Throws<InvalidOperationException>(() => table.TryRent(default, out _));
    }

    [Fact]
    public async Task CompletionsAndCancellationsAtOnceEndEachOperationOnce()
    {
        PendingTable<int, int> table = new(256);
        int ended = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            for (int i = 0; i < 3000; i++)
            {
                using CancellationTokenSource cancel = new();
                Assert.True(table.TryRent(cancel.Token, out PendingTable<int, int>.Operation? operation));
                ulong token = operation.Token;
                ValueTask<int> waiting = operation.Task;
                Task completing = Task.Run(() => table.TryComplete(token, i));
                Task cancelling = cancel.CancelAsync();
                try
                {
                    Assert.Equal(i, await waiting);
                }
                catch (OperationCanceledException)
                {
                    // Either end is right; both would be a fault of the value-task source, and throw.
                }

                Interlocked.Increment(ref ended);
                await Task.WhenAll(completing, cancelling);
            }
        })));
        Assert.Equal(12_000, ended);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public async Task TheResultOfACancelledOperationIsToldWhereResultsAre()
    {
        List<int> told = [];
        PendingTable<int, int> table = new(1, (in int context, int result) =>
        {
            told.Add(context + result);
            return result;
        });
        using CancellationTokenSource cancel = new();
        Assert.True(table.TryRent(cancel.Token, out PendingTable<int, int>.Operation? operation));
        operation.Context = 40;
        ulong token = operation.Token;
        ValueTask<int> waiting = operation.Task;
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);

        // Until it has ended its slot is its own.
        Assert.False(table.TryRent(default, out _));
        Assert.True(table.TryComplete(token, 2));
        Assert.False(table.TryComplete(token, 3));
        Assert.Equal([42], told);
        Assert.Equal(0, table.Count);
        Assert.True(table.TryRent(default, out PendingTable<int, int>.Operation? next));
        Assert.Equal(0, next.Context);
    }

    [Fact]
    public async Task CompletionsAndCancellationsAtOnceAreEachToldOnce()
    {
        int told = 0;
        PendingTable<int, int> table = new(64, (in int context, int result) =>
        {
            Assert.Equal(context, result);
            Interlocked.Increment(ref told);
            return result;
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            for (int i = 0; i < 2000; i++)
            {
                int number = (worker * 10_000) + i;
                using CancellationTokenSource cancel = new();
                Assert.True(table.TryRent(cancel.Token, out PendingTable<int, int>.Operation? operation));
                operation.Context = number;
                ulong token = operation.Token;
                ValueTask<int> waiting = operation.Task;
                Task<bool> completing = Task.Run(() => table.TryComplete(token, number));
                Task cancelling = cancel.CancelAsync();
                try
                {
                    Assert.Equal(number, await waiting);
                }
                catch (OperationCanceledException)
                {
                    // Either end is right; the result is told in both.
                }

                Assert.True(await completing);
                await cancelling;
            }
        })));
        Assert.Equal(8000, told);
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void GrowingToManyOperationsCostsNoMoreThanThey()
    {
        const int Many = 1 << 16;
        PendingTable<int, int> table = new(Many);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Many; i++)
        {
            Assert.True(table.TryRent(default, out _));
        }

        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / Many;
        Assert.InRange(each, 1, 512);
        Assert.False(table.TryRent(default, out _));
    }
}
