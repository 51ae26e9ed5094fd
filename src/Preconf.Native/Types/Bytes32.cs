using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>Thirty-two raw bytes: a hash, a domain.</summary>
/// <remarks>
/// An inline value without allocation, exactly 32 bytes in memory, in the order they have on the wire. Its text is <c>0x</c> and lower-case digits.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public readonly struct Bytes32 : IEquatable<Bytes32>, ISpanParsable<Bytes32>, ISpanFormattable
{
    /// <summary>Bytes in a value: 32.</summary>
    public const int Size = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <summary>Takes a copy of 32 bytes.</summary>
    /// <param name="bytes">Exactly 32 bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public Bytes32(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            Hex.ThrowLength(nameof(Bytes32), Size, bytes.Length, nameof(bytes));
        }

        this = MemoryMarshal.Read<Bytes32>(bytes);
    }

    /// <summary>Whether all bytes are zero, as in <c>default</c>.</summary>
    public bool IsZero => (_a | _b | _c | _d) == 0;

    /// <summary>The bytes in place; valid as long as the value itself.</summary>
    /// <returns>32 bytes.</returns>
    [UnscopedRef]
    public ReadOnlySpan<byte> AsSpan() => MemoryMarshal.AsBytes(new ReadOnlySpan<Bytes32>(in this));

    /// <summary>Copies the bytes.</summary>
    /// <param name="destination">At least 32 bytes; those after the 32th stay as they are.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination) => AsSpan().CopyTo(destination);

    /// <summary>Copies the bytes to a new array.</summary>
    /// <returns>32 bytes.</returns>
    public byte[] ToArray() => AsSpan().ToArray();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(Bytes32 other) => ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d)) == 0;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Bytes32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b, _c, _d);

    /// <summary>Whether two values have the same bytes.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(in Bytes32 left, in Bytes32 right) => left.Equals(right);

    /// <summary>Whether two values differ in a byte.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(in Bytes32 left, in Bytes32 right) => !left.Equals(right);

    /// <summary>The text: <c>0x</c> and 64 lower-case hexadecimal digits.</summary>
    /// <returns>66 characters.</returns>
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

    /// <summary>Reads 64 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <exception cref="FormatException">The text is not exactly that.</exception>
    public static Bytes32 Parse(ReadOnlySpan<char> s)
    {
        if (!TryParse(s, out Bytes32 value))
        {
            Hex.ThrowParse(nameof(Bytes32), Size, s);
        }

        return value;
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Bytes32 Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Bytes32 Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <summary>Reads 64 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <param name="result">The value; zero when the text is not exactly that.</param>
    /// <returns>Whether the text was read.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, out Bytes32 result)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool read = Hex.TryParse(s, bytes);
        result = read ? new Bytes32(bytes) : default;
        return read;
    }

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Bytes32 result) => TryParse(s, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Bytes32 result) => TryParse(s.AsSpan(), out result);
}
