namespace Preconf.Native.Storage;

/// <summary>
/// Bounds of an <see cref="InMemoryStore"/>. Whichever is reached first makes room: lowest blocks and oldest lists go first. Where the highest block was signed for an
/// earlier window, and came earlier, than the lowest, it is no block of the chain but one far above it, and goes first: who signs many of them keeps out nothing.
/// </summary>
public sealed class StoreOptions
{
    /// <summary>Signed values held. Default 65536: a day and a half of 2 s blocks, 25 MB.</summary>
    public int MaxCommitments { get; set; } = 65_536;

    /// <summary>Distinct signed values of one block held; the oldest give way. Default 8.</summary>
    public int MaxCommitmentsPerBlock { get; set; } = 8;

    /// <summary>Txlists held. Default 65536.</summary>
    public int MaxTxLists { get; set; } = 65_536;

    /// <summary>Bytes of txlists held. Default 1 GiB.</summary>
    public long MaxBytes { get; set; } = 1L << 30;

    /// <summary>Of these, bytes of txlists that no held commitment names. Default 64 MiB; 0: none is held.</summary>
    public long MaxUnreferencedBytes { get; set; } = 64L << 20;

    /// <summary>
    /// Age from which things are dropped, and so are not served: looked at whenever something is added or read, from the lowest block and the oldest txlist
    /// on. A block that went for its age is refused when it comes again, and so is what lies below it, while anything above is held. Default 24 h; null: never.
    /// </summary>
    public TimeSpan? MaxAge { get; set; } = TimeSpan.FromHours(24);
}
