using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>
/// What a lane does with gossip: decodes it in place, verifies it, gives the verdict, stores and tells. Nothing here allocates for a commitment.
/// </summary>
internal sealed class GossipWork(NodeCore core) : ILaneWork
{
    // What was stored longer ago comes too late for gossip: it is a replay.
    private static readonly TimeSpan NewsFor = TimeSpan.FromMinutes(10);

    public void Process(in PcnEvent nativeEvent, PeerEntry peer, VerdictBatch verdicts)
    {
        NetworkEvent told;
        byte verdict;
        try
        {
            verdict = nativeEvent.topic == (byte)GossipTopic.Commitments
                ? Commitment(Data(in nativeEvent), peer, out told)
                : TxList(Data(in nativeEvent), peer, out told);
        }
        catch (Exception error)
        {
            // The host's validator or store threw: nobody's fault on the network.
            verdict = Verdicts.Ignore;
            told = new NetworkEvent(
                NetworkEventKind.Error, peer.Id, new NetworkError(NetworkErrorKind.GossipValidation, $"the validator or store threw {NodeCore.Describe(error)}"));
        }

        verdicts.Add(in nativeEvent, core.NativeVerdict(verdict));
        core.Emit(in told);
    }

    public void Late(in PcnEvent nativeEvent, PeerEntry peer) => core.TellLate(peer, (GossipTopic)nativeEvent.topic);

    private byte Commitment(ReadOnlySpan<byte> data, PeerEntry peer, out NetworkEvent told)
    {
        if (!SignedCommitmentCodec.TryDecode(data, out SignedCommitment commitment, out _))
        {
            core.Blame(peer.Id, ValidationReason.Undecodable, "gossip, commitment");
            told = Refused(NetworkEventKind.GossipRejected, peer, GossipTopic.Commitments, default, ValidationReason.Undecodable);
            return Verdicts.Reject;
        }

        ValidationOutcome outcome = core.Judge(in commitment, data, out Address signer);
        Bytes32 hash = PreconfSigning.PreconfirmationHash(data[..PreconfirmationCodec.Size]);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            if (outcome.Fault == SenderFault.Sender)
            {
                core.Blame(peer.Id, outcome.Reason, $"gossip, commitment of block {commitment.Commitment.Preconf.BlockNumber}");
            }

            NetworkEventKind kind = Kind(outcome.Verdict);
            told = new NetworkEvent(kind, peer.Id, in commitment, in signer, in hash, ErrorOf(kind, outcome.Reason))
            {
                BlockNumber = commitment.Commitment.Preconf.BlockNumber,
                Reason = outcome.Reason,
            };
            return outcome.Verdict == ValidationVerdict.Reject ? Verdicts.Reject : Verdicts.Ignore;
        }

        StoreResult stored = core.Store.AddCommitment(in commitment, in hash, in signer);
        bool isNew = stored is StoreResult.Added or StoreResult.Superseded;
        peer.Knows(commitment.Commitment.Preconf.BlockNumber);
        if (isNew)
        {
            core.Reputation.Report(peer.Id, ReputationReason.Accepted);
        }

        bool forward = stored != StoreResult.Refused && core.Forwarded.Add(in commitment.Signature) && (isNew || IsNews(in hash));
        told = new NetworkEvent(isNew ? NetworkEventKind.GossipSignedCommitment : NetworkEventKind.GossipIgnored, peer.Id, in commitment, in signer, in hash)
        {
            BlockNumber = commitment.Commitment.Preconf.BlockNumber,
            Reason = isNew ? ValidationReason.None : stored == StoreResult.Duplicate ? ValidationReason.Duplicate : ValidationReason.StoreRefused,
            Flag = isNew ? stored == StoreResult.Superseded : forward,
        };

        return isNew || forward ? Verdicts.Accept : Verdicts.Ignore;
    }

    // What is held already but never went through gossip here was got by a request, or put in the store by the host, while it was on its way: those
    // behind this node have not seen it. Once is enough, and nothing old is brought back to life: not what came long ago, nor what is too old to be kept.
    private bool IsNews(in Bytes32 preconfirmationHash) =>
        core.Store.TryGetByHash(in preconfirmationHash, out StoredCommitment held) && core.Time.GetUtcNow() - held.ReceivedAt <= NewsFor;

    private byte TxList(ReadOnlySpan<byte> data, PeerEntry peer, out NetworkEvent told)
    {
        if (!RawTxListGossipCodec.TryDecode(data, out RawTxListGossipView view, out _))
        {
            ValidationReason reason = data.Length > PreconfLimits.MaxTxListBytes + RawTxListGossipCodec.FixedSize
                ? ValidationReason.TxListTooLarge
                : ValidationReason.Undecodable;
            core.Blame(peer.Id, reason, "gossip, txlist");
            told = Refused(NetworkEventKind.GossipRejected, peer, GossipTopic.TxLists, default, reason);
            return Verdicts.Reject;
        }

        Bytes32 named = view.RawTxListHash;
        Bytes32 actual = Keccak256.Hash(view.TxList);
        ValidationOutcome outcome = core.Validator.ValidateTxList(in named, view.TxList, in actual);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            if (outcome.Fault == SenderFault.Sender)
            {
                core.Blame(peer.Id, outcome.Reason, $"gossip, txlist {named}");
            }

            told = Refused(Kind(outcome.Verdict), peer, GossipTopic.TxLists, named, outcome.Reason);
            return outcome.Verdict == ValidationVerdict.Reject ? Verdicts.Reject : Verdicts.Ignore;
        }

        if (core.Store.ContainsTxList(in named))
        {
            bool forward = core.Forwarded.Add(in named);
            told = Refused(NetworkEventKind.GossipIgnored, peer, GossipTopic.TxLists, named, ValidationReason.Duplicate, forward);
            return forward ? Verdicts.Accept : Verdicts.Ignore;
        }

        bool referenced = core.Store.IsReferenced(in named);
        if (!referenced && !core.Reputation.IsTrusted(peer.Id) && !core.TryTakeAllowance(peer, view.TxList.Length))
        {
            told = Refused(NetworkEventKind.GossipIgnored, peer, GossipTopic.TxLists, named, ValidationReason.TxListUnreferenced);
            return Verdicts.Ignore;
        }

        StoreResult stored = core.Store.AddTxList(in named, view.TxList);
        core.Forwarded.Add(in named);
        if (referenced && stored == StoreResult.Added)
        {
            core.Reputation.Report(peer.Id, ReputationReason.Accepted);
        }

        told = stored == StoreResult.Added && core.Store.TryGetTxList(in named, out ReadOnlyMemory<byte> kept)
            ? new NetworkEvent(NetworkEventKind.GossipRawTxList, peer.Id, new RawTxListGossip(named, kept)) { Topic = GossipTopic.TxLists, Hash = named }
            : Refused(NetworkEventKind.GossipIgnored, peer, GossipTopic.TxLists, named, stored == StoreResult.Duplicate ? ValidationReason.Duplicate : ValidationReason.StoreRefused, forwarded: true);
        return Verdicts.Accept;
    }

    private static NetworkEvent Refused(NetworkEventKind kind, PeerEntry peer, GossipTopic topic, in Bytes32 hash, ValidationReason reason, bool forwarded = false) =>
        new(kind, peer.Id, ErrorOf(kind, reason)) { Topic = topic, Hash = hash, Reason = reason, Flag = forwarded };

    private static NetworkError? ErrorOf(NetworkEventKind kind, ValidationReason reason) =>
        kind == NetworkEventKind.GossipRejected ? GossipErrors.For(reason) : null;

    private static NetworkEventKind Kind(ValidationVerdict verdict) => verdict switch
    {
        ValidationVerdict.Reject => NetworkEventKind.GossipRejected,
        ValidationVerdict.Pending => NetworkEventKind.GossipPending,
        _ => NetworkEventKind.GossipIgnored,
    };

    private static unsafe ReadOnlySpan<byte> Data(in PcnEvent nativeEvent) => new(nativeEvent.data, (int)nativeEvent.len);
}
