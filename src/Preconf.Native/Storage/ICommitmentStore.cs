using Preconf.Native.Types;

namespace Preconf.Native.Storage;

/// <summary>What became of something handed to a store.</summary>
public enum StoreResult
{
    /// <summary>Kept, and new.</summary>
    Added,

    /// <summary>Held already, byte for byte; nothing changed.</summary>
    Duplicate,

    /// <summary>Kept beside another signed value of the same block, and served instead of it. The other stays: it may be evidence.</summary>
    Superseded,

    /// <summary>Kept beside another signed value of the same block, which goes on being served: an answer does not say which of them is the later.</summary>
    Beside,

    /// <summary>Not kept: below what the store still holds, too old to come again, or larger than its bounds.</summary>
    Refused,
}

/// <summary>How something that is handed to a store was come by.</summary>
public enum StoreOrigin
{
    /// <summary>Heard by gossip, or published here: of those of its block the latest.</summary>
    Live,

    /// <summary>Given by a peer on request: what that peer holds, of whatever age.</summary>
    Answer,
}

/// <summary>A commitment as it is held.</summary>
/// <param name="Commitment">The signed value.</param>
/// <param name="PreconfirmationHash">What a child names as its parent.</param>
/// <param name="Signer">Who signed, recovered when it came.</param>
/// <param name="ReceivedAt">When it came.</param>
public readonly record struct StoredCommitment(SignedCommitment Commitment, Bytes32 PreconfirmationHash, Address Signer, DateTimeOffset ReceivedAt);

/// <summary>How much a store holds.</summary>
/// <param name="Blocks">Blocks with at least one commitment.</param>
/// <param name="Commitments">Signed values, several per block where there were.</param>
/// <param name="TxLists">Txlists.</param>
/// <param name="Bytes">Bytes of all of them, 382 per commitment.</param>
/// <param name="Evicted">Commitments and txlists dropped since the start to stay within the bounds.</param>
public readonly record struct StoreStats(int Blocks, int Commitments, int TxLists, long Bytes, long Evicted);

/// <summary>
/// Keeps what was validated and serves it. Every method may be called from any thread at any time; none waits for anything but
/// its own storage. Callers have validated what they add; a store only keeps order and bounds.
/// </summary>
public interface ICommitmentStore
{
    /// <summary>
    /// Keeps a validated commitment. The latest validated value of a block is the one served (protocol, section 4): one from an answer is served only where
    /// there is no other, until it is heard live.
    /// </summary>
    /// <param name="commitment">The signed value.</param>
    /// <param name="preconfirmationHash">keccak256 of its preconfirmation's SSZ.</param>
    /// <param name="signer">Who signed.</param>
    /// <param name="origin">How it was come by.</param>
    /// <returns>What became of it.</returns>
    StoreResult AddCommitment(in SignedCommitment commitment, in Bytes32 preconfirmationHash, in Address signer, StoreOrigin origin = StoreOrigin.Live);

    /// <summary>The served commitment of a block.</summary>
    /// <param name="blockNumber">The block.</param>
    /// <param name="commitment">Its latest validated commitment.</param>
    /// <returns>False when none is held.</returns>
    bool TryGetCommitment(UInt256 blockNumber, out SignedCommitment commitment);

    /// <summary>The commitment with a preconfirmation hash: a child's parent.</summary>
    /// <param name="preconfirmationHash">The hash.</param>
    /// <param name="commitment">The commitment, served or superseded.</param>
    /// <returns>False when none is held.</returns>
    bool TryGetByHash(in Bytes32 preconfirmationHash, out StoredCommitment commitment);

    /// <summary>Every distinct signed value of a block, the served one first.</summary>
    /// <param name="blockNumber">The block.</param>
    /// <returns>Empty when none is held.</returns>
    IReadOnlyList<StoredCommitment> GetAll(UInt256 blockNumber);

    /// <summary>Writes the served commitments from a block on, ascending, as SSZ one after the other: a response's list.</summary>
    /// <param name="startBlock">The first block wanted.</param>
    /// <param name="maxCount">How many at most.</param>
    /// <param name="destination">At least 382 bytes for each of them.</param>
    /// <returns>How many were written; blocks not held are left out.</returns>
    int GetCommitments(UInt256 startBlock, int maxCount, Span<byte> destination);

    /// <summary>
    /// Keeps a txlist whose hash was checked; copies the bytes once. One from an answer pushes out none of a higher block: it is refused where it would.
    /// </summary>
    /// <param name="hash">keccak256 of the bytes.</param>
    /// <param name="txList">The bytes.</param>
    /// <param name="origin">How it was come by.</param>
    /// <returns>What became of it.</returns>
    StoreResult AddTxList(in Bytes32 hash, ReadOnlySpan<byte> txList, StoreOrigin origin = StoreOrigin.Live);

    /// <summary>A txlist's bytes, valid for as long as the caller holds them.</summary>
    /// <param name="hash">Its hash.</param>
    /// <param name="txList">The bytes.</param>
    /// <returns>False when it is not held.</returns>
    bool TryGetTxList(in Bytes32 hash, out ReadOnlyMemory<byte> txList);

    /// <summary>Whether a txlist is held.</summary>
    /// <param name="hash">Its hash.</param>
    /// <returns>True when it is.</returns>
    bool ContainsTxList(in Bytes32 hash);

    /// <summary>Whether a held commitment names a txlist, held or not.</summary>
    /// <param name="txListHash">The txlist's hash.</param>
    /// <returns>True when one does.</returns>
    bool IsReferenced(in Bytes32 txListHash);

    /// <summary>
    /// Whether <see cref="TryGetHead"/> always answers from memory, without waiting. A peer that asks for the head is then answered at once by the thread that
    /// hands the node's events on; else, as for everything that a store may have to read, by another.
    /// </summary>
    bool IsHeadInMemory => false;

    /// <summary>The highest block with a commitment.</summary>
    /// <param name="head">Its number and the end of its submission window.</param>
    /// <returns>False when nothing is held.</returns>
    bool TryGetHead(out PreconfHead head);

    /// <summary>How much is held.</summary>
    /// <returns>The counts now.</returns>
    StoreStats GetStats();
}
