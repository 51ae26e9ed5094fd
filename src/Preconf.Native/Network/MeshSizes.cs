namespace Preconf.Native.Network;

/// <summary>The sizes of the mesh that a configuration comes to.</summary>
/// <param name="N">Wanted mesh peers per topic.</param>
/// <param name="Low">Below this, peers are grafted.</param>
/// <param name="High">Above this, peers are pruned.</param>
/// <param name="OutboundMin">Outbound peers wanted.</param>
internal readonly record struct MeshSizes(int N, int Low, int High, int OutboundMin)
{
    /// <summary>Networks of no more peers than this are small.</summary>
    private const int FewPeers = 10;

    private static readonly MeshSizes Kona = new(8, 6, 12, 2);
    private static readonly MeshSizes Small = new(4, 2, 8, 1);

    public static MeshSizes Of(P2pConfig config)
    {
        GossipOptions gossip = config.Gossip;
        MeshSizes profile = gossip.Mesh == MeshProfile.Small || (gossip.Mesh == MeshProfile.Automatic && ExpectedPeers(config) <= FewPeers) ? Small : Kona;
        return new MeshSizes(gossip.MeshN ?? profile.N, gossip.MeshLow ?? profile.Low, gossip.MeshHigh ?? profile.High, gossip.MeshOutboundMin ?? profile.OutboundMin);
    }

    // A node that dials nobody is dialled by others, and nothing says by how many.
    private static int ExpectedPeers(P2pConfig config)
    {
        int wanted = Math.Min(config.Peers.Target, config.Peers.Max ?? int.MaxValue), named = config.StaticPeers.Count + config.Bootnodes.Count;
        return config.EnableDiscovery || named == 0 ? wanted : Math.Min(named, wanted);
    }
}
