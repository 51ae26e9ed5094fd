using System.Reflection;
using System.Text.Json;
using Preconf.Native.Crypto;
using Preconf.Native.Types;

namespace Preconf.Node.Demo;

/// <summary>A block of the demonstration: one of a real L2 network (see Blocks/README.md).</summary>
/// <param name="Number">Its number.</param>
/// <param name="Timestamp">Its time, Unix seconds.</param>
/// <param name="GasLimit">Its gas limit.</param>
/// <param name="Coinbase">Who receives its fees.</param>
/// <param name="Transactions">How many transactions it has.</param>
/// <param name="TxList">Its transactions as carried.</param>
internal sealed record DemoBlock(ulong Number, ulong Timestamp, ulong GasLimit, Address Coinbase, int Transactions, byte[] TxList)
{
    /// <summary>The txlist's hash.</summary>
    public Bytes32 TxListHash { get; } = Keccak256.Hash(TxList);
}

/// <summary>What the preconfer promises. Signing is deterministic, so whoever has the key knows every byte of it beforehand.</summary>
internal static class DemoChain
{
    private const ulong SlotSeconds = 2;

    /// <summary>Reads the blocks.</summary>
    public static IReadOnlyList<DemoBlock> Load()
    {
        using Stream index = Resource("blocks.json");
        using JsonDocument json = JsonDocument.Parse(index);
        return
        [
            .. json.RootElement.EnumerateArray().Select(block => new DemoBlock(
                block.GetProperty("block").GetUInt64(),
                block.GetProperty("timestamp").GetUInt64(),
                block.GetProperty("gas_limit").GetUInt64(),
                Address.Parse(block.GetProperty("coinbase").GetString()!, null),
                block.GetProperty("transactions").GetInt32(),
                Bytes(Path.GetFileName(block.GetProperty("file").GetString()!)))),
        ];
    }

    /// <summary>Signs a commitment for each block, each naming the one before as its parent; the last hands over.</summary>
    /// <param name="signer">The preconfer.</param>
    /// <param name="domain">The chain's domain.</param>
    /// <param name="slasher">The chain's slasher.</param>
    /// <param name="blocks">The blocks.</param>
    public static IReadOnlyList<SignedCommitment> Sign(PreconfSigner signer, Bytes32 domain, Address slasher, IReadOnlyList<DemoBlock> blocks)
    {
        List<SignedCommitment> chain = [];
        Bytes32 parent = default;
        foreach (DemoBlock block in blocks)
        {
            Preconfirmation preconf = new()
            {
                Eop = ReferenceEquals(block, blocks[^1]),
                BlockNumber = block.Number,
                Timestamp = block.Timestamp,
                GasLimit = block.GasLimit,
                Coinbase = block.Coinbase,
                RawTxListHash = block.TxListHash,
                ParentPreconfirmationHash = parent,
                SubmissionWindowEnd = block.Timestamp + SlotSeconds,
                ProposalId = (ulong)chain.Count + 1,
            };
            PreconfCommitment commitment = new(in preconf, in slasher);
            chain.Add(signer.Sign(in domain, in commitment));
            parent = PreconfSigning.PreconfirmationHash(in preconf);
        }

        return chain;
    }

    private static byte[] Bytes(string name)
    {
        using Stream resource = Resource(name);
        byte[] bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return bytes;
    }

    private static Stream Resource(string name) =>
        Assembly.GetExecutingAssembly().GetManifestResourceStream(name) ?? throw new InvalidOperationException($"the program lacks its block data {name}");
}
