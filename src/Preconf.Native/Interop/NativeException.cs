namespace Preconf.Native.Interop;

/// <summary>What went wrong with the native library as such.</summary>
public enum NativeLibraryFault
{
    /// <summary>It was not found, or the system refused to load it.</summary>
    NotLoaded,

    /// <summary>It is of another version than this assembly: a struct or the ABI differs.</summary>
    Mismatch,
}

/// <summary>The native library is missing or of another version. The message names the file, what was expected and what was found.</summary>
public sealed class NativeLibraryException : Exception
{
    /// <summary>Makes an exception of kind <see cref="NativeLibraryFault.NotLoaded"/>.</summary>
    public NativeLibraryException()
        : this(NativeLibraryFault.NotLoaded, "the native library could not be loaded", null)
    {
    }

    /// <summary>Makes an exception of kind <see cref="NativeLibraryFault.NotLoaded"/>.</summary>
    /// <param name="message">What happened.</param>
    public NativeLibraryException(string message)
        : this(NativeLibraryFault.NotLoaded, message, null)
    {
    }

    /// <summary>Makes an exception of kind <see cref="NativeLibraryFault.NotLoaded"/>.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">Its cause.</param>
    public NativeLibraryException(string message, Exception innerException)
        : this(NativeLibraryFault.NotLoaded, message, innerException)
    {
    }

    internal NativeLibraryException(NativeLibraryFault fault, string message, Exception? innerException)
        : base(message, innerException) => Fault = fault;

    /// <summary>What is wrong with it.</summary>
    public NativeLibraryFault Fault { get; }
}

/// <summary>A native call did not do what was asked.</summary>
internal sealed class NativeCallException(PcnStatus status, string call, string detail) : Exception($"{call}: {status}: {detail}")
{
    public PcnStatus Status { get; } = status;

    public string Detail { get; } = detail;
}
