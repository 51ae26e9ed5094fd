//! What the host asks of a node. None of these blocks; results that take time come as events.

use std::time::Duration;

use crate::{
    abi::{PcnBytes, PcnDetail, PcnStatus},
    args,
    guard::{self, Failure},
};

/// Publishes a copy of the payload, which is `head` and then `data`, on a topic (0 commitments, 1 txlists): two parts, so that
/// the caller need not put what stands before a txlist and the txlist itself in one place. The result comes as a `Published`
/// event with `token`, at the latest when `deadline_ms` has passed. `QueueFull` when the outbox is full: nothing was taken.
///
/// # Safety
/// `head` and `data` are readable for their lengths; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_publish(
    node: u64,
    topic: u8,
    head: PcnBytes,
    data: *const u8,
    len: usize,
    token: u64,
    deadline_ms: u32,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        let topic = args::topic(topic)?;
        // SAFETY: the caller's contract.
        let payload = unsafe { args::joined(&head, data, len) }?;
        let deadline = Duration::from_millis(deadline_ms.into());
        node.live()?.publish(topic, payload, token, deadline).map_err(|e| Failure::submit(e, "publish"))
    })
}

/// Asks a peer (protocol 0 head, 1 commitments, 2 txlist). Exactly one `Response` or `RequestFailed` with `token`
/// follows a status of Ok, and none any other status. `timeout_ms` 0 means the node's own time-out.
///
/// # Safety
/// `peer` and `data` are readable for their lengths; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_request(
    node: u64,
    protocol: u8,
    peer: PcnBytes,
    data: *const u8,
    len: usize,
    token: u64,
    timeout_ms: u32,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        let protocol = args::protocol(protocol)?;
        // SAFETY: the caller's contract.
        let (peer, data) = unsafe { (args::peer_id(&peer)?, args::slice(data, len, "data")?) };
        let timeout = match timeout_ms {
            0 => node.request_timeout(),
            ms => Duration::from_millis(ms.into()),
        };
        node.live()?.request(protocol, peer, data.to_vec(), token, timeout).map_err(|e| Failure::submit(e, "request"))
    })
}

/// Answers a `Request` event's channel with a copy of `head` and then `data`. `NotFound` when the stream is gone; a
/// `ResponseSent` or `RequestAborted` event follows a status of Ok.
///
/// # Safety
/// `head` and `data` are readable for their lengths; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_respond(
    node: u64,
    channel: u64,
    head: PcnBytes,
    data: *const u8,
    len: usize,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        // SAFETY: the caller's contract.
        let payload = unsafe { args::joined(&head, data, len) }?;
        node.live()?.respond(channel, payload).map_err(|e| Failure::submit(e, "respond"))
    })
}

/// Closes a `Request` event's stream without an answer. A channel that is gone is no error.
///
/// # Safety
/// None beyond the ABI's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_refuse(node: u64, channel: u64) -> PcnStatus {
    guard::run_on(node, std::ptr::null_mut(), |node| {
        node.handle().refuse(channel);
        Ok(())
    })
}

/// Dials a multiaddr, with or without `/p2p`. The result comes as a `DialResult` event with `token`.
///
/// # Safety
/// `address` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_dial(node: u64, address: PcnBytes, token: u64, detail: *mut PcnDetail) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        // SAFETY: the caller's contract.
        let address = unsafe { args::multiaddr(&address) }?;
        node.live()?.dial(address, token).map_err(|e| Failure::submit(e, "dial"))
    })
}

/// Closes every connection with a peer. A static peer is dialled again.
///
/// # Safety
/// `peer` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_disconnect(node: u64, peer: PcnBytes, detail: *mut PcnDetail) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        // SAFETY: the caller's contract.
        let peer = unsafe { args::peer_id(&peer) }?;
        node.live()?.disconnect(peer);
        Ok(())
    })
}

/// Blocks a peer (its connections are closed and refused) or, with `blocked` 0, unblocks it.
///
/// # Safety
/// `peer` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_set_blocked(
    node: u64,
    peer: PcnBytes,
    blocked: u8,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        let blocked = args::flag(blocked, "blocked")?;
        // SAFETY: the caller's contract.
        let peer = unsafe { args::peer_id(&peer) }?;
        node.live()?.set_blocked(peer, blocked);
        Ok(())
    })
}

/// Blocks a peer (by its id), an IP address or a subnet (CIDR), or with `blocked` 0 lifts that block: connections it is
/// about are closed, none is made or taken from now on. Independent of `pcn_node_set_blocked`: a peer blocked by both
/// stays out until both blocks are lifted. `QueueFull` with 4096 blocked.
///
/// # Safety
/// `target` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_block(node: u64, target: PcnBytes, blocked: u8, detail: *mut PcnDetail) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        let blocked = args::flag(blocked, "blocked")?;
        // SAFETY: the caller's contract.
        let target = args::parse_target(unsafe { args::text(&target, "target") }?)?;
        node.live()?.block(target, blocked).map_err(|e| Failure::submit(e, "block"))
    })
}

/// Protects a peer from the limits on dials and connections or, with `protected` 0, lifts that. A block outweighs it.
/// `QueueFull` with 4096 protected.
///
/// # Safety
/// `peer` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_protect(
    node: u64,
    peer: PcnBytes,
    protected: u8,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        let protected = args::flag(protected, "protected")?;
        // SAFETY: the caller's contract.
        let peer = unsafe { args::peer_id(&peer) }?;
        node.live()?.protect(peer, protected).map_err(|e| Failure::submit(e, "protect"))
    })
}

/// Sets a peer's application score in gossipsub. Not finite is `InvalidArgument`.
///
/// # Safety
/// `peer` is readable for its length; `detail` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_node_set_score(
    node: u64,
    peer: PcnBytes,
    score: f64,
    detail: *mut PcnDetail,
) -> PcnStatus {
    guard::run_on(node, detail, |node| {
        if !score.is_finite() {
            return Err(Failure::argument(format!("a score is a finite number, not {score}")));
        }
        // SAFETY: the caller's contract.
        let peer = unsafe { args::peer_id(&peer) }?;
        node.live()?.set_application_score(peer, score);
        Ok(())
    })
}
