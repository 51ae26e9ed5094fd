using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using Preconf.Native.Types;

namespace Preconf.Native.Ssz;

/// <summary>SSZ's <c>hash_tree_root</c> of every container: SHA-256 over a tree of 32-byte chunks. Allocates nothing.</summary>
/// <remarks>The network signs and names things by keccak-256 of the encoding; the root is for those who put commitments into a Merkle tree.</remarks>
public static class HashTreeRoot
{
    private const int Chunk = 32;
    private const int TxListLimitChunks = PreconfLimits.MaxTxListBytes / Chunk;
    private static readonly Bytes32[] _zeroRoots = MakeZeroRoots(BitOperations.Log2(TxListLimitChunks));

    /// <summary>The root of a preconfirmation.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in Preconfirmation value)
    {
        Span<byte> leaves = stackalloc byte[11 * Chunk];
        leaves.Clear();
        ReadOnlySpan<byte> bytes = Wire.Bytes(in value);
        int at = 0;
        for (int i = 0; i < 11; i++)
        {
            int size = PreconfirmationFieldSize(i);
            bytes.Slice(at, size).CopyTo(leaves[(i * Chunk)..]);
            at += size;
        }

        return Merkleize(leaves, 16);
    }

    /// <summary>The root of a commitment.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in PreconfCommitment value)
    {
        Span<byte> leaves = stackalloc byte[2 * Chunk];
        leaves.Clear();
        Of(in value.Preconf).CopyTo(leaves);
        value.SlasherAddress.CopyTo(leaves[Chunk..]);
        return Merkleize(leaves, 2);
    }

    /// <summary>The root of a signed commitment.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in SignedCommitment value)
    {
        Span<byte> leaves = stackalloc byte[2 * Chunk];
        Of(in value.Commitment).CopyTo(leaves);
        Merkleize(value.Signature.AsSpan(), 4).CopyTo(leaves[Chunk..]);
        return Merkleize(leaves, 2);
    }

    /// <summary>The root of a head.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in PreconfHead value) => Merkleize(Wire.Bytes(in value), 2);

    /// <summary>The root of a request for the head.</summary>
    /// <param name="value">The value; there is only one.</param>
    public static Bytes32 Of(in GetHeadRequest value)
    {
        _ = value;
        return MixInLength(default, 0);
    }

    /// <summary>The root of a request for commitments.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in GetCommitmentsByNumberRequest value) => Merkleize(Wire.Bytes(in value), 2);

    /// <summary>The root of a request for a transaction list: its one field.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(in GetRawTxListRequest value) => value.RawTxListHash;

    /// <summary>The root of a gossiped transaction list.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(RawTxListGossipView value) => OfTxList(value.RawTxListHash, value.TxList);

    /// <summary>The root of a gossiped transaction list.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentException">The list is over its limit.</exception>
    public static Bytes32 Of(RawTxListGossip value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return OfTxList(value.RawTxListHash, value.TxList.Span);
    }

    /// <summary>The root of an answer with a transaction list.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(GetRawTxListResponseView value) => OfTxList(value.RawTxListHash, value.TxList);

    /// <summary>The root of an answer with a transaction list.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentException">The list is over its limit.</exception>
    public static Bytes32 Of(GetRawTxListResponse value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return OfTxList(value.RawTxListHash, value.TxList.Span);
    }

    /// <summary>The root of an answer with commitments.</summary>
    /// <param name="value">The value.</param>
    public static Bytes32 Of(GetCommitmentsByNumberResponseView value) => OfCommitments(value.AsSpan());

    /// <summary>The root of an answer with commitments.</summary>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentException">There are more commitments than the limit.</exception>
    public static Bytes32 Of(GetCommitmentsByNumberResponse value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return OfCommitments(value.AsSpan());
    }

    private static int PreconfirmationFieldSize(int index) => index switch
    {
        0 => 1,
        4 or 9 => Address.Size,
        _ => Chunk,
    };

    private static Bytes32 OfTxList(in Bytes32 hash, ReadOnlySpan<byte> list)
    {
        if (list.Length > PreconfLimits.MaxTxListBytes)
        {
            Wire.ThrowList(nameof(RawTxListGossip), "txlist", PreconfLimits.MaxTxListBytes, list.Length);
        }

        return HashPair(in hash, MixInLength(Merkleize(list, TxListLimitChunks), list.Length));
    }

    private static Bytes32 OfCommitments(ReadOnlySpan<SignedCommitment> commitments)
    {
        if (commitments.Length > PreconfLimits.MaxCommitmentsPerResponse)
        {
            Wire.ThrowList(
                nameof(GetCommitmentsByNumberResponse), "commitments", PreconfLimits.MaxCommitmentsPerResponse, commitments.Length);
        }

        Span<byte> roots = stackalloc byte[PreconfLimits.MaxCommitmentsPerResponse * Chunk];
        for (int i = 0; i < commitments.Length; i++)
        {
            Of(in commitments[i]).CopyTo(roots[(i * Chunk)..]);
        }

        return MixInLength(Merkleize(roots[..(commitments.Length * Chunk)], PreconfLimits.MaxCommitmentsPerResponse), commitments.Length);
    }

    private static Bytes32 MixInLength(in Bytes32 root, int length)
    {
        Span<byte> number = stackalloc byte[Chunk];
        number.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(number, length);
        return HashPair(in root, new Bytes32(number));
    }

    /// <summary>
    /// The root of a tree with <paramref name="width"/> leaves, a power of two, of which those of <paramref name="data"/> are not zero. Takes the
    /// leaves in order and joins two subtrees as soon as both are whole, so it holds one node a level whatever the length.
    /// </summary>
    private static Bytes32 Merkleize(ReadOnlySpan<byte> data, int width)
    {
        int depth = BitOperations.Log2((uint)width);
        Span<Bytes32> waiting = stackalloc Bytes32[depth + 1];
        int leaves = 0;
        for (; !data.IsEmpty; leaves++)
        {
            Bytes32 node = TakeChunk(ref data);
            int level = 0;
            for (; ((leaves >> level) & 1) == 1; level++)
            {
                node = HashPair(in waiting[level], in node);
            }

            waiting[level] = node;
        }

        return leaves == width ? waiting[depth] : CloseWithZeros(waiting, leaves, depth);
    }

    private static Bytes32 CloseWithZeros(ReadOnlySpan<Bytes32> waiting, int leaves, int depth)
    {
        Bytes32 node = default;
        for (int level = 0; level < depth; level++)
        {
            bool leftWaits = ((leaves >> level) & 1) == 1;
            bool rightHasLeaves = (leaves & ((1 << level) - 1)) != 0;
            node = leftWaits ? HashPair(in waiting[level], rightHasLeaves ? node : _zeroRoots[level])
                : rightHasLeaves ? HashPair(in node, in _zeroRoots[level])
                : _zeroRoots[level + 1];
        }

        return node;
    }

    private static Bytes32 TakeChunk(ref ReadOnlySpan<byte> data)
    {
        if (data.Length >= Chunk)
        {
            Bytes32 whole = new(data[..Chunk]);
            data = data[Chunk..];
            return whole;
        }

        Span<byte> padded = stackalloc byte[Chunk];
        padded.Clear();
        data.CopyTo(padded);
        data = default;
        return new Bytes32(padded);
    }

    private static Bytes32 HashPair(in Bytes32 left, in Bytes32 right)
    {
        Span<byte> pair = stackalloc byte[2 * Chunk];
        left.CopyTo(pair);
        right.CopyTo(pair[Chunk..]);
        Span<byte> digest = stackalloc byte[Chunk];
        _ = SHA256.HashData(pair, digest);
        return new Bytes32(digest);
    }

    private static Bytes32[] MakeZeroRoots(int depth)
    {
        Bytes32[] roots = new Bytes32[depth + 1];
        for (int i = 1; i < roots.Length; i++)
        {
            roots[i] = HashPair(in roots[i - 1], in roots[i - 1]);
        }

        return roots;
    }
}
