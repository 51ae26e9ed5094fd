using System.Text;
using Microsoft.Extensions.Logging;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>
/// What a host does with a node: publish, ask, dial, and read what happens. Safe for any number of threads. Every operation
/// ends: with its result, a <see cref="NetworkException"/>, or by its cancellation.
/// </summary>
public sealed partial class P2pHandle
{
    private readonly P2pNode _node;
    private readonly ILogger _logger;
    private readonly RequestPacer? _outbound;

    internal P2pHandle(P2pNode node)
    {
        _node = node;
        _logger = node.LoggerFactory.CreateLogger("Preconf.Native.Handle");
        if (node.Config.RateLimit.Enabled)
        {
            _outbound = new RequestPacer(node.Config.RateLimit.MaxRequests, node.Config.RateLimit.Window, node.Time, node.Config.RateLimit.MaxBytes);
        }
    }

    /// <summary>Who this node is.</summary>
    public PeerId LocalPeerId => _node.LocalPeerId;

    /// <summary>Whether commands are taken: started, and neither stopping nor stopped.</summary>
    public bool IsRunning => _node.CoreOrNull is { IsOpen: true };

    /// <summary>Connected peers: peers, not connections.</summary>
    public int PeerCount => _node.CoreOrNull?.Peers.Count ?? 0;

    /// <summary>Who is connected, in no order.</summary>
    public IReadOnlyList<PeerInfo> Peers => _node.CoreOrNull is { } core ? core.Peers.ToInfos(core.Reputation) : [];

    /// <summary>The addresses listened on, with their real ports.</summary>
    public IReadOnlyList<Multiaddr> ListeningAddresses => _node.CoreOrNull?.Listening ?? [];

    /// <summary>The addresses listened on, each with <c>/p2p/…</c>: what another node dials. TCP comes first.</summary>
    public IReadOnlyList<Multiaddr> DialableAddresses =>
        [.. ListeningAddresses.OrderBy(address => address.Transport == MultiaddrTransport.Tcp ? 0 : 1).Select(address => address.WithPeerId(LocalPeerId))];

    /// <summary>
    /// This node's own record as it is now, what others take as a bootnode: it tells a listener's port once that is bound. Null without discovery, and
    /// while the node does not run.
    /// </summary>
    public Enr? Enr => _node.CoreOrNull is { IsOpen: true } core && core.Native.Enr() is { } text ? Protocol.Enr.Parse(text) : null;

    /// <summary>What is held: commitments and txlists, served to peers.</summary>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public ICommitmentStore Store => _node.Core.Store;

    /// <summary>Waits until a listener is bound.</summary>
    /// <param name="timeout">How long, <see cref="Timeout.InfiniteTimeSpan"/> for ever; null: <see cref="P2pConfig.ListenAddressTimeout"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The first address, without <c>/p2p</c>.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.ReqRespTimeout"/>: none in time.</exception>
    public Task<Multiaddr> WaitForListenAddressAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitAsync(core => core.Listening.Count == 0 ? null : core.Listening[0], timeout ?? _node.Config.ListenAddressTimeout, "listen address", cancellationToken);

    /// <summary>Waits until a peer is connected.</summary>
    /// <param name="timeout">How long, <see cref="Timeout.InfiniteTimeSpan"/> for ever; null: <see cref="P2pConfig.PeerTimeout"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>A connected peer.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.ReqRespTimeout"/>: none in time.</exception>
    public Task<PeerId> WaitForPeerAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitAsync(core => core.Peers.Best()?.Id, timeout ?? _node.Config.PeerTimeout, "peer", cancellationToken);

    /// <summary>Waits until a connected peer is subscribed to both topics, so that a publish reaches it.</summary>
    /// <param name="timeout">As for <see cref="WaitForPeerAsync"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Such a peer.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.ReqRespTimeout"/>: none in time.</exception>
    public Task<PeerId> WaitForSubscriberAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitAsync(core => core.Peers.Best(peer => peer.CommitmentsTopic && peer.TxListsTopic)?.Id, timeout ?? _node.Config.PeerTimeout, "subscribed peer", cancellationToken);

    /// <summary>Dials a peer; when the task ends, a connection is up (or was before).</summary>
    /// <param name="address">Its address; with <c>/p2p/…</c> nobody else is accepted.</param>
    /// <param name="cancellationToken">Stops the waiting; the dial itself goes on or ends by itself.</param>
    /// <returns>Who answered.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.DialFailed"/> or <see cref="NetworkErrorKind.GateBlocked"/>.</exception>
    public async Task<PeerId> DialAsync(Multiaddr address, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(address);
        NodeCore core = _node.Core;
        if (!core.Dials.TryRent(cancellationToken, out PendingTable<ValueTuple, PeerId>.Operation? operation))
        {
            throw new NetworkException(NetworkErrorKind.DialFailed, "too many dials are in flight; wait for some to end");
        }

        ValueTask<PeerId> dialled = operation.Task;
        PcnStatus status = core.Native.Dial(Encoding.UTF8.GetBytes(address.ToString()), operation.Token, out string text);
        if (status != PcnStatus.Ok)
        {
            operation.Fail(status == PcnStatus.Stopped ? core.Closed() : new NetworkException(NetworkErrorKind.DialFailed, $"{address}: {text}"));
        }

        return await dialled.ConfigureAwait(false);
    }

    /// <summary>Closes all connections with a peer.</summary>
    /// <param name="peer">Whom.</param>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public void Disconnect(PeerId peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        _node.Core.Native.Disconnect(Encoding.ASCII.GetBytes(peer.ToString()));
    }

    /// <summary>Blocks a peer (its connections are closed, none is made or taken) or lifts the block, until the node stops. Independent of <see cref="BlockAsync"/>, which is kept; a <see cref="Ban"/> is another, with an end.</summary>
    /// <param name="peer">Whom.</param>
    /// <param name="blocked">Blocked or not.</param>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public void SetBlocked(PeerId peer, bool blocked)
    {
        ArgumentNullException.ThrowIfNull(peer);
        _node.Core.SetBlockedByHost(peer, blocked);
    }

    /// <summary>Sets the head served to peers; until then it is the highest commitment held.</summary>
    /// <param name="head">The head.</param>
    /// <exception cref="NetworkException">The node is not running.</exception>
    public void UpdateHead(PreconfHead head) => _node.Core.ServedHead = head;

    /// <summary>Carries out a command; the same as calling its method here.</summary>
    /// <typeparam name="TResult">What the command gives.</typeparam>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Its result.</returns>
    /// <exception cref="NetworkException">As the method it stands for.</exception>
    public ValueTask<TResult> SendAsync<TResult>(NetworkCommand<TResult> command, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        return command.ExecuteAsync(this, cancellationToken);
    }

    /// <summary>
    /// Subscribes to events from now on. Dispose the reader when done. One that falls behind loses the oldest events, counted, and reads
    /// <see cref="NetworkEventKind.EventsDropped"/> in their place.
    /// </summary>
    /// <param name="capacity">Events it may fall behind; null: <see cref="ResourceOptions.SubscriptionCapacity"/>.</param>
    /// <param name="bytes">Bytes of txlists and answers these may keep alive; null: <see cref="ResourceOptions.SubscriptionBytes"/>.</param>
    /// <returns>A reader of its own; it ends after <see cref="NetworkEventKind.Stopped"/>.</returns>
    public EventReader<NetworkEvent> Subscribe(int? capacity = null, long? bytes = null) => _node.Events.Subscribe(
        capacity ?? _node.Config.Resources.SubscriptionCapacity, bytes ?? _node.Config.Resources.SubscriptionBytes);

    /// <summary>
    /// Subscribes and gives the events as an async stream, which ends after <see cref="NetworkEventKind.Stopped"/>. What is lost because the reader is too
    /// slow is told in the stream (<see cref="NetworkEventKind.EventsDropped"/>). A stream that nobody reads or holds any more unsubscribes when it is collected.
    /// </summary>
    /// <param name="cancellationToken">Ends the stream with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The events from the call on (not from the first read). Read again, it gives those from the second reading on.</returns>
    public IAsyncEnumerable<NetworkEvent> ReadEventsAsync(CancellationToken cancellationToken = default) => new EventStream(this, cancellationToken);

    /// <summary>
    /// Calls a handler for each event, one after the other, on a task of its own: it may block and may stop the node. What it throws is logged. What is
    /// lost because it is too slow is told to it: <see cref="NetworkEventKind.EventsDropped"/>.
    /// </summary>
    /// <param name="handler">The handler.</param>
    /// <returns>Dispose it to unsubscribe.</returns>
    public IDisposable OnEvent(Action<NetworkEvent> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        EventReader<NetworkEvent> reader = Subscribe();
        _ = Task.Run(async () =>
        {
            while (await reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (reader.TryRead(out NetworkEvent networkEvent))
                {
                    try
                    {
                        handler(networkEvent);
                    }
                    catch (Exception error)
                    {
                        LogHandlerFailed(_logger, networkEvent.Kind, error);
                    }
                }
            }
        });
        return reader;
    }

    /// <summary>Counters and gauges of the node.</summary>
    /// <returns>All zero when the node has never run; the last known ones are not kept after a stop.</returns>
    public NodeStats GetStats()
    {
        NodeCore? core = _node.CoreOrNull;
        if (core is null || !core.Native.TryGetStats(out PcnStats stats))
        {
            return default;
        }

        NodeStats native = NodeStats.From(in stats, core.Requests.Count);
        return native with
        {
            GossipDropped = native.GossipDropped + core.GossipDropped,
            VerdictsLate = native.VerdictsLate + core.VerdictsLate,
            EventsDropped = _node.Events.Dropped,
        };
    }

    internal NodeCore Core => _node.Core;

    internal TimeProvider Time => _node.Time;

    private async Task<T> WaitAsync<T>(Func<NodeCore, T?> read, TimeSpan? timeout, string what, CancellationToken cancellationToken)
        where T : class
    {
        NodeCore core = _node.Core;
        try
        {
            return await core.Changed.WaitAsync(() => core.IsOpen ? read(core) : throw core.Closed(), timeout, _node.Time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new NetworkException(NetworkErrorKind.ReqRespTimeout, $"no {what} within {timeout}");
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "an event handler of the host threw on {Kind}")]
    private static partial void LogHandlerFailed(ILogger logger, NetworkEventKind kind, Exception error);
}
