using Preconf.Native.Crypto;
using Preconf.Native.Interop;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Ssz;
using Preconf.Native.Storage;
using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>Asking peers. Answers are decoded in native memory, validated like gossip, and stored.</summary>
public sealed partial class P2pHandle
{
    // Below this, handing half of the recoveries to another core costs more than it saves.
    private const int ParallelRecoveryFrom = 32;

    /// <summary>The hash of a txlist of no bytes: there is nothing to ask for, and an answer with no bytes says that its sender does not have it.</summary>
    internal static readonly Bytes32 NoTxListBytes = Keccak256.Hash([]);

    /// <summary>Asks a peer for its head. A head is a claim: it counts once a commitment under it is valid.</summary>
    /// <param name="peer">Whom; null: the peer that answers best.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The head; zero from a peer that holds nothing.</returns>
    /// <exception cref="NetworkException">No peer, no answer, or one that is not a head.</exception>
    public Task<PreconfHead> RequestHeadAsync(PeerId? peer = null, CancellationToken cancellationToken = default)
    {
        byte[] request = new byte[GetHeadRequestCodec.EncodedSize];
        GetHeadRequestCodec.Encode(request);
        return AskAsync(new Question<PreconfHead>(RequestProtocol.Head, request, ReadHead), peer, cancellationToken);
    }

    /// <summary>
    /// Asks a peer for commitments from a block on. Each is validated: what is accepted is stored; what is ignored (a high s), pending (a schedule not known yet) or
    /// signed by one who may not sign now (who may was another question when the peer took it) is left out, stored nowhere, told in
    /// <see cref="CommitmentsAnswer.Skipped"/>, and no fault of the peer; one that only a faulty sender can have sent refuses the whole answer: nothing of it is
    /// stored, and the peer is penalised. A request that names no peer goes on to others when an answer is refused, fails or has nothing that is accepted,
    /// until one has something, nobody is left who may have it, or <see cref="P2pConfig.RequestAttempts"/> were asked.
    /// </summary>
    /// <param name="startBlock">The first block wanted.</param>
    /// <param name="maxCount">How many at most, 1 to 256.</param>
    /// <param name="peer">Whom; null: the peer that answers best.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What the peer has, ascending; may be empty or leave blocks out. The next page begins after <see cref="CommitmentsAnswer.LastBlock"/>.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.ReqRespValidation"/>: a wrong argument or an invalid answer; or no peer, no answer.</exception>
    public Task<CommitmentsAnswer> RequestCommitmentsAsync(
        UInt256 startBlock, uint maxCount, PeerId? peer = null, CancellationToken cancellationToken = default)
    {
        if (maxCount is 0 or > PreconfLimits.MaxCommitmentsPerResponse)
        {
            throw new NetworkException(
                NetworkErrorKind.ReqRespValidation, $"maxCount: {maxCount} is outside 1 to {PreconfLimits.MaxCommitmentsPerResponse}; ask for pages");
        }

        GetCommitmentsByNumberRequest wanted = new(startBlock, maxCount);
        byte[] request = new byte[GetCommitmentsByNumberRequestCodec.Size];
        GetCommitmentsByNumberRequestCodec.Encode(in wanted, request);
        Question<CommitmentsAnswer> question = new(
            RequestProtocol.Commitments, request, (core, from, data) => ReadCommitments(core, from, in wanted, data))
        {
            FirstBlock = startBlock,
            Satisfied = static answer => answer.Count != 0,
            TellsSomething = static answer => answer.LastBlock is not null,
        };
        return AskAsync(question, peer, cancellationToken);
    }

    /// <summary>Asks a peer for a txlist by its hash. Its bytes are hashed, and stored when they are the ones.</summary>
    /// <param name="hash">The txlist's keccak256.</param>
    /// <param name="peer">Whom; null: the peer that answers best.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The bytes; empty when the peer does not have them, which is no offence.</returns>
    /// <exception cref="NetworkException"><see cref="NetworkErrorKind.ReqRespValidation"/>: other bytes than asked for; or no peer, no answer.</exception>
    public Task<GetRawTxListResponse> RequestTxListAsync(Bytes32 hash, PeerId? peer = null, CancellationToken cancellationToken = default) =>
        RequestTxListAsync(hash, UInt256.Zero, null, peer, cancellationToken);

    /// <summary>Asks for the txlist of a block: those who have the block first, <paramref name="attempts"/> peers at most.</summary>
    internal Task<GetRawTxListResponse> RequestTxListAsync(Bytes32 hash, UInt256 block, int? attempts, PeerId? peer, CancellationToken cancellationToken)
    {
        GetRawTxListRequest wanted = new(hash);
        byte[] request = new byte[GetRawTxListRequestCodec.Size];
        GetRawTxListRequestCodec.Encode(in wanted, request);
        Question<GetRawTxListResponse> question = new(RequestProtocol.TxList, request, (core, from, data) => ReadTxList(core, from, hash, data))
        {
            FirstBlock = block,
            Attempts = attempts,
            FailuresOutweigh = attempts is not null,
            Satisfied = static response => !response.TxList.IsEmpty,
        };
        return AskAsync(question, peer, cancellationToken);
    }

    private static NetworkException Refused(NodeCore core, PcnStatus status, RequestProtocol protocol, string text) => status switch
    {
        PcnStatus.Stopped or PcnStatus.InvalidHandle => core.Closed(),
        PcnStatus.QueueFull => new NetworkException(NetworkErrorKind.ReqRespBackpressure, $"{protocol}: {text}"),
        _ => new NetworkException(NetworkErrorKind.SendCommandFailed, $"{protocol}: the native part refused the request: {status} {text}"),
    };

    private static PreconfHead ReadHead(NodeCore core, PeerEntry peer, ReadOnlySpan<byte> data)
    {
        if (!PreconfHeadCodec.TryDecode(data, out PreconfHead head, out SszError error))
        {
            throw Malformed(core, RequestProtocol.Head, peer.Id, error);
        }

        ValidationOutcome outcome = core.Validator.ValidateHeadResponse(in head);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            throw Invalid(core, RequestProtocol.Head, peer.Id, outcome);
        }

        peer.Holdings.Claims(head.BlockNumber);
        core.Reputation.Report(peer.Id, ReputationReason.Answered);
        core.Emit(new NetworkEvent(NetworkEventKind.ReqRespHead, peer.Id) { Head = head, BlockNumber = head.BlockNumber });
        return head;
    }

    private static CommitmentsAnswer ReadCommitments(
        NodeCore core, PeerEntry peer, in GetCommitmentsByNumberRequest wanted, ReadOnlySpan<byte> data)
    {
        if (!GetCommitmentsByNumberResponseCodec.TryDecode(data, out GetCommitmentsByNumberResponseView view, out SszError error))
        {
            throw Malformed(core, RequestProtocol.Commitments, peer.Id, error);
        }

        SignedCommitment[] commitments = view.ToArray();
        Address[] signers = new Address[commitments.Length];
        bool[] recovered = new bool[commitments.Length];
        Recover(core.Config.Domain, commitments, signers, recovered);
        ValidationOutcome outcome = core.Validator.ValidateCommitmentsResponse(in wanted, commitments, signers, recovered);
        CommitmentsAnswer answer = outcome.Verdict == ValidationVerdict.Accept
            ? new CommitmentsAnswer(commitments, [])
            : Sift(core, peer, commitments, signers, recovered, outcome);
        for (int i = 0, kept = 0; i < commitments.Length && kept < answer.Count; i++)
        {
            if (commitments[i] == answer[kept])
            {
                Bytes32 hash = PreconfSigning.PreconfirmationHash(view.SszOf(i)[..PreconfirmationCodec.Size]);
                core.Store.AddCommitment(in commitments[i], in hash, in signers[i], StoreOrigin.Answer);
                kept++;
            }
        }

        // An answer with nothing that is accepted is no fault, and nothing to be thanked for: anyone can give it.
        if (commitments.Length == 0)
        {
            peer.Holdings.Lacks(wanted.StartBlockNumber);
        }

        if (answer.Count != 0)
        {
            core.Reputation.Report(peer.Id, ReputationReason.Answered);
            peer.Knows(answer[answer.Count - 1].Commitment.Preconf.BlockNumber);
        }

        core.Emit(new NetworkEvent(NetworkEventKind.ReqRespCommitments, peer.Id, answer) { Count = answer.Count });
        return answer;
    }

    // Something is not to be accepted and perhaps nobody's fault: a list is judged by its worst, so each is asked about by itself.
    private static CommitmentsAnswer Sift(
        NodeCore core, PeerEntry peer, SignedCommitment[] commitments, Address[] signers, bool[] recovered, ValidationOutcome whole)
    {
        if (whole.Element is null || (whole.Verdict == ValidationVerdict.Reject && !IsMatterOfTime(whole.Reason)))
        {
            throw Invalid(core, RequestProtocol.Commitments, peer.Id, whole);
        }

        List<SignedCommitment> accepted = new(commitments.Length);
        List<SkippedCommitment> skipped = [];
        for (int i = 0; i < commitments.Length; i++)
        {
            ref readonly SignedCommitment commitment = ref commitments[i];
            ValidationOutcome outcome = core.Validator.ValidateCommitment(new CommitmentContext(in commitment, signers[i], recovered[i], commitment.Signature.IsLowS));
            switch (outcome.Verdict)
            {
                case ValidationVerdict.Accept:
                    accepted.Add(commitment);
                    break;
                case ValidationVerdict.Reject when !IsMatterOfTime(outcome.Reason):
                    throw Invalid(core, RequestProtocol.Commitments, peer.Id, outcome.ForElement(i));
                case ValidationVerdict.Reject:
                    ValidationOutcome nobodys = ValidationOutcome.Ignore(outcome.Reason, outcome.Signer, outcome.Detail);
                    skipped.Add(new SkippedCommitment(commitment, nobodys.ForElement(i)));
                    break;
                default:
                    skipped.Add(new SkippedCommitment(commitment, outcome.ForElement(i)));
                    break;
            }
        }

        return new CommitmentsAnswer([.. accepted], skipped);
    }

    // Whoever kept it may have taken it when its signer was the one to sign: history proves nothing against who serves it.
    private static bool IsMatterOfTime(ValidationReason reason) => reason is ValidationReason.WrongSigner or ValidationReason.WrongSlotEnd;

    private static GetRawTxListResponse ReadTxList(NodeCore core, PeerEntry peer, in Bytes32 wanted, ReadOnlySpan<byte> data)
    {
        if (!GetRawTxListResponseCodec.TryDecode(data, out GetRawTxListResponseView view, out SszError error))
        {
            throw Malformed(core, RequestProtocol.TxList, peer.Id, error);
        }

        Bytes32 actual = view.TxList.IsEmpty ? default : Keccak256.Hash(view.TxList);
        ValidationOutcome outcome = core.Validator.ValidateTxListResponse(in wanted, view, in actual);
        if (outcome.Verdict != ValidationVerdict.Accept)
        {
            throw Invalid(core, RequestProtocol.TxList, peer.Id, outcome);
        }

        ReadOnlyMemory<byte> kept = default;
        if (!view.TxList.IsEmpty)
        {
            core.Reputation.Report(peer.Id, ReputationReason.Answered);
            core.Store.AddTxList(in wanted, view.TxList, StoreOrigin.Answer);
            kept = KeptOrCopied(core.Store, in wanted, view.TxList);
        }

        RawTxListGossip? held = kept.IsEmpty ? null : new RawTxListGossip(wanted, kept);
        core.Emit(new NetworkEvent(NetworkEventKind.ReqRespRawTxList, peer.Id, held) { Hash = wanted, Count = kept.Length });
        return new GetRawTxListResponse(wanted, kept);
    }

    private static void Recover(Bytes32 domain, SignedCommitment[] commitments, Address[] signers, bool[] recovered)
    {
        int parts = commitments.Length < ParallelRecoveryFrom ? 1 : Environment.ProcessorCount;
        if (parts == 1)
        {
            RecoverRange(domain, commitments, signers, recovered, 0, commitments.Length);
            return;
        }

        Parallel.For(0, parts, part => RecoverRange(
            domain, commitments, signers, recovered, commitments.Length * part / parts, commitments.Length * (part + 1) / parts));
    }

    private static void RecoverRange(in Bytes32 domain, SignedCommitment[] commitments, Address[] signers, bool[] recovered, int from, int to)
    {
        for (int i = from; i < to; i++)
        {
            Bytes32 hash = PreconfSigning.SigningHash(in domain, in commitments[i].Commitment);
            recovered[i] = PreconfSigning.TryRecover(in hash, in commitments[i].Signature, out signers[i]);
        }
    }

    private static NetworkException Malformed(NodeCore core, RequestProtocol protocol, PeerId peer, SszError error)
    {
        core.Reputation.Report(peer, ReputationReason.Garbage, $"answer, {protocol}: {error}");
        NetworkException failure = new(NetworkErrorKind.ReqRespCodec, $"{protocol}: the answer of {peer} is malformed: {error}");
        core.Emit(new NetworkEvent(NetworkEventKind.Error, peer, failure.ToError()));
        return failure;
    }

    private static NetworkException Invalid(NodeCore core, RequestProtocol protocol, PeerId peer, ValidationOutcome outcome)
    {
        if (outcome.Fault == SenderFault.Sender)
        {
            core.Blame(peer, outcome.Reason, $"answer, {protocol}");
        }

        NetworkException failure = new(NetworkErrorKind.ReqRespValidation, $"{protocol}: the answer of {peer} is not valid: {outcome}");
        core.Emit(new NetworkEvent(NetworkEventKind.Error, peer, failure.ToError()) { Reason = outcome.Reason });
        return failure;
    }
}
