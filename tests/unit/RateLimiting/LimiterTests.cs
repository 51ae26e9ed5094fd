using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;

namespace Preconf.Native.UnitTests.RateLimiting;

public sealed class LimiterTests
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);
    private readonly ManualTime _time = new();
    private readonly PeerId _peer = PeerId.FromEd25519(new byte[32]);

    [Fact]
    public void TokensComeBackEvenly()
    {
        RequestRateLimiter limiter = new(8, Window, _time);
        for (int i = 0; i < 8; i++)
        {
            Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.Head));
        }

        TimeSpan wait = limiter.Take(_peer, RequestProtocol.Head);
        Assert.InRange(wait, TimeSpan.FromSeconds(1.2), TimeSpan.FromSeconds(1.3));
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.TxList));
        _time.Advance(wait);
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.Head));
        Assert.NotEqual(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.Head));
    }

    [Fact]
    public void BytesAreTakenWholeOrNotAtAll()
    {
        ByteAllowance allowance = new(1000, 100, _time);
        Assert.True(allowance.TryTake(900));
        Assert.False(allowance.TryTake(101));
        Assert.True(allowance.TryTake(100));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.False(allowance.TryTake(301));
        Assert.True(allowance.TryTake(299));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(allowance.TryTake(1001));
        Assert.True(allowance.TryTake(1000));
    }

    [Fact]
    public async Task WhatIsPacedIsRefusedByNoFairCount()
    {
        RequestPacer pacer = new(4, Window, _time);
        List<DateTimeOffset> sent = [];
        Task[] asking = [.. Enumerable.Range(0, 20).Select(async i =>
        {
            using RequestPacer.Place place = await pacer.EnterAsync(_peer, RequestProtocol.Head, default);
            lock (sent)
            {
                sent.Add(_time.GetUtcNow());
            }
        })];
        for (int i = 0; i < 200 && !asking.All(task => task.IsCompleted); i++)
        {
            _time.Advance(TimeSpan.FromSeconds(0.5));
            await Task.Delay(2);
        }

        await Task.WhenAll(asking).WaitAsync(TimeSpan.FromSeconds(10));
        foreach (DateTimeOffset at in sent)
        {
            Assert.InRange(sent.Count(other => other >= at && other < at + Window), 1, 4);
        }
    }

    [Fact]
    public async Task APlaceIsNotFreeBeforeItsWindowIsOverEvenIfATimerFiresEarly()
    {
        RequestPacer pacer = new(1, Window, _time);
        (await pacer.EnterAsync(_peer, RequestProtocol.Head, default)).Dispose();
        _time.Advance(Window);
        await Task.Delay(20);
        Assert.True(pacer.IsFull(_peer, RequestProtocol.Head));
        _time.Advance(Window / 100);
        await pacer.EnterAsync(_peer, RequestProtocol.Head, default).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task AWaitThatIsGivenUpTakesNoPlaceAndLeavesNothingBehind()
    {
        RequestPacer pacer = new(1, Window, _time);
        RequestPacer.Place place = await pacer.EnterAsync(_peer, RequestProtocol.Head, default);
        using CancellationTokenSource cancel = new();
        Task waiting = pacer.EnterAsync(_peer, RequestProtocol.Head, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        place.Dispose();
        for (int i = 0; i < 500 && pacer.Count != 0; i++)
        {
            _time.Advance(Window);
            await Task.Delay(2);
        }

        Assert.Equal(0, pacer.Count);
    }

    [Fact]
    public void BytesAnsweredHoldTheNextRequestUntilTheyArePaidBack()
    {
        RequestRateLimiter limiter = new(8, Window, _time, maxBytes: 1000);
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.TxList));
        limiter.Charge(_peer, RequestProtocol.TxList, 999);

        // While any are left a request goes through, however long its answer.
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.TxList));
        limiter.Charge(_peer, RequestProtocol.TxList, 501);
        TimeSpan wait = limiter.Take(_peer, RequestProtocol.TxList);
        Assert.InRange(wait, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5.1));

        // Other protocols and peers owe nothing.
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.Head));
        Assert.Equal(TimeSpan.Zero, limiter.Take(PeerId.FromEd25519([.. Enumerable.Repeat((byte)1, 32)]), RequestProtocol.TxList));
        _time.Advance(wait);
        Assert.Equal(TimeSpan.Zero, limiter.Take(_peer, RequestProtocol.TxList));

        // A debt of several windows is not forgotten with the idle ones.
        limiter.Charge(_peer, RequestProtocol.TxList, 5000);
        _time.Advance(Window * 2);
        limiter.Take(PeerId.FromEd25519([.. Enumerable.Repeat((byte)2, 32)]), RequestProtocol.Head);
        Assert.InRange(limiter.Take(_peer, RequestProtocol.TxList), TimeSpan.FromSeconds(29), TimeSpan.FromSeconds(31));
    }

    [Fact]
    public async Task ThePaceCountsBytesOfAnswersTooAndOutlivesWhoAsked()
    {
        RequestPacer pacer = new(4, Window, _time, maxBytes: 1000);
        using (RequestPacer.Place place = await pacer.EnterAsync(_peer, RequestProtocol.TxList, default))
        {
            place.Charge(3000);
        }

        // There are places, but 2000 bytes are owed: two windows' worth.
        Task<RequestPacer.Place> waiting = pacer.EnterAsync(_peer, RequestProtocol.TxList, default).AsTask();
        Assert.False(pacer.IsFull(_peer, RequestProtocol.TxList));
        for (int second = 0; second < 18; second++)
        {
            await StepAsync();
            Assert.False(waiting.IsCompleted);
        }

        for (int second = 0; second < 4 && !waiting.IsCompleted; second++)
        {
            await StepAsync();
        }

        (await waiting.WaitAsync(TimeSpan.FromSeconds(10))).Dispose();
        Assert.Equal(1, pacer.Count);

        // Nobody asks any more, and once all is paid back nothing is remembered.
        for (int i = 0; i < 500 && pacer.Count != 0; i++)
        {
            _time.Advance(Window);
            await Task.Delay(2);
        }

        Assert.Equal(0, pacer.Count);

        async Task StepAsync()
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5);
        }
    }
}
