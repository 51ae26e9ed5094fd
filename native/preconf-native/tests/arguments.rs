//! Every export with arguments it must refuse.

mod common;

use std::ptr::{self, null, null_mut};

use common::{Host, bytes, config, detail_text, empty_detail, start};
use preconf_native::{
    abi::{PcnAbi, PcnBytes, PcnConfig, PcnDetail, PcnEvent, PcnStats, PcnStatus, PcnVerdict},
    exports::{commands::*, crypto::*, events::*, node::*, wire::*},
};

use PcnStatus::{InvalidArgument, InvalidHandle, NullPointer, Ok as Done};

const NULL_BYTES: PcnBytes = PcnBytes { ptr: null(), len: 3 };
const NO_BYTES: PcnBytes = PcnBytes { ptr: null(), len: 0 };
const PEER: &[u8] = b"12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

/// Asserts the status of each call, naming the call that differs.
macro_rules! each {
    ($status:expr; $($call:expr;)*) => {
        // SAFETY: every argument is valid, null, or a handle, as the export's contract allows.
        $(assert_eq!(unsafe { $call }, $status, stringify!($call));)*
    };
}

#[test]
fn null_pointers_are_refused_without_a_node() {
    let (mut len, mut byte) = (0_usize, [0_u8; 200]);
    let (len, buf) = (&raw mut len, byte.as_mut_ptr());
    let (hash, sig) = ([1; 32], [1; 65]);
    let (hash, sig) = (hash.as_ptr(), sig.as_ptr());
    let mut token = 0;
    let config = config();
    each! { NullPointer;
        pcn_abi(null_mut());
        pcn_version(null_mut(), 100, len);
        pcn_version(buf, 100, null_mut());
        pcn_node_start(null(), &mut token, null_mut());
        pcn_node_start(&config, null_mut(), null_mut());
        pcn_frame_decode(0, 0, null(), 1, len, len, null_mut());
        pcn_frame_decode(0, 0, buf, 1, null_mut(), len, null_mut());
        pcn_frame_decode(0, 0, buf, 1, len, null_mut(), null_mut());
        pcn_frame_encode(null(), 1, buf, 100, len);
        pcn_frame_encode(hash, 1, null_mut(), 100, len);
        pcn_frame_encode(hash, 1, buf, 100, null_mut());
        pcn_message_id(0, NULL_BYTES, hash, 1, buf);
        pcn_message_id(0, bytes(b"t"), null(), 1, buf);
        pcn_message_id(0, bytes(b"t"), hash, 1, null_mut());
        pcn_peer_id_from_public_key(null(), buf, 100, len);
        pcn_key_load(NULL_BYTES, 0, buf, null_mut());
        pcn_key_load(bytes(b"/nowhere"), 0, null_mut(), null_mut());
        pcn_multiaddr_check(NULL_BYTES, buf, 100, len, null_mut());
        pcn_multiaddr_check(bytes(b"/memory/1"), buf, 100, null_mut(), null_mut());
        pcn_peer_id_check(NULL_BYTES, null_mut());
        pcn_keccak256(null(), 1, buf);
        pcn_keccak256(hash, 1, null_mut());
        pcn_keccak256_2(null(), 1, hash, 1, buf);
        pcn_keccak256_2(hash, 1, null(), 1, buf);
        pcn_keccak256_2(hash, 1, hash, 1, null_mut());
        pcn_public_key(null(), buf);
        pcn_public_key(hash, null_mut());
        pcn_address(null(), buf);
        pcn_address(hash, null_mut());
        pcn_sign(null(), hash, buf);
        pcn_sign(hash, null(), buf);
        pcn_sign(hash, hash, null_mut());
        pcn_recover(null(), sig, buf);
        pcn_recover(hash, null(), buf);
        pcn_recover(hash, sig, null_mut());
        pcn_recover_batch(null(), sig, 1, buf, buf);
        pcn_recover_batch(hash, null(), 1, buf, buf);
        pcn_recover_batch(hash, sig, 1, null_mut(), buf);
        pcn_recover_batch(hash, sig, 1, buf, null_mut());
        pcn_is_low_s(null());
        pcn_verify(null(), sig, bytes(&[2; 33]));
        pcn_verify(hash, null(), bytes(&[2; 33]));
        pcn_verify(hash, sig, NULL_BYTES);
    }
    each! { Done;
        pcn_keccak256(null(), 0, buf);
        pcn_keccak256_2(null(), 0, null(), 0, buf);
        pcn_recover_batch(null(), null(), 0, null_mut(), null_mut());
        pcn_multiaddr_check(bytes(b"/memory/1"), null_mut(), 0, len, null_mut());
        pcn_message_id(0, bytes(b""), null(), 0, buf);
    }
}

#[test]
fn null_pointers_are_refused_on_a_node() {
    let host = Host::start(&config());
    let n = host.node;
    let (mut first, mut count, mut len) = (null::<PcnEvent>(), 0_u32, 0_usize);
    let (first, count, len) = (&raw mut first, &raw mut count, &raw mut len);
    let mut buf = [0_u8; 100];
    let buf = buf.as_mut_ptr();
    let (peer, address) = (bytes(PEER), NULL_BYTES);
    each! { NullPointer;
        pcn_node_peer_id(n, null_mut(), 100, len);
        pcn_node_peer_id(n, buf, 100, null_mut());
        pcn_node_public_key(n, null_mut());
        pcn_node_stats(n, null_mut());
        pcn_node_events(n, 0, null_mut(), count);
        pcn_node_events(n, 0, first, null_mut());
        pcn_node_release(n, null(), 1);
        pcn_node_verdicts(n, null(), 1);
        pcn_node_publish(n, 0, NO_BYTES, null(), 1, 0, 100, null_mut());
        pcn_node_publish(n, 0, NULL_BYTES, buf, 1, 0, 100, null_mut());
        pcn_node_request(n, 0, NULL_BYTES, null(), 0, 0, 0, null_mut());
        pcn_node_request(n, 0, peer, null(), 1, 0, 0, null_mut());
        pcn_node_respond(n, 0, NO_BYTES, null(), 1, null_mut());
        pcn_node_respond(n, 0, NULL_BYTES, buf, 1, null_mut());
        pcn_node_dial(n, address, 0, null_mut());
        pcn_node_disconnect(n, NULL_BYTES, null_mut());
        pcn_node_set_blocked(n, NULL_BYTES, 1, null_mut());
        pcn_node_block(n, NULL_BYTES, 1, null_mut());
        pcn_node_protect(n, NULL_BYTES, 1, null_mut());
        pcn_node_set_score(n, NULL_BYTES, 0.0, null_mut());
    }
    each! { Done;
        pcn_node_release(n, null(), 0);
        pcn_node_verdicts(n, null(), 0);
    }
    host.end();
}

#[test]
fn handles_that_name_no_node_are_refused_everywhere() {
    let freed = {
        let host = Host::start(&config());
        let node = host.node;
        host.end();
        node
    };
    let live = Host::start(&config());
    let (mut stats, mut first, mut count, mut len) = (PcnStats::default(), null::<PcnEvent>(), 0_u32, 0_usize);
    let mut buf = [0_u8; 100];
    let buf = buf.as_mut_ptr();
    let peer = bytes(PEER);
    for n in [0, 1, u64::MAX, freed, live.node + 1, live.node ^ 1 << 32, live.node | 63] {
        each! { InvalidHandle;
            pcn_node_peer_id(n, buf, 100, &mut len);
            pcn_node_enr(n, buf, 100, &mut len);
            pcn_node_public_key(n, buf);
            pcn_node_stop(n);
            pcn_node_wait_stopped(n, 0);
            pcn_node_free(n);
            pcn_node_events(n, 0, &mut first, &mut count);
            pcn_node_advance(n, 0);
            pcn_node_interrupt(n);
            pcn_node_release(n, &1, 1);
            pcn_node_verdicts(n, null(), 0);
            pcn_node_publish(n, 0, NO_BYTES, buf, 1, 0, 100, null_mut());
            pcn_node_request(n, 0, peer, null(), 0, 0, 0, null_mut());
            pcn_node_respond(n, 0, NO_BYTES, null(), 0, null_mut());
            pcn_node_refuse(n, 0);
            pcn_node_dial(n, bytes(b"/memory/1"), 0, null_mut());
            pcn_node_disconnect(n, peer, null_mut());
            pcn_node_set_blocked(n, peer, 1, null_mut());
            pcn_node_block(n, peer, 1, null_mut());
            pcn_node_protect(n, peer, 1, null_mut());
            pcn_node_set_score(n, peer, 0.0, null_mut());
            pcn_node_stats(n, &mut stats);
            pcn_node_set_log_level(n, 0);
        }
    }
    live.end();
}

#[test]
fn wrong_values_are_refused_with_a_text() {
    let host = Host::start(&config());
    let (n, peer) = (host.node, bytes(PEER));
    let mut detail = empty_detail();
    let d = &raw mut detail;
    let mut buf = [0_u8; 100];
    let (buf, mut len) = (buf.as_mut_ptr(), 0_usize);
    let len = &raw mut len;
    let (bad_text, bad_verdict) =
        (bytes(&[0xff, 0xfe]), PcnVerdict { token: 0, lease: 0, verdict: 3, reserved: [0; 7] });
    each! { InvalidArgument;
        pcn_node_publish(n, 2, NO_BYTES, buf, 1, 0, 100, d);
        pcn_node_request(n, 3, peer, null(), 0, 0, 0, d);
        pcn_node_request(n, 0, bytes(b"not a peer"), null(), 0, 0, 0, d);
        pcn_node_request(n, 0, bad_text, null(), 0, 0, 0, d);
        pcn_node_request(n, 0, bytes(b""), null(), 0, 0, 0, d);
        pcn_node_dial(n, bytes(b""), 0, d);
        pcn_node_dial(n, bytes(b"127.0.0.1:9000"), 0, d);
        pcn_node_set_blocked(n, peer, 7, d);
        pcn_node_block(n, peer, 2, d);
        pcn_node_block(n, bytes(b""), 1, d);
        pcn_node_block(n, bytes(b"10.0.0.0/33"), 1, d);
        pcn_node_block(n, bytes(b"/ip4/10.0.0.1"), 1, d);
        pcn_node_protect(n, peer, 2, d);
        pcn_node_protect(n, bytes(b"10.0.0.1"), 1, d);
        pcn_node_set_score(n, peer, f64::NAN, d);
        pcn_node_set_score(n, peer, f64::INFINITY, d);
        pcn_node_verdicts(n, &bad_verdict, 1);
        pcn_node_set_log_level(n, 6);
        pcn_node_advance(n, 1);
        pcn_frame_decode(3, 0, buf, 1, len, len, d);
        pcn_frame_decode(0, 2, buf, 1, len, len, d);
        pcn_frame_decode(0, 0, ptr::null(), 0, len, len, d);
        pcn_message_id(2, bytes(b""), null(), 0, buf);
        pcn_message_id(1, bad_text, null(), 0, buf);
        pcn_key_load(bytes(b""), 0, buf, d);
        pcn_key_load(bytes(b"/nowhere"), 2, buf, d);
        pcn_multiaddr_check(bytes(b"/tcp"), buf, 100, len, d);
        pcn_peer_id_check(bytes(b"16Uiu0"), d);
        pcn_verify(buf, buf, bytes(&[2; 34]));
        pcn_recover_batch(buf, buf, usize::MAX / 2, buf, buf);
        pcn_keccak256(buf, usize::MAX, buf);
        pcn_node_publish(n, 0, NO_BYTES, buf, usize::MAX, 0, 100, d);
    }
    assert!(!detail_text(&detail).is_empty());
    each! { PcnStatus::Crypto;
        pcn_public_key([0; 32].as_ptr(), buf);
        pcn_address([0xff; 32].as_ptr(), buf);
        pcn_sign([1; 32].as_ptr(), [0; 32].as_ptr(), buf);
        pcn_peer_id_from_public_key([5; 33].as_ptr(), buf, 100, len);
        pcn_recover([1; 32].as_ptr(), [0; 65].as_ptr(), buf);
        pcn_is_low_s([0xff; 65].as_ptr());
        pcn_verify([1; 32].as_ptr(), [1; 64].as_ptr(), bytes(&[5; 33]));
    }
    each! { PcnStatus::BufferTooSmall;
        pcn_version(buf, 2, len);
        pcn_node_peer_id(n, buf, 10, len);
        pcn_frame_encode(buf, 50, buf.wrapping_add(50), 50, len);
    }
    each! { PcnStatus::NotFound;
        pcn_node_enr(n, buf, 100, len);
        pcn_node_respond(n, 12345, NO_BYTES, null(), 0, d);
    }
    assert!(detail_text(&detail).contains("respond"), "{}", detail_text(&detail));
    host.end();
}

#[test]
fn a_detail_is_left_alone_by_success_and_cut_at_a_character() {
    let mut detail = PcnDetail { code: 77, len: 5, text: [b'x'; 1016] };
    each! { Done;
        pcn_peer_id_check(bytes(PEER), &mut detail);
    }
    assert_eq!((detail.code, detail_text(&detail)), (77, "xxxxx"));
    for shift in 0..3 {
        let text = format!("{}{}", "a".repeat(shift), "€".repeat(600));
        each! { InvalidArgument;
            pcn_peer_id_check(bytes(text.as_bytes()), &mut detail);
        }
        assert_eq!(detail.code, InvalidArgument as i32);
        let text = detail_text(&detail);
        assert!(text.contains("€€") && (1014..=1016).contains(&text.len()), "{} bytes", text.len());
    }
}

fn refused(change: impl FnOnce(&mut PcnConfig)) -> String {
    let mut changed = config();
    change(&mut changed);
    let (status, text) = start(&changed).expect_err("the configuration is wrong");
    assert!(matches!(status, InvalidArgument | PcnStatus::StartFailed | NullPointer), "{status:?}: {text}");
    assert!(!text.is_empty());
    text
}

#[test]
fn wrong_configurations_are_refused_by_name() {
    let names = |text: &str, name: &str| assert!(text.contains(name), "{text:?} does not name {name}");
    names(&refused(|c| c.struct_size -= 1), "struct_size");
    names(&refused(|c| c.reserved = [0, 1, 0]), "reserved");
    names(&refused(|c| c.prefer_quic = 2), "prefer_quic");
    names(&refused(|c| c.min_peers = 51), "min 51");
    names(&refused(|c| c.log_level = 6), "log_level");
    names(&refused(|c| c.worker_threads = 0), "worker_threads");
    names(&refused(|c| c.worker_threads = 65), "worker_threads");
    for slots in [0, 32, 1000, 1 << 21] {
        names(&refused(|c| c.ring_slots = slots), "ring_slots");
    }
    names(&refused(|c| c.ring_reserved = 1024), "ring_reserved");
    names(&refused(|c| c.max_leased_bytes = 0), "max_leased_bytes");
    names(&refused(|c| c.author = 2), "author");
    names(&refused(|c| c.message_id_mode = 2), "mode");
    names(&refused(|c| c.enable_tcp = 2), "enable_tcp");
    names(&refused(|c| c.enable_quic = 2), "enable_quic");
    names(&refused(|c| c.enable_memory = 255), "enable_memory");
    names(&refused(|c| c.ephemeral_key = 0), "key_file");
    names(&refused(|c| c.ephemeral_key = 3), "ephemeral_key");
    names(&refused(|c| c.key_file = bytes(b"/x")), "choose one");
    names(&refused(|c| c.secret_key = bytes(&[1; 31])), "secret_key");
    refused(|c| c.secret_key = bytes(&[0; 32]));
    names(&refused(|c| c.listen = bytes(b"/ip4/127.0.0.1/tcp/0\nnonsense")), "nonsense");
    names(&refused(|c| c.listen = NULL_BYTES), "listen");
    names(&refused(|c| c.static_peers = bytes(b"/ip4/127.0.0.1/tcp/1")), "/ip4/127.0.0.1/tcp/1");
    names(&refused(|c| c.agent_version = bytes(&[0xff])), "agent_version");
    names(&refused(|c| c.listen = PcnBytes { ptr: b"x".as_ptr(), len: 1 << 30 }), "listen");
    refused(|c| c.heartbeat_ms = 0);
    names(&refused(|c| c.bootnodes = bytes(b"enr:x")), "bootnodes is set and discovery_listen is empty");
    names(&refused(|c| c.local_network = 2), "local_network");
    names(&refused(|c| c.discovery_listen = bytes(b"localhost:9001")), "localhost:9001");
    let found = |change: fn(&mut PcnConfig)| {
        refused(|c| {
            c.discovery_listen = bytes(b"127.0.0.1:0");
            change(c);
        })
    };
    names(&found(|c| c.bootnodes = bytes(b"/ip4/1.2.3.4/tcp/5\nenr:x")), "bootnode 1 (\"/ip4/1.2.3.4/tcp/5\")");
    names(&found(|c| c.external_addresses = bytes(b"/memory/1")), "/memory/1");
    names(&refused(|c| c.nat_upnp = 2), "nat_upnp");
    names(&refused(|c| c.nat_hole_punching = 9), "nat_hole_punching");
    names(&refused(|c| c.nat_relays = bytes(b"/ip4/127.0.0.1/tcp/1")), "/ip4/127.0.0.1/tcp/1");
    names(&refused(|c| c.nat_relays = bytes(b"nonsense")), "nat_relays");
    names(&found(|c| c.record_file = bytes(b"/nowhere/enr")), "/nowhere/enr");
    refused(|c| (c.mesh_low, c.mesh_n) = (5, 4));
}

#[test]
fn a_port_in_use_fails_the_start_by_its_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().expect("an address").port());
    let text = refused(|c| c.listen = bytes(address.as_bytes()));
    assert!(text.contains(&address), "{text}");
}

#[test]
fn the_probe_tells_sizes_and_version() {
    let mut abi = PcnAbi::default();
    each! { Done; pcn_abi(&mut abi); }
    let pointer = size_of::<usize>() as u32;
    assert_eq!((abi.version, abi.pointer), (preconf_native::abi::ABI_VERSION, pointer));
    assert_eq!((abi.detail, abi.event, abi.verdict), (1024, 64, 24));
    assert_eq!((abi.bytes, abi.config), (2 * pointer, size_of::<PcnConfig>() as u32));
    let (mut buf, mut len) = ([0; 32], 0);
    each! { Done; pcn_version(buf.as_mut_ptr(), buf.len(), &mut len); }
    assert_eq!(&buf[..len], env!("CARGO_PKG_VERSION").as_bytes());
}
