namespace Preconf.Native.Network;

public sealed partial class P2pHandle
{
    /// <summary>
    /// Whether others reach this node, how it knows, and where. It changes with <see cref="NetworkEventKind.ReachabilityChanged"/>; unknown until something
    /// tells, which with <see cref="NatOptions.AutoNat"/> takes a peer that was dialled and some ten seconds.
    /// </summary>
    public ReachabilityInfo Reachability => _node.CoreOrNull?.Reachability ?? ReachabilityInfo.Unknown;
}
