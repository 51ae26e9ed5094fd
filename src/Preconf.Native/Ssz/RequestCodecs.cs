using System.Runtime.CompilerServices;
using Preconf.Native.Types;

namespace Preconf.Native.Ssz;

/// <summary>SSZ of <see cref="PreconfHead"/>: 64 bytes.</summary>
public static class PreconfHeadCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 64;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out PreconfHead value, out SszError error) => Wire.TryRead(data, nameof(PreconfHead), out value, out error);

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static PreconfHead Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out PreconfHead value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value;
    }

    /// <summary>Writes the encoding. Allocates nothing.</summary>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Encode(in PreconfHead value, Span<byte> destination) => Wire.Write(in value, destination, nameof(PreconfHead));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in PreconfHead value)
    {
        _ = value;
        return Size;
    }
}

/// <summary>SSZ of <see cref="GetHeadRequest"/>: the four bytes of the offset of its always empty list.</summary>
public static class GetHeadRequestCodec
{
    /// <summary>Bytes of the encoding, always.</summary>
    public const int EncodedSize = Wire.OffsetBytes;

    private const string Field = "reserved";

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; there is only one.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> data, out GetHeadRequest value, out SszError error)
    {
        value = default;
        if (!Wire.TryReadTail(data, EncodedSize, nameof(GetHeadRequest), Field, out ReadOnlySpan<byte> tail, out error))
        {
            return false;
        }

        if (!tail.IsEmpty)
        {
            error = new SszError(SszErrorCode.ListTooLong, nameof(GetHeadRequest), Field, EncodedSize, 0, tail.Length);
            return false;
        }

        return true;
    }

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value; there is only one.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static GetHeadRequest Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out GetHeadRequest value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value;
    }

    /// <summary>Writes the encoding. Allocates nothing.</summary>
    /// <param name="destination">At least <see cref="EncodedSize"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public static int Encode(Span<byte> destination)
    {
        if (destination.Length < EncodedSize)
        {
            Wire.ThrowDestination(nameof(GetHeadRequest), EncodedSize, destination.Length);
        }

        Wire.WriteOffset(destination, EncodedSize);
        return EncodedSize;
    }

    /// <inheritdoc cref="Encode(Span{byte})"/>
    /// <param name="value">The value; there is only one.</param>
    /// <param name="destination">At least <see cref="EncodedSize"/> bytes.</param>
    public static int Encode(in GetHeadRequest value, Span<byte> destination)
    {
        _ = value;
        return Encode(destination);
    }

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="EncodedSize"/>.</returns>
    public static int EncodedLength(in GetHeadRequest value)
    {
        _ = value;
        return EncodedSize;
    }
}

/// <summary>SSZ of <see cref="GetCommitmentsByNumberRequest"/>: 36 bytes.</summary>
public static class GetCommitmentsByNumberRequestCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 36;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out GetCommitmentsByNumberRequest value, out SszError error) => Wire.TryRead(data, nameof(GetCommitmentsByNumberRequest), out value, out error);

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static GetCommitmentsByNumberRequest Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out GetCommitmentsByNumberRequest value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value;
    }

    /// <summary>Writes the encoding. Allocates nothing.</summary>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Encode(in GetCommitmentsByNumberRequest value, Span<byte> destination) => Wire.Write(in value, destination, nameof(GetCommitmentsByNumberRequest));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in GetCommitmentsByNumberRequest value)
    {
        _ = value;
        return Size;
    }
}

/// <summary>SSZ of <see cref="GetRawTxListRequest"/>: 32 bytes.</summary>
public static class GetRawTxListRequestCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 32;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out GetRawTxListRequest value, out SszError error) => Wire.TryRead(data, nameof(GetRawTxListRequest), out value, out error);

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static GetRawTxListRequest Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out GetRawTxListRequest value, out SszError error))
        {
            Wire.Throw(in error);
        }

        return value;
    }

    /// <summary>Writes the encoding. Allocates nothing.</summary>
    /// <param name="value">The value.</param>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Encode(in GetRawTxListRequest value, Span<byte> destination) => Wire.Write(in value, destination, nameof(GetRawTxListRequest));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in GetRawTxListRequest value)
    {
        _ = value;
        return Size;
    }
}
