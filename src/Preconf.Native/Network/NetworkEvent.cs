using Preconf.Native.Protocol;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>What a <see cref="NetworkEvent"/> is. The reference's cases first, then what it keeps silent about.</summary>
public enum NetworkEventKind
{
    /// <summary>The node runs. <see cref="NetworkEvent.Peer"/> is the node itself.</summary>
    Started,

    /// <summary>The last event of a node.</summary>
    Stopped,

    /// <summary>A listener is bound: <see cref="NetworkEvent.Address"/>.</summary>
    NewListenAddress,

    /// <summary>The first connection with a peer is up.</summary>
    PeerConnected,

    /// <summary>The last connection with a peer is gone; <see cref="NetworkEvent.Text"/> says why.</summary>
    PeerDisconnected,

    /// <summary>A signed commitment was gossiped, is valid and stored: <see cref="NetworkEvent.Commitment"/>.</summary>
    GossipSignedCommitment,

    /// <summary>A txlist was gossiped, is valid and stored: <see cref="NetworkEvent.TxList"/>.</summary>
    GossipRawTxList,

    /// <summary>A peer answered with commitments, all valid: <see cref="NetworkEvent.Commitments"/>.</summary>
    ReqRespCommitments,

    /// <summary>A peer answered with a txlist: <see cref="NetworkEvent.TxList"/>, or null in it when the peer has none.</summary>
    ReqRespRawTxList,

    /// <summary>A peer answered with its head: <see cref="NetworkEvent.Head"/>.</summary>
    ReqRespHead,

    /// <summary>A peer asked for commitments.</summary>
    InboundCommitmentsRequest,

    /// <summary>A peer asked for a txlist: <see cref="NetworkEvent.Hash"/>.</summary>
    InboundRawTxListRequest,

    /// <summary>A peer asked for the head.</summary>
    InboundHeadRequest,

    /// <summary>Something failed: <see cref="NetworkEvent.Error"/>.</summary>
    Error,

    /// <summary>
    /// Gossip was refused by the sender's fault: <see cref="NetworkEvent.Reason"/>; not forwarded, not stored. <see cref="NetworkEvent.Error"/> is what the
    /// reference tells of it in an error event of its own: <see cref="NetworkErrorKind.GossipDecode"/>, <see cref="NetworkErrorKind.GossipInvalid"/> or
    /// <see cref="NetworkErrorKind.GossipValidation"/>.
    /// </summary>
    GossipRejected,

    /// <summary>
    /// Gossip was not stored and is not held against its sender: <see cref="NetworkEvent.Reason"/>. It was forwarded all the same where
    /// <see cref="NetworkEvent.Flag"/> says so: it is valid and new to gossip here, such as what was first got by a request.
    /// </summary>
    GossipIgnored,

    /// <summary>Gossip waits for its parent or schedule: <see cref="NetworkEvent.Reason"/>. No penalty.</summary>
    GossipPending,

    /// <summary>This node published a commitment or txlist: <see cref="NetworkEvent.Publish"/>.</summary>
    Published,

    /// <summary>A peer said what it is: <see cref="NetworkEvent.Text"/> is its agent.</summary>
    PeerIdentified,

    /// <summary>A peer joined (<see cref="NetworkEvent.Flag"/>) or left <see cref="NetworkEvent.Topic"/>.</summary>
    PeerSubscription,

    /// <summary>A peer takes messages more slowly than they come; <see cref="NetworkEvent.Count"/> were dropped for it.</summary>
    SlowPeer,

    /// <summary>
    /// <see cref="NetworkEvent.Count"/> gossip messages were dropped for want of room, or as many events of this reader's in whose place this one stands
    /// (then <see cref="NetworkEvent.IsReaderLoss"/>). <see cref="NetworkEvent.Error"/> is of kind <see cref="NetworkErrorKind.ChannelBackpressure"/>.
    /// </summary>
    EventsDropped,

    /// <summary>Validation was not done before the gossip layer forgets a message: it is not forwarded. What validation finds is told in an event of its own.</summary>
    VerdictLate,

    /// <summary>A proven fault cost a peer some of its score; <see cref="NetworkEvent.Text"/> says why.</summary>
    PeerPenalised,

    /// <summary>A peer was greylisted (<see cref="NetworkEvent.Flag"/>) or is not any more.</summary>
    PeerGreylisted,

    /// <summary>A peer was banned; <see cref="NetworkEvent.Text"/> says why.</summary>
    PeerBanned,

    /// <summary>A peer's ban has ended or was lifted.</summary>
    PeerUnbanned,

    /// <summary>A peer is connected another way now, directly instead of through a relay: <see cref="NetworkEvent.Address"/>.</summary>
    PeerMoved,

    /// <summary>Whether and how others reach this node has changed: <see cref="NetworkEvent.Reachability"/>.</summary>
    ReachabilityChanged,

    /// <summary>The native part died: <see cref="NetworkEvent.Error"/>; <see cref="Stopped"/> follows.</summary>
    Faulted,
}

/// <summary>
/// One thing that happened on the network: a value, so that handing it to any number of readers allocates nothing.
/// Which properties mean something depends on <see cref="Kind"/>; the others are default.
/// </summary>
public readonly struct NetworkEvent
{
    private static readonly NetworkError ReaderTooSlow = new(
        NetworkErrorKind.ChannelBackpressure, "this reader was too slow and lost the oldest events; read faster, or raise the subscription's capacity or bytes");

    private readonly object? _payload;
    private readonly SignedCommitment _commitment;

    /// <summary>Makes an event; hosts do so in tests of their own readers.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="peer">The peer it concerns, if any.</param>
    /// <param name="payload">A <see cref="Multiaddr"/>, <see cref="NetworkError"/>, <see cref="RawTxListGossip"/>, <see cref="GetCommitmentsByNumberResponse"/>, <see cref="ReachabilityInfo"/> or text.</param>
    public NetworkEvent(NetworkEventKind kind, PeerId? peer = null, object? payload = null)
    {
        Kind = kind;
        Peer = peer;
        _payload = payload;
    }

    internal NetworkEvent(NetworkEventKind kind, PeerId? peer, in SignedCommitment commitment, in Address signer, in Bytes32 hash, NetworkError? error = null)
        : this(kind, peer, error)
    {
        _commitment = commitment;
        Signer = signer;
        Hash = hash;
        Topic = GossipTopic.Commitments;
    }

    /// <summary>What happened.</summary>
    public NetworkEventKind Kind { get; }

    /// <summary>The peer it concerns: who forwarded, asked, answered, came or went. Null when there is none.</summary>
    public PeerId? Peer { get; }

    /// <summary>The gossip topic, for gossip events.</summary>
    public GossipTopic Topic { get; init; }

    /// <summary>The commitment, for commitment events (zero where it could not be decoded).</summary>
    public ref readonly SignedCommitment Commitment
    {
        [System.Diagnostics.CodeAnalysis.UnscopedRef]
        get => ref _commitment;
    }

    /// <summary>The recovered signer of <see cref="Commitment"/>; zero when none was recovered.</summary>
    public Address Signer { get; init; }

    /// <summary>The preconfirmation hash of <see cref="Commitment"/>, or the txlist's hash.</summary>
    public Bytes32 Hash { get; init; }

    /// <summary>The block the event is about, where it is about one.</summary>
    public UInt256 BlockNumber { get; init; }

    /// <summary>Why gossip was refused, ignored or is pending.</summary>
    public ValidationReason Reason { get; init; }

    /// <summary>Per kind; see <see cref="NetworkEventKind"/>.</summary>
    public bool Flag { get; init; }

    /// <summary>Per kind; see <see cref="NetworkEventKind"/>.</summary>
    public long Count { get; init; }

    /// <summary>The head, for <see cref="NetworkEventKind.ReqRespHead"/>.</summary>
    public PreconfHead Head { get; init; }

    /// <summary>What came of a publish, for <see cref="NetworkEventKind.Published"/>.</summary>
    public PublishResult Publish { get; init; }

    /// <summary>The txlist, for txlist events.</summary>
    public RawTxListGossip? TxList => _payload as RawTxListGossip;

    /// <summary>The commitments, for <see cref="NetworkEventKind.ReqRespCommitments"/>.</summary>
    public GetCommitmentsByNumberResponse? Commitments => _payload as GetCommitmentsByNumberResponse;

    /// <summary>Whether and how this node is reached, for <see cref="NetworkEventKind.ReachabilityChanged"/>.</summary>
    public ReachabilityInfo? Reachability => _payload as ReachabilityInfo;

    /// <summary>The address, for <see cref="NetworkEventKind.NewListenAddress"/>, <see cref="NetworkEventKind.PeerConnected"/> and <see cref="NetworkEventKind.PeerMoved"/>.</summary>
    public Multiaddr? Address => _payload as Multiaddr;

    /// <summary>
    /// The error, for <see cref="NetworkEventKind.Error"/>, <see cref="NetworkEventKind.Faulted"/>, <see cref="NetworkEventKind.GossipRejected"/> and
    /// <see cref="NetworkEventKind.EventsDropped"/>.
    /// </summary>
    public NetworkError? Error => _payload as NetworkError;

    /// <summary>Whether this stands in place of events that its reader was too slow for.</summary>
    public bool IsReaderLoss => ReferenceEquals(_payload, ReaderTooSlow);

    /// <summary>A text for people, where there is one.</summary>
    public string? Text => _payload as string;

    /// <summary>What a reader gets in place of events it lost.</summary>
    internal static NetworkEvent Lost(long count) => new(NetworkEventKind.EventsDropped, payload: ReaderTooSlow) { Count = count };

    /// <summary>The bytes that an event keeps alive.</summary>
    internal static long Weigh(in NetworkEvent networkEvent) => networkEvent._payload switch
    {
        null => 0,
        RawTxListGossip txList => txList.TxList.Length,
        GetCommitmentsByNumberResponse page => (long)page.Commitments.Count * System.Runtime.CompilerServices.Unsafe.SizeOf<SignedCommitment>(),
        string text => text.Length * sizeof(char),
        _ => 0,
    };

    /// <inheritdoc/>
    public override string ToString() => Peer is null ? $"{Kind} {_payload}" : $"{Kind} {Peer} {_payload}";
}
