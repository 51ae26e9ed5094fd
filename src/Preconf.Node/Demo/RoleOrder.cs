using Preconf.Native.Network;
using Preconf.Native.Types;

namespace Preconf.Node.Demo;

/// <summary>What a node of the demonstration is told: the first line of its stdin, as JSON.</summary>
internal sealed record RoleOrder
{
    /// <summary>Where it listens.</summary>
    public string[] Listen { get; init; } = [];

    /// <summary>Whom it stays connected to.</summary>
    public string[] Peers { get; init; } = [];

    /// <summary>The elected preconfer.</summary>
    public string Signer { get; init; } = string.Empty;

    /// <summary>The chain's slasher.</summary>
    public string Slasher { get; init; } = string.Empty;

    /// <summary>The preconfer's key, hexadecimal; only the preconfer gets it.</summary>
    public string? Secret { get; init; }

    /// <summary>The node's configuration.</summary>
    /// <returns>A fresh one.</returns>
    public P2pConfig ToConfig() => new()
    {
        Listen = [.. Listen],
        StaticPeers = [.. Peers],
        EphemeralKey = true,
        EnableDiscovery = false,
        ExpectedSigners = [Address.Parse(Signer, null)],
        Slasher = Address.Parse(Slasher, null),
    };
}
