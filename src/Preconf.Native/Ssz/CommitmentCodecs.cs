using System.Runtime.CompilerServices;
using Preconf.Native.Types;

namespace Preconf.Native.Ssz;

/// <summary>SSZ of <see cref="Preconfirmation"/>: 297 bytes.</summary>
public static class PreconfirmationCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 297;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out Preconfirmation value, out SszError error)
    {
        if (data.Length == Size && data[0] > 1)
        {
            value = default;
            error = Wire.InvalidBoolean(nameof(Preconfirmation), "eop", 0, data[0]);
            return false;
        }

        return Wire.TryRead(data, nameof(Preconfirmation), out value, out error);
    }

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static Preconfirmation Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out Preconfirmation value, out SszError error))
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
    public static int Encode(in Preconfirmation value, Span<byte> destination) => Wire.Write(in value, destination, nameof(Preconfirmation));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in Preconfirmation value)
    {
        _ = value;
        return Size;
    }
}

/// <summary>SSZ of <see cref="PreconfCommitment"/>: 317 bytes.</summary>
public static class PreconfCommitmentCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 317;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out PreconfCommitment value, out SszError error)
    {
        if (data.Length == Size && data[0] > 1)
        {
            value = default;
            error = Wire.InvalidBoolean(nameof(PreconfCommitment), "preconf.eop", 0, data[0]);
            return false;
        }

        return Wire.TryRead(data, nameof(PreconfCommitment), out value, out error);
    }

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static PreconfCommitment Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out PreconfCommitment value, out SszError error))
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
    public static int Encode(in PreconfCommitment value, Span<byte> destination) => Wire.Write(in value, destination, nameof(PreconfCommitment));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in PreconfCommitment value)
    {
        _ = value;
        return Size;
    }
}

/// <summary>SSZ of <see cref="SignedCommitment"/>: 382 bytes.</summary>
public static class SignedCommitmentCodec
{
    /// <summary>Bytes of an encoding, always.</summary>
    public const int Size = 382;

    /// <summary>Reads an encoding. Allocates nothing.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <param name="value">The value; the default one on failure.</param>
    /// <param name="error">What is wrong and where; <see cref="SszErrorCode.None"/> on success.</param>
    /// <returns>Whether <paramref name="data"/> is an encoding.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDecode(ReadOnlySpan<byte> data, out SignedCommitment value, out SszError error)
    {
        if (data.Length == Size && data[0] > 1)
        {
            value = default;
            error = Wire.InvalidBoolean(nameof(SignedCommitment), "commitment.preconf.eop", 0, data[0]);
            return false;
        }

        return Wire.TryRead(data, nameof(SignedCommitment), out value, out error);
    }

    /// <summary>Reads an encoding.</summary>
    /// <param name="data">Exactly the encoding.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SszException"><paramref name="data"/> is none; says what and where.</exception>
    public static SignedCommitment Decode(ReadOnlySpan<byte> data)
    {
        if (!TryDecode(data, out SignedCommitment value, out SszError error))
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
    public static int Encode(in SignedCommitment value, Span<byte> destination) => Wire.Write(in value, destination, nameof(SignedCommitment));

    /// <summary>Bytes of the encoding of a value.</summary>
    /// <param name="value">Any value.</param>
    /// <returns><see cref="Size"/>.</returns>
    public static int EncodedLength(in SignedCommitment value)
    {
        _ = value;
        return Size;
    }
}
