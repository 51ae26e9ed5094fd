using Preconf.Native.Network;
using Preconf.Native.Protocol;
using Preconf.Native.Sync;

namespace Preconf.Node.Output;

/// <summary>Tells of a running node on stdout.</summary>
internal interface IEventOutput
{
    /// <summary>The node runs; always told first.</summary>
    /// <param name="peer">The node.</param>
    /// <param name="addresses">What another node dials.</param>
    /// <param name="enr">What others take as a bootnode; null without discovery.</param>
    void Listening(PeerId peer, IReadOnlyList<Multiaddr> addresses, Enr? enr);

    /// <summary>Something happened.</summary>
    /// <param name="networkEvent">What.</param>
    void Event(in NetworkEvent networkEvent);

    /// <summary>The node catches up.</summary>
    /// <param name="progress">How far it is.</param>
    void CatchUp(in CatchUpProgress progress);
}
