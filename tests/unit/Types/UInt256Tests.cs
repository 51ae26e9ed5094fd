using System.Numerics;
using CsCheck;
using Preconf.Native.Types;

namespace Preconf.Native.UnitTests.Types;

public sealed class UInt256Tests
{
    private static readonly BigInteger Modulus = BigInteger.One << 256;

    // Whole words of zeros and ones are where carries go wrong.
    private static readonly Gen<BigInteger> Numbers = Gen.OneOf(
        Gen.Byte.Array[32].Select(bytes => new BigInteger(bytes, isUnsigned: true)),
        Gen.Select(Gen.Int[0, 256], Gen.Int[-2, 2], (bit, add) => BigInteger.Clamp((BigInteger.One << bit) + add, 0, Modulus - 1)));

    [Fact]
    public void ItCountsAsBigIntegersModulo2To256() =>
        Gen.Select(Numbers, Numbers).Sample((a, b) =>
        {
            UInt256 x = (UInt256)a;
            UInt256 y = (UInt256)b;
            Assert.Equal((a + b) % Modulus, (BigInteger)(x + y));
            Assert.Equal((a - b + Modulus) % Modulus, (BigInteger)(x - y));
            Assert.Equal(a + b < Modulus, x.TryAdd(in y, out _));
            Assert.Equal(a >= b, x.TrySubtract(in y, out _));
            Assert.Equal(a + 1 < Modulus, x.TryIncrement(out _));
            Assert.Equal(a.CompareTo(b), x.CompareTo(y));
            Assert.Equal(a < b, x < y);
            Assert.Equal(a == b, x == y);
        });

    [Fact]
    public void ItsTextComesBack() => Numbers.Sample(number =>
    {
        UInt256 value = (UInt256)number;
        Assert.Equal(number.ToString(System.Globalization.CultureInfo.InvariantCulture), value.ToString());
        Assert.Equal(value, UInt256.Parse(value.ToString()));
    });

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("115792089237316195423570985008687907853269984665640564039457584007913129639936")]
    public void WhatIsNoNumberIsRefused(string text) => Assert.False(UInt256.TryParse(text, out _));
}
