using System.Collections.Concurrent;
using System.Net;
using Preconf.Native.Protocol;
using Preconf.Native.RateLimiting;
using Preconf.Native.Reputation;
using Preconf.Native.Types;

namespace Preconf.Native.Network;

/// <summary>A connected peer as a host sees it.</summary>
/// <param name="Id">Who.</param>
/// <param name="Address">The remote address of its connection.</param>
/// <param name="Outbound">Whether this node dialled.</param>
/// <param name="ConnectedAt">Since when.</param>
/// <param name="Agent">Its agent version; empty until identify told.</param>
/// <param name="CommitmentsTopic">Whether it is subscribed to commitments.</param>
/// <param name="TxListsTopic">Whether it is subscribed to txlists.</param>
/// <param name="Latency">Mean time of its answers; zero before the first.</param>
/// <param name="RequestsInFlight">Requests of this node it has not answered yet.</param>
/// <param name="Score">Its score, -10 to 10; see <see cref="P2pHandle.Explain"/>.</param>
/// <param name="Preference">1 for a peer whose requests do not fail, towards 0 the more of them failed lately.</param>
/// <param name="Greylisted">Out of the mesh, not asked, not answered.</param>
/// <param name="Trusted">Never limited, greylisted or banned.</param>
public sealed record PeerInfo(
    PeerId Id,
    Multiaddr? Address,
    bool Outbound,
    DateTimeOffset ConnectedAt,
    string Agent,
    bool CommitmentsTopic,
    bool TxListsTopic,
    TimeSpan Latency,
    int RequestsInFlight,
    double Score,
    double Preference,
    bool Greylisted,
    bool Trusted);

/// <summary>What this node knows of one peer while it is connected.</summary>
#pragma warning disable CA1001 // A source of cancellation without a timer or links holds nothing to dispose of.
internal sealed class PeerEntry(ulong number, PeerId id, Multiaddr? address, bool outbound, DateTimeOffset connectedAt, ByteAllowance txListAllowance)
{
    private readonly CancellationTokenSource _gone = new();
    private long _latencyMicroseconds;
    private int _inFlight;
    private volatile Way _way = new(address, outbound);

    public ulong Number { get; } = number;

    public PeerId Id { get; } = id;

    /// <summary>The id as the native part takes it.</summary>
    public byte[] IdText { get; } = System.Text.Encoding.ASCII.GetBytes(id.ToString());

    /// <summary>Where it is; null when that is not known, or it is reached through another.</summary>
    public IPAddress? DirectAddress => _way.Address is { } at && !at.ToString().Contains("/p2p-circuit", StringComparison.Ordinal) ? at.IPAddress : null;

    public ByteAllowance TxListAllowance { get; } = txListAllowance;

    public string Agent { get; set; } = string.Empty;

    public bool CommitmentsTopic { get; set; }

    public bool TxListsTopic { get; set; }

    public bool Connected { get; set; } = true;

    /// <summary>Ends when it has left, for those who wait for their turn to ask it.</summary>
    public CancellationToken Gone => _gone.Token;

    /// <summary>Which blocks it has.</summary>
    public PeerHoldings Holdings { get; } = new();

    public int InFlight => Volatile.Read(ref _inFlight);

    public void RequestBegins() => Interlocked.Increment(ref _inFlight);

    /// <summary>It is connected another way now.</summary>
    public void Moved(Multiaddr? to, bool dialled) => _way = new Way(to, dialled);

    /// <summary>It brought a valid commitment of this block.</summary>
    public void Knows(in UInt256 block) => Holdings.Proves(in block);

    /// <summary>It has left. Who waits is told on another thread.</summary>
    public void Left()
    {
        Connected = false;
        _ = _gone.CancelAsync();
    }

    /// <summary>Remembers how long an own request took.</summary>
    public void RequestEnds(TimeSpan elapsed, bool answered)
    {
        Interlocked.Decrement(ref _inFlight);
        if (!answered)
        {
            return;
        }

        long sample = Math.Max(1, (long)elapsed.TotalMicroseconds);
        long mean = Volatile.Read(ref _latencyMicroseconds);
        Volatile.Write(ref _latencyMicroseconds, mean == 0 ? sample : mean + ((sample - mean) / 8));
    }

    /// <summary>What a further request would cost here: lower is better. Unknown peers stand at 50 ms, so they get tried.</summary>
    public double Cost()
    {
        long latency = Volatile.Read(ref _latencyMicroseconds);
        return (latency == 0 ? 50_000 : latency) * (1.0 + InFlight);
    }

    public PeerInfo ToInfo(PeerReputation reputation) => new(
        Id, _way.Address, _way.Outbound, connectedAt, Agent, CommitmentsTopic, TxListsTopic,
        TimeSpan.FromMicroseconds(Volatile.Read(ref _latencyMicroseconds)), InFlight,
        reputation.Score, reputation.Preference, reputation.IsGreylisted, reputation.IsTrusted);

    private sealed record Way(Multiaddr? Address, bool Outbound);
}
#pragma warning restore CA1001

/// <summary>
/// The connected peers, by the native part's number and by id. The last ones that left stay findable by number for a while,
/// because events of theirs may still be in the lanes.
/// </summary>
internal sealed class PeerTable
{
    private const int Remembered = 1024;
    private readonly ConcurrentDictionary<ulong, PeerEntry> _byNumber = new();
    private readonly ConcurrentDictionary<PeerId, PeerEntry> _byId = new();
    private readonly Queue<ulong> _gone = new();

    /// <summary>Connected peers.</summary>
    public int Count => _byId.Count;

    /// <summary>The connected peers, in no order.</summary>
    public IEnumerable<PeerEntry> All => _byId.Select(static pair => pair.Value);

    /// <summary>Called by the pump only.</summary>
    public void Add(PeerEntry entry)
    {
        _byNumber[entry.Number] = entry;
        _byId[entry.Id] = entry;
    }

    /// <summary>Called by the pump only.</summary>
    public PeerEntry? Remove(ulong number)
    {
        if (!_byNumber.TryGetValue(number, out PeerEntry? entry))
        {
            return null;
        }

        entry.Left();
        _byId.TryRemove(new KeyValuePair<PeerId, PeerEntry>(entry.Id, entry));
        _gone.Enqueue(number);
        if (_gone.Count > Remembered)
        {
            _byNumber.TryRemove(_gone.Dequeue(), out _);
        }

        return entry;
    }

    public PeerEntry? Find(ulong number) => _byNumber.TryGetValue(number, out PeerEntry? entry) ? entry : null;

    public PeerEntry? Find(PeerId id) => _byId.TryGetValue(id, out PeerEntry? entry) ? entry : null;

    /// <summary>The cheapest connected peer that <paramref name="accepted"/> takes.</summary>
    public PeerEntry? Best(Func<PeerEntry, bool>? accepted = null) =>
        Cheapest(entry => accepted is null || accepted(entry) ? entry.Cost() : double.PositiveInfinity);

    /// <summary>The peer of the least cost; one of infinite cost is not taken.</summary>
    public PeerEntry? Cheapest(Func<PeerEntry, double> costOf)
    {
        PeerEntry? best = null;
        double least = double.PositiveInfinity;
        foreach ((_, PeerEntry entry) in _byId)
        {
            double cost = costOf(entry);
            if (cost < least)
            {
                (best, least) = (entry, cost);
            }
        }

        return best;
    }

    public bool Any(Func<PeerEntry, bool> predicate) => _byId.Any(pair => predicate(pair.Value));

    public PeerInfo[] ToInfos(ReputationBook reputation) => [.. _byId.Values.Select(entry => entry.ToInfo(reputation.Explain(entry.Id)))];
}
