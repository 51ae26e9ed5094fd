using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>Publishing: validated like anyone's, stored, gossiped, served.</summary>
public sealed partial class P2pHandle
{
    /// <summary>
    /// Publishes a signed commitment: validates it, stores it, hands it to the peers. If the store took it (<see cref="PublishResult.Stored"/>) it is
    /// served from then on, whatever the outcome; publishing it again is a duplicate unless nobody took it before.
    /// </summary>
    /// <param name="commitment">The commitment, signed.</param>
    /// <param name="cancellationToken">Stops the waiting; what is queued is still sent, and <see cref="NetworkEventKind.Published"/> tells its outcome. Cancelled before the call: nothing is stored or sent.</param>
    /// <returns>How many peers took it. <see cref="PublishOutcome.NoPeers"/> and <see cref="PublishOutcome.QueueFull"/> come after <see cref="P2pConfig.PublishTimeout"/>.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.GossipValidation"/>: the validator refuses it; the text says why. Nothing was stored or sent.</exception>
    public ValueTask<PublishResult> PublishCommitmentAsync(SignedCommitment commitment, CancellationToken cancellationToken = default)
    {
        try
        {
            return SubmitCommitment(_node.Core, in commitment, cancellationToken);
        }
        catch (Exception error)
        {
            return ValueTask.FromException<PublishResult>(error);
        }
    }

    /// <summary>Publishes a txlist whose hash the caller knows; see the other overload.</summary>
    /// <param name="txList">The bytes and their hash.</param>
    /// <param name="cancellationToken">Stops the waiting; what is queued is still sent. Cancelled before the call: nothing is stored or sent.</param>
    /// <returns>How many peers took it.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.GossipValidation"/>: the hash is not that of the bytes, or there are more than 2 MiB.</exception>
    public ValueTask<PublishResult> PublishTxListAsync(RawTxListGossip txList, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(txList);
        return PublishTxList(txList, isHashed: false, cancellationToken);
    }

    /// <summary>Publishes a txlist: hashes it, stores it, hands it to the peers. Publish it before, or together with, the commitment that names it.</summary>
    /// <param name="txList">The bytes, at most 2 MiB; not changed until the task ends.</param>
    /// <param name="cancellationToken">Stops the waiting; what is queued is still sent. Cancelled before the call: nothing is stored or sent.</param>
    /// <returns>How many peers took it, and whether it is held and served here.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.GossipValidation"/>: more than 2 MiB.</exception>
    public ValueTask<PublishResult> PublishTxListAsync(ReadOnlyMemory<byte> txList, CancellationToken cancellationToken = default) =>
        PublishTxList(new RawTxListGossip(Keccak256.Hash(txList.Span), txList), isHashed: true, cancellationToken);

    /// <summary>
    /// Publishes bytes as they are: not validated, not stored. For showing that other nodes refuse what is wrong; a host has no use for it.
    /// </summary>
    /// <param name="topic">The topic.</param>
    /// <param name="data">Any bytes, up to 10 MiB.</param>
    /// <param name="cancellationToken">Stops the waiting; what is queued is still sent. Cancelled before the call: nothing is stored or sent.</param>
    /// <returns>How many peers took it.</returns>
    internal ValueTask<PublishResult> PublishRawAsync(GossipTopic topic, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        try
        {
            NetworkEvent published = new(NetworkEventKind.Published, LocalPeerId) { Topic = topic, Hash = Keccak256.Hash(data.Span) };
            return Submit(_node.Core, in published, data.Span, default, cancellationToken);
        }
        catch (Exception error)
        {
            return ValueTask.FromException<PublishResult>(error);
        }
    }

    private ValueTask<PublishResult> PublishTxList(RawTxListGossip txList, bool isHashed, CancellationToken cancellationToken)
    {
        try
        {
            return SubmitTxList(_node.Core, txList, isHashed, cancellationToken);
        }
        catch (Exception error)
        {
            return ValueTask.FromException<PublishResult>(error);
        }
    }

    private static ValueTask<PublishResult> SubmitCommitment(NodeCore core, in SignedCommitment commitment, CancellationToken cancellationToken)
    {
        Span<byte> ssz = stackalloc byte[SignedCommitmentCodec.Size];
        SignedCommitmentCodec.Encode(in commitment, ssz);
        cancellationToken.ThrowIfCancellationRequested();
        ValidationOutcome outcome = core.Judge(in commitment, ssz, out Address signer);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            throw new NetworkException(
                NetworkErrorKind.GossipValidation,
                $"the commitment for block {commitment.Commitment.Preconf.BlockNumber} is not valid here ({outcome.Reason}, signer {signer}): not published");
        }

        Bytes32 hash = PreconfSigning.PreconfirmationHash(ssz[..PreconfirmationCodec.Size]);
        StoreResult stored = core.Store.AddCommitment(in commitment, in hash, in signer);
        core.Forwarded.Add(in commitment.Signature);
        NetworkEvent published = new(NetworkEventKind.Published, core.LocalPeerId, in commitment, in signer, in hash)
        {
            BlockNumber = commitment.Commitment.Preconf.BlockNumber,
            Publish = new PublishResult { Stored = stored != StoreResult.Refused },
        };
        return Submit(core, in published, ssz, default, cancellationToken);
    }

    // Hashed once: here, unless the hash that it names was made of its bytes.
    private static ValueTask<PublishResult> SubmitTxList(NodeCore core, RawTxListGossip txList, bool isHashed, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ReadOnlySpan<byte> bytes = txList.TxList.Span;
        Bytes32 named = txList.RawTxListHash;
        Bytes32 actual = isHashed ? named : bytes.Length <= PreconfLimits.MaxTxListBytes ? Keccak256.Hash(bytes) : default;
        ValidationOutcome outcome = core.Validator.ValidateTxList(in named, bytes, in actual);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            throw new NetworkException(
                NetworkErrorKind.GossipValidation, $"the txlist {named} of {bytes.Length} bytes is not valid ({outcome.Reason}; its bytes hash to {actual}): not published");
        }

        StoreResult stored = core.Store.AddTxList(in named, bytes);
        core.Forwarded.Add(in named);

        // The caller's bytes are the caller's again once the task ends; readers of the event come later.
        RawTxListGossip told = new(named, Told(core.Store, in named, bytes));
        Span<byte> head = stackalloc byte[TxListCodec.FixedSize];
        TxListCodec.WriteHead(in named, head);
        NetworkEvent published = new(NetworkEventKind.Published, core.LocalPeerId, told)
        {
            Topic = GossipTopic.TxLists,
            Hash = named,
            Publish = new PublishResult { Stored = stored != StoreResult.Refused },
        };
        return Submit(core, in published, head, bytes, cancellationToken);
    }

    // What a store can't read again is published all the same.
    private static ReadOnlyMemory<byte> Told(ICommitmentStore store, in Bytes32 hash, ReadOnlySpan<byte> txList)
    {
        try
        {
            return KeptOrCopied(store, in hash, txList);
        }
        catch (Exception)
        {
            return txList.ToArray();
        }
    }

    // A txlist in memory that stays: the store's own, if it took the list.
    private static ReadOnlyMemory<byte> KeptOrCopied(ICommitmentStore store, in Bytes32 hash, ReadOnlySpan<byte> txList) =>
        store.TryGetTxList(in hash, out ReadOnlyMemory<byte> kept) ? kept : txList.ToArray();

    private static ValueTask<PublishResult> Submit(NodeCore core, in NetworkEvent published, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, CancellationToken cancellationToken)
    {
        if (!core.Publishes.TryRent(cancellationToken, out PendingTable<NetworkEvent, PublishResult>.Operation? operation))
        {
            return new(new PublishResult(PublishOutcome.QueueFull, 0) { Stored = published.Publish.Stored });
        }

        ValueTask<PublishResult> sent = operation.Task;
        operation.Context = published;
        uint deadline = (uint)core.Config.PublishTimeout.TotalMilliseconds;
        switch (core.Native.Publish((byte)published.Topic, head, body, operation.Token, deadline))
        {
            case PcnStatus.Ok:
                break;
            case PcnStatus.QueueFull:
                core.Publishes.TryComplete(operation.Token, new PublishResult(PublishOutcome.QueueFull, 0));
                break;
            case PcnStatus.Stopped or PcnStatus.InvalidHandle:
                operation.Fail(core.Closed());
                break;
            case PcnStatus status:
                operation.Fail(new NetworkException(NetworkErrorKind.PublishFailure, $"{published.Topic}: the native part refused the message: {status}"));
                break;
        }

        return sent;
    }
}
