namespace Preconf.Native.Reputation;

/// <summary>Which policy judges peers.</summary>
public enum ReputationPolicy
{
    /// <summary><see cref="DefaultPolicy"/>: only a proven fault costs, decay runs by itself, bans end.</summary>
    Default,

    /// <summary><see cref="ReferencePolicy"/>: the reference's, for parity. Failures of transport cost, and bans have no end of their own.</summary>
    Reference,
}

/// <summary>Reputation of peers (protocol, section 6).</summary>
public sealed class ReputationOptions
{
    /// <summary>Which policy. Default: <see cref="ReputationPolicy.Default"/>.</summary>
    public ReputationPolicy Policy { get; set; }

    /// <summary>At or below this score a peer is greylisted. Default -2.</summary>
    public double GreylistThreshold { get; set; } = -2;

    /// <summary>At or below this score, for longer than <see cref="BanAfter"/>, a peer is banned. Default -5.</summary>
    public double BanThreshold { get; set; } = -5;

    /// <summary>In this time a score decays by half. Default 66 s.</summary>
    public TimeSpan HalfLife { get; set; } = TimeSpan.FromSeconds(66);

    /// <summary>How long a score must stay at the ban threshold. Default 30 s. The reference's policy has it fixed at that.</summary>
    public TimeSpan BanAfter { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// A peer that falls to the greylist for the n-th time, each within <see cref="BanDuration"/> of the one before, is banned. Each time takes new proven
    /// faults. Default 4.
    /// </summary>
    public int GreylistingsToBan { get; set; } = 4;

    /// <summary>How long a ban lasts. Default 1 h. The reference's policy has no end.</summary>
    public TimeSpan BanDuration { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Whether a ban takes the peer's IP address in, an IPv6 address with its /56. Never loopback, private or shared addresses, those of
    /// <see cref="NeverBanned"/>, those where another peer in good standing is connected when the ban begins, and those where a trusted, static or protected
    /// peer is, has been, or is to be found by its name. At most 1024 bans take addresses in; the others hold for their peers alone. Default true.
    /// </summary>
    public bool BanAddresses { get; set; } = true;

    /// <summary>Bans take shared addresses in too, loopback's among them: for tests, whose nodes are all on one machine.</summary>
    internal bool BanSharedAddresses { get; set; }

    /// <summary>IP addresses and subnets (CIDR) that no ban takes in, e.g. the exit of an office. Default none.</summary>
    public IList<string> NeverBanned { get; set; } = [];

    /// <summary>How often scores decay, reach gossipsub, and bans begin and end. Default 1 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Peers remembered; above it the one nearest to an unknown peer's standing is forgotten. Default 4096.</summary>
    public int MaxPeers { get; set; } = 4096;

    /// <summary>
    /// Bans kept; above it the one that ends first is lifted, the host's own (<see cref="ReputationReason.BannedByHost"/>) last: no other peer is banned while all of
    /// them are the host's. Default 1024.
    /// </summary>
    public int MaxBans { get; set; } = 1024;

    /// <summary>Changes remembered per peer. Default 32.</summary>
    public int HistoryPerPeer { get; set; } = 32;
}
