using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>The validator that takes any signer, to be made to do otherwise.</summary>
public class PassingValidator : IPreconfValidator
{
    private readonly LocalValidationAdapter _inner = new();

    public virtual ValidationOutcome ValidateCommitment(in CommitmentContext context) => _inner.ValidateCommitment(in context);

    public virtual ValidationOutcome ValidateTxList(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash) =>
        _inner.ValidateTxList(in claimedHash, txList, in actualHash);

    public ValidationOutcome ValidateHeadResponse(in PreconfHead head) => _inner.ValidateHeadResponse(in head);

    public ValidationOutcome ValidateCommitmentsResponse(
        in GetCommitmentsByNumberRequest request, ReadOnlySpan<SignedCommitment> commitments, ReadOnlySpan<Address> signers, ReadOnlySpan<bool> recovered) =>
        _inner.ValidateCommitmentsResponse(in request, commitments, signers, recovered);

    public ValidationOutcome ValidateTxListResponse(in Bytes32 requestedHash, GetRawTxListResponseView response, in Bytes32 actualHash) =>
        _inner.ValidateTxListResponse(in requestedHash, response, in actualHash);
}

/// <summary>Stands still at one block, or at any txlist, until it is released; then says what it was told to.</summary>
public sealed class StandingValidator(ulong block, ValidationOutcome? outcome = null) : PassingValidator, IDisposable
{
    private readonly ManualResetEventSlim _released = new();

    public ManualResetEventSlim Standing { get; } = new();

    public bool StandAtTxLists { get; init; }

    public void Release() => _released.Set();

    public override ValidationOutcome ValidateCommitment(in CommitmentContext context)
    {
        if (context.Commitment.Commitment.Preconf.BlockNumber != block)
        {
            return base.ValidateCommitment(in context);
        }

        Stand();
        return outcome ?? base.ValidateCommitment(in context);
    }

    public override ValidationOutcome ValidateTxList(in Bytes32 claimedHash, ReadOnlySpan<byte> txList, in Bytes32 actualHash)
    {
        if (StandAtTxLists)
        {
            Stand();
        }

        return base.ValidateTxList(in claimedHash, txList, in actualHash);
    }

    public void Dispose()
    {
        _released.Set();
        Standing.Dispose();
    }

    private void Stand()
    {
        Standing.Set();
        _released.Wait(TestNet.Patience);
    }
}
