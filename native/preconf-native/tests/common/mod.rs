//! A host made of the exported functions alone.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    mem::MaybeUninit,
    ptr, slice, str,
    time::{Duration, Instant},
};

use preconf_native::{
    abi::{PcnBytes, PcnConfig, PcnDetail, PcnEvent, PcnEventKind, PcnStats, PcnStatus, PcnVerdict},
    exports::{commands, events, node},
};

pub const LONG: Duration = Duration::from_secs(20);

pub fn bytes(data: &[u8]) -> PcnBytes {
    PcnBytes { ptr: data.as_ptr(), len: data.len() }
}

pub fn empty_detail() -> PcnDetail {
    PcnDetail { code: 0, len: 0, text: [0; 1016] }
}

pub fn detail_text(detail: &PcnDetail) -> &str {
    str::from_utf8(&detail.text[..detail.len as usize]).expect("a detail is UTF-8")
}

/// A node with a fresh identity that listens on a loopback port.
pub fn config() -> PcnConfig {
    PcnConfig {
        struct_size: size_of::<PcnConfig>() as u32,
        ephemeral_key: 1,
        author: 0,
        message_id_mode: 0,
        enable_tcp: 1,
        enable_quic: 0,
        enable_memory: 0,
        log_level: 0,
        dial_concurrency: 8,
        mesh_n: 4,
        mesh_low: 2,
        mesh_high: 8,
        mesh_outbound_min: 1,
        mesh_lazy: 6,
        heartbeat_ms: 200,
        chain_id: 167_000,
        listen: bytes(b"/ip4/127.0.0.1/tcp/0"),
        static_peers: bytes(b""),
        key_file: bytes(b""),
        secret_key: bytes(b""),
        discovery_listen: bytes(b""),
        bootnodes: bytes(b""),
        external_addresses: bytes(b""),
        record_file: bytes(b""),
        agent_version: bytes(b""),
        request_timeout_ms: 5000,
        idle_timeout_ms: 60_000,
        max_concurrent_streams: 100,
        max_pending_incoming: u32::MAX,
        max_pending_outgoing: u32::MAX,
        max_established_incoming: u32::MAX,
        max_established_outgoing: u32::MAX,
        max_established_total: u32::MAX,
        max_established_per_peer: 4,
        worker_threads: 1,
        ring_slots: 1024,
        ring_reserved: 128,
        peer_queue_len: 1000,
        local_network: 0,
        prefer_quic: 0,
        nat_upnp: 0,
        nat_autonat: 1,
        nat_autonat_server: 1,
        nat_observed_address: 1,
        nat_relay_client: 1,
        nat_relay_server: 0,
        nat_hole_punching: 1,
        reserved: [0; 3],
        max_leased_bytes: 64 << 20,
        outbox_bytes: 16 << 20,
        peer_queue_bytes: 16 << 20,
        seed: 0,
        blocked: bytes(b""),
        protected_peers: bytes(b""),
        peer_redialing: u64::MAX,
        dial_period_ms: 3_600_000,
        gater_mode: 0,
        max_peer_streams: 320,
        max_streams: 4096,
        queue_bytes: 512 << 20,
        memory_ceiling: 0,
        known_peers_file: bytes(b""),
        target_peers: 50,
        min_peers: 8,
        max_peers: 200,
        min_outbound_peers: 8,
        nat_relays: bytes(b""),
    }
}

pub fn start(config: &PcnConfig) -> Result<u64, (PcnStatus, String)> {
    let (mut token, mut detail) = (0, empty_detail());
    // SAFETY: all three are this function's own or borrowed.
    match unsafe { node::pcn_node_start(config, &mut token, &mut detail) } {
        PcnStatus::Ok => Ok(token),
        status => Err((status, detail_text(&detail).to_owned())),
    }
}

/// An event whose payload was copied and given back.
#[derive(Clone, Debug)]
pub struct Seen {
    pub kind: u8,
    pub topic: u8,
    pub flag: u8,
    pub code: u32,
    pub peer: u64,
    pub token: u64,
    pub count: u32,
    pub lease: u64,
    pub at_ns: u64,
    pub data: Vec<u8>,
}

impl Seen {
    /// # Safety
    /// The event's lease, if any, is on loan.
    pub unsafe fn of(event: &PcnEvent) -> Self {
        let data = match event.len {
            0 => Vec::new(),
            // SAFETY: the caller's contract.
            len => unsafe { slice::from_raw_parts(event.data, len as usize) }.to_vec(),
        };
        let &PcnEvent { kind, topic, flag, code, peer, token, count, lease, at_ns, .. } = event;
        Self { kind, topic, flag, code, peer, token, count, lease, at_ns, data }
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.data).expect("a text is UTF-8")
    }
}

/// A node with its reader; keeps what it saw.
pub struct Host {
    pub node: u64,
    pub seen: Vec<Seen>,
    searched: usize,
}

impl Host {
    pub fn start(config: &PcnConfig) -> Self {
        Self { node: start(config).expect("the node starts"), seen: Vec::new(), searched: 0 }
    }

    /// Takes one run, copies it, gives all but gossip's and requests' leases back.
    pub fn read(&mut self, timeout_ms: u32) -> PcnStatus {
        let (mut first, mut count) = (ptr::null(), 0);
        // SAFETY: the pointers are this function's own.
        let status = unsafe { events::pcn_node_events(self.node, timeout_ms, &mut first, &mut count) };
        if status != PcnStatus::Ok {
            return status;
        }
        // SAFETY: the run is readable until it is advanced over.
        let run = unsafe { slice::from_raw_parts(first, count as usize) };
        for event in run {
            // SAFETY: nobody else gives this node's leases back.
            let seen = unsafe { Seen::of(event) };
            if seen.lease != 0 && seen.kind != PcnEventKind::Gossip as u8 {
                // SAFETY: the payload was copied.
                assert_eq!(unsafe { events::pcn_node_release(self.node, &seen.lease, 1) }, PcnStatus::Ok);
            }
            self.seen.push(seen);
        }
        // SAFETY: the run was copied.
        unsafe { events::pcn_node_advance(self.node, count) }
    }

    /// The next event of a kind after the last one found, which must come.
    pub fn next(&mut self, kind: PcnEventKind) -> Seen {
        self.find(|seen| seen.kind == kind as u8).unwrap_or_else(|| panic!("no {kind:?} among {:?}", self.seen))
    }

    pub fn find(&mut self, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let deadline = Instant::now() + LONG;
        loop {
            while self.searched < self.seen.len() {
                self.searched += 1;
                let seen = &self.seen[self.searched - 1];
                if wanted(seen) {
                    return Some(seen.clone());
                }
            }
            if Instant::now() > deadline || self.read(200) == PcnStatus::Stopped {
                return None;
            }
        }
    }

    /// Forgets how far it searched: the next search starts with the first event.
    pub fn rewind(&mut self) {
        self.searched = 0;
    }

    pub fn address(&mut self) -> String {
        self.next(PcnEventKind::Listening).text().to_owned()
    }

    pub fn peer_id(&self) -> String {
        let (mut buf, mut len) = ([0; 128], 0);
        // SAFETY: the buffer is this function's own.
        let status = unsafe { node::pcn_node_peer_id(self.node, buf.as_mut_ptr(), buf.len(), &mut len) };
        assert_eq!(status, PcnStatus::Ok);
        str::from_utf8(&buf[..len]).expect("base58 is UTF-8").to_owned()
    }

    /// The node's own record, or the status.
    pub fn enr(&self) -> Result<String, PcnStatus> {
        let (mut buf, mut len) = ([0; 512], 0);
        // SAFETY: the buffer is this function's own.
        match unsafe { node::pcn_node_enr(self.node, buf.as_mut_ptr(), buf.len(), &mut len) } {
            PcnStatus::Ok => Ok(str::from_utf8(&buf[..len]).expect("base64 is UTF-8").to_owned()),
            status => Err(status),
        }
    }

    pub fn stats(&self) -> PcnStats {
        let mut stats = MaybeUninit::uninit();
        // SAFETY: writable; Ok says that it was written.
        unsafe {
            assert_eq!(node::pcn_node_stats(self.node, stats.as_mut_ptr()), PcnStatus::Ok);
            stats.assume_init()
        }
    }

    pub fn dial(&self, address: &str, token: u64) -> PcnStatus {
        // SAFETY: the text lives through the call.
        unsafe { commands::pcn_node_dial(self.node, bytes(address.as_bytes()), token, ptr::null_mut()) }
    }

    /// In two parts, as all that publish or respond may do.
    pub fn publish(&self, topic: u8, data: &[u8], token: u64) -> PcnStatus {
        let (head, data) = data.split_at(data.len() / 3);
        let (head, detail) = (bytes(head), ptr::null_mut());
        // SAFETY: the payload lives through the call.
        unsafe { commands::pcn_node_publish(self.node, topic, head, data.as_ptr(), data.len(), token, 8000, detail) }
    }

    pub fn request(&self, protocol: u8, peer: &str, data: &[u8], token: u64) -> PcnStatus {
        self.request_within(protocol, peer, data, token, 0)
    }

    /// A request with a time-out of its own, in milliseconds; 0 for the node's.
    pub fn request_within(&self, protocol: u8, peer: &str, data: &[u8], token: u64, timeout: u32) -> PcnStatus {
        let (peer, detail) = (bytes(peer.as_bytes()), ptr::null_mut());
        // SAFETY: the texts live through the call.
        unsafe {
            commands::pcn_node_request(self.node, protocol, peer, data.as_ptr(), data.len(), token, timeout, detail)
        }
    }

    pub fn respond(&self, channel: u64, data: &[u8]) -> PcnStatus {
        let (head, data) = data.split_at(data.len() / 3);
        // SAFETY: the payload lives through the call.
        unsafe {
            commands::pcn_node_respond(self.node, channel, bytes(head), data.as_ptr(), data.len(), ptr::null_mut())
        }
    }

    pub fn verdict(&self, gossip: &Seen, verdict: u8) -> PcnStatus {
        let verdict = PcnVerdict { token: gossip.token, lease: gossip.lease, verdict, reserved: [0; 7] };
        // SAFETY: the verdict lives through the call; the payload was copied.
        unsafe { events::pcn_node_verdicts(self.node, &verdict, 1) }
    }

    pub fn stop(&self) -> PcnStatus {
        // SAFETY: no pointer is passed.
        unsafe { node::pcn_node_stop(self.node) }
    }

    pub fn wait_stopped(&self, timeout_ms: u32) -> PcnStatus {
        // SAFETY: no pointer is passed.
        unsafe { node::pcn_node_wait_stopped(self.node, timeout_ms) }
    }

    pub fn free(&self) -> PcnStatus {
        // SAFETY: nothing of the node is read after it.
        unsafe { node::pcn_node_free(self.node) }
    }

    /// The orderly end, checked on the way: `Stopped` is last, once, and then every thread is joined.
    pub fn end(mut self) -> Vec<Seen> {
        assert_eq!(self.stop(), PcnStatus::Ok);
        self.end_by_itself()
    }

    /// The same for a node that ends without being asked.
    pub fn end_by_itself(&mut self) -> Vec<Seen> {
        let deadline = Instant::now() + LONG;
        loop {
            match self.read(500) {
                PcnStatus::Stopped => break,
                PcnStatus::Ok | PcnStatus::Timeout => assert!(Instant::now() < deadline, "no Stopped"),
                other => panic!("{other:?} while stopping"),
            }
        }
        let stopped = self.seen.iter().filter(|seen| seen.kind == PcnEventKind::Stopped as u8).count();
        assert_eq!(stopped, 1);
        assert_eq!(self.seen.last().map(|seen| seen.kind), Some(PcnEventKind::Stopped as u8));
        assert_eq!(self.wait_stopped(20_000), PcnStatus::Ok);
        assert_eq!(self.free(), PcnStatus::Ok);
        std::mem::take(&mut self.seen)
    }
}

/// Two hosts, the second connected to the first.
pub fn pair(configure: impl Fn(&mut PcnConfig)) -> (Host, Host) {
    let mut settings = config();
    configure(&mut settings);
    let (mut a, mut b) = (Host::start(&settings), Host::start(&settings));
    let address = format!("{}/p2p/{}", a.address(), a.peer_id());
    assert_eq!(b.dial(&address, 7), PcnStatus::Ok);
    let result = b.next(PcnEventKind::DialResult);
    assert_eq!((result.token, result.code, result.text()), (7, 0, a.peer_id().as_str()));
    a.next(PcnEventKind::PeerConnected);
    b.rewind();
    b.next(PcnEventKind::PeerConnected);
    (a, b)
}
