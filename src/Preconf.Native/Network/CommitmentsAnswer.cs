using Preconf.Native.Types;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>A commitment of an answer that is neither accepted nor anybody's fault.</summary>
/// <param name="Commitment">It, not stored.</param>
/// <param name="Outcome">Why: an <see cref="ValidationVerdict.Ignore"/> or <see cref="ValidationVerdict.Pending"/>, with its element in the answer.</param>
public readonly record struct SkippedCommitment(SignedCommitment Commitment, ValidationOutcome Outcome);

/// <summary>A validated answer to <see cref="P2pHandle.RequestCommitmentsAsync"/>: its <see cref="GetCommitmentsByNumberResponse.Commitments"/> are those accepted.</summary>
public sealed class CommitmentsAnswer : GetCommitmentsByNumberResponse
{
    internal CommitmentsAnswer(SignedCommitment[] accepted, IReadOnlyList<SkippedCommitment> skipped)
        : base(accepted) => Skipped = skipped;

    /// <summary>What was left out, ascending; mostly nothing.</summary>
    public IReadOnlyList<SkippedCommitment> Skipped { get; }

    /// <summary>The highest block in the answer, accepted or left out; null when the peer has nothing from the first block wanted on.</summary>
    public UInt256? LastBlock
    {
        get
        {
            UInt256? accepted = Count == 0 ? null : this[Count - 1].Commitment.Preconf.BlockNumber;
            UInt256? skipped = Skipped.Count == 0 ? null : Skipped[^1].Commitment.Commitment.Preconf.BlockNumber;
            return accepted is { } a && skipped is { } s ? (a > s ? a : s) : accepted ?? skipped;
        }
    }
}
