using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Preconf.Native.Types;

/// <summary>Hexadecimal text of fixed-size byte values: <c>0x</c>, then two lower-case digits a byte.</summary>
internal static class Hex
{
    /// <summary>Reads exactly <paramref name="bytes"/>.Length bytes; the <c>0x</c> may be missing, the digits may be of either case.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        ReadOnlySpan<char> digits = WithoutPrefix(text);
        return digits.Length == bytes.Length * 2
            && Convert.FromHexString(digits, bytes, out _, out int written) == System.Buffers.OperationStatus.Done
            && written == bytes.Length;
    }

    public static ReadOnlySpan<char> WithoutPrefix(ReadOnlySpan<char> text) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;

    public static string ToText(ReadOnlySpan<byte> bytes) =>
        string.Create((bytes.Length * 2) + 2, bytes, static (text, source) => TryFormat(source, text, out _));

    public static bool TryFormat(ReadOnlySpan<byte> bytes, Span<char> text, out int written)
    {
        written = 0;
        if (text.Length < (bytes.Length * 2) + 2 || !Convert.TryToHexStringLower(bytes, text[2..], out int digits))
        {
            return false;
        }

        text[0] = '0';
        text[1] = 'x';
        written = digits + 2;
        return true;
    }

    /// <summary>Refuses every format but the default one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CheckFormat(ReadOnlySpan<char> format)
    {
        if (!(format.IsEmpty || format is "G" or "g" or "x"))
        {
            ThrowFormat(format);
        }
    }

    [DoesNotReturn]
    public static void ThrowLength(string type, int expected, int actual, string parameter) =>
        throw new ArgumentException($"{type} takes exactly {expected} bytes, got {actual}", parameter);

    [DoesNotReturn]
    public static void ThrowParse(string type, int size, ReadOnlySpan<char> text) =>
        throw new FormatException(
            $"not a {type}: expected {size * 2} hexadecimal digits after an optional 0x, got {text.Length} characters: \"{Shown(text)}\"");

    /// <summary>The start of a text that may be long, for a message.</summary>
    public static string Shown(ReadOnlySpan<char> text) => text.Length <= 140 ? text.ToString() : string.Concat(text[..140], "…");

    [DoesNotReturn]
    private static void ThrowFormat(ReadOnlySpan<char> format) =>
        throw new FormatException($"the format \"{Shown(format)}\" is not supported; use none, \"G\" or \"x\"");
}
