using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;

namespace Preconf.Native.Network;

/// <summary>
/// What each peer may still send of txlists that no held commitment names. An allowance belongs to the peer, not to its connection, and refills with
/// time alone. When there are too many, those of the peers that connected longest ago are forgotten.
/// </summary>
internal sealed class TxListAllowances(GossipOptions options, TimeProvider time)
{
    /// <summary>What a list costs at least: the smallest ones cost the node far more than their bytes.</summary>
    public const int Floor = 1024;

    private const int MaxPeers = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, LinkedListNode<(PeerId Peer, ByteAllowance Left)>> _known = [];
    private readonly LinkedList<(PeerId Peer, ByteAllowance Left)> _byUse = new();

    /// <summary>The allowance of a peer that has just connected: the one it had before, if that is remembered.</summary>
    public ByteAllowance Of(PeerId peer)
    {
        lock (_gate)
        {
            if (_known.TryGetValue(peer, out LinkedListNode<(PeerId Peer, ByteAllowance Left)>? node))
            {
                _byUse.Remove(node);
            }
            else
            {
                if (_known.Count == MaxPeers)
                {
                    _known.Remove(_byUse.First!.Value.Peer);
                    _byUse.RemoveFirst();
                }

                node = new((peer, new ByteAllowance(options.UnreferencedTxListBurst, options.UnreferencedTxListRate, time)));
                _known.Add(peer, node);
            }

            _byUse.AddLast(node);
            return node.Value.Left;
        }
    }

    /// <summary>Takes a list of <paramref name="length"/> bytes. Two lanes may ask at once for a peer that has reconnected.</summary>
    /// <returns>False when the allowance is used up.</returns>
    public bool TryTake(ByteAllowance allowance, int length)
    {
        lock (_gate)
        {
            return allowance.TryTake((long)length + Floor);
        }
    }
}
