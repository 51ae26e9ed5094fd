using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>
/// The checks every adapter makes, in the network's order: the signature recovers, the slasher is the chain's, the transactions are named, the
/// signature is the regular one; then who may sign, which is the adapter's own.
/// </summary>
public abstract class ValidationAdapter : IPreconfValidator
{
    private readonly Address? _expectedSlasher;

    /// <summary>Sets what all adapters know.</summary>
    /// <param name="expectedSlasher">The chain's slasher; none to take any.</param>
    /// <param name="options">How strict to be; none for <see cref="ValidationOptions.Default"/>.</param>
    protected ValidationAdapter(Address? expectedSlasher, ValidationOptions? options)
    {
        _expectedSlasher = expectedSlasher;
        Options = options ?? ValidationOptions.Default;
    }

    /// <summary>How strict the adapter is.</summary>
    public ValidationOptions Options { get; }

    /// <inheritdoc/>
    public ValidationOutcome ValidateCommitment(in CommitmentContext context)
    {
        if (!context.SignerRecovered)
        {
            return ValidationOutcome.Reject(ValidationReason.BadSignature);
        }

        ref readonly PreconfCommitment commitment = ref context.Commitment.Commitment;
        if (_expectedSlasher is { } slasher && commitment.SlasherAddress != slasher)
        {
            return ValidationOutcome.Reject(ValidationReason.WrongSlasher, context.Signer);
        }

        ValidationReason basic = PreconfRules.ValidatePreconfirmationBasic(in commitment.Preconf);
        if (basic != ValidationReason.None)
        {
            return ValidationOutcome.Reject(basic, context.Signer);
        }

        return context.LowS || Options.ReferenceParity
            ? ValidateSigner(in context)
            : ValidationOutcome.Ignore(ValidationReason.HighS, context.Signer);
    }

    /// <inheritdoc/>
    public ValidationOutcome ValidateTxList(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash) =>
        Outcome(PreconfRules.ValidateRawTxListGossip(in claimedHash, txList, in actualHash));

    /// <inheritdoc/>
    public virtual ValidationOutcome ValidateHeadResponse(in PreconfHead head) => ValidationOutcome.Accept();

    /// <inheritdoc/>
    public ValidationOutcome ValidateCommitmentsResponse(
        in GetCommitmentsByNumberRequest request,
        ReadOnlySpan<SignedCommitment> commitments,
        ReadOnlySpan<Address> signers,
        ReadOnlySpan<bool> recovered)
    {
        if (signers.Length != commitments.Length || recovered.Length != commitments.Length)
        {
            throw new ArgumentException(
                $"{commitments.Length} commitments take as many signers and flags, got {signers.Length} and {recovered.Length}", nameof(signers));
        }

        int element = -1;
        ValidationReason shape = Options.ReferenceParity
            ? PreconfRules.ValidateCommitmentsResponse(commitments.Length)
            : PreconfRules.ValidateCommitmentsAnswer(in request, commitments, out element);
        if (shape != ValidationReason.None)
        {
            ValidationOutcome outcome = ValidationOutcome.Reject(shape);
            return element < 0 ? outcome : outcome.ForElement(element);
        }

        return ValidateElements(commitments, signers, recovered);
    }

    /// <inheritdoc/>
    public ValidationOutcome ValidateTxListResponse(in Bytes32 requestedHash, GetRawTxListResponseView response, in Bytes32 actualHash)
    {
        bool other = !Options.ReferenceParity && response.IsFound && response.RawTxListHash != requestedHash;
        return other
            ? ValidationOutcome.Reject(ValidationReason.UnrequestedTxList)
            : Outcome(PreconfRules.ValidateRawTxListResponse(response.RawTxListHash, response.TxList, in actualHash));
    }

    /// <summary>Judges whether the signer may sign. The checks before it have passed.</summary>
    /// <param name="context">The commitment and its signer.</param>
    /// <returns>The verdict.</returns>
    protected abstract ValidationOutcome ValidateSigner(in CommitmentContext context);

    private static ValidationOutcome Outcome(ValidationReason reason) =>
        reason == ValidationReason.None ? ValidationOutcome.Accept() : ValidationOutcome.Reject(reason);

    private ValidationOutcome ValidateElements(
        ReadOnlySpan<SignedCommitment> commitments, ReadOnlySpan<Address> signers, ReadOnlySpan<bool> recovered)
    {
        ValidationOutcome worst = ValidationOutcome.Accept();
        for (int i = 0; i < commitments.Length; i++)
        {
            ref readonly SignedCommitment commitment = ref commitments[i];
            CommitmentContext context = new(in commitment, signers[i], recovered[i], commitment.Signature.IsLowS);
            ValidationOutcome outcome = ValidateCommitment(in context);
            if (outcome.Verdict == ValidationVerdict.Reject)
            {
                return outcome.ForElement(i);
            }

            if (Weight(outcome.Verdict) > Weight(worst.Verdict))
            {
                worst = outcome.ForElement(i);
            }
        }

        return worst;
    }

    private static int Weight(ValidationVerdict verdict) => verdict switch
    {
        ValidationVerdict.Accept => 0,
        ValidationVerdict.Pending => 1,
        _ => 2,
    };
}

/// <summary>Takes commitments of any signer: what the reference runs with when it has no schedule. For tests and closed networks.</summary>
/// <param name="expectedSlasher">The chain's slasher; none to take any.</param>
/// <param name="options">How strict to be; none for <see cref="ValidationOptions.Default"/>.</param>
public sealed class LocalValidationAdapter(Address? expectedSlasher = null, ValidationOptions? options = null)
    : ValidationAdapter(expectedSlasher, options)
{
    /// <inheritdoc/>
    protected override ValidationOutcome ValidateSigner(in CommitmentContext context) => ValidationOutcome.Accept(context.Signer);
}

/// <summary>Takes commitments of a fixed set of signers, whatever the window.</summary>
public sealed class AllowedSignersAdapter : ValidationAdapter
{
    private readonly HashSet<Address> _signers;

    /// <summary>Sets who may sign.</summary>
    /// <param name="signers">At least one address; copied.</param>
    /// <param name="expectedSlasher">The chain's slasher; none to take any.</param>
    /// <param name="options">How strict to be; none for <see cref="ValidationOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">There is no signer.</exception>
    public AllowedSignersAdapter(IEnumerable<Address> signers, Address? expectedSlasher = null, ValidationOptions? options = null)
        : base(expectedSlasher, options)
    {
        ArgumentNullException.ThrowIfNull(signers);
        _signers = [.. signers];
        if (_signers.Count == 0)
        {
            throw new ArgumentException("at least one address must be allowed to sign", nameof(signers));
        }
    }

    /// <inheritdoc/>
    protected override ValidationOutcome ValidateSigner(in CommitmentContext context) => _signers.Contains(context.Signer)
        ? ValidationOutcome.Accept(context.Signer)
        : ValidationOutcome.Reject(ValidationReason.WrongSigner, context.Signer);
}

/// <summary>Takes commitments of the preconfer that the schedule elects for their window.</summary>
/// <param name="lookahead">The schedule.</param>
/// <param name="expectedSlasher">The chain's slasher; none to take any.</param>
/// <param name="options">How strict to be; none for <see cref="ValidationOptions.Default"/>.</param>
public sealed class LookaheadValidationAdapter(ILookaheadResolver lookahead, Address? expectedSlasher = null, ValidationOptions? options = null)
    : ValidationAdapter(expectedSlasher, options)
{
    private readonly ILookaheadResolver _lookahead = lookahead ?? throw new ArgumentNullException(nameof(lookahead));

    /// <inheritdoc/>
    protected override ValidationOutcome ValidateSigner(in CommitmentContext context)
    {
        UInt256 window = context.Commitment.Commitment.Preconf.SubmissionWindowEnd;
        LookaheadAnswer answer = Ask(window);
        return answer.Kind switch
        {
            LookaheadKind.Unknown => Options.ReferenceParity
                ? ValidationOutcome.Reject(ValidationReason.ScheduleUnknown, context.Signer)
                : ValidationOutcome.Pending(PendingKind.Schedule, context.Signer),
            LookaheadKind.Failed => Options.ReferenceParity
                ? ValidationOutcome.Reject(ValidationReason.LookaheadUnavailable, context.Signer, answer.Error)
                : ValidationOutcome.Ignore(ValidationReason.LookaheadUnavailable, context.Signer, answer.Error),
            _ => answer.Signer != context.Signer ? ValidationOutcome.Reject(ValidationReason.WrongSigner, context.Signer)
                : answer.ExpectedSlotEnd != window ? ValidationOutcome.Reject(ValidationReason.WrongSlotEnd, context.Signer)
                : ValidationOutcome.Accept(context.Signer),
        };
    }

    private LookaheadAnswer Ask(UInt256 window)
    {
        try
        {
            return _lookahead.SignerFor(window);
        }
        catch (Exception error)
        {
            // The host's code: whatever it throws is not the sender's fault.
            return LookaheadAnswer.Failed($"{error.GetType().Name}: {error.Message}");
        }
    }
}
