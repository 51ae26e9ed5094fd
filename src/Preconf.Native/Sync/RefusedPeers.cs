using Preconf.Native.Network;
using Preconf.Native.Protocol;

namespace Preconf.Native.Sync;

/// <summary>
/// Peers whose answers were refused by their own fault, or hold nothing that is accepted and come in scraps. The former cost them, so asking again and again would ban
/// a peer that is honest and only of another mind, such as one of another slasher; the latter cost this node. One owner at a time.
/// </summary>
/// <param name="handle">The node, for its clock.</param>
/// <param name="forgetAfter">When a peer may be asked again.</param>
internal sealed class RefusedPeers(P2pHandle handle, TimeSpan forgetAfter)
{
    private const int MaxPeers = 4096;
    private readonly Dictionary<PeerId, (long At, string Why)> _peers = [];

    /// <summary>Whether an error is the answer's own fault.</summary>
    public static bool IsFault(NetworkErrorKind kind) => kind is NetworkErrorKind.ReqRespValidation or NetworkErrorKind.ReqRespCodec;

    /// <summary>An answer of the peer was refused.</summary>
    public void Add(PeerId peer, string why)
    {
        if (_peers.Count >= MaxPeers)
        {
            _peers.Remove(_peers.MinBy(static pair => pair.Value.At).Key);
        }

        _peers[peer] = (handle.Time.GetTimestamp(), why);
    }

    /// <summary>Why a peer is not to be asked; null when it may be.</summary>
    public string? Of(PeerId peer) =>
        _peers.TryGetValue(peer, out (long At, string Why) refused) && handle.Time.GetElapsedTime(refused.At) < forgetAfter ? refused.Why : null;
}
