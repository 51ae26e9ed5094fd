using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>An unsigned integer of 256 bits, as the network's <c>uint256</c>.</summary>
/// <remarks>
/// Four 64-bit limbs, the least first: on a little-endian machine its memory is its wire form. It offers what the protocol does with such numbers
/// (carry, compare, count up); for arithmetic beyond that, convert to <see cref="BigInteger"/>.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public readonly partial struct UInt256 : IEquatable<UInt256>, IComparable<UInt256>, IComparable, ISpanParsable<UInt256>, ISpanFormattable
{
    /// <summary>Bytes in a value: 32.</summary>
    public const int Size = 32;

    private readonly ulong _u0;
    private readonly ulong _u1;
    private readonly ulong _u2;
    private readonly ulong _u3;

    /// <summary>Joins four limbs.</summary>
    /// <param name="u0">Bits 0 to 63.</param>
    /// <param name="u1">Bits 64 to 127.</param>
    /// <param name="u2">Bits 128 to 191.</param>
    /// <param name="u3">Bits 192 to 255.</param>
    public UInt256(ulong u0, ulong u1 = 0, ulong u2 = 0, ulong u3 = 0)
    {
        _u0 = u0;
        _u1 = u1;
        _u2 = u2;
        _u3 = u3;
    }

    /// <summary>0.</summary>
    public static UInt256 Zero => default;

    /// <summary>1.</summary>
    public static UInt256 One => new(1);

    /// <summary>2²⁵⁶ − 1.</summary>
    public static UInt256 MaxValue => new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);

    /// <summary>Whether the value is 0.</summary>
    public bool IsZero => (_u0 | _u1 | _u2 | _u3) == 0;

    /// <summary>Whether the value fits 64 bits.</summary>
    public bool IsUInt64 => (_u1 | _u2 | _u3) == 0;

    /// <summary>Reads 32 bytes, the least first.</summary>
    /// <param name="source">At least 32 bytes; the rest is not looked at.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="source"/> is shorter.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static UInt256 ReadLittleEndian(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[24..]));

    /// <summary>Writes 32 bytes, the least first.</summary>
    /// <param name="destination">At least 32 bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="destination"/> is shorter.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WriteLittleEndian(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], _u3);
        BinaryPrimitives.WriteUInt64LittleEndian(destination, _u0);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], _u1);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], _u2);
    }

    /// <summary>Adds 1.</summary>
    /// <param name="next">This + 1; 0 after <see cref="MaxValue"/>.</param>
    /// <returns>Whether there is a next value.</returns>
    public bool TryIncrement(out UInt256 next) => !AddWithCarry(in this, One, out next);

    /// <summary>Adds.</summary>
    /// <param name="other">What to add.</param>
    /// <param name="sum">The sum modulo 2²⁵⁶.</param>
    /// <returns>Whether the sum fits 256 bits.</returns>
    public bool TryAdd(in UInt256 other, out UInt256 sum) => !AddWithCarry(in this, in other, out sum);

    /// <summary>Subtracts.</summary>
    /// <param name="other">What to take away.</param>
    /// <param name="difference">The difference modulo 2²⁵⁶.</param>
    /// <returns>Whether <paramref name="other"/> is not the greater one.</returns>
    public bool TrySubtract(in UInt256 other, out UInt256 difference) => !SubtractWithBorrow(in this, in other, out difference);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(UInt256 other) => ((_u0 ^ other._u0) | (_u1 ^ other._u1) | (_u2 ^ other._u2) | (_u3 ^ other._u3)) == 0;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is UInt256 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_u0, _u1, _u2, _u3);

    /// <inheritdoc/>
    public int CompareTo(UInt256 other) =>
        _u3 != other._u3 ? _u3.CompareTo(other._u3)
        : _u2 != other._u2 ? _u2.CompareTo(other._u2)
        : _u1 != other._u1 ? _u1.CompareTo(other._u1)
        : _u0.CompareTo(other._u0);

    /// <inheritdoc/>
    public int CompareTo(object? obj) => obj switch
    {
        null => 1,
        UInt256 other => CompareTo(other),
        _ => throw new ArgumentException($"a UInt256 compares with a UInt256, got {obj.GetType()}", nameof(obj)),
    };

    /// <summary>Whether two numbers are equal.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(in UInt256 left, in UInt256 right) => left.Equals(right);

    /// <summary>Whether two numbers differ.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(in UInt256 left, in UInt256 right) => !left.Equals(right);

    /// <summary>Whether the left number is less.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator <(in UInt256 left, in UInt256 right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left number is less or equal.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator <=(in UInt256 left, in UInt256 right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left number is greater.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator >(in UInt256 left, in UInt256 right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left number is greater or equal.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator >=(in UInt256 left, in UInt256 right) => left.CompareTo(right) >= 0;

    /// <summary>The sum modulo 2²⁵⁶.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static UInt256 operator +(in UInt256 left, in UInt256 right)
    {
        _ = AddWithCarry(in left, in right, out UInt256 sum);
        return sum;
    }

    /// <summary>The sum.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    /// <exception cref="OverflowException">The sum does not fit 256 bits.</exception>
    public static UInt256 operator checked +(in UInt256 left, in UInt256 right) =>
        AddWithCarry(in left, in right, out UInt256 sum) ? throw new OverflowException("the sum does not fit 256 bits") : sum;

    /// <summary>The difference modulo 2²⁵⁶.</summary>
    /// <param name="left">From what.</param>
    /// <param name="right">What to take away.</param>
    public static UInt256 operator -(in UInt256 left, in UInt256 right)
    {
        _ = SubtractWithBorrow(in left, in right, out UInt256 difference);
        return difference;
    }

    /// <summary>The difference.</summary>
    /// <param name="left">From what.</param>
    /// <param name="right">What to take away.</param>
    /// <exception cref="OverflowException"><paramref name="right"/> is greater than <paramref name="left"/>.</exception>
    public static UInt256 operator checked -(in UInt256 left, in UInt256 right) =>
        SubtractWithBorrow(in left, in right, out UInt256 difference) ? throw new OverflowException("the difference is negative") : difference;

    /// <summary>Any 64-bit number fits.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator UInt256(ulong value) => new(value);

    /// <summary>Any 128-bit number fits.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator UInt256(UInt128 value) => new((ulong)value, (ulong)(value >> 64));

    /// <summary>A number of any sign and size, if it fits.</summary>
    /// <param name="value">The number.</param>
    /// <exception cref="OverflowException">It is negative or over 2²⁵⁶ − 1.</exception>
    public static explicit operator UInt256(BigInteger value)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bytes.Clear();
        return value.Sign >= 0 && value.TryWriteBytes(bytes, out _, isUnsigned: true)
            ? ReadLittleEndian(bytes)
            : throw new OverflowException("the number is negative or does not fit 256 bits");
    }

    /// <summary>The number, which may be as large as 2²⁵⁶ − 1.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator BigInteger(in UInt256 value)
    {
        Span<byte> bytes = stackalloc byte[Size];
        value.WriteLittleEndian(bytes);
        return new BigInteger(bytes, isUnsigned: true);
    }

    /// <summary>The number, if it fits 64 bits.</summary>
    /// <param name="value">The number.</param>
    /// <exception cref="OverflowException">It does not.</exception>
    public static explicit operator ulong(in UInt256 value) =>
        value.IsUInt64 ? value._u0 : throw new OverflowException($"{value} does not fit 64 bits");

    /// <summary>The number, if it fits 128 bits.</summary>
    /// <param name="value">The number.</param>
    /// <exception cref="OverflowException">It does not.</exception>
    public static explicit operator UInt128(in UInt256 value) =>
        (value._u2 | value._u3) == 0 ? new UInt128(value._u1, value._u0) : throw new OverflowException($"{value} does not fit 128 bits");

    private static bool AddWithCarry(in UInt256 a, in UInt256 b, out UInt256 sum)
    {
        ulong carry = 0;
        ulong u0 = AddLimb(a._u0, b._u0, ref carry);
        ulong u1 = AddLimb(a._u1, b._u1, ref carry);
        ulong u2 = AddLimb(a._u2, b._u2, ref carry);
        ulong u3 = AddLimb(a._u3, b._u3, ref carry);
        sum = new UInt256(u0, u1, u2, u3);
        return carry != 0;
    }

    private static bool SubtractWithBorrow(in UInt256 a, in UInt256 b, out UInt256 difference)
    {
        ulong borrow = 0;
        ulong u0 = SubtractLimb(a._u0, b._u0, ref borrow);
        ulong u1 = SubtractLimb(a._u1, b._u1, ref borrow);
        ulong u2 = SubtractLimb(a._u2, b._u2, ref borrow);
        ulong u3 = SubtractLimb(a._u3, b._u3, ref borrow);
        difference = new UInt256(u0, u1, u2, u3);
        return borrow != 0;
    }

    private static ulong AddLimb(ulong a, ulong b, ref ulong carry)
    {
        UInt128 sum = (UInt128)a + b + carry;
        carry = (ulong)(sum >> 64);
        return (ulong)sum;
    }

    private static ulong SubtractLimb(ulong a, ulong b, ref ulong borrow)
    {
        ulong half = a - b;
        ulong difference = half - borrow;
        borrow = a < b || half < borrow ? 1UL : 0UL;
        return difference;
    }
}
