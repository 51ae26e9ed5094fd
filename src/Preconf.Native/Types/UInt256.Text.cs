using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Preconf.Native.Types;

public readonly partial struct UInt256
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    private const int MaxDecimalDigits = 78;
    private const int DigitsPerChunk = 19;
    private const ulong ChunkBase = 10_000_000_000_000_000_000;

    /// <summary>The number in decimal, without sign or separators.</summary>
    /// <returns>1 to 78 digits.</returns>
    public override string ToString()
    {
        Span<char> text = stackalloc char[MaxDecimalDigits];
        _ = TryFormat(text, out int written);
        return new string(text[..written]);
    }

    /// <summary>The number as text.</summary>
    /// <param name="format">None, <c>G</c> or <c>D</c>: decimal; <c>x</c>: <c>0x</c> and hexadecimal digits without leading zeros.</param>
    /// <param name="formatProvider">Not used.</param>
    /// <exception cref="FormatException">Another format.</exception>
    public string ToString(string? format, IFormatProvider? formatProvider)
    {
        Span<char> text = stackalloc char[MaxDecimalDigits];
        _ = TryFormat(text, out int written, format, formatProvider);
        return new string(text[..written]);
    }

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format = default, IFormatProvider? provider = null)
    {
        Span<char> text = stackalloc char[MaxDecimalDigits];
        int start = format switch
        {
            "" or "G" or "D" or "g" or "d" => FormatDecimal(text),
            "x" => FormatHex(text),
            _ => throw new FormatException($"the format \"{Hex.Shown(format)}\" is not supported; use none, \"G\", \"D\" or \"x\""),
        };
        bool fits = text[start..].TryCopyTo(destination);
        charsWritten = fits ? text.Length - start : 0;
        return fits;
    }

    /// <summary>Reads decimal digits, or <c>0x</c> and hexadecimal ones.</summary>
    /// <param name="s">The text; no sign, no spaces, no separators; leading zeros may be there.</param>
    /// <exception cref="FormatException">The text is something else.</exception>
    /// <exception cref="OverflowException">The number is over 2²⁵⁶ − 1.</exception>
    public static UInt256 Parse(ReadOnlySpan<char> s) => Read(s, out UInt256 value) switch
    {
        ReadResult.Read => value,
        ReadResult.Overflow => throw new OverflowException($"\"{Hex.Shown(s)}\" is over 2^256 - 1"),
        _ => throw new FormatException($"not a UInt256: expected decimal digits, or 0x and hexadecimal ones, got \"{Hex.Shown(s)}\""),
    };

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static UInt256 Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used.</param>
    public static UInt256 Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <summary>Reads decimal digits, or <c>0x</c> and hexadecimal ones.</summary>
    /// <param name="s">The text.</param>
    /// <param name="result">The number; 0 when there is none.</param>
    /// <returns>Whether the text is a number that fits.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, out UInt256 result) => Read(s, out result) == ReadResult.Read;

    /// <inheritdoc/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out UInt256 result) => TryParse(s, out result);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out UInt256 result) => TryParse(s.AsSpan(), out result);

    private enum ReadResult
    {
        Read,
        Malformed,
        Overflow,
    }

    private static ReadResult Read(ReadOnlySpan<char> text, out UInt256 value)
    {
        ReadOnlySpan<char> hex = Hex.WithoutPrefix(text);
        ReadResult result = hex.Length == text.Length ? ReadDecimal(text, out value) : ReadHex(hex, out value);
        if (result != ReadResult.Read)
        {
            value = default;
        }

        return result;
    }

    private static ReadResult ReadDecimal(ReadOnlySpan<char> text, out UInt256 value)
    {
        value = default;
        if (text.IsEmpty || text.ContainsAnyExceptInRange('0', '9'))
        {
            return ReadResult.Malformed;
        }

        while (!text.IsEmpty)
        {
            int count = Math.Min(DigitsPerChunk, text.Length);
            ulong chunk = ulong.Parse(text[..count], NumberStyles.None, CultureInfo.InvariantCulture);
            ulong scale = 1;
            for (int i = 0; i < count; i++)
            {
                scale *= 10;
            }

            if (!value.TryMultiplyAdd(scale, chunk, out value))
            {
                return ReadResult.Overflow;
            }

            text = text[count..];
        }

        return ReadResult.Read;
    }

    private static ReadResult ReadHex(ReadOnlySpan<char> digits, out UInt256 value)
    {
        value = default;
        if (digits.IsEmpty || digits.ContainsAnyExcept(HexDigits))
        {
            return ReadResult.Malformed;
        }

        digits = digits.TrimStart('0');
        if (digits.Length > Size * 2)
        {
            return ReadResult.Overflow;
        }

        Span<char> padded = stackalloc char[Size * 2];
        padded.Fill('0');
        digits.CopyTo(padded[(padded.Length - digits.Length)..]);
        Span<byte> bytes = stackalloc byte[Size];
        _ = Hex.TryParse(padded, bytes);
        bytes.Reverse();
        value = ReadLittleEndian(bytes);
        return ReadResult.Read;
    }

    private bool TryMultiplyAdd(ulong factor, ulong addend, out UInt256 result)
    {
        UInt128 limb = ((UInt128)_u0 * factor) + addend;
        ulong u0 = (ulong)limb;
        limb = ((UInt128)_u1 * factor) + (ulong)(limb >> 64);
        ulong u1 = (ulong)limb;
        limb = ((UInt128)_u2 * factor) + (ulong)(limb >> 64);
        ulong u2 = (ulong)limb;
        limb = ((UInt128)_u3 * factor) + (ulong)(limb >> 64);
        result = new UInt256(u0, u1, u2, (ulong)limb);
        return limb >> 64 == UInt128.Zero;
    }

    private UInt256 DivideByChunk(out ulong remainder)
    {
        ulong u3 = DivideLimb(0, _u3, out remainder);
        ulong u2 = DivideLimb(remainder, _u2, out remainder);
        ulong u1 = DivideLimb(remainder, _u1, out remainder);
        ulong u0 = DivideLimb(remainder, _u0, out remainder);
        return new UInt256(u0, u1, u2, u3);
    }

    private static ulong DivideLimb(ulong high, ulong low, out ulong remainder)
    {
        (UInt128 quotient, UInt128 rest) = UInt128.DivRem(new UInt128(high, low), ChunkBase);
        remainder = (ulong)rest;
        return (ulong)quotient;
    }

    /// <summary>Writes right-aligned; gives where the text starts.</summary>
    private int FormatDecimal(Span<char> text)
    {
        int start = text.Length;
        UInt256 rest = this;
        while (!rest.IsUInt64)
        {
            rest = rest.DivideByChunk(out ulong chunk);
            start -= DigitsPerChunk;
            _ = chunk.TryFormat(text[start..], out _, "D19", CultureInfo.InvariantCulture);
        }

        Span<char> first = stackalloc char[20];
        _ = rest._u0.TryFormat(first, out int digits, default, CultureInfo.InvariantCulture);
        start -= digits;
        first[..digits].CopyTo(text[start..]);
        return start;
    }

    private int FormatHex(Span<char> text)
    {
        int start = text.Length;
        UInt256 rest = this;
        do
        {
            start--;
            text[start] = "0123456789abcdef"[(int)(rest._u0 & 15)];
            rest = new UInt256((rest._u0 >> 4) | (rest._u1 << 60), (rest._u1 >> 4) | (rest._u2 << 60), (rest._u2 >> 4) | (rest._u3 << 60), rest._u3 >> 4);
        }
        while (!rest.IsZero);

        text[--start] = 'x';
        text[--start] = '0';
        return start;
    }
}
