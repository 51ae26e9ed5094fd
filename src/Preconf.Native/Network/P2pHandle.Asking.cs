using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Reputation;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>Whom to ask, in whose turn, and whom next.</summary>
public sealed partial class P2pHandle
{
    // A full lane, a peer that may not or does not have what is wanted: asked when there is no better one.
    private const double FullLaneCost = 16;
    private const double ClaimedCost = 2;
    private const double UnknownCost = 4;
    private const double LackingCost = 1e6;

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
        NetworkException? failure = null;
        (bool has, T best) = (false, default!);
        while (true)
        {
            (bool got, T result) = (false, default!);
            try
            {
                result = await AskHedgedAsync(core, first, question, asked, cancellationToken).ConfigureAwait(false);
                got = true;
                if (question.Satisfied(result))
                {
                    return result;
                }

                (has, best) = !has && question.TellsSomething(result) ? (true, result) : (has, best);
            }
            catch (NetworkException error) when (IsAnothersChance(error.Kind) && core.IsOpen)
            {
                failure = error;
            }

            // Who is known to lack it would only say so again.
            if (asked.Count >= (question.Attempts ?? core.Config.RequestAttempts) || Choose(core, question, asked, withLacking: !got) is not { } next)
            {
                return has ? best : got && (failure is null || !question.FailuresOutweigh) ? result : throw failure!;
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
            if (first.IsCompleted || asked.Count >= (question.Attempts ?? core.Config.RequestAttempts) || Choose(core, question, asked) is not { } other)
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
        if (patience != TimeSpan.Zero || !_outbound.IsFull(peer.Id, protocol))
        {
            // Where nothing may be waited for, a place that goes in between is waited for as good as not.
            using CancellationTokenSource late = new(patience == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : patience, core.Time);
            using CancellationTokenSource any = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken, core.Stopping, peer.Gone);
            try
            {
                return await _outbound.EnterAsync(peer.Id, protocol, any.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!core.IsOpen)
                {
                    throw core.Closed();
                }

                if (peer.Gone.IsCancellationRequested)
                {
                    throw new NetworkException(NetworkErrorKind.Disconnect, $"{protocol}: {peer.Id} left before it was this request's turn");
                }
            }
        }

        throw new NetworkException(
            NetworkErrorKind.ReqRespRateLimited, $"{protocol}: {peer.Id} was asked as often as RateLimit allows; ask later, ask others, or raise RateLimit.MaxWait");
    }

    private PeerEntry? Choose<T>(NodeCore core, Question<T> question, List<PeerId> asked, bool withLacking = true) => core.Peers.Cheapest(peer =>
        asked.Contains(peer.Id) || (!withLacking && peer.Holdings.Of(question.FirstBlock) == PeerHolding.Lacking)
            ? double.PositiveInfinity
            : CostOf(core, peer, question.Protocol, question.FirstBlock));

    internal ILoggerFactory LoggerFactory => _node.LoggerFactory;

    /// <summary>The connected peers.</summary>
    /// <exception cref="NetworkException">The node is not running.</exception>
    internal IEnumerable<PeerEntry> PeerEntries => _node.Core.Peers.All;

    /// <summary>Whether a request of a peer would have to wait for its turn.</summary>
    internal bool MustWait(PeerEntry peer, RequestProtocol protocol) => _outbound?.IsFull(peer.Id, protocol) == true;

    /// <summary>What asking a peer about a block would cost: infinite where it must not be asked.</summary>
    internal double CostOf(PeerEntry peer, RequestProtocol protocol, in UInt256 block) => CostOf(_node.Core, peer, protocol, in block);

    /// <summary>What asking a peer would cost: infinite where it must not be asked.</summary>
    private double CostOf(NodeCore core, PeerEntry peer, RequestProtocol protocol, in UInt256 firstBlock)
    {
        if (core.Reputation.IsGreylisted(peer.Id))
        {
            return double.PositiveInfinity;
        }

        double cost = peer.Cost() / core.Reputation.PreferenceOf(peer.Id);
        cost *= _outbound?.IsFull(peer.Id, protocol) == true ? FullLaneCost : 1;
        return cost * peer.Holdings.Of(in firstBlock) switch
        {
            PeerHolding.Proven => 1,
            PeerHolding.Claimed => ClaimedCost,
            PeerHolding.Unknown => UnknownCost,
            _ => LackingCost,
        };
    }

    private static bool IsAnothersChance(NetworkErrorKind kind) => kind is NetworkErrorKind.ReqRespTimeout or NetworkErrorKind.ReqRespFailure
        or NetworkErrorKind.ReqRespCodec or NetworkErrorKind.ReqRespValidation or NetworkErrorKind.Disconnect or NetworkErrorKind.DialFailed
        or NetworkErrorKind.ReqRespRateLimited;

    /// <summary>A request, however many peers it goes to.</summary>
    private sealed record Question<T>(RequestProtocol Protocol, byte[] Request, ResponseReader<T> Read)
    {
        /// <summary>The block it is about: peers known to have less are asked last. Zero for any.</summary>
        public UInt256 FirstBlock { get; init; }

        /// <summary>Peers asked in all; null: <see cref="P2pConfig.RequestAttempts"/>.</summary>
        public int? Attempts { get; init; }

        /// <summary>Whether an answer that does not satisfy counts less than another peer's failure: who failed may have it.</summary>
        public bool FailuresOutweigh { get; init; }

        /// <summary>Whether nobody else need be asked.</summary>
        public Func<T, bool> Satisfied { get; init; } = static _ => true;

        /// <summary>Whether an answer that does not satisfy is better than another's that does not, and than a failure.</summary>
        public Func<T, bool> TellsSomething { get; init; } = static _ => false;
    }
}
