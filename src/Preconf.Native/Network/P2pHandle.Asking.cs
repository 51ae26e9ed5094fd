using System.Diagnostics;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Reputation;

namespace Preconf.Native.Network;

/// <summary>Whom to ask, in whose turn, and whom next.</summary>
public sealed partial class P2pHandle
{
    // A full lane, a peer that lacks what is wanted: asked when there is no better one.
    private const double FullLaneCost = 16;
    private const double LacksItCost = 1e6;

    private delegate T ResponseReader<out T>(NodeCore core, PeerEntry peer, ReadOnlySpan<byte> data);

    private async Task<T> AskAsync<T>(Question<T> question, PeerId? peer, CancellationToken cancellationToken)
    {
        NodeCore core = _node.Core;
        if (peer is not null)
        {
            PeerEntry named = core.Peers.Find(peer) ?? throw new NetworkException(NetworkErrorKind.DialFailed, $"{peer} is not connected; dial it first");
            return await AskPeerAsync(core, named, question, cancellationToken).ConfigureAwait(false);
        }

        // One list per request that names nobody; hedges add to it, so nobody is asked twice.
        List<PeerId> asked = [];
        PeerEntry first = Choose(core, question, asked)
            ?? throw new NetworkException(NetworkErrorKind.ReqRespBackpressure, "no peer is connected to ask; dial one or wait for one");
        while (true)
        {
            NetworkException? failure = null;
            (bool got, T result) = (false, default!);
            try
            {
                result = await AskHedgedAsync(core, first, question, asked, cancellationToken).ConfigureAwait(false);
                got = true;
                if (question.Satisfied(result))
                {
                    return result;
                }
            }
            catch (NetworkException error) when (IsAnothersChance(error.Kind) && core.IsOpen)
            {
                failure = error;
            }

            if (asked.Count >= core.Config.RequestAttempts || Choose(core, question, asked) is not { } next)
            {
                return got ? result : throw failure!;
            }

            first = next;
        }
    }

    private async Task<T> AskHedgedAsync<T>(NodeCore core, PeerEntry peer, Question<T> question, List<PeerId> asked, CancellationToken cancellationToken)
    {
        asked.Add(peer.Id);
        TimeSpan delay = core.Config.TxListHedgeDelay;
        if (question.Protocol != RequestProtocol.TxList || delay == Timeout.InfiniteTimeSpan || core.Peers.Count <= asked.Count)
        {
            return await AskPeerAsync(core, peer, question, cancellationToken).ConfigureAwait(false);
        }

        using CancellationTokenSource rest = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            Task<T> first = AskPeerAsync(core, peer, question, rest.Token);
            await Task.WhenAny(first, Task.Delay(delay, core.Time, rest.Token)).ConfigureAwait(false);
            if (first.IsCompleted || asked.Count >= core.Config.RequestAttempts || Choose(core, question, asked) is not { } other)
            {
                return await first.ConfigureAwait(false);
            }

            asked.Add(other.Id);
            Task<T> second = AskPeerAsync(core, other, question, rest.Token);
            Task<T> faster = await Task.WhenAny(first, second).ConfigureAwait(false);
            bool good = faster.IsCompletedSuccessfully && question.Satisfied(await faster.ConfigureAwait(false));
            Task<T> taken = good ? faster : faster == first ? second : first;
            Task<T> left = taken == first ? second : first;
            _ = left.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return await taken.ConfigureAwait(false);
        }
        finally
        {
            await rest.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<T> AskPeerAsync<T>(NodeCore core, PeerEntry peer, Question<T> question, CancellationToken cancellationToken)
    {
        using RequestPacer.Place place = await EnterAsync(core, peer, question.Protocol, cancellationToken).ConfigureAwait(false);
        if (!core.Requests.TryRent(cancellationToken, out PendingTable<ValueTuple, RawResponse>.Operation? operation))
        {
            throw new NetworkException(
                NetworkErrorKind.ReqRespBackpressure,
                $"{question.Protocol}: {core.Config.Resources.MaxRequestsInFlight} requests are in flight; wait for some to end");
        }

        ValueTask<RawResponse> answered = operation.Task;
        uint timeout = (uint)core.Config.RequestTimeout.TotalMilliseconds;
        PcnStatus status = core.Native.Request((byte)question.Protocol, peer.IdText, question.Request, operation.Token, timeout, out string text);
        bool sent = status == PcnStatus.Ok;
        if (!sent)
        {
            operation.Fail(Refused(core, status, question.Protocol, text));
        }

        long started = Stopwatch.GetTimestamp();
        bool good = false;
        peer.RequestBegins();
        try
        {
            RawResponse response = await AnswerAsync(core, peer, question.Protocol, answered, sent).ConfigureAwait(false);
            try
            {
                place.Charge(response.Data.Length);
                T result = question.Read(core, peer, response.Data);
                good = true;
                return result;
            }
            finally
            {
                core.ReleaseResponse(in response);
            }
        }
        finally
        {
            peer.RequestEnds(Stopwatch.GetElapsedTime(started), good);
        }
    }

    // Only what the peer did with the stream counts here; what an answer says is judged by its reader.
    private static async ValueTask<RawResponse> AnswerAsync(
        NodeCore core, PeerEntry peer, RequestProtocol protocol, ValueTask<RawResponse> answered, bool sent)
    {
        try
        {
            return await answered.ConfigureAwait(false);
        }
        catch (NetworkException error) when (sent)
        {
            switch (error.Kind)
            {
                case NetworkErrorKind.ReqRespCodec:
                    core.Reputation.Report(peer.Id, ReputationReason.Garbage, $"answer, {protocol}: not a frame, or over its cap");
                    break;
                case NetworkErrorKind.ReqRespTimeout:
                    core.Reputation.Report(peer.Id, ReputationReason.TimedOut);
                    break;
                case NetworkErrorKind.DialFailed or NetworkErrorKind.Disconnect or NetworkErrorKind.ReqRespFailure:
                    core.Reputation.Report(peer.Id, ReputationReason.TransportFailed);
                    break;
            }

            throw;
        }
    }

    private async ValueTask<RequestPacer.Place> EnterAsync(NodeCore core, PeerEntry peer, RequestProtocol protocol, CancellationToken cancellationToken)
    {
        if (_outbound is null)
        {
            return default;
        }

        TimeSpan patience = core.Config.RateLimit.MaxWait;
        if (patience == Timeout.InfiniteTimeSpan)
        {
            return await _outbound.EnterAsync(peer.Id, protocol, cancellationToken).ConfigureAwait(false);
        }

        if (patience > TimeSpan.Zero || !_outbound.IsFull(peer.Id, protocol))
        {
            // Where nothing may be waited for, a place that goes in between is waited for as good as not.
            using CancellationTokenSource late = new(patience > TimeSpan.Zero ? patience : TimeSpan.FromMilliseconds(1), core.Time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
            try
            {
                return await _outbound.EnterAsync(peer.Id, protocol, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Told below.
            }
        }

        throw new NetworkException(
            NetworkErrorKind.ReqRespRateLimited, $"{protocol}: {peer.Id} was asked as often as RateLimit allows; ask later, ask others, or raise RateLimit.MaxWait");
    }

    private PeerEntry? Choose<T>(NodeCore core, Question<T> question, List<PeerId> asked) => core.Peers.Cheapest(peer =>
    {
        if (asked.Contains(peer.Id) || core.Reputation.IsGreylisted(peer.Id))
        {
            return double.PositiveInfinity;
        }

        double cost = peer.Cost() / core.Reputation.PreferenceOf(peer.Id);
        cost *= _outbound?.IsFull(peer.Id, question.Protocol) == true ? FullLaneCost : 1;
        return question.FirstBlock > peer.KnownBlock ? cost * LacksItCost : cost;
    });

    private static bool IsAnothersChance(NetworkErrorKind kind) => kind is NetworkErrorKind.ReqRespTimeout or NetworkErrorKind.ReqRespFailure
        or NetworkErrorKind.ReqRespCodec or NetworkErrorKind.ReqRespValidation or NetworkErrorKind.Disconnect or NetworkErrorKind.DialFailed
        or NetworkErrorKind.ReqRespRateLimited;

    /// <summary>A request, however many peers it goes to.</summary>
    private sealed record Question<T>(RequestProtocol Protocol, byte[] Request, ResponseReader<T> Read)
    {
        /// <summary>Peers known to have less are asked last; 0 for any.</summary>
        public ulong FirstBlock { get; init; }

        /// <summary>Whether nobody else need be asked.</summary>
        public Func<T, bool> Satisfied { get; init; } = static _ => true;
    }
}
