namespace Preconf.Native.Types;

/// <summary>The network's numbers. A node that uses others does not interoperate.</summary>
public static class PreconfLimits
{
    /// <summary>Commitments in one answer, at most.</summary>
    public const int MaxCommitmentsPerResponse = 256;

    /// <summary>Bytes of one transaction list, at most: 2 MiB.</summary>
    public const int MaxTxListBytes = 2 * 1024 * 1024;

    /// <summary>Bytes of one gossip message, at most: 10 MiB.</summary>
    public const int MaxGossipBytes = 10 * 1024 * 1024;

    /// <summary>The highest recovery id a signature may carry.</summary>
    public const byte MaxRecoveryId = 3;

    /// <summary>The chain id a node uses unless told otherwise.</summary>
    public const ulong DefaultChainId = 167000;

    /// <summary>How long a request may take.</summary>
    public static TimeSpan RequestTimeout => TimeSpan.FromSeconds(10);
}
