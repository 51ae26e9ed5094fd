using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Preconf.Native.Interop;
using Preconf.Native.Types;

namespace Preconf.Native.Crypto;

/// <summary>The curve's plain operations, by libsecp256k1 behind the native library. Any thread may call; nothing is allocated.</summary>
public static unsafe class Secp256k1
{
    /// <summary>Bytes of a secret key.</summary>
    public const int SecretSize = 32;

    /// <summary>Bytes of a public key with both coordinates: 0x04, x, y.</summary>
    public const int PublicKeySize = 65;

    /// <summary>Bytes of a compressed public key: 0x02 or 0x03, x.</summary>
    public const int CompressedPublicKeySize = 33;

    /// <summary>Bytes of a signature without recovery id.</summary>
    public const int CompactSignatureSize = 64;

    /// <summary>Whether bytes are a secret key: 32 of them, not 0, less than the group's order.</summary>
    /// <param name="secret">The bytes, big-endian.</param>
    /// <returns>Whether they are.</returns>
    public static bool IsValidSecret(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != SecretSize)
        {
            return false;
        }

        byte* address = stackalloc byte[Address.Size];
        fixed (byte* key = secret)
        {
            return NativeCrypto.Answer(NativeMethods.pcn_address(key, address), "address");
        }
    }

    /// <summary>The public key with both coordinates.</summary>
    /// <param name="secret">The secret key, 32 bytes.</param>
    /// <param name="publicKey">Takes 65 bytes: 0x04, x, y.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    public static void PublicKey(ReadOnlySpan<byte> secret, Span<byte> publicKey)
    {
        CheckLength(secret, SecretSize, nameof(secret));
        CheckLength(publicKey, PublicKeySize, nameof(publicKey));
        fixed (byte* key = secret, made = publicKey)
        {
            NativeCrypto.CheckSecret(NativeMethods.pcn_public_key(key, made), "public key");
        }
    }

    /// <summary>The compressed public key.</summary>
    /// <param name="secret">The secret key, 32 bytes.</param>
    /// <param name="publicKey">Takes 33 bytes: 0x02 when y is even, else 0x03; x.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    public static void CompressedPublicKey(ReadOnlySpan<byte> secret, Span<byte> publicKey)
    {
        CheckLength(publicKey, CompressedPublicKeySize, nameof(publicKey));
        Span<byte> whole = stackalloc byte[PublicKeySize];
        PublicKey(secret, whole);
        publicKey[0] = (byte)(2 + (whole[^1] & 1));
        whole.Slice(1, CompressedPublicKeySize - 1).CopyTo(publicKey[1..]);
    }

    /// <summary>The address of a secret key.</summary>
    /// <param name="secret">The secret key, 32 bytes.</param>
    /// <returns>The last 20 bytes of keccak-256 over x and y.</returns>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    [SkipLocalsInit]
    public static Address AddressOfSecret(ReadOnlySpan<byte> secret)
    {
        CheckLength(secret, SecretSize, nameof(secret));
        Address address;
        fixed (byte* key = secret)
        {
            NativeCrypto.CheckSecret(NativeMethods.pcn_address(key, (byte*)&address), "address");
        }

        return address;
    }

    /// <summary>The address of a public key; whether it is a point of the curve is not checked.</summary>
    /// <param name="publicKey">65 bytes: 0x04, x, y.</param>
    /// <returns>The last 20 bytes of keccak-256 over x and y.</returns>
    /// <exception cref="ArgumentException">The length or the first byte is wrong.</exception>
    public static Address AddressOfPublicKey(ReadOnlySpan<byte> publicKey)
    {
        CheckLength(publicKey, PublicKeySize, nameof(publicKey));
        if (publicKey[0] != 4)
        {
            throw new ArgumentException($"an uncompressed public key starts with 0x04, not 0x{publicKey[0]:x2}", nameof(publicKey));
        }

        Bytes32 hash = Keccak256.Hash(publicKey[1..]);
        return new Address(hash.AsSpan()[^Address.Size..]);
    }

    /// <summary>Signs a hash: deterministic (RFC 6979), low-s.</summary>
    /// <param name="hash">The 32 bytes to sign.</param>
    /// <param name="secret">The secret key, 32 bytes.</param>
    /// <returns>r, s and the recovery id.</returns>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    [SkipLocalsInit]
    public static Signature Sign(in Bytes32 hash, ReadOnlySpan<byte> secret)
    {
        CheckLength(secret, SecretSize, nameof(secret));
        Signature signature;
        fixed (byte* key = secret, message = hash.AsSpan())
        {
            NativeCrypto.CheckSecret(NativeMethods.pcn_sign(message, key, (byte*)&signature), "sign");
        }

        return signature;
    }

    /// <summary>Verifies plain ECDSA; a high s is accepted, as ECDSA itself does.</summary>
    /// <param name="hash">The 32 bytes that were signed.</param>
    /// <param name="signature">r and s, 64 bytes.</param>
    /// <param name="publicKey">33 bytes compressed, or 65.</param>
    /// <returns>Whether the signature is the key's. Also false when the key is no point of the curve, or r or s is out of range.</returns>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static bool Verify(in Bytes32 hash, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> publicKey)
    {
        CheckLength(signature, CompactSignatureSize, nameof(signature));
        if (publicKey.Length is not (CompressedPublicKeySize or PublicKeySize))
        {
            throw new ArgumentException(
                $"a public key has {CompressedPublicKeySize} or {PublicKeySize} bytes, not {publicKey.Length}", nameof(publicKey));
        }

        fixed (byte* message = hash.AsSpan(), parts = signature, key = publicKey)
        {
            PcnBytes named = new() { ptr = key, len = (nuint)publicKey.Length };
            return NativeCrypto.Answer(NativeMethods.pcn_verify(message, parts, named), "verify");
        }
    }

    /// <summary>Whether s is at most half the group's order; see <see cref="Signature.IsLowS"/>.</summary>
    /// <param name="signature">The signature.</param>
    /// <returns>Whether it is.</returns>
    public static bool IsLowS(in Signature signature) => signature.IsLowS;

    /// <summary>Draws a secret key from the system's random source.</summary>
    /// <param name="secret">Takes 32 bytes.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public static void NewSecret(Span<byte> secret)
    {
        CheckLength(secret, SecretSize, nameof(secret));
        do
        {
            RandomNumberGenerator.Fill(secret);
        }
        while (!IsValidSecret(secret));
    }

    private static void CheckLength(ReadOnlySpan<byte> bytes, int expected, string parameter)
    {
        if (bytes.Length != expected)
        {
            NativeCrypto.ThrowLength(parameter, expected, bytes.Length, parameter);
        }
    }
}
