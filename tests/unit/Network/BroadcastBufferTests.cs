using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Network;

public sealed class BroadcastBufferTests
{
    [Fact]
    public async Task EveryReaderGetsEverythingInOrderAndThenTheEnd()
    {
        BroadcastBuffer<int> source = new();
        EventReader<int>[] readers = [.. Enumerable.Range(0, 8).Select(_ => source.Subscribe(100_000))];
        Task<List<int>>[] reading = [.. readers.Select(async reader =>
        {
            List<int> read = [];
            await foreach (int value in reader.ReadAllAsync())
            {
                read.Add(value);
            }

            return read;
        })];
        await Task.Run(() =>
        {
            for (int i = 0; i < 50_000; i++)
            {
                source.Publish(in i);
            }

            source.Complete();
        });
        foreach (List<int> read in await Task.WhenAll(reading).WaitAsync(TimeSpan.FromSeconds(30)))
        {
            Assert.Equal(Enumerable.Range(0, 50_000), read);
        }

        Assert.Equal(0, source.ReaderCount);
    }

    [Fact]
    public void ASlowReaderLosesTheOldestCounted()
    {
        BroadcastBuffer<int> source = new();
        using EventReader<int> slow = source.Subscribe(10);
        for (int i = 0; i < 25; i++)
        {
            source.Publish(in i);
        }

        Assert.Equal(15, slow.Dropped);
        Assert.Equal(15, slow.TakeDropped());
        Assert.Equal(0, slow.TakeDropped());
        Assert.True(slow.TryRead(out int first));
        Assert.Equal(15, first);
    }

    [Fact]
    public async Task ACancelledWaitLeavesTheReaderUsable()
    {
        BroadcastBuffer<int> source = new();
        using EventReader<int> reader = source.Subscribe(10);
        for (int i = 0; i < 200; i++)
        {
            using CancellationTokenSource cancel = new();
            ValueTask<bool> wait = reader.WaitToReadAsync(cancel.Token);
            Task publishing = Task.Run(() => source.Publish(in i));
            await cancel.CancelAsync();
            try
            {
                Assert.True(await wait);
            }
            catch (OperationCanceledException)
            {
                // Either may win; the value must be there.
            }

            await publishing;
            Assert.True(await reader.WaitToReadAsync());
            Assert.True(reader.TryRead(out int value));
            Assert.Equal(i, value);
        }
    }

    [Fact]
    public async Task ADisposedReaderEndsItsWait()
    {
        BroadcastBuffer<int> source = new();
        EventReader<int> reader = source.Subscribe(10);
        ValueTask<bool> wait = reader.WaitToReadAsync();
        reader.Dispose();
        Assert.False(await wait);
        Assert.Equal(0, source.ReaderCount);
        source.Publish(1);
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public async Task OneWaitAtATime()
    {
        BroadcastBuffer<int> source = new();
        using EventReader<int> reader = source.Subscribe(10);
        ValueTask<bool> first = reader.WaitToReadAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.WaitToReadAsync());
        source.Publish(3);
        Assert.True(await first);
    }

    [Fact]
    public void AContextThatThrowsCostsThePublisherNothing()
    {
        BroadcastBuffer<int> source = new();
        using EventReader<int> reader = source.Subscribe(10);
        using EventReader<int> other = source.Subscribe(10);
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(new ClosedContext());
        try
        {
            reader.WaitToReadAsync().GetAwaiter().OnCompleted(() => { });
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        source.Publish(7);
        Assert.True(reader.TryRead(out int value) && value == 7);
        Assert.True(other.TryRead(out value) && value == 7);
    }

    /// <summary>As that of a window which is closed.</summary>
    private sealed class ClosedContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => throw new InvalidOperationException("closed");
    }

    [Fact]
    public async Task WhoSubscribesAfterTheEndGetsTheEnd()
    {
        BroadcastBuffer<int> source = new();
        source.Complete();
        using EventReader<int> late = source.Subscribe(10);
        Assert.False(await late.WaitToReadAsync());
    }

    [Fact]
    public void WhatWasLostIsToldInItsPlaceOnce()
    {
        BroadcastBuffer<int> source = new(lost: count => -(int)count);
        using EventReader<int> slow = source.Subscribe(10);
        using EventReader<int> quick = source.Subscribe(100);
        for (int i = 1; i <= 25; i++)
        {
            source.Publish(in i);
        }

        Assert.Equal([-15, .. Enumerable.Range(16, 10)], Read(slow));
        Assert.Equal(0, slow.TakeDropped());
        Assert.Equal(Enumerable.Range(1, 25), Read(quick));
        Assert.Equal((15, 0, 15), (slow.Dropped, quick.Dropped, source.Dropped));
    }

    [Fact]
    public void AReaderIsBoundedByTheBytesItKeepsAlive()
    {
        BroadcastBuffer<int> source = new(weigh: (in int value) => value, lost: count => -(int)count);
        using EventReader<int> slow = source.Subscribe(1000, bytes: 100);
        foreach (int value in new[] { 40, 40, 1, 30, 20 })
        {
            source.Publish(in value);
        }

        // 131 bytes: the oldest 40 go; then all fit.
        Assert.Equal(91, slow.Bytes);
        Assert.Equal([-1, 40, 1, 30, 20], Read(slow));
        Assert.Equal(0, slow.Bytes);

        // The newest is there whatever it weighs.
        source.Publish(5);
        source.Publish(500);
        Assert.Equal([-1, 500], Read(slow));
    }

    [Fact]
    public void AReaderThatLagsKeepsNoMoreTxListsAliveThanItsBytes()
    {
        BroadcastBuffer<NetworkEvent> source = new(NetworkEvent.Weigh, NetworkEvent.Lost);
        using EventReader<NetworkEvent> slow = source.Subscribe(65_536, bytes: 64 << 20);
        byte[] largest = new byte[PreconfLimits.MaxTxListBytes];
        for (int i = 0; i < 1000; i++)
        {
            source.Publish(new NetworkEvent(NetworkEventKind.GossipRawTxList, payload: new RawTxListGossip(default, largest)));
        }

        Assert.Equal((32, 64 << 20, 968), (slow.Count, slow.Bytes, slow.Dropped));
        Assert.True(slow.TryRead(out NetworkEvent lost));
        Assert.Equal((NetworkEventKind.EventsDropped, 968, NetworkErrorKind.ChannelBackpressure, true), (lost.Kind, lost.Count, lost.Error!.Kind, lost.IsReaderLoss));
    }

    private static List<int> Read(EventReader<int> reader)
    {
        List<int> read = [];
        while (reader.TryRead(out int value))
        {
            read.Add(value);
        }

        return read;
    }
}
