using System.Buffers.Binary;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>
/// What this node published, or saw by gossip and judged valid, lately: the last few thousand signed values and txlists. gossipsub's own memory of
/// duplicates is two minutes; this one says whether something that is held here, and so is no news to the store, is news to gossip.
/// </summary>
internal sealed class ForwardedGossip(int capacity)
{
    private readonly Lock _gate = new();
    private readonly HashSet<UInt128> _known = [];
    private readonly Queue<UInt128> _order = new();

    /// <summary>Remembers a signed commitment by its signature.</summary>
    /// <returns>False when it is remembered already.</returns>
    public bool Add(in Signature signature) =>
        // r tells signatures apart: a signer who uses one twice gives its key away.
        Add(BinaryPrimitives.ReadUInt128LittleEndian(signature.AsSpan()));

    /// <summary>Remembers a txlist by its hash.</summary>
    /// <returns>False when it is remembered already.</returns>
    public bool Add(in Bytes32 hash) => Add(BinaryPrimitives.ReadUInt128LittleEndian(hash.AsSpan()));

    private bool Add(UInt128 key)
    {
        lock (_gate)
        {
            if (!_known.Add(key))
            {
                return false;
            }

            if (_order.Count == capacity)
            {
                _known.Remove(_order.Dequeue());
            }

            _order.Enqueue(key);
            return true;
        }
    }
}
