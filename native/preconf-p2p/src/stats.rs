//! Counters and gauges of a running node.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of a node's counters since its start, and of its gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connected peers now.
    pub peers: u64,
    /// Established connections now.
    pub connections: u64,
    /// Gossip messages handed to the host.
    pub gossip_received: u64,
    /// Gossip messages dropped for want of room.
    pub gossip_dropped: u64,
    /// Publishes that reached a peer's queue.
    pub published: u64,
    /// Publishes that did not.
    pub publish_failed: u64,
    /// Requests received.
    pub requests_in: u64,
    /// Requests sent.
    pub requests_out: u64,
    /// Bytes in the outbox now.
    pub outbox_bytes: u64,
    /// Verdicts that came too late.
    pub verdicts_late: u64,
    /// Bytes read from all connections, after decryption.
    pub bytes_in: u64,
    /// Bytes written to all connections, before encryption.
    pub bytes_out: u64,
    /// Peers in the mesh of the commitments topic now.
    pub mesh_commitments: u64,
    /// Peers in the mesh of the txlists topic now.
    pub mesh_txlists: u64,
    /// Peers whose connections were closed because their gossip stream had stopped moving, in either direction.
    pub stalled_peers: u64,
    /// Inbound connections refused because their peer or address is blocked.
    pub inbound_blocked: u64,
    /// Dials refused because their peer or address is blocked, or by the dial period.
    pub dials_blocked: u64,
    /// Connections of either direction refused at a limit on connections, or at the memory ceiling.
    pub connections_limited: u64,
    /// Inbound streams open now.
    pub streams: u64,
    /// Inbound streams refused at a limit on streams.
    pub streams_refused: u64,
    /// Gossip bytes queued for all peers now.
    pub queued_bytes: u64,
    /// Messages of this node that left out a peer because it took nothing, or too little; one for each such peer.
    pub passed_over: u64,
}

/// One number that the node's task writes and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the numbers of [`Stats`] live.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) peers: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) gossip_received: Gauge,
    pub(crate) gossip_dropped: Gauge,
    pub(crate) published: Gauge,
    pub(crate) publish_failed: Gauge,
    pub(crate) requests_in: Gauge,
    pub(crate) requests_out: Gauge,
    pub(crate) outbox_bytes: Gauge,
    pub(crate) verdicts_late: Gauge,
    pub(crate) bytes_in: Gauge,
    pub(crate) bytes_out: Gauge,
    pub(crate) mesh_commitments: Gauge,
    pub(crate) mesh_txlists: Gauge,
    pub(crate) stalled_peers: Gauge,
    pub(crate) inbound_blocked: Gauge,
    pub(crate) dials_blocked: Gauge,
    pub(crate) connections_limited: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) streams_refused: Gauge,
    pub(crate) queued_bytes: Gauge,
    pub(crate) passed_over: Gauge,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            peers: self.peers.get(),
            connections: self.connections.get(),
            gossip_received: self.gossip_received.get(),
            gossip_dropped: self.gossip_dropped.get(),
            published: self.published.get(),
            publish_failed: self.publish_failed.get(),
            requests_in: self.requests_in.get(),
            requests_out: self.requests_out.get(),
            outbox_bytes: self.outbox_bytes.get(),
            verdicts_late: self.verdicts_late.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            mesh_commitments: self.mesh_commitments.get(),
            mesh_txlists: self.mesh_txlists.get(),
            stalled_peers: self.stalled_peers.get(),
            inbound_blocked: self.inbound_blocked.get(),
            dials_blocked: self.dials_blocked.get(),
            connections_limited: self.connections_limited.get(),
            streams: self.streams.get(),
            streams_refused: self.streams_refused.get(),
            queued_bytes: self.queued_bytes.get(),
            passed_over: self.passed_over.get(),
        }
    }
}
