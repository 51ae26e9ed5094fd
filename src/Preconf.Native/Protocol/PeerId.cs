using System.Diagnostics.CodeAnalysis;

namespace Preconf.Native.Protocol;

/// <summary>What kind of key a peer id was made of.</summary>
public enum PeerKeyType
{
    /// <summary>RSA; its key is not in the id.</summary>
    Rsa = 0,

    /// <summary>Ed25519, 32 bytes.</summary>
    Ed25519 = 1,

    /// <summary>secp256k1, 33 bytes compressed.</summary>
    Secp256k1 = 2,

    /// <summary>ECDSA over P-256; its key is not in the id.</summary>
    Ecdsa = 3,
}

/// <summary>
/// A libp2p peer id: the multihash of a public key in its protobuf form. Keys of up to 42 bytes are in the id itself (identity
/// multihash), longer ones as their SHA-256. Written as base58btc; the CIDv1 text (base32, <c>b…</c>) is read too.
/// </summary>
public sealed class PeerId : IEquatable<PeerId>
{
    private const int MaxText = 128;
    private const int MaxInlineKey = 42;
    private const byte IdentityCode = 0x00;
    private const byte Sha256Code = 0x12;
    private const byte CidVersion1 = 0x01;
    private const byte Libp2pKeyCodec = 0x72;

    private readonly byte[] _multihash;
    private readonly string _text;
    private readonly int _hash;

    private PeerId(byte[] multihash)
    {
        _multihash = multihash;
        _text = Base58.Encode(multihash);
        HashCode hash = default;
        hash.AddBytes(multihash);
        _hash = hash.ToHashCode();
    }

    /// <summary>The multihash: what stands for the peer on the wire.</summary>
    public ReadOnlySpan<byte> Multihash => _multihash;

    /// <summary>Reads a peer id's text.</summary>
    /// <param name="text">base58btc (<c>16Uiu2…</c>, <c>12D3Koo…</c>, <c>Qm…</c>) or CIDv1 in base32 (<c>bafz…</c>).</param>
    /// <returns>The peer id.</returns>
    /// <exception cref="FormatException">The text is not a peer id; the message says why.</exception>
    public static PeerId Parse(string text) =>
        TryParse(text, out PeerId? peer, out string? fault) ? peer : throw new FormatException($"'{text}' is not a peer id: {fault}");

    /// <summary>Reads a peer id's text.</summary>
    /// <param name="text">As for <see cref="Parse"/>.</param>
    /// <param name="peer">The peer id.</param>
    /// <returns>False when the text is not a peer id.</returns>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out PeerId? peer) => TryParse(text, out peer, out _);

    /// <summary>Makes a peer id of a multihash.</summary>
    /// <param name="multihash">Code, length and digest.</param>
    /// <param name="peer">The peer id.</param>
    /// <returns>False when it is neither an identity multihash of a key nor a SHA-256.</returns>
    public static bool TryFromMultihash(ReadOnlySpan<byte> multihash, [NotNullWhen(true)] out PeerId? peer)
    {
        peer = Fault(multihash) is null ? new PeerId(multihash.ToArray()) : null;
        return peer is not null;
    }

    /// <summary>The peer id of a secp256k1 key.</summary>
    /// <param name="compressedPublicKey">33 bytes.</param>
    /// <returns>The peer id.</returns>
    /// <exception cref="ArgumentException">Not 33 bytes that start with 2 or 3.</exception>
    public static PeerId FromSecp256k1(ReadOnlySpan<byte> compressedPublicKey)
    {
        if (compressedPublicKey.Length != 33 || compressedPublicKey[0] is not (2 or 3))
        {
            throw new ArgumentException("a compressed secp256k1 key is 33 bytes and starts with 2 or 3", nameof(compressedPublicKey));
        }

        return FromKey(PeerKeyType.Secp256k1, compressedPublicKey);
    }

    /// <summary>The peer id of an ed25519 key.</summary>
    /// <param name="publicKey">32 bytes.</param>
    /// <returns>The peer id.</returns>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public static PeerId FromEd25519(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != 32)
        {
            throw new ArgumentException("an ed25519 key is 32 bytes", nameof(publicKey));
        }

        return FromKey(PeerKeyType.Ed25519, publicKey);
    }

    /// <summary>The public key, where the id holds it.</summary>
    /// <param name="type">What kind of key.</param>
    /// <param name="key">Its bytes: 33 of secp256k1, 32 of ed25519.</param>
    /// <returns>False for ids that only hold the key's hash.</returns>
    public bool TryGetPublicKey(out PeerKeyType type, out ReadOnlySpan<byte> key)
    {
        ReadOnlySpan<byte> protobuf = _multihash.AsSpan(2);
        if (_multihash[0] == IdentityCode && protobuf.Length > 4 && protobuf[0] == 0x08 && protobuf[2] == 0x12 && protobuf[3] == protobuf.Length - 4)
        {
            type = (PeerKeyType)protobuf[1];
            key = protobuf[4..];
            return true;
        }

        type = default;
        key = default;
        return false;
    }

    /// <inheritdoc/>
    public bool Equals(PeerId? other) => other is not null && (ReferenceEquals(this, other) || _multihash.AsSpan().SequenceEqual(other._multihash));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PeerId);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    /// <summary>The id's base58btc text.</summary>
    /// <returns>E.g. <c>16Uiu2HAm…</c>.</returns>
    public override string ToString() => _text;

    private static PeerId FromKey(PeerKeyType type, ReadOnlySpan<byte> key) =>
        new([IdentityCode, (byte)(key.Length + 4), 0x08, (byte)type, 0x12, (byte)key.Length, .. key]);

    private static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out PeerId? peer, [NotNullWhen(false)] out string? fault)
    {
        peer = null;
        if (string.IsNullOrEmpty(text) || text.Length > MaxText)
        {
            fault = $"its length is not 1 to {MaxText}";
            return false;
        }

        byte[]? multihash = text[0] == 'b' ? OfCid(text.AsSpan(1)) : Base58.Decode(text);
        fault = multihash is null ? "a character is not of its alphabet, or it is no CID of a libp2p key" : Fault(multihash);
        if (fault is not null)
        {
            return false;
        }

        peer = new PeerId(multihash!);
        return true;
    }

    private static byte[]? OfCid(ReadOnlySpan<char> text)
    {
        byte[]? cid = Base32.Decode(text);
        return cid is { Length: > 2 } && cid[0] == CidVersion1 && cid[1] == Libp2pKeyCodec ? cid[2..] : null;
    }

    private static string? Fault(ReadOnlySpan<byte> multihash)
    {
        if (multihash.Length < 3 || multihash[1] != multihash.Length - 2)
        {
            return "its multihash does not have the length it says";
        }

        return multihash[0] switch
        {
            IdentityCode when multihash[1] <= MaxInlineKey => null,
            IdentityCode => $"a key of more than {MaxInlineKey} bytes is not written into the id",
            Sha256Code when multihash[1] == 32 => null,
            _ => "its multihash is neither a key nor a SHA-256",
        };
    }
}
