using Preconf.Native.Storage;
using Preconf.Native.Types;

namespace Preconf.Native.IntegrationTests.Nodes;

/// <summary>The store in memory, to be made to do otherwise.</summary>
public class PassingStore : ICommitmentStore
{
    private readonly InMemoryStore _inner = new();

    public virtual StoreResult AddCommitment(in SignedCommitment commitment, in Bytes32 preconfirmationHash, in Address signer, StoreOrigin origin = StoreOrigin.Live) =>
        _inner.AddCommitment(in commitment, in preconfirmationHash, in signer, origin);

    public virtual bool TryGetCommitment(UInt256 blockNumber, out SignedCommitment commitment) => _inner.TryGetCommitment(blockNumber, out commitment);

    public virtual bool TryGetByHash(in Bytes32 preconfirmationHash, out StoredCommitment commitment) => _inner.TryGetByHash(in preconfirmationHash, out commitment);

    public virtual IReadOnlyList<StoredCommitment> GetAll(UInt256 blockNumber) => _inner.GetAll(blockNumber);

    public virtual int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination) => _inner.GetCommitments(startBlock, maxCount, destination);

    public virtual StoreResult AddTxList(in Bytes32 hash, ReadOnlySpan<byte> txList, StoreOrigin origin = StoreOrigin.Live) =>
        _inner.AddTxList(in hash, txList, origin);

    public virtual bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList) => _inner.TryGetTxList(in hash, out txList);

    public virtual bool ContainsTxList(in Bytes32 hash) => _inner.ContainsTxList(in hash);

    public virtual bool IsReferenced(in Bytes32 txListHash) => _inner.IsReferenced(in txListHash);

    public virtual bool IsHeadInMemory => false;

    public virtual bool TryGetHead(out PreconfHead head) => _inner.TryGetHead(out head);

    public virtual StoreStats GetStats() => _inner.GetStats();
}
