namespace Preconf.Native.Protocol;

/// <summary>RFC 4648 base32 without padding, lower case: the letters of CIDs.</summary>
internal static class Base32
{
    /// <returns>Null when a character is not of the alphabet, or bits are left over.</returns>
    public static byte[]? Decode(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length * 5 / 8];
        int buffer = 0;
        int bits = 0;
        int at = 0;
        foreach (char character in text)
        {
            int digit = character switch
            {
                >= 'a' and <= 'z' => character - 'a',
                >= '2' and <= '7' => character - '2' + 26,
                _ => -1,
            };
            if (digit < 0)
            {
                return null;
            }

            buffer = ((buffer << 5) | digit) & 0xfff;
            bits += 5;
            if (bits >= 8)
            {
                bits -= 8;
                bytes[at++] = (byte)(buffer >> bits);
            }
        }

        return bits < 5 && (buffer & ((1 << bits) - 1)) == 0 ? bytes : null;
    }
}
