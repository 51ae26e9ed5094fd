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
    private static readonly TimeSpan NamesInterval = TimeSpan.FromMinutes(5);
    private readonly Lock _blockGate = new();
    private readonly Dictionary<PeerId, IPNetwork?> _banned = [];
    private readonly HashSet<PeerId> _blockedByHost = [];
    private readonly WantedAddresses _wanted;
    private readonly HashSet<PeerId> _staticPeers;
    private ITimer? _reputationTimer;
    private ITimer? _namesTimer;

    public ReputationBook Reputation { get; }

    /// <summary>What is blocked by targets, for the operator and for bans.</summary>
    public BlockTable Blocks { get; }

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

    IPNetwork? IReputationEffects.NetworkOf(PeerId peer, Func<PeerId, bool> isInGoodStanding)
    {
        if (!Config.Reputation.BanAddresses || Config.Reputation.Policy == ReputationPolicy.Reference || Peers.Find(peer)?.DirectAddress is not { } address || _banScope.Of(address) is not { } network)
        {
            return null;
        }

        // Never at the cost of others: whoever shares an address with a bad peer is not bad for that.
        bool isOthers = Peers.Any(other => !other.Id.Equals(peer) && other.DirectAddress is { } ip && Contains(network, ip) && isInGoodStanding(other.Id));
        return isOthers || IsSpared(network) ? null : network;
    }

    bool IReputationEffects.IsSpared(IPNetwork network) => IsSpared(network);

    bool IReputationEffects.SetBlocked(PeerBan ban, bool blocked)
    {
        lock (_blockGate)
        {
            IPNetwork? before = _banned.GetValueOrDefault(ban.Peer), after = blocked ? ban.Network : null;
            if (after is { } taken && taken != before && !Blocks.Ban(taken))
            {
                LogNoRoomForNetwork(_logger, taken, ban.Peer, BlockTable.MaxBanned);
                after = null;
            }

            if (before is { } freed && freed != after)
            {
                Blocks.Lift(freed);
            }

            if (blocked)
            {
                _banned[ban.Peer] = after;
            }
            else
            {
                _banned.Remove(ban.Peer);
            }

            ApplyBlock(ban.Peer);
            return !blocked || after == ban.Network;
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

    /// <summary>A peer is connected: where a wanted one is, no ban may be.</summary>
    public void NoteAddress(PeerEntry peer)
    {
        if (peer.DirectAddress is { } address && IsWanted(peer.Id) && _wanted.See(address))
        {
            // The book may be waiting for a lane, and this is the pump.
            ThreadPool.UnsafeQueueUserWorkItem(static core => core.Reputation.RecheckNetworks(), this, preferLocal: false);
        }
    }

    /// <summary>Another peer is wanted than before: where it is connected, no ban may be.</summary>
    public void WantedChanged()
    {
        foreach (PeerEntry peer in Peers.All)
        {
            NoteAddress(peer);
        }
    }

    /// <summary>Resolves the names of static peers, now and then again, and frees banned addresses they turn out to be at.</summary>
    /// <param name="resolve">Asks for a name's addresses.</param>
    public async Task ResolveWantedAsync(Func<string, Task<IPAddress[]>> resolve)
    {
        if (await _wanted.ResolveAsync(resolve).ConfigureAwait(false))
        {
            Reputation.RecheckNetworks();
        }
    }

    // A node where nothing moves is woken by no timer.
    private void WatchReputation()
    {
        TimeSpan interval = Config.Reputation.Interval;
        _reputationTimer = Time.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Reputation.Stirred = TickSoon;
        TickSoon();

        void TickSoon() => _reputationTimer!.Change(interval, Timeout.InfiniteTimeSpan);

        void Tick()
        {
            if (Reputation.Tick())
            {
                TickSoon();
            }
        }
    }

    private void WatchNames()
    {
        if (Config.Reputation.BanAddresses && _wanted.Names.Count != 0)
        {
            _namesTimer = Time.CreateTimer(static core => _ = ((NodeCore)core!).ResolveWantedAsync(Dns.GetHostAddressesAsync), this, TimeSpan.Zero, NamesInterval);
        }
    }

    private bool IsSpared(IPNetwork network) => _wanted.AnyIn(network) || Peers.Any(other => other.DirectAddress is { } ip && Contains(network, ip) && IsWanted(other.Id));

    private bool IsWanted(PeerId peer) => Reputation.IsTrusted(peer) || _staticPeers.Contains(peer) || _rules.IsProtected(peer);

    private static bool Contains(IPNetwork network, IPAddress address) => network.Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    private ReputationBook OpenReputation(BanFile? bans)
    {
        RateLimitOptions limits = Config.RateLimit;
        return new ReputationBook(
            Config.Reputation,
            Config.TrustedPeers.Select(text => P2pConfigValidation.TryPeer(text, out PeerId? peer) ? peer : throw new FormatException(text)),
            this,
            Time,
            bans,
            limits.Patience,
            limits.Window * 10);
    }

    private void ApplyBlock(PeerId peer) => Native.SetBlocked(IdText(peer), _banned.ContainsKey(peer) || _blockedByHost.Contains(peer));

    [LoggerMessage(Level = LogLevel.Warning, Message = "bans: {Why}")]
    private static partial void LogBansNotKept(ILogger logger, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Network} is not banned with {Peer}: bans have taken in {Most} subnets already")]
    private static partial void LogNoRoomForNetwork(ILogger logger, IPNetwork network, PeerId peer, int most);
}
