using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging;
using Preconf.Native.Diagnostics;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Reputation;
using Preconf.Native.Storage;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>An answer's bytes in native memory; give the lease back through <see cref="NodeCore.ReleaseResponse"/>.</summary>
internal readonly struct RawResponse(in PcnEvent nativeEvent, PeerEntry? peer)
{
    private readonly PcnEvent _event = nativeEvent;

    public PeerEntry? Peer { get; } = peer;

    public ulong Lease => _event.lease;

    public unsafe ReadOnlySpan<byte> Data => new(_event.data, (int)_event.len);
}

/// <summary>
/// A running node: the pump's events sorted to where they belong (lanes, waiting operations, readers), and the way down. Roots
/// nothing of the host but its validator, store and loggers.
/// </summary>
#pragma warning disable CA1001 // A source of cancellation without a timer or links holds nothing to dispose of.
internal sealed partial class NodeCore : INativeEventSink
{
    // gossipsub forgets a message after twelve heartbeats.
    private const int HeartbeatsToVerdict = 10;

    // While lanes are busy, what they hold up is looked at this often.
    private const uint WatchMilliseconds = 20;

    private const int RequestsQueued = 4096;
    private const int ForwardedRemembered = 16_384;

    private readonly ILogger _logger;
    private readonly OperatorRules _rules;
    private readonly BanScope _banScope;
    private readonly NativeLogForwarder _logs;
    private readonly ValidationLane[] _lanes;
    private readonly ValidationLane[] _requestLanes;
    private readonly Responder _heads;
    private readonly TxListAllowances _txListAllowances;
    private readonly EventPump _pump;
    private readonly TaskCompletionSource _pumpEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _givenUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _addressGate = new();
    private readonly CancellationTokenSource _stopping = new();
    private Multiaddr[] _listening = [];
    private string? _fault;
    private int _readers;
    private int _closing;
    private long _watchedAt;
    private long _gossipDropped;
    private long _verdictsLate;

    public NodeCore(P2pConfig config, P2pNodeServices services, OperatorRules rules, BanFile? bans, NodeHandle node, byte logLevel, PeerId localPeerId, BroadcastBuffer<NetworkEvent> events)
    {
        Config = config;
        Native = node;
        LocalPeerId = localPeerId;
        Events = events;
        Time = services.TimeProvider;
        Store = services.Store!;
        Validator = services.Validator!;
        _logs = new NativeLogForwarder(services.LoggerFactory, logLevel, node.SetLogLevel, Time);
        _logger = _logs.Own();
        Publishes = new PendingTable<NetworkEvent, PublishResult>(1 << 16, OnPublished);
        Requests = new PendingTable<ValueTuple, RawResponse>(config.Resources.MaxRequestsInFlight);
        Dials = new PendingTable<ValueTuple, PeerId>(1024);
        if (config.RateLimit.Enabled)
        {
            RateLimitOptions limits = config.RateLimit;
            Inbound = limits.Mode == RateLimitMode.TumblingWindow
                ? new TumblingWindowLimiter(limits.MaxRequests, limits.Window, Time)
                : new RequestRateLimiter(limits.MaxRequests, limits.Window, Time, limits.MaxBytes);
        }

        _rules = rules;
        _banScope = new BanScope(config.Reputation.NeverBanned, config.Reputation.BanSharedAddresses);
        Blocks = new BlockTable((target, blocked) => node.Block(Encoding.ASCII.GetBytes(target.ToString()), blocked, out _), rules.Blocked);
        _wanted = new WantedAddresses(config.StaticAddresses.Concat(config.TrustedPeers));
        _staticPeers = [.. config.StaticPeerIds];
        Reputation = OpenReputation(bans);
        _txListAllowances = new TxListAllowances(config.Gossip, Time);
        ReportVerdicts report = verdicts => node.Report(verdicts);
        LaneOptions gossip = new(2 * config.Resources.RingSlots, config.Gossip.Heartbeat * HeartbeatsToVerdict, Time);
        _lanes = Lanes(() => new ValidationLane(gossip, report, new GossipWork(this)));
        LaneOptions requests = new(RequestsQueued, Deadline: null, Time);
        _heads = new Responder(this);
        _requestLanes = Lanes(() => new ValidationLane(requests, report, new RequestWork(this)));
        _pump = new EventPump(node, this);
        Finished = Task.WhenAny(FinishAsync(), _givenUp.Task).Unwrap();
    }

    public P2pConfig Config { get; }

    public NodeHandle Native { get; }

    public PeerId LocalPeerId { get; }

    public BroadcastBuffer<NetworkEvent> Events { get; }

    public TimeProvider Time { get; }

    public ICommitmentStore Store { get; }

    public IPreconfValidator Validator { get; }

    public PeerTable Peers { get; } = new();

    public PendingTable<NetworkEvent, PublishResult> Publishes { get; }

    public PendingTable<ValueTuple, RawResponse> Requests { get; }

    public PendingTable<ValueTuple, PeerId> Dials { get; }

    public IRequestLimiter? Inbound { get; }

    /// <summary>What was published or judged valid in gossip lately.</summary>
    public ForwardedGossip Forwarded { get; } = new(ForwardedRemembered);

    /// <summary>Gossip that found its lane, or its peer's share of it, full.</summary>
    public long GossipDropped => Interlocked.Read(ref _gossipDropped);

    /// <summary>Gossip answered at its deadline because its validation was not done.</summary>
    public long VerdictsLate => Interlocked.Read(ref _verdictsLate);

    public StateSignal Changed { get; } = new();

    /// <summary>Ends when everything of the node has come to rest, or was given up.</summary>
    public Task Finished { get; }

    /// <summary>Whether commands are still taken.</summary>
    public bool IsOpen => Volatile.Read(ref _closing) == 0;

    /// <summary>Ends when commands are taken no longer, for those who wait with nothing in the native part yet.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>How much the native part logs, as it counts: 0 nothing, 1 errors to 5 traces.</summary>
    public byte NativeLogLevel => _logs.Level;

    /// <summary>Why the native part died, if it did.</summary>
    public string? Fault => Volatile.Read(ref _fault);

    public IReadOnlyList<Multiaddr> Listening => Volatile.Read(ref _listening);

    public void Run()
    {
        Events.Publish(new NetworkEvent(NetworkEventKind.Started, LocalPeerId));
        _pump.Start();
        WatchReputation();
        WatchNames();
    }

    /// <summary>Closes admission and tells the native part to stop; returns at once.</summary>
    public void SignalStop()
    {
        CloseAdmission();
        Native.Stop();
    }

    /// <summary>Ends what is in flight and the readers' streams of a node whose native part does not answer; its memory is left alone.</summary>
    public void GiveUp()
    {
        CloseOperations();
        Events.Complete();
        _givenUp.TrySetResult();
        LogLeaked(_logger, Config.StopTimeout);
    }

    /// <summary>Counts an answer as being read, so that its memory is not freed under the reader.</summary>
    public void ReleaseResponse(in RawResponse response)
    {
        Native.Release(response.Lease);
        Interlocked.Decrement(ref _readers);
    }

    public void Emit(in NetworkEvent networkEvent) => Events.Publish(in networkEvent);

    public void EmitError(NetworkErrorKind kind, PeerId? peer, string detail) =>
        Events.Publish(new NetworkEvent(NetworkEventKind.Error, peer, new NetworkError(kind, detail)));

    void INativeEventSink.OnEvent(in PcnEvent nativeEvent)
    {
        switch ((PcnEventKind)nativeEvent.kind)
        {
            case PcnEventKind.Gossip:
                OnGossip(in nativeEvent);
                return;
            case PcnEventKind.Request:
                OnRequest(in nativeEvent);
                return;
            case PcnEventKind.Response:
                OnResponse(in nativeEvent);
                return;
            case PcnEventKind.Published:
                Publishes.TryComplete(nativeEvent.token, new PublishResult(Outcome(nativeEvent.code), (int)nativeEvent.count));
                break;
            case PcnEventKind.RequestFailed:
                Requests.TryFail(nativeEvent.token, RequestFailure(in nativeEvent));
                break;
            case PcnEventKind.DialResult:
                OnDialResult(in nativeEvent);
                break;
            case PcnEventKind.PeerConnected:
                OnPeerConnected(in nativeEvent);
                break;
            case PcnEventKind.PeerDisconnected:
                OnPeerDisconnected(in nativeEvent);
                break;
            case PcnEventKind.Log:
                _logs.Take(nativeEvent.code, Data(in nativeEvent));
                break;
            default:
                OnRareEvent(in nativeEvent);
                break;
        }

        if (nativeEvent.lease != 0)
        {
            Native.Release(nativeEvent.lease);
        }
    }

    uint INativeEventSink.OnBatchEnd()
    {
        if (Array.TrueForAll(_lanes, static lane => lane.IsIdle))
        {
            return uint.MaxValue;
        }

        long now = Stopwatch.GetTimestamp();
        if (Stopwatch.GetElapsedTime(_watchedAt, now).TotalMilliseconds >= WatchMilliseconds)
        {
            _watchedAt = now;
            foreach (ValidationLane lane in _lanes)
            {
                lane.Watch();
            }
        }

        return WatchMilliseconds;
    }

    void INativeEventSink.OnEnd(Exception? failure)
    {
        CloseAdmission();
        if (failure is not null)
        {
            Volatile.Write(ref _fault, failure.Message);
            LogPumpFailed(_logger, failure);
            Native.Stop();
        }

        _pumpEnded.TrySetResult();
    }

    /// <summary>Takes an unreferenced txlist from a peer's allowance.</summary>
    public bool TryTakeAllowance(PeerEntry peer, int length) => _txListAllowances.TryTake(peer.TxListAllowance, length);

    /// <summary>A message was answered Ignore because its validation is not done.</summary>
    public void TellLate(PeerEntry peer, GossipTopic topic)
    {
        Interlocked.Increment(ref _verdictsLate);
        Events.Publish(new NetworkEvent(NetworkEventKind.VerdictLate, peer.Id) { Topic = topic });
    }

    private PublishResult OnPublished(in NetworkEvent prepared, PublishResult result)
    {
        PublishResult told = result with { Stored = prepared.Publish.Stored };
        Events.Publish(prepared with { Publish = told });
        return told;
    }

    private void CloseAdmission()
    {
        Volatile.Write(ref _closing, 1);
        _ = _stopping.CancelAsync();
        Changed.Pulse();
    }

    private void CloseOperations()
    {
        NetworkException closed = Closed();
        Publishes.Close(closed);
        Requests.Close(closed);
        Dials.Close(closed);
    }

    private void OnGossip(in PcnEvent nativeEvent)
    {
        PeerEntry? peer = Peers.Find(nativeEvent.peer);
        if (peer is not null && LaneOf(_lanes, peer).TryEnqueue(in nativeEvent, peer))
        {
            return;
        }

        Interlocked.Increment(ref _gossipDropped);
        PcnVerdict ignore = new() { token = nativeEvent.token, lease = nativeEvent.lease, verdict = Verdicts.Ignore };
        Native.Report(new ReadOnlySpan<PcnVerdict>(in ignore));
        Events.Publish(new NetworkEvent(NetworkEventKind.EventsDropped, peer?.Id, GossipErrors.QueueFull) { Count = 1, Topic = (GossipTopic)nativeEvent.topic });
    }

    private void OnRequest(in PcnEvent nativeEvent)
    {
        PeerEntry? peer = Peers.Find(nativeEvent.peer);
        if (peer is not null && nativeEvent.topic == (byte)RequestProtocol.Head && IsHeadAtHand)
        {
            _heads.Answer(in nativeEvent, peer);
            return;
        }

        if (peer is not null && LaneOf(_requestLanes, peer).TryEnqueue(in nativeEvent, peer))
        {
            return;
        }

        Native.Refuse(nativeEvent.token);
        Native.Release(nativeEvent.lease);
    }

    private void OnResponse(in PcnEvent nativeEvent)
    {
        Interlocked.Increment(ref _readers);
        if (!Requests.TryComplete(nativeEvent.token, new RawResponse(in nativeEvent, Peers.Find(nativeEvent.peer))))
        {
            Native.Release(nativeEvent.lease);
            Interlocked.Decrement(ref _readers);
        }
    }

    private void OnDialResult(in PcnEvent nativeEvent)
    {
        string text = Text(in nativeEvent);
        if (nativeEvent.code == 0)
        {
            Dials.TryComplete(nativeEvent.token, PeerId.Parse(text));
            return;
        }

        NetworkErrorKind kind = (PcnDialFailure)nativeEvent.code is PcnDialFailure.Blocked or PcnDialFailure.Limit
            ? NetworkErrorKind.GateBlocked
            : NetworkErrorKind.DialFailed;
        Dials.TryFail(nativeEvent.token, new NetworkException(kind, $"the dial failed ({(PcnDialFailure)nativeEvent.code}): {text}"));
    }

    private void OnPeerConnected(in PcnEvent nativeEvent)
    {
        string text = Text(in nativeEvent);
        int split = text.IndexOf('\n', StringComparison.Ordinal);
        if (!PeerId.TryParse(split < 0 ? text : text[..split], out PeerId? id))
        {
            LogUnreadablePeer(_logger, text);
            return;
        }

        Multiaddr? address = split >= 0 && Multiaddr.TryParse(text[(split + 1)..], out Multiaddr? parsed) ? parsed : null;
        PeerEntry peer = new(nativeEvent.peer, id, address, nativeEvent.flag != 0, Time.GetUtcNow(), _txListAllowances.Of(id));
        Peers.Add(peer);
        NoteAddress(peer);
        Changed.Pulse();
        Events.Publish(new NetworkEvent(NetworkEventKind.PeerConnected, id, address) { Flag = nativeEvent.flag != 0 });
    }

    private void OnPeerDisconnected(in PcnEvent nativeEvent)
    {
        if (Peers.Remove(nativeEvent.peer) is { } peer)
        {
            Changed.Pulse();
            Events.Publish(new NetworkEvent(NetworkEventKind.PeerDisconnected, peer.Id, Text(in nativeEvent)));
        }
    }

    private void OnRareEvent(in PcnEvent nativeEvent)
    {
        PeerEntry? peer = Peers.Find(nativeEvent.peer);
        switch ((PcnEventKind)nativeEvent.kind)
        {
            case PcnEventKind.Listening:
                OnListening(Text(in nativeEvent), added: true);
                break;
            case PcnEventKind.ListenerClosed:
                OnListenerClosed(Text(in nativeEvent));
                break;
            case PcnEventKind.PeerIdentified when peer is not null:
                peer.Agent = Text(in nativeEvent).Split('\n')[0];
                Events.Publish(new NetworkEvent(NetworkEventKind.PeerIdentified, peer.Id, peer.Agent));
                break;
            case PcnEventKind.PeerSubscription when peer is not null:
                OnSubscription(peer, in nativeEvent);
                break;
            case PcnEventKind.SlowPeer:
                Events.Publish(new NetworkEvent(NetworkEventKind.SlowPeer, peer?.Id) { Count = nativeEvent.count });
                break;
            case PcnEventKind.VerdictLate:
                Events.Publish(new NetworkEvent(NetworkEventKind.VerdictLate, peer?.Id) { Topic = (GossipTopic)nativeEvent.topic });
                break;
            case PcnEventKind.Dropped:
                Events.Publish(new NetworkEvent(NetworkEventKind.EventsDropped, payload: GossipErrors.QueueFull) { Count = nativeEvent.count });
                break;
            case PcnEventKind.RequestAborted:
                if ((PcnRequestError)nativeEvent.code == PcnRequestError.BadFrame && peer is not null)
                {
                    Reputation.Report(peer.Id, ReputationReason.Garbage, "request: not a frame, or over its cap");
                }

                EmitError(AbortKind((PcnRequestError)nativeEvent.code), peer?.Id, $"a request of the peer ended unanswered: {(PcnRequestError)nativeEvent.code}");
                break;
            case PcnEventKind.PeerMoved when peer is not null:
                OnPeerMoved(peer, in nativeEvent);
                break;
            case PcnEventKind.Reachability:
                OnReachability(in nativeEvent);
                break;
            case PcnEventKind.Faulted:
                OnFaulted(Text(in nativeEvent));
                break;
        }
    }

    private void OnListening(string text, bool added)
    {
        if (!Multiaddr.TryParse(text, out Multiaddr? address))
        {
            return;
        }

        lock (_addressGate)
        {
            Multiaddr[] others = [.. _listening.Where(known => !known.Equals(address))];
            Volatile.Write(ref _listening, added ? [.. others, address] : others);
        }

        Changed.Pulse();
        if (added)
        {
            Events.Publish(new NetworkEvent(NetworkEventKind.NewListenAddress, LocalPeerId, address));
        }
    }

    private void OnListenerClosed(string text)
    {
        int split = text.IndexOf('\n', StringComparison.Ordinal);
        OnListening(split < 0 ? text : text[..split], added: false);
        if (split >= 0 && split + 1 < text.Length)
        {
            EmitError(NetworkErrorKind.Other, null, $"the listener {text[..split]} closed: {text[(split + 1)..]}");
        }
    }

    private void OnSubscription(PeerEntry peer, in PcnEvent nativeEvent)
    {
        bool subscribed = nativeEvent.flag != 0;
        if (nativeEvent.topic == (byte)GossipTopic.Commitments)
        {
            peer.CommitmentsTopic = subscribed;
        }
        else
        {
            peer.TxListsTopic = subscribed;
        }

        Changed.Pulse();
        Events.Publish(new NetworkEvent(NetworkEventKind.PeerSubscription, peer.Id) { Topic = (GossipTopic)nativeEvent.topic, Flag = subscribed });
    }

    private void OnFaulted(string text)
    {
        Volatile.Write(ref _fault, text);
        CloseAdmission();
        Events.Publish(new NetworkEvent(NetworkEventKind.Faulted, LocalPeerId, new NetworkError(NetworkErrorKind.Other, text)));
        LogFaulted(_logger, text);
    }

    private static ValidationLane LaneOf(ValidationLane[] lanes, PeerEntry peer) => lanes[peer.Number % (ulong)lanes.Length];

    private ValidationLane[] Lanes(Func<ValidationLane> make) => [.. Enumerable.Range(0, Config.Resources.ValidationLanes).Select(_ => make())];

    private async Task FinishAsync()
    {
        await _pumpEnded.Task.ConfigureAwait(false);
        CloseOperations();
        if (_reputationTimer is { } timer)
        {
            await timer.DisposeAsync().ConfigureAwait(false);
        }

        if (_namesTimer is { } names)
        {
            await names.DisposeAsync().ConfigureAwait(false);
        }

        bool atRest = await ComeToRestAsync().ConfigureAwait(false);
        await Reputation.KeptAsync().ConfigureAwait(false);
        if (!atRest || !Native.TryFree())
        {
            LogLeaked(_logger, Config.StopTimeout);
        }

        _logs.Complete();
        await _logs.Completion.ConfigureAwait(false);
        Events.Publish(new NetworkEvent(NetworkEventKind.Stopped, LocalPeerId));
        Events.Complete();
    }

    // What is still being read (lanes, answers) ends by itself within one validation; native threads are joined by their own reaper.
    private async Task<bool> ComeToRestAsync()
    {
        long started = Stopwatch.GetTimestamp();
        TimeSpan Left() => Config.StopTimeout - Stopwatch.GetElapsedTime(started);
        while (Volatile.Read(ref _readers) != 0 || !Array.TrueForAll(_lanes, lane => lane.IsIdle) || !Array.TrueForAll(_requestLanes, lane => lane.IsIdle))
        {
            if (Left() <= TimeSpan.Zero)
            {
                return false;
            }

            await Task.Delay(1).ConfigureAwait(false);
        }

        return _pump.Join(Left() > TimeSpan.Zero ? Left() : TimeSpan.Zero) && await Task.Run(() => Native.WaitStopped(Left())).ConfigureAwait(false);
    }

    /// <summary>What a host's code threw, in words; its own words may throw too.</summary>
    public static string Describe(Exception error)
    {
        try
        {
            return $"{error.GetType().Name}: {error.Message}";
        }
        catch (Exception)
        {
            return error.GetType().Name;
        }
    }

    public NetworkException Closed() => new(
        NetworkErrorKind.SendCommandFailed,
        Fault is { } fault ? $"the node has failed and takes no commands: {fault}" : "the node has stopped and takes no commands; start a new one");

    private static PublishOutcome Outcome(uint code) => (PcnPublishOutcome)code switch
    {
        PcnPublishOutcome.Sent => PublishOutcome.Sent,
        PcnPublishOutcome.NoPeers => PublishOutcome.NoPeers,
        PcnPublishOutcome.Duplicate => PublishOutcome.Duplicate,
        PcnPublishOutcome.QueueFull => PublishOutcome.QueueFull,
        PcnPublishOutcome.Stopped => PublishOutcome.Stopped,
        _ => PublishOutcome.Failed,
    };

    private static NetworkErrorKind AbortKind(PcnRequestError error) => error switch
    {
        PcnRequestError.BadFrame => NetworkErrorKind.ReqRespCodec,
        PcnRequestError.Timeout => NetworkErrorKind.ReqRespTimeout,
        _ => NetworkErrorKind.ReqRespFailure,
    };

    private static NetworkException RequestFailure(in PcnEvent nativeEvent)
    {
        PcnRequestError error = (PcnRequestError)nativeEvent.code;
        NetworkErrorKind kind = error switch
        {
            PcnRequestError.DialFailed => NetworkErrorKind.DialFailed,
            PcnRequestError.Timeout => NetworkErrorKind.ReqRespTimeout,
            PcnRequestError.ConnectionClosed => NetworkErrorKind.Disconnect,
            PcnRequestError.BadFrame => NetworkErrorKind.ReqRespCodec,
            PcnRequestError.Busy => NetworkErrorKind.ReqRespBackpressure,
            PcnRequestError.Stopped => NetworkErrorKind.SendCommandFailed,
            _ => NetworkErrorKind.ReqRespFailure,
        };
        return new NetworkException(kind, $"the request failed ({error}): {Text(in nativeEvent)}");
    }

    private static unsafe ReadOnlySpan<byte> Data(in PcnEvent nativeEvent) => new(nativeEvent.data, (int)nativeEvent.len);

    private static string Text(in PcnEvent nativeEvent) => Encoding.UTF8.GetString(Data(in nativeEvent));

    [LoggerMessage(Level = LogLevel.Critical, Message = "the event pump of the node died; the node stops")]
    private static partial void LogPumpFailed(ILogger logger, Exception error);

    [LoggerMessage(Level = LogLevel.Critical, Message = "the native part of the node died: {Reason}")]
    private static partial void LogFaulted(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "native code did not come to rest within {Timeout}; its memory is left alone, not freed")]
    private static partial void LogLeaked(ILogger logger, TimeSpan timeout);

    [LoggerMessage(Level = LogLevel.Error, Message = "the native part announced a peer that can't be read: {Announcement}")]
    private static partial void LogUnreadablePeer(ILogger logger, string announcement);
}
#pragma warning restore CA1001

/// <summary>Verdicts as the native part counts them.</summary>
internal static class Verdicts
{
    public const byte Accept = 0;
    public const byte Ignore = 1;
    public const byte Reject = 2;
}
