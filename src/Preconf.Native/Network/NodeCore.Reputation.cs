using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Preconf.Native.Protocol;
using Preconf.Native.Reputation;
using Preconf.Native.Validation;

namespace Preconf.Native.Network;

/// <summary>What standings do to the network, and what the network does to standings.</summary>
internal sealed partial class NodeCore : IReputationEffects
{
    private readonly Lock _blockGate = new();
    private readonly Dictionary<PeerId, IPNetwork?> _banned = [];
    private readonly HashSet<PeerId> _blockedByHost = [];
    private ITimer? _reputationTimer;

    public ReputationBook Reputation { get; }

    /// <summary>The sender of a message is to blame; each message is reported once, where it was judged.</summary>
    public void Blame(PeerId peer, ValidationReason reason, string where) =>
        Reputation.Report(peer, ReasonOf(reason), $"{where}: {reason}");

    /// <summary>
    /// What gossipsub is told of a verdict. A reject is charged by the book, whose score is gossipsub's application score: to reject there too would
    /// charge it twice, by a counter that knows no trust, no lift of a ban, and fades in half an hour. The reference's policy is charged as the reference is.
    /// </summary>
    public byte NativeVerdict(byte verdict) =>
        verdict == Verdicts.Reject && Config.Reputation.Policy != ReputationPolicy.Reference ? Verdicts.Ignore : verdict;

    /// <summary>The host blocks a peer, or lifts its own block; a ban is another.</summary>
    public void SetBlockedByHost(PeerId peer, bool blocked)
    {
        lock (_blockGate)
        {
            _ = blocked ? _blockedByHost.Add(peer) : _blockedByHost.Remove(peer);
            ApplyBlock(peer);
        }
    }

    void IReputationEffects.PushScore(PeerId peer, double score) => Native.SetScore(IdText(peer), score);

    IPNetwork? IReputationEffects.NetworkOf(PeerId peer)
    {
        if (!Config.Reputation.BanAddresses || Config.Reputation.Policy == ReputationPolicy.Reference || Peers.Find(peer)?.DirectAddress is not { } address || _banScope.Of(address) is not { } network)
        {
            return null;
        }

        // Never at the cost of a peer that is wanted whatever happens.
        bool isWanteds = Config.StaticPeers.Concat(Config.TrustedPeers).Any(text => Multiaddr.TryParse(text, out Multiaddr? at) && at.IPAddress is { } ip && network.Contains(ip))
            || Peers.Any(other => other.DirectAddress is { } ip && network.Contains(ip) && (Reputation.IsTrusted(other.Id) || _rules.Protected.Contains(other.Id)));
        return isWanteds ? null : network;
    }

    void IReputationEffects.SetBlocked(PeerBan ban, bool blocked)
    {
        lock (_blockGate)
        {
            IPNetwork? network = ban.Network;
            if (blocked)
            {
                _banned[ban.Peer] = network;
            }
            else
            {
                _banned.Remove(ban.Peer);
            }

            ApplyBlock(ban.Peer);
            if (network is { } addresses && (blocked || (!_banned.ContainsValue(addresses) && !_rules.Blocked.Contains(BlockTarget.Of(addresses.BaseAddress, addresses.PrefixLength)))))
            {
                Native.Block(Encoding.ASCII.GetBytes(addresses.ToString()), blocked, out _);
            }
        }
    }

    void IReputationEffects.Tell(PeerId peer, in ReputationEntry entry)
    {
        NetworkEventKind kind = entry.Reason switch
        {
            ReputationReason.Banned or ReputationReason.BannedByHost => NetworkEventKind.PeerBanned,
            ReputationReason.BanEnded or ReputationReason.UnbannedByHost => NetworkEventKind.PeerUnbanned,
            ReputationReason.Greylisted or ReputationReason.GreylistLifted => NetworkEventKind.PeerGreylisted,
            _ => NetworkEventKind.PeerPenalised,
        };
        if (kind == NetworkEventKind.PeerPenalised && entry.Delta >= 0)
        {
            return;
        }

        string text = entry.Detail is null ? entry.Reason.ToString() : $"{entry.Reason}: {entry.Detail}";
        Events.Publish(new NetworkEvent(kind, peer, text) { Flag = entry.Reason == ReputationReason.Greylisted });
    }

    void IReputationEffects.BansNotKept(string why) => LogBansNotKept(_logger, why);

    private static ReputationReason ReasonOf(ValidationReason reason) => reason switch
    {
        ValidationReason.Undecodable => ReputationReason.Garbage,
        ValidationReason.BadSignature => ReputationReason.BadSignature,
        ValidationReason.WrongSigner => ReputationReason.WrongSigner,
        ValidationReason.TxListHashMismatch or ValidationReason.UnrequestedTxList => ReputationReason.WrongHash,
        _ => ReputationReason.RuleBroken,
    };

    private static byte[] IdText(PeerId peer) => Encoding.ASCII.GetBytes(peer.ToString());

    private ReputationBook OpenReputation()
    {
        RateLimitOptions limits = Config.RateLimit;
        BanFile? file = Config.EphemeralKey ? null : new BanFile(P2pNode.BanFile(Config.DataDirectory));
        return new ReputationBook(
            Config.Reputation,
            Config.TrustedPeers.Select(text => P2pConfigValidation.TryPeer(text, out PeerId? peer) ? peer : throw new FormatException(text)),
            this,
            Time,
            file,
            limits.Patience,
            limits.Window * 10);
    }

    private void ApplyBlock(PeerId peer) => Native.SetBlocked(IdText(peer), _banned.ContainsKey(peer) || _blockedByHost.Contains(peer));

    [LoggerMessage(Level = LogLevel.Warning, Message = "bans are not kept across a restart as they should be: {Why}")]
    private static partial void LogBansNotKept(ILogger logger, string why);
}
