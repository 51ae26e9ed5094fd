using Microsoft.Extensions.Logging;
using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Runs catch-ups for as long as the node runs, whenever there is a reason to.</summary>
internal sealed partial class CatchUpFollower : IProgress<CatchUpProgress>
{
    // With so many peers asked, another one is no reason to look again.
    private const int EnoughPeers = 3;
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    private readonly P2pHandle _handle;
    private readonly CatchUpOptions _options;
    private readonly IProgress<CatchUpProgress>? _progress;
    private readonly ILogger _logger;
    private readonly KnownMissing _known = new();
    private readonly RefusedPeers _refused;
    private bool? _complete;
    private long _knownSince;

    public CatchUpFollower(P2pHandle handle, CatchUpOptions options, IProgress<CatchUpProgress>? progress)
    {
        _handle = handle;
        _options = options;
        _progress = progress;
        _refused = new RefusedPeers(handle, options.RetryMissing);
        _logger = handle.LoggerFactory.CreateLogger("Preconf.Native.Sync");
    }

    /// <summary>Runs until the node stops or the token is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (!await TryFollowAsync(cancellationToken).ConfigureAwait(false))
            {
                await Task.Delay(LongestPause / 10, _handle.Time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // That is how it ends.
        }
        catch (NetworkException) when (!_handle.IsRunning)
        {
            // So is this.
        }
    }

    void IProgress<CatchUpProgress>.Report(CatchUpProgress value)
    {
        if (value is { Stage: CatchUpStage.Started, MissingBlocks: > 0 })
        {
            LogStarted(_logger, value.From, value.To);
        }

        _progress?.Report(value);
    }

    // A host's store that throws once must not end it for good, whatever it throws: a time-out may come as a cancellation.
    private async Task<bool> TryFollowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await FollowAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested && _handle.IsRunning)
        {
            LogFailed(_logger, error.Message);
            return false;
        }
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        await _handle.WaitForPeerAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        using GapWatch watch = new(_handle, _options, _known);
        int failures = 0;
        _knownSince = _handle.Time.GetTimestamp();
        while (true)
        {
            long started = _handle.Time.GetTimestamp();
            (CatchUpResult? result, bool paused) = await TryRunAsync(watch, cancellationToken).ConfigureAwait(false);
            failures = paused ? failures : result is { IsWorthRetrying: false } ? 0 : failures + 1;
            CatchUpReasons wanted = Wanted(result?.Peers ?? 0);
            using (CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                Task retry = Task.Delay(RetryAfter(failures), _handle.Time, over.Token);
                CatchUpReasons due = await watch.UntilAsync(wanted, retry, cancellationToken).ConfigureAwait(false);
                await over.CancelAsync().ConfigureAwait(false);
                if (due.HasFlag(CatchUpReasons.Stopped))
                {
                    return;
                }
            }

            TimeSpan early = _options.Pause - _handle.Time.GetElapsedTime(started);
            await PassAsync(Task.Delay(early > TimeSpan.Zero ? early : TimeSpan.Zero, _handle.Time, cancellationToken)).ConfigureAwait(false);
            await PassAsync(_handle.WaitForPeerAsync(Timeout.InfiniteTimeSpan, cancellationToken)).ConfigureAwait(false);
            Forget(watch.Take() & wanted);
        }

        async Task PassAsync(Task wait)
        {
            await watch.UntilAsync(CatchUpReasons.None, wait, cancellationToken).ConfigureAwait(false);
            await wait.ConfigureAwait(false);
        }
    }

    private static CatchUpReasons Wanted(int peers) =>
        CatchUpReasons.Reconnected | CatchUpReasons.Gap | (peers < EnoughPeers ? CatchUpReasons.NewPeer : CatchUpReasons.None);

    private TimeSpan RetryAfter(int failures)
    {
        if (failures != 0)
        {
            double pause = Math.Max(1, _options.Pause.TotalSeconds) * Math.Pow(2, Math.Min(failures, 10));
            return pause < LongestPause.TotalSeconds ? TimeSpan.FromSeconds(pause) : LongestPause;
        }

        TimeSpan left = _options.RetryMissing - _handle.Time.GetElapsedTime(_knownSince);
        return _known.IsEmpty ? Timeout.InfiniteTimeSpan : left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    // Another peer may have what nobody had, and after a while so may anybody.
    private void Forget(CatchUpReasons reasons)
    {
        if ((reasons & (CatchUpReasons.NewPeer | CatchUpReasons.Reconnected)) != 0 || _handle.Time.GetElapsedTime(_knownSince) >= _options.RetryMissing)
        {
            _known.Clear();
            _knownSince = _handle.Time.GetTimestamp();
        }
    }

    // Txlists can take hours; a reason to look for commitments does not wait for them. It does not starve them either, however often there is one.
    private async Task<(CatchUpResult? Result, bool Paused)> TryRunAsync(GapWatch watch, CancellationToken cancellationToken)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using CancellationTokenSource pause = new();
        CatchUpRun run = new(_handle, _options, this);
        Task running = Task.CompletedTask;
        try
        {
            running = run.FetchCommitmentsAsync(_known, _refused, over.Token);
            await watch.UntilAsync(CatchUpReasons.None, running, cancellationToken).ConfigureAwait(false);
            await running.ConfigureAwait(false);
            Task<CatchUpResult> txLists = run.FetchTxListsAsync(_known, pause.Token, over.Token);
            running = txLists;
            Task least = Task.Delay(_options.Pause, _handle.Time, over.Token);
            await watch.UntilAsync(Wanted(run.Peers), txLists, cancellationToken).ConfigureAwait(false);
            await watch.UntilAsync(CatchUpReasons.None, Task.WhenAny(least, txLists), cancellationToken).ConfigureAwait(false);
            bool paused = !txLists.IsCompleted;
            await pause.CancelAsync().ConfigureAwait(false);
            CatchUpResult result = await txLists.ConfigureAwait(false);
            Say(result, paused);
            return (result, paused);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested && _handle.IsRunning)
        {
            if (_complete is not false)
            {
                LogFailed(_logger, error.Message);
            }

            _complete = false;
            return (null, false);
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Say(CatchUpResult result, bool interrupted)
    {
        if (interrupted || (result.IsComplete == _complete && result is { Commitments: 0, TxLists: 0 }))
        {
            return;
        }

        if (result.IsComplete)
        {
            LogCaughtUp(_logger, result);
        }
        else
        {
            LogIncomplete(_logger, result);
        }

        _complete = result.IsComplete;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "catching up: blocks from {From} to {To} are looked for")]
    private static partial void LogStarted(ILogger logger, UInt256 from, UInt256 to);

    [LoggerMessage(Level = LogLevel.Information, Message = "caught up: {Result}")]
    private static partial void LogCaughtUp(ILogger logger, CatchUpResult result);

    [LoggerMessage(Level = LogLevel.Warning, Message = "caught up, but not with everything: {Result}")]
    private static partial void LogIncomplete(ILogger logger, CatchUpResult result);

    [LoggerMessage(Level = LogLevel.Warning, Message = "could not catch up, and will try again: {Error}")]
    private static partial void LogFailed(ILogger logger, string error);
}
