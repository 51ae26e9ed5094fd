using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>A recoverable secp256k1 ECDSA signature: r ‖ s ‖ v.</summary>
/// <remarks>
/// An inline value without allocation, exactly 65 bytes in memory, in the order they have on the wire. Its text is <c>0x</c> and lower-case digits.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Signature : IEquatable<Signature>, ISpanParsable<Signature>, ISpanFormattable
{
    /// <summary>Bytes in a value: 65.</summary>
    public const int Size = 65;

    private readonly Bytes32 _r;
    private readonly Bytes32 _s;
    private readonly byte _v;

    /// <summary>Takes a copy of 65 bytes.</summary>
    /// <param name="bytes">Exactly 65 bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public Signature(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            Hex.ThrowLength(nameof(Signature), Size, bytes.Length, nameof(bytes));
        }

        this = MemoryMarshal.Read<Signature>(bytes);
    }

    /// <summary>Joins the parts.</summary>
    /// <param name="r">r, big-endian.</param>
    /// <param name="s">s, big-endian.</param>
    /// <param name="v">The recovery id, 0 to 3. Not checked here: a signature that came over the wire may hold anything.</param>
    public Signature(in Bytes32 r, in Bytes32 s, byte v)
    {
        _r = r;
        _s = s;
        _v = v;
    }

    /// <summary>r, big-endian.</summary>
    public Bytes32 R => _r;

    /// <summary>s, big-endian.</summary>
    public Bytes32 S => _s;

    /// <summary>The recovery id; 0 to 3 in a signature that can recover.</summary>
    public byte V => _v;

    /// <summary>
    /// Whether s is at most half the group's order. Of the two signatures (r, s, v) and (r, n − s, v ^ 1), which recover to the same address, only
    /// one is; the network signs that one.
    /// </summary>
    public bool IsLowS => _s.AsSpan().SequenceCompareTo(HalfOrder) <= 0;

    private static ReadOnlySpan<byte> HalfOrder =>
    [
        0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0x5D, 0x57, 0x6E, 0x73, 0x57, 0xA4, 0x50, 0x1D, 0xDF, 0xE9, 0x2F, 0x46, 0x68, 0x1B, 0x20, 0xA0,
    ];

    /// <summary>Whether all bytes are zero, as in <c>default</c>.</summary>
    public bool IsZero => _v == 0 && _r.IsZero && _s.IsZero;

    /// <summary>The bytes in place; valid as long as the value itself.</summary>
    /// <returns>65 bytes.</returns>
    [UnscopedRef]
    public ReadOnlySpan<byte> AsSpan() => MemoryMarshal.AsBytes(new ReadOnlySpan<Signature>(in this));

    /// <summary>Copies the bytes.</summary>
    /// <param name="destination">At least 65 bytes; those after the 65th stay as they are.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination) => AsSpan().CopyTo(destination);

    /// <summary>Copies the bytes to a new array.</summary>
    /// <returns>65 bytes.</returns>
    public byte[] ToArray() => AsSpan().ToArray();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(Signature other) => _v == other._v && _r.Equals(other._r) && _s.Equals(other._s);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Signature other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_r, _s, _v);

    /// <summary>Whether two values have the same bytes.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(in Signature left, in Signature right) => left.Equals(right);

    /// <summary>Whether two values differ in a byte.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(in Signature left, in Signature right) => !left.Equals(right);

    /// <summary>The text: <c>0x</c> and 130 lower-case hexadecimal digits.</summary>
    /// <returns>132 characters.</returns>
    public override string ToString() => Hex.ToText(AsSpan());

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider)
    {
        Hex.CheckFormat(format);
        return ToString();
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        Hex.CheckFormat(format);
        return Hex.TryFormat(AsSpan(), destination, out charsWritten);
    }

    /// <summary>Reads 130 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <exception cref="FormatException">The text is not exactly that.</exception>
    public static Signature Parse(ReadOnlySpan<char> s)
    {
        if (!TryParse(s, out Signature value))
        {
            Hex.ThrowParse(nameof(Signature), Size, s);
        }

        return value;
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Signature Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Signature Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <summary>Reads 130 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <param name="result">The value; zero when the text is not exactly that.</param>
    /// <returns>Whether the text was read.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, out Signature result)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool read = Hex.TryParse(s, bytes);
        result = read ? new Signature(bytes) : default;
        return read;
    }

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Signature result) => TryParse(s, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Signature result) => TryParse(s.AsSpan(), out result);
}
