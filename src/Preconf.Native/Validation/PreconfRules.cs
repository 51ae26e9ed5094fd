using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Native.Validation;

/// <summary>
/// The rules that need nothing but the message, each as a function of its own under the name the reference gives it. Each answers
/// <see cref="ValidationReason.None"/> when the rule holds.
/// </summary>
public static class PreconfRules
{
    /// <summary>A preconfirmation that does not hand over must name its transactions.</summary>
    /// <param name="preconfirmation">The preconfirmation.</param>
    /// <returns><see cref="ValidationReason.MissingTxListHash"/> when <c>eop</c> is false and the hash zero.</returns>
    public static ValidationReason ValidatePreconfirmationBasic(in Preconfirmation preconfirmation) =>
        preconfirmation.Eop || !preconfirmation.RawTxListHash.IsZero ? ValidationReason.None : ValidationReason.MissingTxListHash;

    /// <summary>A parent hash must be that of the parent.</summary>
    /// <param name="parentPreconfirmationHash">What a child names.</param>
    /// <param name="parent">The parent.</param>
    /// <returns><see cref="ValidationReason.ParentMismatch"/> when it is not.</returns>
    public static ValidationReason ValidateParentHash(in Bytes32 parentPreconfirmationHash, in Preconfirmation parent) =>
        PreconfSigning.PreconfirmationHash(in parent) == parentPreconfirmationHash ? ValidationReason.None : ValidationReason.ParentMismatch;

    /// <summary>A transaction list has at most 2 MiB.</summary>
    /// <param name="txList">The bytes as carried.</param>
    /// <returns><see cref="ValidationReason.TxListTooLarge"/> when it has more.</returns>
    public static ValidationReason ValidateTxList(ReadOnlySpan<byte> txList) =>
        txList.Length <= PreconfLimits.MaxTxListBytes ? ValidationReason.None : ValidationReason.TxListTooLarge;

    /// <summary>A gossiped transaction list fits and hashes to what it claims; an empty one too.</summary>
    /// <param name="claimedHash">The hash it goes by.</param>
    /// <param name="txList">The bytes as carried.</param>
    /// <returns>
    /// <see cref="ValidationReason.TxListTooLarge"/> or <see cref="ValidationReason.TxListHashMismatch"/>.
    /// </returns>
    public static ValidationReason ValidateRawTxListGossip(in Bytes32 claimedHash, ReadOnlySpan<byte> txList)
    {
        ValidationReason size = ValidateTxList(txList);
        return size == ValidationReason.None ? ValidateRawTxListGossip(in claimedHash, txList, Keccak256.Hash(txList)) : size;
    }

    /// <inheritdoc cref="ValidateRawTxListGossip(in Bytes32, ReadOnlySpan{byte})"/>
    /// <param name="claimedHash">The hash it goes by.</param>
    /// <param name="txList">The bytes as carried.</param>
    /// <param name="actualHash">keccak-256 of the bytes, hashed before.</param>
    public static ValidationReason ValidateRawTxListGossip(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash)
    {
        ValidationReason size = ValidateTxList(txList);
        return size != ValidationReason.None ? size
            : claimedHash == actualHash ? ValidationReason.None
            : ValidationReason.TxListHashMismatch;
    }

    /// <summary>An answered transaction list fits and hashes to what it claims; an empty one means not found and may claim anything.</summary>
    /// <param name="claimedHash">The hash it goes by.</param>
    /// <param name="txList">The bytes as carried.</param>
    /// <returns>
    /// <see cref="ValidationReason.TxListTooLarge"/> or <see cref="ValidationReason.TxListHashMismatch"/>.
    /// </returns>
    public static ValidationReason ValidateRawTxListResponse(in Bytes32 claimedHash, ReadOnlySpan<byte> txList) =>
        txList.IsEmpty ? ValidationReason.None : ValidateRawTxListGossip(in claimedHash, txList);

    /// <inheritdoc cref="ValidateRawTxListResponse(in Bytes32, ReadOnlySpan{byte})"/>
    /// <param name="claimedHash">The hash it goes by.</param>
    /// <param name="txList">The bytes as carried.</param>
    /// <param name="actualHash">keccak-256 of the bytes, hashed before.</param>
    public static ValidationReason ValidateRawTxListResponse(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash) =>
        txList.IsEmpty ? ValidationReason.None : ValidateRawTxListGossip(in claimedHash, txList, in actualHash);

    /// <summary>A request may ask for so many commitments.</summary>
    /// <param name="maxCount">How many it asks for.</param>
    /// <param name="cap">How many it may ask for: <see cref="PreconfLimits.MaxCommitmentsPerResponse"/> on this network.</param>
    /// <returns><see cref="ValidationReason.MaxCountExceeded"/> when it asks for more.</returns>
    public static ValidationReason ValidateCommitmentsRequest(uint maxCount, uint cap = PreconfLimits.MaxCommitmentsPerResponse) =>
        maxCount <= cap ? ValidationReason.None : ValidationReason.MaxCountExceeded;

    /// <summary>An answer may hold so many commitments.</summary>
    /// <param name="count">How many it holds.</param>
    /// <returns><see cref="ValidationReason.TooManyCommitments"/> when it holds over 256.</returns>
    public static ValidationReason ValidateCommitmentsResponse(int count) =>
        count <= PreconfLimits.MaxCommitmentsPerResponse ? ValidationReason.None : ValidationReason.TooManyCommitments;

    /// <summary>An answer fits its request: not more than asked for, no block before the first, each block after the one before it.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="commitments">What came.</param>
    /// <param name="element">The element that breaks the rule; −1 when it is the count, or nothing.</param>
    /// <returns>
    /// <see cref="ValidationReason.TooManyCommitments"/>, <see cref="ValidationReason.BlockNumberOutOfRange"/> or
    /// <see cref="ValidationReason.NotAscending"/>.
    /// </returns>
    public static ValidationReason ValidateCommitmentsAnswer(
        in GetCommitmentsByNumberRequest request, ReadOnlySpan<SignedCommitment> commitments, out int element)
    {
        element = -1;
        if ((uint)commitments.Length > request.MaxCount || commitments.Length > PreconfLimits.MaxCommitmentsPerResponse)
        {
            return ValidationReason.TooManyCommitments;
        }

        for (int i = 0; i < commitments.Length; i++)
        {
            UInt256 number = commitments[i].Commitment.Preconf.BlockNumber;
            ValidationReason reason = number < request.StartBlockNumber ? ValidationReason.BlockNumberOutOfRange
                : i > 0 && number <= commitments[i - 1].Commitment.Preconf.BlockNumber ? ValidationReason.NotAscending
                : ValidationReason.None;
            if (reason != ValidationReason.None)
            {
                element = i;
                return reason;
            }
        }

        return ValidationReason.None;
    }
}
