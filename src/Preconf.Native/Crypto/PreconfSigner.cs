using System.Security.Cryptography;
using Preconf.Native.Types;

namespace Preconf.Native.Crypto;

/// <summary>Something that signs commitments: a key in this process, or a service elsewhere.</summary>
public interface IPreconfSigner
{
    /// <summary>Who signs.</summary>
    Address Address { get; }

    /// <summary>Signs a commitment.</summary>
    /// <param name="domain">The chain's domain.</param>
    /// <param name="commitment">What to sign.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The commitment with a low-s signature of <see cref="Address"/>.</returns>
    ValueTask<SignedCommitment> SignAsync(Bytes32 domain, PreconfCommitment commitment, CancellationToken cancellationToken = default);
}

/// <summary>Signs with a secret key held in this process; the key is wiped on disposal and never part of any text.</summary>
public sealed class PreconfSigner : IPreconfSigner, IDisposable
{
    private readonly Lock _gate = new();

    // Pinned, so that the collector leaves no copies behind.
    private readonly byte[] _secret = GC.AllocateArray<byte>(Secp256k1.SecretSize, pinned: true);
    private bool _disposed;

    /// <summary>Takes a copy of a secret key.</summary>
    /// <param name="secret">32 bytes, big-endian; the caller's own copy stays the caller's to wipe.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    /// <exception cref="PreconfCryptoException">The secret key is invalid.</exception>
    public PreconfSigner(ReadOnlySpan<byte> secret)
    {
        Address = Secp256k1.AddressOfSecret(secret);
        secret.CopyTo(_secret);
    }

    /// <inheritdoc/>
    public Address Address { get; }

    /// <summary>Makes a signer with a fresh random key.</summary>
    /// <returns>The signer.</returns>
    public static PreconfSigner Generate()
    {
        Span<byte> secret = stackalloc byte[Secp256k1.SecretSize];
        try
        {
            Secp256k1.NewSecret(secret);
            return new PreconfSigner(secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Signs a commitment. Allocates nothing.</summary>
    /// <param name="domain">The chain's domain.</param>
    /// <param name="commitment">What to sign.</param>
    /// <returns>The commitment with its signature, low-s.</returns>
    /// <exception cref="ObjectDisposedException">The key was wiped.</exception>
    public SignedCommitment Sign(in Bytes32 domain, in PreconfCommitment commitment)
    {
        Bytes32 hash = PreconfSigning.SigningHash(in domain, in commitment);
        Signature signature = SignHash(in hash);
        return new SignedCommitment(in commitment, in signature);
    }

    /// <summary>Signs 32 bytes as they are. Allocates nothing.</summary>
    /// <param name="hash">The hash.</param>
    /// <returns>The signature, low-s, deterministic.</returns>
    /// <exception cref="ObjectDisposedException">The key was wiped.</exception>
    public Signature SignHash(in Bytes32 hash)
    {
        Span<byte> secret = stackalloc byte[Secp256k1.SecretSize];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _secret.CopyTo(secret);
        }

        try
        {
            return Secp256k1.Sign(in hash, secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <inheritdoc/>
    public ValueTask<SignedCommitment> SignAsync(Bytes32 domain, PreconfCommitment commitment, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Sign(in domain, in commitment));
    }

    /// <summary>Wipes the key.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_secret);
        }
    }

    /// <summary>The signer's address.</summary>
    /// <returns>Its text; nothing of the key.</returns>
    public override string ToString() => Address.ToString();
}
