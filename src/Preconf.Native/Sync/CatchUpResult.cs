using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>Why something is still missing after a catch-up.</summary>
public enum MissingReason
{
    /// <summary>Every peer that was to be asked answered, and none has it.</summary>
    NobodyHas,

    /// <summary>A peer that may have it could not be asked, or its answers failed: another run may bring it.</summary>
    RequestsFailed,

    /// <summary>
    /// It was to be had, but is neither accepted nor anybody's fault: a high s, a schedule that is not known yet, or a signer who is not the one to sign
    /// now. Told wherever it lies, above the head and below the lowest block too.
    /// </summary>
    NotAccepted,

    /// <summary>The store is at its bounds.</summary>
    NotKept,
}

/// <summary>Blocks without a commitment.</summary>
/// <param name="First">The first of them.</param>
/// <param name="Last">The last of them.</param>
/// <param name="Reason">Why.</param>
/// <param name="Detail">Words beyond the reason, such as the last error; mostly none.</param>
public readonly record struct MissingBlocks(UInt256 First, UInt256 Last, MissingReason Reason, string? Detail);

/// <summary>A txlist that a held commitment names and that is not held.</summary>
/// <param name="Hash">Its keccak256.</param>
/// <param name="BlockNumber">A block that names it.</param>
/// <param name="Reason">Why.</param>
/// <param name="Detail">Words beyond the reason, such as the last error; mostly none.</param>
public readonly record struct MissingTxList(Bytes32 Hash, UInt256 BlockNumber, MissingReason Reason, string? Detail);

/// <summary>What a catch-up brought, and what is still missing.</summary>
public sealed record CatchUpResult
{
    /// <summary>Entries of <see cref="MissingBlocks"/> and <see cref="MissingTxLists"/> at most; the counts beside them are whole.</summary>
    public const int MaxListed = 1024;

    /// <summary>The lowest block looked at: the one asked for, or the lowest that anybody has.</summary>
    public required UInt256 From { get; init; }

    /// <summary>The highest block with a valid commitment, now held or seen.</summary>
    public required UInt256 Head { get; init; }

    /// <summary>A head above <see cref="Head"/> that a peer claims and that could not be looked into; null when there is none. Claims that turned out empty are not told.</summary>
    public UInt256? UnprovenHead { get; init; }

    /// <summary>Peers that told their head.</summary>
    public required int Peers { get; init; }

    /// <summary>Commitments fetched that were not held, each valid.</summary>
    public required long Commitments { get; init; }

    /// <summary>Txlists fetched that were not held, each hashed.</summary>
    public required long TxLists { get; init; }

    /// <summary>Blocks from <see cref="From"/> to <see cref="Head"/> without a commitment, and others whose commitments were not accepted.</summary>
    public required long MissingBlockCount { get; init; }

    /// <summary>Those blocks, lowest first.</summary>
    public required IReadOnlyList<MissingBlocks> MissingBlocks { get; init; }

    /// <summary>Txlists that held commitments name and that are not held.</summary>
    public required long MissingTxListCount { get; init; }

    /// <summary>Those txlists, of the highest blocks first.</summary>
    public required IReadOnlyList<MissingTxList> MissingTxLists { get; init; }

    /// <summary>Whether nothing is missing.</summary>
    public bool IsComplete => MissingBlockCount == 0 && MissingTxListCount == 0 && UnprovenHead is null;

    /// <summary>Whether what is missing may come with another run soon: its requests failed.</summary>
    public bool IsWorthRetrying =>
        UnprovenHead is not null || MissingBlocks.Any(static blocks => blocks.Reason == MissingReason.RequestsFailed)
        || MissingTxLists.Any(static list => list.Reason == MissingReason.RequestsFailed);

    /// <inheritdoc/>
    public override string ToString()
    {
        string text = $"blocks {From} to {Head}: {Commitments} commitments and {TxLists} txlists fetched";
        if (MissingBlocks.Count != 0)
        {
            MissingBlocks first = MissingBlocks[0];
            text += $", {MissingBlockCount} blocks missing ({first.First} to {first.Last}: {Why(first.Reason, first.Detail)}{(MissingBlocks.Count > 1 ? ", and others" : string.Empty)})";
        }

        if (MissingTxLists.Count != 0)
        {
            MissingTxList first = MissingTxLists[0];
            text += $", {MissingTxListCount} txlists missing (block {first.BlockNumber}: {Why(first.Reason, first.Detail)}{(MissingTxListCount > 1 ? ", and others" : string.Empty)})";
        }

        return UnprovenHead is { } claim ? $"{text}, a head of {claim} is claimed and not proven" : text;
    }

    private static string Why(MissingReason reason, string? detail) => detail is null ? reason.ToString() : $"{reason}: {detail}";
}

/// <summary>Where a catch-up is.</summary>
public enum CatchUpStage
{
    /// <summary>It knows what it has to fetch.</summary>
    Started,

    /// <summary>It fetches.</summary>
    Fetching,

    /// <summary>It has ended: <see cref="CatchUpProgress.Result"/>.</summary>
    Ended,
}

/// <summary>How far a catch-up is.</summary>
/// <param name="Stage">Where it is.</param>
/// <param name="From">The lowest block wanted.</param>
/// <param name="To">The highest block wanted: a peer's claim until it is reached.</param>
/// <param name="Commitments">Commitments fetched, validated and stored so far.</param>
/// <param name="TxLists">Txlists fetched, hashed and stored so far.</param>
/// <param name="MissingBlocks">Blocks still to be asked for; at the end, those that are missing.</param>
/// <param name="MissingTxLists">Txlists still to be asked for, known once the commitments are there; at the end, those that are missing.</param>
/// <param name="Result">How it ended; null before.</param>
public readonly record struct CatchUpProgress(
    CatchUpStage Stage, UInt256 From, UInt256 To, long Commitments, long TxLists, long MissingBlocks, long MissingTxLists, CatchUpResult? Result);
