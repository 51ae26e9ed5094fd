using System.Diagnostics.CodeAnalysis;
using Preconf.Native.Interop;

namespace Preconf.Native.Crypto;

/// <summary>Reads the statuses of the native library's plain functions.</summary>
internal static class NativeCrypto
{
    public static void Check(PcnStatus status, string call)
    {
        if (status != PcnStatus.Ok)
        {
            Throw(status, call);
        }
    }

    /// <summary>For calls whose only refusal is a bad secret key.</summary>
    public static void CheckSecret(PcnStatus status, string call)
    {
        if (status == PcnStatus.Crypto)
        {
            throw new PreconfCryptoException(
                PreconfCryptoFault.InvalidSecret, "a secp256k1 secret key is 32 bytes, big-endian, from 1 to the group's order less 1");
        }

        Check(status, call);
    }

    /// <summary>For calls that answer yes with Ok and no with Crypto.</summary>
    public static bool Answer(PcnStatus status, string call)
    {
        if (status == PcnStatus.Crypto)
        {
            return false;
        }

        Check(status, call);
        return true;
    }

    [DoesNotReturn]
    public static void ThrowLength(string what, int expected, int actual, string parameter) =>
        throw new ArgumentException($"{what} takes {expected} bytes, got {actual}", parameter);

    [DoesNotReturn]
    private static void Throw(PcnStatus status, string call) =>
        throw new PreconfCryptoException(PreconfCryptoFault.Native, $"{call} answered {status}");
}
