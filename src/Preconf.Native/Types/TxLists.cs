namespace Preconf.Native.Types;

/// <summary>A transaction list as gossiped, and the hash it goes by.</summary>
/// <param name="rawTxListHash">keccak-256 of <paramref name="txList"/>, as claimed; not checked here.</param>
/// <param name="txList">The bytes as carried; kept, not copied.</param>
public sealed class RawTxListGossip(Bytes32 rawTxListHash, ReadOnlyMemory<byte> txList)
{
    /// <summary>keccak-256 of the list, as claimed.</summary>
    public Bytes32 RawTxListHash { get; } = rawTxListHash;

    /// <summary>The bytes as carried.</summary>
    public ReadOnlyMemory<byte> TxList { get; } = txList;
}

/// <summary>The answer to <see cref="GetRawTxListRequest"/>. An empty list means the peer does not have it, which is no offence.</summary>
/// <param name="rawTxListHash">The hash that was asked for, echoed.</param>
/// <param name="txList">The bytes as carried; kept, not copied.</param>
public sealed class GetRawTxListResponse(Bytes32 rawTxListHash, ReadOnlyMemory<byte> txList)
{
    /// <summary>The hash that was asked for.</summary>
    public Bytes32 RawTxListHash { get; } = rawTxListHash;

    /// <summary>The bytes as carried; empty when not found.</summary>
    public ReadOnlyMemory<byte> TxList { get; } = txList;

    /// <summary>Whether the peer had it.</summary>
    public bool IsFound => !TxList.IsEmpty;
}

/// <summary>A <see cref="RawTxListGossip"/> read in place: valid as long as the bytes it was decoded from.</summary>
public readonly ref struct RawTxListGossipView
{
    internal RawTxListGossipView(Bytes32 rawTxListHash, ReadOnlySpan<byte> txList)
    {
        RawTxListHash = rawTxListHash;
        TxList = txList;
    }

    /// <summary>keccak-256 of the list, as claimed.</summary>
    public Bytes32 RawTxListHash { get; }

    /// <summary>The bytes as carried.</summary>
    public ReadOnlySpan<byte> TxList { get; }

    /// <summary>A copy that outlives the bytes.</summary>
    /// <returns>The copy.</returns>
    public RawTxListGossip ToOwned() => new(RawTxListHash, TxList.ToArray());
}

/// <summary>A <see cref="GetRawTxListResponse"/> read in place: valid as long as the bytes it was decoded from.</summary>
public readonly ref struct GetRawTxListResponseView
{
    internal GetRawTxListResponseView(Bytes32 rawTxListHash, ReadOnlySpan<byte> txList)
    {
        RawTxListHash = rawTxListHash;
        TxList = txList;
    }

    /// <summary>The hash that was asked for, as the peer echoes it.</summary>
    public Bytes32 RawTxListHash { get; }

    /// <summary>The bytes as carried; empty when not found.</summary>
    public ReadOnlySpan<byte> TxList { get; }

    /// <summary>Whether the peer had it.</summary>
    public bool IsFound => !TxList.IsEmpty;

    /// <summary>A copy that outlives the bytes.</summary>
    /// <returns>The copy.</returns>
    public GetRawTxListResponse ToOwned() => new(RawTxListHash, TxList.ToArray());
}
