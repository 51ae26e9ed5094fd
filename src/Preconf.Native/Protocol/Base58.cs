using System.Numerics;

namespace Preconf.Native.Protocol;

/// <summary>base58btc, as peer ids are written.</summary>
internal static class Base58
{
    private const string Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        int zeros = bytes.IndexOfAnyExcept((byte)0);
        zeros = zeros < 0 ? bytes.Length : zeros;
        BigInteger value = new(bytes, isUnsigned: true, isBigEndian: true);
        Span<char> digits = stackalloc char[(bytes.Length * 138 / 100) + 1];
        int at = digits.Length;
        while (!value.IsZero)
        {
            value = BigInteger.DivRem(value, 58, out BigInteger digit);
            digits[--at] = Alphabet[(int)digit];
        }

        return new string('1', zeros) + new string(digits[at..]);
    }

    /// <returns>Null when a character is not of the alphabet.</returns>
    public static byte[]? Decode(ReadOnlySpan<char> text)
    {
        BigInteger value = BigInteger.Zero;
        foreach (char character in text)
        {
            int digit = Alphabet.IndexOf(character, StringComparison.Ordinal);
            if (digit < 0)
            {
                return null;
            }

            value = (value * 58) + digit;
        }

        int zeros = text.IndexOfAnyExcept('1');
        zeros = zeros < 0 ? text.Length : zeros;
        byte[] digits = value.IsZero ? [] : value.ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] bytes = new byte[zeros + digits.Length];
        digits.CopyTo(bytes, zeros);
        return bytes;
    }
}
