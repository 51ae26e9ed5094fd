using System.Net;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;

namespace Preconf.Native.UnitTests.Reputation;

/// <summary>Remembers what a book would have done to the network.</summary>
internal sealed class Effects : IReputationEffects
{
    public Dictionary<PeerId, double> Scores { get; } = [];

    public Dictionary<PeerId, PeerBan> Blocked { get; } = [];

    public List<ReputationReason> Told { get; } = [];

    public List<string> NotKept { get; } = [];

    public IPNetwork? Network { get; set; }

    public void PushScore(PeerId peer, double score) => Scores[peer] = score;

    public IPNetwork? Spared { get; set; }

    public bool HasRoom { get; set; } = true;

    public IPNetwork? NetworkOf(PeerId peer, Func<PeerId, bool> isInGoodStanding) => Network;

    public bool IsSpared(IPNetwork network) => network == Spared;

    public bool SetBlocked(PeerBan ban, bool blocked)
    {
        if (blocked)
        {
            Blocked[ban.Peer] = HasRoom ? ban : ban with { Network = null };
        }
        else
        {
            Assert.True(Blocked.Remove(ban.Peer));
        }

        return HasRoom || ban.Network is null;
    }

    public void Tell(PeerId peer, in ReputationEntry entry) => Told.Add(entry.Reason);

    public Action? OnNotKept { get; set; }

    public void BansNotKept(string why)
    {
        OnNotKept?.Invoke();
        NotKept.Add(why);
    }
}
