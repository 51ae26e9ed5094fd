using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>The answer to <see cref="GetCommitmentsByNumberRequest"/>.</summary>
/// <param name="commitments">At most <see cref="PreconfLimits.MaxCommitmentsPerResponse"/> to be encodable; kept, not copied, so leave it alone.</param>
public class GetCommitmentsByNumberResponse(params SignedCommitment[] commitments)
{
    private readonly SignedCommitment[] _commitments = commitments ?? throw new ArgumentNullException(nameof(commitments));

    /// <summary>The commitments, in the peer's order.</summary>
    public IReadOnlyList<SignedCommitment> Commitments => _commitments;

    /// <summary>How many.</summary>
    public int Count => _commitments.Length;

    /// <summary>One commitment, in place.</summary>
    /// <param name="index">0 to <see cref="Count"/> − 1.</param>
    public ref readonly SignedCommitment this[int index] => ref _commitments[index];

    /// <summary>The commitments in place, without a copy.</summary>
    /// <returns>All of them.</returns>
    public ReadOnlySpan<SignedCommitment> AsSpan() => _commitments;
}

/// <summary>A <see cref="GetCommitmentsByNumberResponse"/> read in place: valid as long as the bytes it was decoded from.</summary>
public readonly ref struct GetCommitmentsByNumberResponseView
{
    private readonly ReadOnlySpan<SignedCommitment> _commitments;

    /// <summary>Takes bytes that a codec has checked: whole commitments with valid flags.</summary>
    internal GetCommitmentsByNumberResponseView(ReadOnlySpan<byte> elements) => _commitments = MemoryMarshal.Cast<byte, SignedCommitment>(elements);

    /// <summary>How many.</summary>
    public int Count => _commitments.Length;

    /// <summary>One commitment, in place.</summary>
    /// <param name="index">0 to <see cref="Count"/> − 1.</param>
    /// <exception cref="IndexOutOfRangeException">It is not.</exception>
    public ref readonly SignedCommitment this[int index] => ref _commitments[index];

    /// <summary>The commitments in place, without a copy.</summary>
    /// <returns>All of them.</returns>
    public ReadOnlySpan<SignedCommitment> AsSpan() => _commitments;

    /// <summary>The encoding of one commitment.</summary>
    /// <param name="index">0 to <see cref="Count"/> − 1.</param>
    /// <returns>382 bytes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public ReadOnlySpan<byte> SszOf(int index) => MemoryMarshal.AsBytes(_commitments.Slice(index, 1));

    /// <summary>Copies of the commitments.</summary>
    /// <returns>A new array.</returns>
    public SignedCommitment[] ToArray() => _commitments.ToArray();

    /// <summary>A copy that outlives the bytes.</summary>
    /// <returns>The copy.</returns>
    public GetCommitmentsByNumberResponse ToOwned() => new(ToArray());

    /// <summary>Walks the commitments in place.</summary>
    /// <returns>The enumerator of the span.</returns>
    public ReadOnlySpan<SignedCommitment>.Enumerator GetEnumerator() => _commitments.GetEnumerator();
}
