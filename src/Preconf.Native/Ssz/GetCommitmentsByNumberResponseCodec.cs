using System.Runtime.InteropServices;
using Preconf.Native.Types;

namespace Preconf.Native.Ssz;

/// <summary>SSZ of <see cref="GetCommitmentsByNumberResponse"/>: an offset, then up to 256 commitments of 382 bytes.</summary>
public static class GetCommitmentsByNumberResponseCodec
{
    /// <summary>Bytes before the list: its offset.</summary>
    public const int FixedSize = Wire.OffsetBytes;

    /// <summary>Bytes of the longest encoding: 97 796.</summary>
    public const int MaxEncodedLength = FixedSize + (PreconfLimits.MaxCommitmentsPerResponse * SignedCommitmentCodec.Size);

    private const string Field = "commitments";

    /// <summary>Reads an encoding in place. Allocates and copies nothing.</summary>
    /// <param name="data">Exactly the encoding; must outlive the view.</param>
    /// <param name="value">The view; empty on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> data, out GetCommitmentsByNumberResponseView value, out SszError error)
    {
        value = default;
        if (!Wire.TryReadTail(
            data, FixedSize, nameof(GetCommitmentsByNumberResponse), Field, out ReadOnlySpan<byte> elements, out error)
            || !CheckElements(elements, out error))
        {
            return false;
        }

        value = new GetCommitmentsByNumberResponseView(elements);
        return true;
    }

    /// <summary>Reads an encoding into a copy.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value, with commitments of its own.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static GetCommitmentsByNumberResponse Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out GetCommitmentsByNumberResponseView value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value.ToOwned();
    }

    /// <summary>Writes the encoding. Allocates nothing.</summary>
    /// <param name="commitments">At most 256.</param>
    /// <param name="destination">At least <see cref="EncodedLength(int)"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException">There are too many commitments, or <paramref name="destination"/> is too short.</exception>
    public static int Encode(ReadOnlySpan<SignedCommitment> commitments, Span<byte> destination)
    {
        if (commitments.Length > PreconfLimits.MaxCommitmentsPerResponse)
        {
            Wire.ThrowList(
                nameof(GetCommitmentsByNumberResponse), Field, PreconfLimits.MaxCommitmentsPerResponse, commitments.Length);
        }

        int length = EncodedLength(commitments.Length);
        if (destination.Length < length)
        {
            Wire.ThrowDestination(nameof(GetCommitmentsByNumberResponse), length, destination.Length);
        }

        WriteOffset(destination);
        MemoryMarshal.AsBytes(commitments).CopyTo(destination[FixedSize..]);
        return length;
    }

    /// <inheritdoc cref="Encode(ReadOnlySpan{SignedCommitment}, Span{byte})"/>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="EncodedLength(GetCommitmentsByNumberResponse)"/> bytes.</param>
    public static int Encode(GetCommitmentsByNumberResponse value, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Encode(value.AsSpan(), destination);
    }

    /// <summary>Writes only the list's offset, for a caller that puts encoded commitments behind it.</summary>
    /// <param name="destination">At least <see cref="FixedSize"/> bytes.</param>
    public static void WriteOffset(Span<byte> destination) => Wire.WriteOffset(destination, FixedSize);

    /// <summary>Bytes of the encoding of so many commitments.</summary>
    /// <param name="count">How many.</param>
    /// <returns>4 + 382 × count.</returns>
    public static int EncodedLength(int count) => FixedSize + (count * SignedCommitmentCodec.Size);

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">The value.</param>
    /// <returns>4 + 382 × count.</returns>
    public static int EncodedLength(GetCommitmentsByNumberResponse value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return EncodedLength(value.Count);
    }

    private static bool CheckElements(ReadOnlySpan<byte> elements, out SszError error)
    {
        (int count, int rest) = Math.DivRem(elements.Length, SignedCommitmentCodec.Size);
        if (rest != 0)
        {
            error = new SszError(
                SszErrorCode.PartialElement,
                nameof(GetCommitmentsByNumberResponse),
                Field,
                FixedSize + elements.Length - rest,
                SignedCommitmentCodec.Size,
                rest,
                count);
            return false;
        }

        if (count > PreconfLimits.MaxCommitmentsPerResponse)
        {
            error = new SszError(
                SszErrorCode.ListTooLong, nameof(GetCommitmentsByNumberResponse), Field, MaxEncodedLength, PreconfLimits.MaxCommitmentsPerResponse, count);
            return false;
        }

        for (int i = 0; i < count; i++)
        {
            int eop = i * SignedCommitmentCodec.Size;
            if (elements[eop] > 1)
            {
                error = Wire.InvalidBoolean(
                    nameof(GetCommitmentsByNumberResponse), "commitments.commitment.preconf.eop", FixedSize + eop, elements[eop], i);
                return false;
            }
        }

        error = default;
        return true;
    }
}
