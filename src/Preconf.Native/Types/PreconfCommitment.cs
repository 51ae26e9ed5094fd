using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>A preconfirmation and the contract that may slash for breaking it: what is signed.</summary>
/// <remarks>317 bytes, in memory as on the wire.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct PreconfCommitment
{
    private readonly Preconfirmation _preconf;
    private readonly Address _slasherAddress;

    /// <summary>Joins the parts.</summary>
    /// <param name="preconf">The promise.</param>
    /// <param name="slasherAddress">The slasher contract; of one chain there is one.</param>
    public PreconfCommitment(in Preconfirmation preconf, in Address slasherAddress)
    {
        _preconf = preconf;
        _slasherAddress = slasherAddress;
    }

    /// <summary>The promise, in place.</summary>
    [UnscopedRef]
    public ref readonly Preconfirmation Preconf => ref _preconf;

    /// <summary>The slasher contract.</summary>
    [UnscopedRef]
    public ref readonly Address SlasherAddress => ref _slasherAddress;
}
