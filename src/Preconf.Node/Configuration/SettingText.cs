using System.Globalization;
using Preconf.Native.Types;

namespace Preconf.Node.Configuration;

/// <summary>Texts of settings as values of their types.</summary>
internal static class SettingText
{
    /// <summary>Reads a text.</summary>
    /// <param name="type">The type wanted; a nullable one takes null too.</param>
    /// <param name="text">The text.</param>
    /// <param name="value">The value.</param>
    /// <param name="wanted">What would have been right.</param>
    /// <returns>Whether the text is such a value.</returns>
    public static bool TryConvert(Type type, string? text, out object? value, out string wanted)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            if (text is null)
            {
                (value, wanted) = (null, string.Empty);
                return true;
            }

            type = inner;
        }

        text = text?.Trim();
        value = Convert(type, text ?? string.Empty, out wanted);
        return text is not null && value is not null;
    }

    /// <summary>Reads a time: a number of seconds, or one with <c>ms</c>, <c>s</c>, <c>m</c> or <c>h</c>, or <c>hh:mm:ss</c>.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The time, or null when the text is none.</returns>
    public static TimeSpan? Time(string text)
    {
        (string Unit, double Seconds)[] units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), (string.Empty, 1)];
        foreach ((string unit, double seconds) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
                && number * seconds <= TimeSpan.MaxValue.TotalSeconds / 2)
            {
                return TimeSpan.FromSeconds(number * seconds);
            }
        }

        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time) ? time : null;
    }

    private static object? Convert(Type type, string text, out string wanted)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        if (type.IsEnum)
        {
            wanted = $"one of {string.Join(", ", Enum.GetNames(type))}";
            return Enum.TryParse(type, text, ignoreCase: true, out object? named) && Enum.IsDefined(type, named) && !char.IsDigit(text[0]) ? named : null;
        }

        if (type == typeof(string))
        {
            wanted = "a text";
            return text;
        }

        (object? value, wanted) = Type.GetTypeCode(type) switch
        {
            TypeCode.Boolean => (Bool(text), "true or false"),
            TypeCode.Int32 => (int.TryParse(text, NumberStyles.AllowLeadingSign, culture, out int number) ? number : null, "a whole number"),
            TypeCode.Int64 => (long.TryParse(text, NumberStyles.AllowLeadingSign, culture, out long number) ? number : (object?)null, "a whole number"),
            TypeCode.UInt32 => (uint.TryParse(text, NumberStyles.None, culture, out uint number) ? number : (object?)null, "a whole number from 0 on"),
            TypeCode.UInt64 => (ulong.TryParse(text, NumberStyles.None, culture, out ulong number) ? number : (object?)null, "a whole number from 0 on"),
            TypeCode.Double => (double.TryParse(text, NumberStyles.Float, culture, out double number) ? number : (object?)null, "a number"),
            _ when type == typeof(TimeSpan) => (Time(text), "a time such as 10, 2.5s, 500ms or 00:01:00"),
            _ when type == typeof(Bytes32) => (Bytes32.TryParse(text, out Bytes32 bytes) ? bytes : (object?)null, "32 bytes as 64 hexadecimal digits, 0x in front or not"),
            _ when type == typeof(Address) => (Address.TryParse(text, out Address bytes) ? bytes : (object?)null, "an address: 40 hexadecimal digits, 0x in front or not"),
            _ when type == typeof(UInt256) => (UInt256.TryParse(text, out UInt256 number) ? number : (object?)null, "a whole number from 0 on, decimal or 0x"),
            _ => throw new InvalidOperationException($"settings of type {type} can't be read"),
        };
        return value;
    }

    private static object? Bool(string text) => text.ToLowerInvariant() switch
    {
        "true" or "1" or "yes" or "on" => true,
        "false" or "0" or "no" or "off" => false,
        _ => null,
    };
}
