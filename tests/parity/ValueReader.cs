using Preconf.Native.Types;

namespace Preconf.Native.ParityTests;

/// <summary>Reads the values of the containers as the vectors write them.</summary>
internal static class ValueReader
{
    public static Preconfirmation Preconfirmation(VectorNode value) => new()
    {
        Eop = value["eop"].Flag,
        BlockNumber = value["block_number"].UInt256,
        Timestamp = value["timestamp"].UInt256,
        GasLimit = value["gas_limit"].UInt256,
        Coinbase = value["coinbase"].Address,
        AnchorBlockNumber = value["anchor_block_number"].UInt256,
        RawTxListHash = value["raw_tx_list_hash"].Bytes32,
        ParentPreconfirmationHash = value["parent_preconfirmation_hash"].Bytes32,
        SubmissionWindowEnd = value["submission_window_end"].UInt256,
        ProverAuth = value["prover_auth"].Address,
        ProposalId = value["proposal_id"].UInt256,
    };

    public static PreconfCommitment Commitment(VectorNode value) => new(Preconfirmation(value["preconf"]), value["slasher_address"].Address);

    public static SignedCommitment Signed(VectorNode value) => new(Commitment(value["commitment"]), value["signature"].Signature);
}
