using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>
/// Something a host asks of the node, as a value that can be queued, logged or replayed: the reference's command set. Each
/// is one method of <see cref="P2pHandle"/>; <see cref="P2pHandle.SendAsync{TResult}"/> carries any of them out.
/// </summary>
public abstract record NetworkCommand
{
    private protected NetworkCommand()
    {
    }

    /// <summary>Publishes a signed commitment.</summary>
    /// <param name="Commitment">It.</param>
    public sealed record PublishCommitment(SignedCommitment Commitment) : NetworkCommand<PublishResult>
    {
        internal override ValueTask<PublishResult> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            handle.PublishCommitmentAsync(Commitment, cancellationToken);
    }

    /// <summary>Publishes a txlist.</summary>
    /// <param name="TxList">Its bytes and their hash.</param>
    public sealed record PublishRawTxList(RawTxListGossip TxList) : NetworkCommand<PublishResult>
    {
        internal override ValueTask<PublishResult> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            handle.PublishTxListAsync(TxList, cancellationToken);
    }

    /// <summary>Asks for commitments.</summary>
    /// <param name="StartBlock">The first block wanted.</param>
    /// <param name="MaxCount">How many at most, 1 to 256.</param>
    /// <param name="Peer">Whom; null for the best peer.</param>
    public sealed record RequestCommitments(UInt256 StartBlock, uint MaxCount, PeerId? Peer = null) : NetworkCommand<CommitmentsAnswer>
    {
        internal override ValueTask<CommitmentsAnswer> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.RequestCommitmentsAsync(StartBlock, MaxCount, Peer, cancellationToken));
    }

    /// <summary>Asks for a txlist.</summary>
    /// <param name="RawTxListHash">Its hash.</param>
    /// <param name="Peer">Whom; null for the best peer.</param>
    public sealed record RequestRawTxList(Bytes32 RawTxListHash, PeerId? Peer = null) : NetworkCommand<GetRawTxListResponse>
    {
        internal override ValueTask<GetRawTxListResponse> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.RequestTxListAsync(RawTxListHash, Peer, cancellationToken));
    }

    /// <summary>Asks for a peer's head.</summary>
    /// <param name="Peer">Whom; null for the best peer.</param>
    public sealed record RequestHead(PeerId? Peer = null) : NetworkCommand<PreconfHead>
    {
        internal override ValueTask<PreconfHead> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.RequestHeadAsync(Peer, cancellationToken));
    }

    /// <summary>Sets the head served to peers.</summary>
    /// <param name="Head">It.</param>
    public sealed record UpdateHead(PreconfHead Head) : NetworkCommand<bool>
    {
        internal override ValueTask<bool> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken)
        {
            handle.UpdateHead(Head);
            return new(true);
        }
    }

    /// <summary>Dials a peer.</summary>
    /// <param name="Address">Its address, with <c>/p2p/…</c> to pin who must answer.</param>
    public sealed record Dial(Multiaddr Address) : NetworkCommand<PeerId>
    {
        internal override ValueTask<PeerId> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.DialAsync(Address, cancellationToken));
    }

    /// <summary>Asks for the addresses listened on.</summary>
    public sealed record GetListeningAddresses : NetworkCommand<IReadOnlyList<Multiaddr>>
    {
        internal override ValueTask<IReadOnlyList<Multiaddr>> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.ListeningAddresses);
    }

    /// <summary>Asks how many peers are connected.</summary>
    public sealed record GetPeerCount : NetworkCommand<int>
    {
        internal override ValueTask<int> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) => new(handle.PeerCount);
    }

    /// <summary>Asks who is connected.</summary>
    public sealed record GetPeerInfo : NetworkCommand<IReadOnlyList<PeerInfo>>
    {
        internal override ValueTask<IReadOnlyList<PeerInfo>> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken) =>
            new(handle.Peers);
    }
}

/// <summary>A command with its result's type.</summary>
/// <typeparam name="TResult">What it gives.</typeparam>
public abstract record NetworkCommand<TResult> : NetworkCommand
{
    private protected NetworkCommand()
    {
    }

    internal abstract ValueTask<TResult> ExecuteAsync(P2pHandle handle, CancellationToken cancellationToken);
}
