using System.Runtime.CompilerServices;
using Preconf.Native.Interop;
using Preconf.Native.Types;

namespace Preconf.Native.Crypto;

/// <summary>keccak-256 as Ethereum uses it (not the later SHA3-256). Allocates nothing.</summary>
public static unsafe class Keccak256
{
    /// <summary>Hashes bytes.</summary>
    /// <param name="data">Any number of bytes, also none.</param>
    /// <returns>The digest.</returns>
    [SkipLocalsInit]
    public static Bytes32 Hash(ReadOnlySpan<byte> data)
    {
        Bytes32 hash;
        fixed (byte* input = data)
        {
            NativeCrypto.Check(NativeMethods.pcn_keccak256(input, (nuint)data.Length, (byte*)&hash), "keccak256");
        }

        return hash;
    }

    /// <summary>Hashes two runs of bytes as if they were one, without joining them.</summary>
    /// <param name="first">What comes first.</param>
    /// <param name="second">What follows.</param>
    /// <returns>The digest of first ‖ second.</returns>
    [SkipLocalsInit]
    public static Bytes32 Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        Bytes32 hash;
        fixed (byte* a = first, b = second)
        {
            NativeCrypto.Check(NativeMethods.pcn_keccak256_2(a, (nuint)first.Length, b, (nuint)second.Length, (byte*)&hash), "keccak256");
        }

        return hash;
    }
}
