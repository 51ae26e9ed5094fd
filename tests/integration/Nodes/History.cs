using System.Numerics;
using Preconf.Native.Crypto;
using Preconf.Native.Network;
using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>A chain of commitments and their txlists, to be put into stores as if they had been heard.</summary>
internal static class History
{
    private static readonly BigInteger Order = BigInteger.Parse(
        "0fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", System.Globalization.NumberStyles.HexNumber, null);

    /// <summary>Puts commitments of blocks from one to another into a store; those of blocks that <paramref name="listEvery"/> divides name a txlist.</summary>
    public static void Fill(P2pNode node, TestNet net, ulong from, ulong to, ulong listEvery = 0, bool withLists = true)
    {
        for (ulong block = from; block <= to; block++)
        {
            bool named = listEvery != 0 && block % listEvery == 0;
            Put(node, net, net.Commit(block, named ? ListHash(block) : default));
            if (named && withLists)
            {
                PutList(node, block);
            }
        }
    }

    public static void Put(P2pNode node, TestNet net, SignedCommitment commitment)
    {
        Bytes32 hash = PreconfSigning.PreconfirmationHash(in commitment.Commitment.Preconf);
        node.Handle.Store.AddCommitment(in commitment, in hash, net.Signer.Address);
    }

    public static void PutList(P2pNode node, ulong block)
    {
        Bytes32 hash = ListHash(block);
        node.Handle.Store.AddTxList(in hash, List(block));
    }

    public static byte[] List(ulong block) => [.. Enumerable.Range(0, 64).Select(i => (byte)((block >> (8 * (i % 8))) + (ulong)i))];

    public static Bytes32 ListHash(ulong block) => Keccak256.Hash(List(block));

    /// <summary>The blocks from one to another that a store does not hold.</summary>
    public static ulong[] Missing(P2pNode node, ulong from, ulong to) =>
        [.. Enumerable.Range(0, (int)(to - from + 1)).Select(i => from + (ulong)i).Where(block => !node.Handle.Store.TryGetCommitment(block, out _))];

    public static bool HasLists(ICommitmentStore store, params IEnumerable<ulong> blocks) => blocks.All(block =>
    {
        Bytes32 hash = ListHash(block);
        return store.ContainsTxList(in hash);
    });

    /// <summary>The same commitment under its other signature: valid, and not the regular one.</summary>
    public static SignedCommitment HighS(SignedCommitment signed)
    {
        byte[] signature = signed.Signature.AsSpan().ToArray();
        BigInteger s = Order - new BigInteger(signature.AsSpan(32, 32), isUnsigned: true, isBigEndian: true);
        byte[] high = s.ToByteArray(isUnsigned: true, isBigEndian: true);
        signature.AsSpan(32, 32).Clear();
        high.CopyTo(signature.AsSpan(64 - high.Length));
        signature[64] ^= 1;
        return new SignedCommitment(signed.Commitment, new Signature(signature));
    }
}
