using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>What a validator is told of a commitment. Recovery has been done before, in batches and on many cores.</summary>
public readonly ref struct CommitmentContext
{
    private readonly ref readonly SignedCommitment _commitment;

    /// <summary>Joins the parts.</summary>
    /// <param name="commitment">The commitment; must outlive the context.</param>
    /// <param name="signer">Who signed; zero when nobody recovered.</param>
    /// <param name="signerRecovered">Whether the signature recovered.</param>
    /// <param name="lowS">Whether the signature's s is low, see <see cref="Signature.IsLowS"/>.</param>
    public CommitmentContext(in SignedCommitment commitment, Address signer, bool signerRecovered, bool lowS)
    {
        _commitment = ref commitment;
        Signer = signer;
        SignerRecovered = signerRecovered;
        LowS = lowS;
    }

    /// <summary>The commitment, in place.</summary>
    public ref readonly SignedCommitment Commitment => ref _commitment;

    /// <summary>Who signed; zero when nobody recovered.</summary>
    public Address Signer { get; }

    /// <summary>Whether the signature recovered.</summary>
    public bool SignerRecovered { get; }

    /// <summary>Whether the signature's s is low.</summary>
    public bool LowS { get; }
}

/// <summary>
/// Judges what peers send. Called from several threads at once, and from each for one message after the other: it must not wait, for the
/// network forgets a message after six seconds.
/// </summary>
public interface IPreconfValidator
{
    /// <summary>Judges a commitment, gossiped or in an answer.</summary>
    /// <param name="context">The commitment and its signer.</param>
    /// <returns>The verdict.</returns>
    ValidationOutcome ValidateCommitment(in CommitmentContext context);

    /// <summary>Judges a gossiped transaction list.</summary>
    /// <param name="claimedHash">The hash it goes by.</param>
    /// <param name="txList">The bytes as carried.</param>
    /// <param name="actualHash">keccak-256 of the bytes; not looked at when there are too many.</param>
    /// <returns>The verdict.</returns>
    ValidationOutcome ValidateTxList(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash);

    /// <summary>Judges a peer's head. It is a claim until a commitment under it validates, so there is little to judge.</summary>
    /// <param name="head">The head.</param>
    /// <returns>The verdict.</returns>
    ValidationOutcome ValidateHeadResponse(in PreconfHead head);

    /// <summary>Judges an answer with commitments as a whole.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="commitments">What came.</param>
    /// <param name="signers">Who signed each; zero where nobody recovered.</param>
    /// <param name="recovered">Whether each recovered.</param>
    /// <returns>
    /// The first rejection; if there is none, what keeps an element from being accepted, ignored before pending; else Accept.
    /// <see cref="ValidationOutcome.Element"/> says which element decided.
    /// </returns>
    /// <exception cref="ArgumentException">The spans differ in length.</exception>
    ValidationOutcome ValidateCommitmentsResponse(
        in GetCommitmentsByNumberRequest request,
        ReadOnlySpan<SignedCommitment> commitments,
        ReadOnlySpan<Address> signers,
        ReadOnlySpan<bool> recovered);

    /// <summary>Judges an answer with a transaction list. An empty one means not found and is fine.</summary>
    /// <param name="requestedHash">The hash that was asked for.</param>
    /// <param name="response">What came.</param>
    /// <param name="actualHash">keccak-256 of the bytes; not looked at when there are none or too many.</param>
    /// <returns>The verdict.</returns>
    ValidationOutcome ValidateTxListResponse(in Bytes32 requestedHash, GetRawTxListResponseView response, in Bytes32 actualHash);
}

/// <summary>How strict the adapters are.</summary>
public sealed record ValidationOptions
{
    /// <summary>The network's rules as this library reads them.</summary>
    public static ValidationOptions Default { get; } = new();

    /// <summary>
    /// Judge as the reference implementation does: take a high s; reject, and so blame the sender, when the schedule does not know the window or
    /// can't be asked; do not compare an answer with its request. For comparison, not for use.
    /// </summary>
    public bool ReferenceParity { get; init; }
}
