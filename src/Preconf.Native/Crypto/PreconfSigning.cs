using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Preconf.Native.Interop;
using Preconf.Native.Ssz;
using Preconf.Native.Types;

namespace Preconf.Native.Crypto;

/// <summary>What the network signs and hashes, and who signed. Any thread may call; nothing is allocated.</summary>
public static unsafe class PreconfSigning
{
    /// <summary>The domain a chain has until its configuration says otherwise: the ASCII of <c>TAIKO_PRECONF_DOMAIN_PLACEHOLDER</c>.</summary>
    public static Bytes32 DefaultDomain { get; } = new("TAIKO_PRECONF_DOMAIN_PLACEHOLDER"u8);

    /// <summary>What a commitment's signature is over: keccak-256 of domain ‖ SSZ(commitment).</summary>
    /// <param name="domain">The chain's domain.</param>
    /// <param name="commitment">The commitment.</param>
    /// <returns>The hash to sign.</returns>
    public static Bytes32 SigningHash(in Bytes32 domain, in PreconfCommitment commitment) =>
        Keccak256.Hash(domain.AsSpan(), Wire.Bytes(in commitment));

    /// <summary>What a commitment's signature is over, from its encoding.</summary>
    /// <param name="domain">The chain's domain.</param>
    /// <param name="commitmentSsz">The SSZ of the commitment, 317 bytes: the first ones of a signed commitment's.</param>
    /// <returns>The hash to sign.</returns>
    /// <exception cref="ArgumentException"><paramref name="commitmentSsz"/> has another length.</exception>
    public static Bytes32 SigningHash(in Bytes32 domain, ReadOnlySpan<byte> commitmentSsz)
    {
        if (commitmentSsz.Length != PreconfCommitmentCodec.Size)
        {
            NativeCrypto.ThrowLength("the SSZ of a commitment", PreconfCommitmentCodec.Size, commitmentSsz.Length, nameof(commitmentSsz));
        }

        return Keccak256.Hash(domain.AsSpan(), commitmentSsz);
    }

    /// <summary>What a child names as its parent: keccak-256 of SSZ(preconfirmation), without domain or signature.</summary>
    /// <param name="preconfirmation">The parent.</param>
    /// <returns>Its hash.</returns>
    public static Bytes32 PreconfirmationHash(in Preconfirmation preconfirmation) => Keccak256.Hash(Wire.Bytes(in preconfirmation));

    /// <summary>What a child names as its parent, from the parent's encoding.</summary>
    /// <param name="preconfirmationSsz">The SSZ of the preconfirmation, 297 bytes: the first ones of a signed commitment's.</param>
    /// <returns>Its hash.</returns>
    /// <exception cref="ArgumentException"><paramref name="preconfirmationSsz"/> has another length.</exception>
    public static Bytes32 PreconfirmationHash(ReadOnlySpan<byte> preconfirmationSsz)
    {
        if (preconfirmationSsz.Length != PreconfirmationCodec.Size)
        {
            NativeCrypto.ThrowLength(
                "the SSZ of a preconfirmation", PreconfirmationCodec.Size, preconfirmationSsz.Length, nameof(preconfirmationSsz));
        }

        return Keccak256.Hash(preconfirmationSsz);
    }

    /// <summary>Who signed a hash.</summary>
    /// <param name="hash">The hash, see <see cref="SigningHash(in Bytes32, in PreconfCommitment)"/>.</param>
    /// <param name="signature">The signature; one with a high s recovers too, see <see cref="Signature.IsLowS"/>.</param>
    /// <param name="signer">The signer's address; zero when there is none.</param>
    /// <returns>False when v is over 3, r or s is 0 or not less than the order, or there is no such point.</returns>
    [SkipLocalsInit]
    public static bool TryRecover(in Bytes32 hash, in Signature signature, out Address signer)
    {
        Address recovered;
        bool found;
        fixed (byte* message = hash.AsSpan(), parts = signature.AsSpan())
        {
            found = NativeCrypto.Answer(NativeMethods.pcn_recover(message, parts, (byte*)&recovered), "recover");
        }

        signer = found ? recovered : default;
        return found;
    }

    /// <summary>Who signed each of many hashes, in one call.</summary>
    /// <param name="hashes">The hashes.</param>
    /// <param name="signatures">A signature for each.</param>
    /// <param name="signers">Takes an address for each; zero where there is none. Longer is fine.</param>
    /// <param name="recovered">Takes whether each recovered. Longer is fine.</param>
    /// <returns>How many recovered.</returns>
    /// <exception cref="ArgumentException">The lengths do not fit.</exception>
    public static int RecoverBatch(ReadOnlySpan<Bytes32> hashes, ReadOnlySpan<Signature> signatures, Span<Address> signers, Span<bool> recovered)
    {
        int count = hashes.Length;
        if (signatures.Length != count || signers.Length < count || recovered.Length < count)
        {
            throw new ArgumentException(
                $"{count} hashes take {count} signatures and room for as many signers and flags, got {signatures.Length}, {signers.Length} and {recovered.Length}",
                nameof(signatures));
        }

        if (count == 0)
        {
            return 0;
        }

        Span<byte> flags = MemoryMarshal.AsBytes(recovered[..count]);
        fixed (Bytes32* messages = hashes)
        fixed (Signature* parts = signatures)
        fixed (Address* addresses = signers)
        fixed (byte* found = flags)
        {
            NativeCrypto.Check(
                NativeMethods.pcn_recover_batch((byte*)messages, (byte*)parts, (nuint)count, (byte*)addresses, found), "recover batch");
        }

        return count - flags.Count((byte)0);
    }
}
