using System.Runtime.InteropServices;

namespace Preconf.Native.Types;

/// <summary>What a preconfer promises about one block.</summary>
/// <remarks>
/// The fields lie in memory exactly as they lie on the wire (297 bytes, no padding), so that encoding and hashing need no conversion.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct Preconfirmation
{
    private readonly byte _eop;
    private readonly UInt256 _blockNumber;
    private readonly UInt256 _timestamp;
    private readonly UInt256 _gasLimit;
    private readonly Address _coinbase;
    private readonly UInt256 _anchorBlockNumber;
    private readonly Bytes32 _rawTxListHash;
    private readonly Bytes32 _parentPreconfirmationHash;
    private readonly UInt256 _submissionWindowEnd;
    private readonly Address _proverAuth;
    private readonly UInt256 _proposalId;

    /// <summary>End of preconfirmation: the signer hands over; the next committer is expected from here.</summary>
    public bool Eop
    {
        get => _eop != 0;
        init => _eop = value ? (byte)1 : (byte)0;
    }

    /// <summary>The L2 block.</summary>
    public UInt256 BlockNumber
    {
        get => _blockNumber;
        init => _blockNumber = value;
    }

    /// <summary>The block's time, Unix seconds.</summary>
    public UInt256 Timestamp
    {
        get => _timestamp;
        init => _timestamp = value;
    }

    /// <summary>The block's gas limit.</summary>
    public UInt256 GasLimit
    {
        get => _gasLimit;
        init => _gasLimit = value;
    }

    /// <summary>Who receives the block's fees.</summary>
    public Address Coinbase
    {
        get => _coinbase;
        init => _coinbase = value;
    }

    /// <summary>The L1 block the L2 block is anchored to.</summary>
    public UInt256 AnchorBlockNumber
    {
        get => _anchorBlockNumber;
        init => _anchorBlockNumber = value;
    }

    /// <summary>keccak-256 of the transaction list as carried; zero only in a handoff without transactions (<see cref="Eop"/>).</summary>
    public Bytes32 RawTxListHash
    {
        get => _rawTxListHash;
        init => _rawTxListHash = value;
    }

    /// <summary>The preconfirmation hash of the parent: keccak-256 of its 297 bytes.</summary>
    public Bytes32 ParentPreconfirmationHash
    {
        get => _parentPreconfirmationHash;
        init => _parentPreconfirmationHash = value;
    }

    /// <summary>The end of the slot in which the preconfer may submit, Unix seconds.</summary>
    public UInt256 SubmissionWindowEnd
    {
        get => _submissionWindowEnd;
        init => _submissionWindowEnd = value;
    }

    /// <summary>Who may prove the block.</summary>
    public Address ProverAuth
    {
        get => _proverAuth;
        init => _proverAuth = value;
    }

    /// <summary>The proposal the block belongs to.</summary>
    public UInt256 ProposalId
    {
        get => _proposalId;
        init => _proposalId = value;
    }
}
