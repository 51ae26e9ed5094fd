using Preconf.Native.Protocol;
using Preconf.Native.Types;

namespace Preconf.Native.Sync;

/// <summary>What a catch-up is to fetch, and how.</summary>
public sealed record CatchUpOptions
{
    /// <summary>
    /// The lowest block wanted. Null, the default: the whole history that is to be had; what lies below the lowest block that anybody serves then does not count as
    /// missing.
    /// </summary>
    public UInt256? From { get; init; }

    /// <summary>The only peer to ask; null, the default: all that are connected.</summary>
    public PeerId? Peer { get; init; }

    /// <summary>Whether the txlists that held commitments name are fetched too. Default true.</summary>
    public bool TxLists { get; init; } = true;

    /// <summary>Requests in flight at once, over all peers, 1 to 256; rate limits hold beside it. Default 8.</summary>
    public int Parallel { get; init; } = 8;

    /// <summary>Peers that have to lack a block or txlist, though they have others, before nobody else is asked for it; 1 to 64. Default 8.</summary>
    public int Attempts { get; init; } = 8;

    /// <summary>Peers asked for their heads, 1 to 256. Default 16.</summary>
    public int HeadPeers { get; init; } = 16;

    /// <summary>Progress is told no more often than this, but always at the start and at the end. Zero: each page and txlist. Default 5 s.</summary>
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Following only: the least time from one run to the next, and for fetching txlists before something more urgent breaks it off. Default 5 s.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Following only: how long a gap may be one that gossip fills by itself: messages overtake each other. Default 3 s.</summary>
    public TimeSpan GapPatience { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Following only: when to look again for what nobody had. Default 10 min.</summary>
    public TimeSpan RetryMissing { get; init; } = TimeSpan.FromMinutes(10);

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Parallel, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Parallel, 256);
        ArgumentOutOfRangeException.ThrowIfLessThan(Attempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Attempts, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(HeadPeers, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(HeadPeers, 256);
        ArgumentOutOfRangeException.ThrowIfLessThan(ProgressInterval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(Pause, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(GapPatience, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RetryMissing, TimeSpan.Zero);
    }
}
