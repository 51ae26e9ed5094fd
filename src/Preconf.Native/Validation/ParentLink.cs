using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>Finds a commitment by its preconfirmation hash, as a store does.</summary>
/// <param name="preconfirmationHash">The hash.</param>
/// <param name="commitment">The commitment, if known.</param>
/// <returns>Whether it is known.</returns>
public delegate bool CommitmentLookup(in Bytes32 preconfirmationHash, out SignedCommitment commitment);

/// <summary>The link from a commitment to its parent: the hash it names, and the block number that follows.</summary>
public static class ParentLink
{
    /// <summary>Judges the link with a lookup. A parent that is not known yet is never an offence.</summary>
    /// <param name="child">The child.</param>
    /// <param name="known">Finds what is known.</param>
    /// <returns>
    /// Accept; Pending (<see cref="PendingKind.Parent"/>) when the parent is not known; Reject
    /// (<see cref="ValidationReason.BlockNumberMismatch"/>) when the child's block does not follow the parent's.
    /// </returns>
    public static ValidationOutcome Check(in Preconfirmation child, CommitmentLookup known)
    {
        ArgumentNullException.ThrowIfNull(known);
        Bytes32 hash = child.ParentPreconfirmationHash;
        return known(in hash, out SignedCommitment parent)
            ? CheckNumber(in child, parent.Commitment.Preconf.BlockNumber)
            : ValidationOutcome.Pending(PendingKind.Parent);
    }

    /// <summary>Judges the link to a parent at hand.</summary>
    /// <param name="child">The child.</param>
    /// <param name="parent">What should be its parent.</param>
    /// <returns>
    /// Accept; Reject with <see cref="ValidationReason.ParentMismatch"/> when the child names another parent, or with
    /// <see cref="ValidationReason.BlockNumberMismatch"/> when its block does not follow.
    /// </returns>
    public static ValidationOutcome Check(in Preconfirmation child, in Preconfirmation parent)
    {
        ValidationReason link = PreconfRules.ValidateParentHash(child.ParentPreconfirmationHash, in parent);
        return link == ValidationReason.None ? CheckNumber(in child, parent.BlockNumber) : ValidationOutcome.Reject(link);
    }

    /// <summary>What a child of this preconfirmation names as its parent.</summary>
    /// <param name="parent">The parent.</param>
    /// <returns>Its preconfirmation hash.</returns>
    public static Bytes32 HashOf(in Preconfirmation parent) => PreconfSigning.PreconfirmationHash(in parent);

    private static ValidationOutcome CheckNumber(in Preconfirmation child, UInt256 parentNumber) =>
        parentNumber.TryIncrement(out UInt256 next) && child.BlockNumber == next
            ? ValidationOutcome.Accept()
            : ValidationOutcome.Reject(ValidationReason.BlockNumberMismatch);
}
