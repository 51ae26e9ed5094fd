using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>Twenty raw bytes: an Ethereum address.</summary>
/// <remarks>
/// An inline value without allocation, exactly 20 bytes in memory, in the order they have on the wire. Its text is <c>0x</c> and lower-case digits.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly struct Address : IEquatable<Address>, ISpanParsable<Address>, ISpanFormattable
{
    /// <summary>Bytes in a value: 20.</summary>
    public const int Size = 20;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly uint _c;

    /// <summary>Takes a copy of 20 bytes.</summary>
    /// <param name="bytes">Exactly 20 bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public Address(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            Hex.ThrowLength(nameof(Address), Size, bytes.Length, nameof(bytes));
        }

        this = MemoryMarshal.Read<Address>(bytes);
    }

    /// <summary>Whether all bytes are zero, as in <c>default</c>.</summary>
    public bool IsZero => (_a | _b | _c) == 0;

    /// <summary>The bytes in place; valid as long as the value itself.</summary>
    /// <returns>20 bytes.</returns>
    [UnscopedRef]
    public ReadOnlySpan<byte> AsSpan() => MemoryMarshal.AsBytes(new ReadOnlySpan<Address>(in this));

    /// <summary>Copies the bytes.</summary>
    /// <param name="destination">At least 20 bytes; those after the 20th stay as they are.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination) => AsSpan().CopyTo(destination);

    /// <summary>Copies the bytes to a new array.</summary>
    /// <returns>20 bytes.</returns>
    public byte[] ToArray() => AsSpan().ToArray();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(Address other) => ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c)) == 0;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Address other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b, _c);

    /// <summary>Whether two values have the same bytes.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(in Address left, in Address right) => left.Equals(right);

    /// <summary>Whether two values differ in a byte.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(in Address left, in Address right) => !left.Equals(right);

    /// <summary>The text: <c>0x</c> and 40 lower-case hexadecimal digits.</summary>
    /// <returns>42 characters.</returns>
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

    /// <summary>Reads 40 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <exception cref="FormatException">The text is not exactly that.</exception>
    public static Address Parse(ReadOnlySpan<char> s)
    {
        if (!TryParse(s, out Address value))
        {
            Hex.ThrowParse(nameof(Address), Size, s);
        }

        return value;
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Address Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static Address Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <summary>Reads 40 hexadecimal digits, with or without <c>0x</c>.</summary>
    /// <param name="s">The text.</param>
    /// <param name="result">The value; zero when the text is not exactly that.</param>
    /// <returns>Whether the text was read.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, out Address result)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool read = Hex.TryParse(s, bytes);
        result = read ? new Address(bytes) : default;
        return read;
    }

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out Address result) => TryParse(s, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Address result) => TryParse(s.AsSpan(), out result);
}
