namespace Preconf.Native.Crypto;

/// <summary>What a cryptographic call refused.</summary>
public enum PreconfCryptoFault
{
    /// <summary>The secret key is 0, or not less than the group's order.</summary>
    InvalidSecret,

    /// <summary>The native library refused the call itself.</summary>
    Native,
}

/// <summary>A cryptographic call that can't be done. Signatures that do not verify or recover are no exceptions but answers.</summary>
public sealed class PreconfCryptoException : Exception
{
    /// <summary>Makes an exception of kind <see cref="PreconfCryptoFault.Native"/>.</summary>
    public PreconfCryptoException()
        : this(PreconfCryptoFault.Native, "the cryptographic call failed")
    {
    }

    /// <summary>Makes an exception of kind <see cref="PreconfCryptoFault.Native"/>.</summary>
    /// <param name="message">What happened.</param>
    public PreconfCryptoException(string message)
        : this(PreconfCryptoFault.Native, message)
    {
    }

    /// <summary>Makes an exception of kind <see cref="PreconfCryptoFault.Native"/>.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">Its cause.</param>
    public PreconfCryptoException(string message, Exception innerException)
        : base(message, innerException) => Fault = PreconfCryptoFault.Native;

    internal PreconfCryptoException(PreconfCryptoFault fault, string message)
        : base(message) => Fault = fault;

    /// <summary>What was refused.</summary>
    public PreconfCryptoFault Fault { get; }
}
