using System.Globalization;

namespace Preconf.Native.Ssz;

/// <summary>What makes bytes no encoding of a container.</summary>
public enum SszErrorCode
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A container of fixed size has another length: bytes are missing or left over.</summary>
    WrongLength,

    /// <summary>The bytes end before the container's fixed part does.</summary>
    TooShort,

    /// <summary>The first offset does not point right behind the fixed part.</summary>
    WrongFirstOffset,

    /// <summary>A list holds more than its limit.</summary>
    ListTooLong,

    /// <summary>A list of fixed-size elements ends inside one: bytes are left over.</summary>
    PartialElement,

    /// <summary>A boolean is neither 0 nor 1.</summary>
    InvalidBoolean,
}

/// <summary>Where and why decoding stopped. Making one allocates nothing; its text is built when asked for.</summary>
public readonly record struct SszError
{
    private readonly string? _container;
    private readonly string? _field;

    internal SszError(SszErrorCode code, string container, string field, int offset, long expected, long actual, int index = -1)
    {
        Code = code;
        _container = container;
        _field = field;
        Offset = offset;
        Expected = expected;
        Actual = actual;
        Index = index;
    }

    /// <summary>The kind of error.</summary>
    public SszErrorCode Code { get; }

    /// <summary>The container that was decoded, as the protocol names it.</summary>
    public string Container => _container ?? string.Empty;

    /// <summary>The field, with dots into nested containers; empty for the container as a whole.</summary>
    public string Field => _field ?? string.Empty;

    /// <summary>The element of a list, counted from 0; −1 when the error is in none.</summary>
    public int Index { get; }

    /// <summary>The byte where it shows, counted from the container's first; the length when bytes are missing.</summary>
    public int Offset { get; }

    /// <summary>What was wanted: a length in bytes, an offset, the greatest count, the greatest value of a flag.</summary>
    public long Expected { get; }

    /// <summary>What was there instead.</summary>
    public long Actual { get; }

    /// <summary>The sentence for a log.</summary>
    /// <returns>Container, field, byte, what was expected and found.</returns>
    public override string ToString()
    {
        string where = Field.Length == 0 ? Container : $"{Container}.{Field}";
        string at = Index < 0
            ? string.Create(CultureInfo.InvariantCulture, $"{where} at byte {Offset}")
            : string.Create(CultureInfo.InvariantCulture, $"{where} in element {Index} at byte {Offset}");
        return Code switch
        {
            SszErrorCode.None => "no error",
            SszErrorCode.WrongLength => string.Create(CultureInfo.InvariantCulture, $"{at}: takes exactly {Expected} bytes, got {Actual}"),
            SszErrorCode.TooShort => string.Create(CultureInfo.InvariantCulture, $"{at}: takes at least {Expected} bytes, got {Actual}"),
            SszErrorCode.WrongFirstOffset => string.Create(CultureInfo.InvariantCulture, $"{at}: the first offset must be {Expected}, is {Actual}"),
            SszErrorCode.ListTooLong => string.Create(CultureInfo.InvariantCulture, $"{at}: holds {Actual} elements, the limit is {Expected}"),
            SszErrorCode.PartialElement => string.Create(CultureInfo.InvariantCulture, $"{at}: elements take {Expected} bytes, the last has {Actual}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{at}: a boolean is 0 or 1, is {Actual}"),
        };
    }
}

/// <summary>Bytes that are no encoding of a container.</summary>
public sealed class SszException : FormatException
{
    /// <summary>Makes an exception without a place.</summary>
    public SszException()
    {
    }

    /// <summary>Makes an exception without a place.</summary>
    /// <param name="message">What is wrong.</param>
    public SszException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception without a place.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="innerException">Its cause.</param>
    public SszException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Makes an exception of a decoding error.</summary>
    /// <param name="error">The error.</param>
    public SszException(in SszError error)
        : base(error.ToString()) => Error = error;

    /// <summary>The error with its place.</summary>
    public SszError Error { get; }

    /// <inheritdoc cref="SszError.Code"/>
    public SszErrorCode Code => Error.Code;

    /// <inheritdoc cref="SszError.Container"/>
    public string Container => Error.Container;

    /// <inheritdoc cref="SszError.Field"/>
    public string Field => Error.Field;

    /// <inheritdoc cref="SszError.Offset"/>
    public int Offset => Error.Offset;

    /// <inheritdoc cref="SszError.Expected"/>
    public long Expected => Error.Expected;

    /// <inheritdoc cref="SszError.Actual"/>
    public long Actual => Error.Actual;
}
