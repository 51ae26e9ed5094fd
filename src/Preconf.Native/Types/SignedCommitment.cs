using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>A commitment and its signature: what is gossiped, stored and served.</summary>
/// <remarks>382 bytes, in memory as on the wire.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct SignedCommitment
{
    private readonly PreconfCommitment _commitment;
    private readonly Signature _signature;

    /// <summary>Joins the parts; nothing is checked.</summary>
    /// <param name="commitment">What was signed.</param>
    /// <param name="signature">The signature over its signing hash.</param>
    public SignedCommitment(in PreconfCommitment commitment, in Signature signature)
    {
        _commitment = commitment;
        _signature = signature;
    }

    /// <summary>What was signed, in place.</summary>
    [UnscopedRef]
    public ref readonly PreconfCommitment Commitment => ref _commitment;

    /// <summary>The signature, in place.</summary>
    [UnscopedRef]
    public ref readonly Signature Signature => ref _signature;
}
