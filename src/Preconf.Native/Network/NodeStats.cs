using Preconf.Native.Interop;

namespace Preconf.Native.Network;

/// <summary>Counters of a node since its start, and gauges (said where it is one).</summary>
public readonly record struct NodeStats
{
    /// <summary>Connected peers, now.</summary>
    public long Peers { get; init; }

    /// <summary>Established connections, now.</summary>
    public long Connections { get; init; }

    /// <summary>Gossip messages handed to validation.</summary>
    public long GossipReceived { get; init; }

    /// <summary>Gossip messages dropped for want of room; each was neither forwarded nor held against anyone.</summary>
    public long GossipDropped { get; init; }

    /// <summary>Publishes at least one peer took.</summary>
    public long Published { get; init; }

    /// <summary>Publishes no peer took.</summary>
    public long PublishFailed { get; init; }

    /// <summary>Requests of peers.</summary>
    public long RequestsIn { get; init; }

    /// <summary>Requests of this node.</summary>
    public long RequestsOut { get; init; }

    /// <summary>Requests of this node without an answer yet, now.</summary>
    public long RequestsInFlight { get; init; }

    /// <summary>Bytes of payloads in the hands of this process' managed side, now.</summary>
    public long LeasedBytes { get; init; }

    /// <summary>Bytes accepted for publishing and not yet sent, now.</summary>
    public long OutboxBytes { get; init; }

    /// <summary>Events waiting in the ring, now.</summary>
    public long RingUsed { get; init; }

    /// <summary>Gossip messages whose validation was not done in time: ignored then (not forwarded), or forgotten by the gossip layer first.</summary>
    public long VerdictsLate { get; init; }

    /// <summary>Events that readers of this node lost because they were too slow, all readers together, since the node was made.</summary>
    public long EventsDropped { get; init; }

    /// <summary>Native log lines dropped.</summary>
    public long LogsDropped { get; init; }

    /// <summary>Bytes read from all connections.</summary>
    public long BytesIn { get; init; }

    /// <summary>Bytes written to all connections.</summary>
    public long BytesOut { get; init; }

    /// <summary>Peers in the mesh of the commitments topic, now.</summary>
    public long MeshCommitments { get; init; }

    /// <summary>Peers in the mesh of the txlists topic, now.</summary>
    public long MeshTxLists { get; init; }

    /// <summary>Inbound connections refused because their peer or address is blocked.</summary>
    public long InboundBlocked { get; init; }

    /// <summary>Dials refused because their peer or address is blocked, or by the dial period.</summary>
    public long DialsBlocked { get; init; }

    /// <summary>Connections of either direction refused at a limit of <see cref="ConnectionOptions"/> or at <see cref="ResourceOptions.MemoryCeiling"/>.</summary>
    public long ConnectionsLimited { get; init; }

    /// <summary>Inbound streams open, now.</summary>
    public long Streams { get; init; }

    /// <summary>Inbound streams refused at a limit on streams.</summary>
    public long StreamsRefused { get; init; }

    /// <summary>Bytes of gossip queued for all peers, now.</summary>
    public long QueuedBytes { get; init; }

    internal static NodeStats From(in PcnStats stats, int requestsInFlight) => new()
    {
        Peers = (long)stats.peers,
        Connections = (long)stats.connections,
        GossipReceived = (long)stats.gossip_received,
        GossipDropped = (long)stats.gossip_dropped,
        Published = (long)stats.published,
        PublishFailed = (long)stats.publish_failed,
        RequestsIn = (long)stats.requests_in,
        RequestsOut = (long)stats.requests_out,
        RequestsInFlight = requestsInFlight,
        LeasedBytes = (long)stats.leased_bytes,
        OutboxBytes = (long)stats.outbox_bytes,
        RingUsed = (long)stats.ring_used,
        VerdictsLate = (long)stats.verdicts_late,
        LogsDropped = (long)stats.logs_dropped,
        BytesIn = (long)stats.bytes_in,
        BytesOut = (long)stats.bytes_out,
        MeshCommitments = (long)stats.mesh_commitments,
        MeshTxLists = (long)stats.mesh_txlists,
        InboundBlocked = (long)stats.inbound_blocked,
        DialsBlocked = (long)stats.dials_blocked,
        ConnectionsLimited = (long)stats.connections_limited,
        Streams = (long)stats.streams,
        StreamsRefused = (long)stats.streams_refused,
        QueuedBytes = (long)stats.queued_bytes,
    };
}
