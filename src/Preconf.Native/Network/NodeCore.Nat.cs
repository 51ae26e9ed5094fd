using Preconf.Native.Interop;
using Preconf.Native.Protocol;

namespace Preconf.Native.Network;

/// <summary>How the node is reached, as its native part finds out.</summary>
internal sealed partial class NodeCore
{
    private ReachabilityInfo _reachability = ReachabilityInfo.Unknown;

    public ReachabilityInfo Reachability => Volatile.Read(ref _reachability);

    private void OnReachability(in PcnEvent nativeEvent)
    {
        Multiaddr[] addresses = [.. Text(in nativeEvent).Split('\n').Select(text => Multiaddr.TryParse(text, out Multiaddr? address) ? address : null).OfType<Multiaddr>()];
        ReachabilityInfo known = new((Reachability)nativeEvent.code, (ReachabilityEvidence)nativeEvent.flag, addresses);
        Volatile.Write(ref _reachability, known);
        Changed.Pulse();
        Events.Publish(new NetworkEvent(NetworkEventKind.ReachabilityChanged, LocalPeerId, known));
    }

    private void OnPeerMoved(PeerEntry peer, in PcnEvent nativeEvent)
    {
        Multiaddr? address = Multiaddr.TryParse(Text(in nativeEvent), out Multiaddr? parsed) ? parsed : null;
        peer.Moved(address, nativeEvent.flag != 0);
        Changed.Pulse();
        Events.Publish(new NetworkEvent(NetworkEventKind.PeerMoved, peer.Id, address) { Flag = nativeEvent.flag != 0 });
    }
}
