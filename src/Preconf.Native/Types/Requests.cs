using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>The highest block a peer preconfirmed, and the window it belongs to.</summary>
/// <param name="BlockNumber">The block.</param>
/// <param name="SubmissionWindowEnd">The end of its submission window, Unix seconds.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct PreconfHead(UInt256 BlockNumber, UInt256 SubmissionWindowEnd);

/// <summary>Asks for a peer's head. It carries nothing: its one field is a list that must be empty.</summary>
public readonly record struct GetHeadRequest;

/// <summary>Asks for commitments from a block on.</summary>
/// <param name="StartBlockNumber">The first block wanted.</param>
/// <param name="MaxCount">How many at most; over <see cref="PreconfLimits.MaxCommitmentsPerResponse"/> a peer need not answer.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct GetCommitmentsByNumberRequest(UInt256 StartBlockNumber, uint MaxCount);

/// <summary>Asks for one transaction list.</summary>
/// <param name="RawTxListHash">keccak-256 of the list.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct GetRawTxListRequest(Bytes32 RawTxListHash);
